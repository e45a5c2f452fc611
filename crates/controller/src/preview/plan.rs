//! The plan of a sync, from facts alone.

use keyless_api::constants::label;
use keyless_api::{CreationPolicy, DeletionPolicy, RefreshPolicy};
use keyless_fault::{Class, Link, ObjectRef};
use keyless_secret::diff::{self, FingerprintKey};
use keyless_secret::pipeline::{Fetched, Gathered};
use keyless_secret::template::{self, Sources};
use keyless_secret::wanted::{Existing, Wanted, controller, needs_content};
use serde_json::Value;

use super::Finding;
use super::given::{self, Given, Values};
use super::subject::{Subject, What};
use crate::external_secret::plan::{Empty, Target, empty};
use crate::external_secret::target::{self, Sync};
use crate::external_secret::{problem::Problem, shape};
use crate::object::{ObjectKey, json_map};
use crate::render::SharedEngine;

/// What a sync would find.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The uid of the stored object, where it is known and the manifest has none.
    pub(super) uid: Option<String>,
    /// The target as it exists.
    pub(super) existing: Result<Option<Value>, Finding>,
    /// The values.
    pub(super) values: Result<Found, Finding>,
    /// The objects that hold templates.
    pub(super) sources: Result<Sources, Finding>,
    /// Secrets that the object wrote under other names.
    pub(super) orphans: Vec<ObjectKey>,
    /// Sentences.
    pub(super) notes: Vec<String>,
}

/// Values, before or after the first half of the pipeline.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Fetched(Fetched),
    Gathered(Gathered),
}

impl Default for Facts {
    /// Nothing exists, nothing is found.
    fn default() -> Self {
        Self {
            uid: None,
            existing: Ok(None),
            values: Ok(Found::Gathered(Gathered::default())),
            sources: Ok(Sources::new()),
            orphans: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Facts {
    /// The facts as given by the caller: `values` for `subject`, the objects that hold templates
    /// among `given`, and its target among `existing`.
    #[must_use]
    pub fn given(subject: &Subject, values: &Values, given: &Given, existing: &Given) -> Self {
        let What::ExternalSecret(spec) = &subject.what else {
            return Self::default();
        };
        let (gathered, others) = given::gathered(spec, values);
        let retain = spec.deletion_policy() == DeletionPolicy::Retain;
        let missing = gathered.missing.first().filter(|_| retain).cloned();
        let values = missing.map_or(Ok(Found::Gathered(gathered)), |missing| {
            Err(Finding {
                path: Some(missing.path),
                place: None,
                message: "no value is given for it".into(),
                link: Link::Secret,
                class: Class::NotFound,
            })
        });
        let needed = spec.template().map(template::needed).unwrap_or_default();
        Self {
            existing: Ok(existing.secret(&subject.target(spec)).cloned()),
            values,
            sources: Ok(given.sources(&subject.object.key.namespace, &needed)),
            notes: given::unasked(subject, &others).into_iter().collect(),
            ..Self::default()
        }
    }
}

/// What a sync would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Create the target.
    Create,
    /// Change it.
    Change,
    /// Delete it.
    Delete,
    /// Fail, and write nothing.
    Fail,
}

impl Action {
    /// The name used in texts and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Fail => "fail",
        }
    }
}

/// The plan of one object's sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The object.
    pub object: ObjectRef,
    /// The Secret that it writes.
    pub target: ObjectRef,
    /// What happens to that.
    pub action: Action,
    /// What changes in it.
    pub changes: diff::Plan,
    /// Secrets of earlier target names, which a sync deletes.
    pub orphans: Vec<ObjectRef>,
    /// Why it fails, as a whole or, for an immutable target, in its data.
    pub finding: Option<Finding>,
    /// Sentences.
    pub notes: Vec<String>,
}

impl Planned {
    /// Whether a sync would change anything, or fail.
    #[must_use]
    pub fn is_different(&self) -> bool {
        self.action != Action::Nothing || self.finding.is_some() || !self.orphans.is_empty()
    }
}

/// What a sync of `subject` would do given these facts, at `unix_millis`.
#[must_use]
pub fn plan(subject: &Subject, facts: Facts, key: &FingerprintKey, unix_millis: i64) -> Planned {
    let mut planned = Planned {
        object: subject.reference(),
        target: ObjectRef::new(
            "Secret",
            &*subject.object.key.namespace,
            &*subject.object.key.name,
        ),
        action: Action::Nothing,
        changes: diff::Plan::default(),
        orphans: Vec::new(),
        finding: None,
        notes: Vec::new(),
    };
    if let Err(finding) = attempt(subject, facts, key, unix_millis, &mut planned) {
        planned.action = Action::Fail;
        planned.finding = Some(finding);
    }
    planned
}

