//! The facts of a live cluster, with the rights of whoever asks. All stages run side by side
//! below one deadline; what did not come in time is unseen.

mod exchange;
mod hooks;
mod objects;
mod outside;
mod pods;
mod stored;
mod sweep;
mod token;

use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures::future::join_all;
use keyless_identity::Environment;
use keyless_trust::doctor::{Facts, Unseen};
use kube::Client;
use serde_json::Value;

use super::patience::{self, Patience};
use super::{Flags, Kind};
use crate::cluster;
use crate::outcome::Outcome;
use crate::trust::collect;

/// What the API server listed.
struct Listed {
    /// The objects, each with its kind and apiVersion.
    objects: Vec<Value>,
    /// Collections that are not whole, with the reason.
    unseen: Vec<String>,
}

/// The facts, one set for each object. An outcome says why there are none.
///
/// # Errors
/// The cluster cannot be reached at all.
pub fn facts(flags: &Flags, environment: &Environment) -> Result<Result<Vec<Facts>, Outcome>> {
    let (send, receive) = mpsc::channel();
    let (flags, environment) = (flags.clone(), environment.clone());
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime");
        let (answer, runtime) = match runtime {
            Ok(runtime) => (
                runtime.block_on(gather(&flags, &environment)),
                Some(runtime),
            ),
            Err(error) => (Err(error), None),
        };
        let _ = send.send(answer);
        // A name server that does not answer holds a thread of it.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    };
    let thread = std::thread::Builder::new().name("doctor".into());
    thread.spawn(work).context("cannot start a thread")?;
    // Programs that a kubeconfig starts block whoever waits for them.
    receive.recv_timeout(patience::END).unwrap_or_else(|_| {
        Ok(Err(Outcome::CouldNotLook(format!(
            "nothing was found out within {:?}: what the kubeconfig starts may hang",
            patience::END
        ))))
    })
}

/// Everything that can be found out.
pub(super) async fn gather(
    flags: &Flags,
    environment: &Environment,
) -> Result<Result<Vec<Facts>, Outcome>> {
    let patience = Patience::begin();
    let config = cluster::config(&flags.cluster).await?;
    let place = flags
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("cannot make a client")?;
    let issuer = async {
        let issuer = collect::issuer(&client, patience.listed()).await;
        let outside = match &issuer {
            Ok(issuer) => Some(outside::look(flags, issuer, patience).await),
            Err(_) => None,
        };
        (issuer, outside)
    };
    let subjects = async {
        let mut all = match subjects(flags, &client, &place, patience).await? {
            Ok(all) => all,
            Err(outcome) => return Ok(Err(outcome)),
        };
        join_all(
            all.iter_mut()
                .map(|facts| ask(flags, &client, facts, environment, patience)),
        )
        .await;
        anyhow::Ok(Ok(all))
    };
    let ((issuer, outside), subjects) = {
        // Who has nothing to diagnose waits for nobody.
        futures::pin_mut!(issuer, subjects);
        match futures::future::select(issuer, subjects).await {
            futures::future::Either::Left((issuer, subjects)) => (issuer, subjects.await),
            futures::future::Either::Right((subjects, issuer)) => match subjects {
                Ok(Ok(all)) if !all.is_empty() => (issuer.await, Ok(Ok(all))),
                none => return none,
            },
        }
    };
    let mut all = match subjects? {
        Ok(all) => all,
        Err(outcome) => return Ok(Err(outcome)),
    };
    for facts in &mut all {
        match &issuer {
            Ok(issuer) => facts.issuer = Some(issuer.clone()),
            Err(why) => facts
                .unseen
                .push(unseen("the cluster's issuer", why.clone())),
        }
        match &outside {
            Some(Ok(seen)) => facts.outside = Some(seen.clone()),
            Some(Err(why)) => {
                let what = format!("{} from outside", facts.issuer.as_deref().unwrap_or("it"));
                facts.unseen.push(unseen(what, why.clone()));
            }
            None => {}
        }
    }
    Ok(Ok(all))
}

