//! Several collections of one kind, told as one watch: for whoever may see some namespaces only.
//!
//! Owns: when the whole is known, and what is gone from one part while the others go on. Refuses:
//! collections that overlap.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::{Resource, Sink, run};
use crate::Error;

/// Watches all of `resources` until dropped, and tells `sink` as if they were one.
pub async fn run_all(client: kube::Client, resources: Vec<Resource>, sink: &dyn Sink) {
    let whole = Whole::new(sink, resources.len());
    let parts: Vec<Part<'_>> = (0..resources.len()).map(|at| whole.part(at)).collect();
    let watches = parts.iter().zip(resources);
    let watches = watches.map(|(part, resource)| run(client.clone(), resource, part));
    futures::future::join_all(watches).await;
}

/// What is known of all parts together.
struct Whole<'a> {
    sink: &'a dyn Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    begun: bool,
    /// The parts whose first list is not complete.
    missing: HashSet<usize>,
}

/// One of the collections.
struct Part<'a> {
    at: usize,
    whole: &'a Whole<'a>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Objects that exist, with the resourceVersion that was told last.
    known: HashMap<Name, String>,
    /// Those that the list under way has named.
    listed: HashSet<Name>,
}

/// Namespace and name.
type Name = (String, String);

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: String,
    name: String,
    #[serde(default)]
    resource_version: String,
}

fn name_of(object: &str) -> Option<(Name, String)> {
    let Object { metadata } = serde_json::from_str(object).ok()?;
    let name = (metadata.namespace, metadata.name);
    Some((name, metadata.resource_version))
}

impl<'a> Whole<'a> {
    fn new(sink: &'a dyn Sink, parts: usize) -> Self {
        let state = State {
            begun: false,
            missing: (0..parts).collect(),
        };
        Self {
            sink,
            state: Mutex::new(state),
        }
    }

    fn part(&'a self, at: usize) -> Part<'a> {
        Part {
            at,
            whole: self,
            seen: Mutex::default(),
        }
    }
}

impl Part<'_> {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn whole(&self) -> MutexGuard<'_, State> {
        let state = &self.whole.state;
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Part<'_> {
    fn begin(&self) {
        self.seen().listed.clear();
        // The list of the whole begins once: afterwards each part says itself what is gone.
        if !std::mem::replace(&mut self.whole().begun, true) {
            self.whole.sink.begin();
        }
    }

    fn upsert(&self, object: &str, initial: bool) {
        // One that has no name is told all the same: the sink counts what it cannot read.
        if let Some((name, version)) = name_of(object) {
            let mut seen = self.seen();
            if initial {
                seen.listed.insert(name.clone());
            }
            seen.known.insert(name, version);
        }
        self.whole.sink.upsert(object, initial);
    }

    fn delete(&self, object: &str) {
        if let Some((name, _)) = name_of(object) {
            self.seen().known.remove(&name);
        }
        self.whole.sink.delete(object);
    }

    fn synced(&self) {
        let gone: Vec<(Name, String)> = {
            let mut seen = self.seen();
            let listed = std::mem::take(&mut seen.listed);
            let gone = seen.known.extract_if(|name, _| !listed.contains(name));
            gone.collect()
        };
        for ((namespace, name), version) in gone {
            let object = serde_json::json!({"metadata": {
                "namespace": namespace, "name": name, "resourceVersion": version,
            }});
            self.whole.sink.delete(&object.to_string());
        }
        let complete = {
            let mut whole = self.whole();
            whole.missing.remove(&self.at) && whole.missing.is_empty()
        };
        if complete {
            self.whole.sink.synced();
        }
    }

    fn failing(&self, error: &Error) {
        self.whole.sink.failing(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes down what it is told.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Notes {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }

        fn note(&self, word: &str, object: &str) {
            let ((namespace, name), version) = name_of(object).unwrap();
            let line = format!("{word} {namespace}/{name}@{version}");
            self.0.lock().unwrap().push(line);
        }
    }

    impl Sink for Notes {
        fn begin(&self) {
            self.0.lock().unwrap().push("begin".into());
        }
        fn upsert(&self, object: &str, _: bool) {
            self.note("is", object);
        }
        fn delete(&self, object: &str) {
            self.note("gone", object);
        }
        fn synced(&self) {
            self.0.lock().unwrap().push("synced".into());
        }
        fn failing(&self, _: &Error) {}
    }

    fn object(namespace: &str, name: &str, version: u32) -> String {
        serde_json::json!({"metadata": {"namespace": namespace, "name": name, "resourceVersion": version.to_string()}}).to_string()
    }

    #[test]
    fn the_whole_is_known_when_every_part_is() {
        let notes = Notes::default();
        let whole = Whole::new(&notes, 2);
        let (a, b) = (whole.part(0), whole.part(1));
        a.begin();
        b.begin();
        a.upsert(&object("a", "x", 1), true);
        a.synced();
        assert_eq!(notes.take(), ["begin", "is a/x@1"]);
        // A list that broke off begins again; nothing is complete yet.
        b.upsert(&object("b", "y", 2), true);
        b.begin();
        b.upsert(&object("b", "z", 3), true);
        b.synced();
        assert_eq!(
            notes.take(),
            ["is b/y@2", "is b/z@3", "gone b/y@2", "synced"]
        );
    }

    #[test]
    fn a_part_that_lists_again_tells_what_is_gone_from_it_alone() {
        let notes = Notes::default();
        let whole = Whole::new(&notes, 2);
        let (a, b) = (whole.part(0), whole.part(1));
        for (part, namespace) in [(&a, "a"), (&b, "b")] {
            part.begin();
            part.upsert(&object(namespace, "x", 1), true);
            part.upsert(&object(namespace, "y", 1), true);
            part.synced();
        }
        a.delete(&object("a", "x", 5));
        a.upsert(&object("a", "z", 6), false);
        notes.take();
        a.begin();
        a.upsert(&object("a", "z", 6), true);
        a.synced();
        assert_eq!(notes.take(), ["is a/z@6", "gone a/y@1"]);
    }
}