fn attempt(
    subject: &Subject,
    facts: Facts,
    key: &FingerprintKey,
    unix_millis: i64,
    planned: &mut Planned,
) -> Result<(), Finding> {
    let What::ExternalSecret(spec) = &subject.what else {
        return Err(Finding::manifest(
            "kind",
            "only ExternalSecrets are planned",
        ));
    };
    let target_key = subject.target(spec);
    planned.target = secret(&target_key);
    planned.notes = facts.notes;
    if let Some(broken) = keyless_api::validate(spec).into_iter().next() {
        return Err(Finding::manifest(broken.path, broken.message));
    }
    shape::check_preview(spec).map_err(|problem| Finding::fault(&problem))?;
    let existing = facts.existing?;
    let mut object = subject.object.clone();
    if object.uid.is_empty() {
        let uid = facts
            .uid
            .or_else(|| owner_uid(existing.as_ref(), &object.key.name));
        object.uid = uid.unwrap_or_default().into();
    }
    let engine = SharedEngine::default();
    let mut renderer = engine.at(unix_millis);
    let gathered = match facts.values? {
        Found::Gathered(gathered) => gathered,
        Found::Fetched(fetched) => shape::data(spec, fetched, &mut renderer)?,
    };
    for missing in &gathered.missing {
        planned.notes.push(missing.to_string());
    }
    let sync = Sync {
        target: &target_key,
        object: &object,
        spec,
    };
    let known = known(existing.as_ref(), &object.key.name);
    match empty(spec, gathered.data.len(), &known) {
        Empty::No | Empty::Merge => {}
        Empty::Retain => {
            planned
                .notes
                .push("nothing was found; deletionPolicy Retain keeps what exists".into());
            return Ok(());
        }
        Empty::Absent => return Ok(()),
        Empty::Delete => {
            let (present, _) =
                target::wanted(&sync, &template::Content::default(), existing.as_ref())?;
            planned.action = Action::Delete;
            planned.changes = removed(present.as_ref(), key);
            return Ok(());
        }
        Empty::NotOwner => {
            let text = format!(
                "nothing was found, and {} is not owned by this object",
                planned.target
            );
            return Err(Finding::fault(&Problem::NotOwner(text)));
        }
    }
    let policy = spec.creation_policy();
    if policy == CreationPolicy::None {
        planned
            .notes
            .push("under creationPolicy None no Secret is written".into());
        return Ok(());
    }
    let content = if needs_content(spec, existing.is_some()) {
        let (labels, annotations) = (json_map(&object.labels), json_map(&object.annotations));
        let sources = facts.sources?;
        template::content(
            spec,
            &labels,
            &annotations,
            gathered.data,
            &sources,
            &mut renderer,
        )
        .map_err(|error| Finding::template(&error))?
    } else {
        template::Content::default()
    };
    planned.notes.extend(content.warnings.iter().cloned());
    if policy == CreationPolicy::Owner {
        planned.orphans = facts.orphans.iter().map(secret).collect();
    }
    if policy == CreationPolicy::Merge && existing.is_none() {
        planned
            .notes
            .push("under creationPolicy Merge nothing is written until the Secret exists".into());
        return Ok(());
    }
    if spec.refresh_policy() == RefreshPolicy::CreatedOnce && object.synced.is_some() {
        planned.notes.push(
            "under refreshPolicy CreatedOnce it is not synced again while its Secret stays".into(),
        );
    }
    let (present, wanted) = target::wanted(&sync, &content, existing.as_ref())?;
    planned.changes = diff::plan(present.as_ref(), &wanted, key);
    planned.action = match (&present, planned.changes.is_empty()) {
        (None, _) => Action::Create,
        (Some(_), true) => Action::Nothing,
        (Some(_), false) => Action::Change,
    };
    if wanted.refused {
        planned.finding = Some(Finding::fault(&Problem::Immutable {
            secret: target_key.to_string(),
        }));
    }
    Ok(())
}

fn secret(key: &ObjectKey) -> ObjectRef {
    ObjectRef::new("Secret", &*key.namespace, &*key.name)
}

/// The uid under which an ExternalSecret of this name owns the Secret.
fn owner_uid(existing: Option<&Value>, name: &str) -> Option<String> {
    let present = target::read(existing?, name);
    let owner = controller(&present.owner_references)?;
    (owner.kind == "ExternalSecret" && owner.name == name).then(|| owner.uid.clone())
}

/// What the operator's index would know of the target.
fn known(existing: Option<&Value>, name: &str) -> Target {
    let managed = existing.filter(|object| {
        let labels = target::texts(object, "labels");
        labels.get(label::MANAGED).map(String::as_str) == Some(label::MANAGED_VALUE)
    });
    Target {
        exists: managed.is_some(),
        owned: owner_uid(managed, name).is_some(),
        ..Target::default()
    }
}

/// Everything that goes with a Secret.
fn removed(present: Option<&Existing>, key: &FingerprintKey) -> diff::Plan {
    diff::plan(present, &Wanted::default(), key)
}

#[cfg(test)]
mod tests;