/// What is diagnosed, by what the API server lists.
async fn subjects(
    flags: &Flags,
    client: &Client,
    place: &str,
    patience: Patience,
) -> Result<Result<Vec<Facts>, Outcome>> {
    if let (Some(Kind::Pod), Some(name)) = (flags.kind, &flags.name) {
        let (namespace, name) = name.split_once('/').unwrap_or((place, name));
        let one = pods::one(client, namespace, name, patience).await?;
        return Ok(one.map(|facts| vec![facts]));
    }
    let until = patience.listed();
    let scope = match flags.name {
        Some(_) => None,
        None => flags.namespace.as_deref(),
    };
    let group = format!("/apis/{}", keyless_api::constants::GROUP);
    let (listed, served, hooks) = futures::join!(
        collect::objects(client, scope, until),
        collect::get(client, &group, until),
        async {
            match (&flags.name, flags.kind) {
                (None, None | Some(Kind::Pod)) => Some(hooks::hooks(client, until).await),
                _ => None,
            }
        }
    );
    let (objects, missed) = listed?;
    let listed = Listed {
        objects,
        unseen: missed,
    };
    let served = served.map(|group| versions(&group)).unwrap_or_default();
    let (names, looked) = match flags.kind {
        Some(Kind::Pod) => (Vec::new(), 0),
        _ => match objects::subjects(flags, &listed, place) {
            Ok(found) => found,
            Err(outcome) => return Ok(Err(outcome)),
        },
    };
    let mut all: Vec<Facts> = names
        .iter()
        .map(|subject| objects::one(subject, &listed, &served))
        .collect();
    let mut notes = listed.unseen.clone();
    let mut pods = 0;
    if let Some(hooks) = hooks {
        let sweep = sweep::missed(client, &listed, hooks, scope, patience).await;
        notes.extend(sweep.unseen);
        pods = sweep.looked;
        all.extend(sweep.facts.into_iter().take(objects::MANY));
    }
    if all.is_empty() {
        if !notes.is_empty() {
            let why = notes.join("; ");
            return Ok(Err(Outcome::CouldNotLook(format!(
                "nothing broken was found, and some could not be read: {why}"
            ))));
        }
        eprintln!(
            "keyless: all of {looked} objects are ready; {pods} pods that ask for a token have one"
        );
        return Ok(Err(Outcome::Fine));
    }
    Ok(Ok(all))
}

/// What is asked because of one object: a token, what its store names, a login.
async fn ask(
    flags: &Flags,
    client: &Client,
    facts: &mut Facts,
    environment: &Environment,
    patience: Patience,
) {
    let until = patience.asked();
    let (token, stored, login) = futures::join!(
        token::mint(client, facts, until),
        stored::look(client, facts, flags.look_at_secrets, until),
        async {
            if flags.exchange {
                exchange::try_login(client, facts, environment, until).await
            } else {
                None
            }
        }
    );
    match token {
        Some(Ok(token)) => facts.tokens.push(token),
        Some(Err(why)) => facts.unseen.push(why),
        None => {}
    }
    facts.absent.extend(stored.absent);
    facts.stored.extend(stored.there);
    facts.unseen.extend(stored.unseen);
    match login {
        Some(Ok(login)) => facts.logins.push(login),
        Some(Err(why)) => facts.unseen.push(why),
        None => {}
    }
}

fn unseen(what: impl Into<String>, why: impl Into<String>) -> Unseen {
    Unseen {
        what: what.into(),
        why: why.into(),
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(0))
}

/// A text in an object; empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn name_of(object: &Value) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

fn versions(group: &Value) -> Vec<String> {
    let served = group.get("versions").and_then(Value::as_array);
    served
        .into_iter()
        .flatten()
        .filter_map(|v| Some(v.get("version")?.as_str()?.to_owned()))
        .collect()
}
