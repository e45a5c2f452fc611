//! One reconcile: facts, plan, writes, and when to look again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyless_api::constants::{event, message};
use keyless_api::{CreationPolicy, DeletionPolicy};
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::Missing;
use keyless_secret::template::Content;

use super::apply::{self, Applied};
use super::facts::{self, Gathered};
use super::fetch;
use super::plan::{self, Empty, Step};
use super::problem::{Failed, Problem};
use super::resource::{self, Obstacle, Place};
use super::shape;
use super::status::{self, Outcome, TargetWord};
use super::stores::Watched;
use super::target;
use crate::Error;
use crate::context::{Context, Writer};
use crate::events::Severity;
use crate::index::Failure;
use crate::object::{ExternalSecret, ObjectKey, Sighting};
use crate::render::Renderer;
use crate::schedule::{Lane, Moment, backoff, phase};

/// When to look again, on the scheduler's clock.
pub type Next = Option<(Lane, Moment)>;

/// A sync that ended: how, and what it means for the binding.
struct Ended {
    outcome: Outcome,
    binding: Option<String>,
    applied: Applied,
    /// What was seen of the target, if the object cannot go on before that changes.
    awaits: Option<Sighting>,
}

impl Ended {
    fn failed(failed: Failed) -> Self {
        Self::of(Outcome::Failed(failed))
    }

    const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            binding: None,
            applied: Applied::Unchanged,
            awaits: None,
        }
    }
}

/// Works on the ExternalSecret `key`.
pub async fn reconcile(context: &Context, key: &ObjectKey, lane: Lane) -> Next {
    let started = context.clock.elapsed();
    let next = look(context, key, lane).await;
    let took = context.clock.elapsed().saturating_sub(started);
    context.counters.durations.observe(took);
    if let Some(entry) = context.state().index.external_secret_mut(key) {
        entry.nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    }
    next
}

async fn look(context: &Context, key: &ObjectKey, lane: Lane) -> Next {
    let writer = &mut Writer::new(context, lane);
    let mut gathered = match facts::gather(context, key, lane)? {
        Ok(gathered) => gathered,
        Err((object, problem)) => {
            let failed = Failed::data(&problem).without_retry();
            let ended = Ended::failed(failed);
            return finish(context, writer, &object, None, ended).await;
        }
    };
    let mut step = plan::step(&gathered.facts());
    let deletes = gathered.spec.deletion_policy() == DeletionPolicy::Delete;
    match gathered.destination.obstacle(&step, deletes) {
        None => {}
        // As if it had not been looked at: it is woken when the kind is known.
        Some(Obstacle::Wait) => {
            if let Some(entry) = context.state().index.external_secret_mut(key) {
                entry.looked = !gathered.first_look;
            }
            return None;
        }
        Some(Obstacle::Failed(failed)) => {
            let object = Arc::clone(&gathered.object);
            let ended = Ended::failed(failed);
            return finish(context, writer, &object, Some(&gathered), ended).await;
        }
    }
    if step == Step::Verify {
        match verify(context, &mut gathered).await {
            Ok(()) => step = plan::step(&gathered.facts()),
            Err(error) => return retry(context, &gathered.object, &error),
        }
    }
    match step {
        Step::Ignore => None,
        Step::Cleanup {
            delete_secret,
            remove_finalizer,
        } => cleanup(context, writer, &gathered, delete_secret, remove_finalizer).await,
        // A look that found the Secret in order after all.
        Step::Verify => None,
        Step::Rest { until } => Some((Lane::Periodic, moment(context, until?))),
        // In the lane of the event that has to wait.
        Step::Pause { until } => Some((Lane::Event, moment(context, until))),
        // The store's first verdict wakes it.
        Step::Fetch { .. } if gathered.unjudged => None,
        Step::Fetch { max_age } => {
            if let Some(entry) = context.state().index.external_secret_mut(key) {
                // Before anything is read: what changes from now on asks for another look.
                (entry.refetch, entry.rerender) = (false, false);
            }
            let ended = sync(context, writer, &gathered, max_age).await;
            let object = Arc::clone(&gathered.object);
            finish(context, writer, &object, Some(&gathered), ended).await
        }
    }
}

/// Reads a target that someone else wrote, once, and notes whether its data still has its hash.
async fn verify(context: &Context, gathered: &mut Gathered) -> Result<(), Error> {
    if let Some(place) = gathered.destination.place(&gathered.target_key) {
        let (exists, valid) = resource::verify(context, place).await?;
        gathered.target.suspect = false;
        gathered.target.exists = exists;
        gathered.target.hashed = valid;
        return Ok(());
    }
    let existing = apply::read_secret(context, &gathered.target_key).await?;
    let valid = existing.as_ref().filter(|object| target::is_valid(object));
    let known = valid.and_then(apply::known);
    gathered.target.suspect = false;
    match known {
        Some(secret) => {
            let mut state = context.state();
            let entry = state.index.secret(&secret.key);
            // The metadata may differ from what was approved; the next refresh looks.
            let approved = entry.and_then(|e| e.approved);
            let approved = approved.filter(|(shape, _)| *shape == secret.shape);
            state
                .index
                .secret_known(secret, approved.map(|(_, wanted)| wanted));
        }
        None => {
            gathered.target.exists = existing.is_some();
            gathered.target.hashed = false;
        }
    }
    Ok(())
}

async fn cleanup(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    delete_secret: bool,
    remove_finalizer: bool,
) -> Next {
    let object = &gathered.object;
    if delete_secret {
        let deleted = match gathered.destination.place(&gathered.target_key) {
            Some(place) => resource::delete(context, writer, place).await,
            None => apply::delete_secret(context, writer, &gathered.target_key).await,
        };
        if let Err(error) = deleted {
            return retry(context, object, &error);
        }
    }
    if remove_finalizer && let Err(error) = apply::remove_finalizer(writer, object).await {
        return retry(context, object, &error);
    }
    None
}

async fn sync(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    max_age: Duration,
) -> Ended {
    let spec = &gathered.spec;
    if let Err(problem) = shape::check(spec) {
        return Ended::failed(Failed::data(&problem).without_retry());
    }
    let fetched = match fetch::fetch(&Watched(context), &gathered.object.key, spec, max_age).await {
        Ok(fetched) => fetched,
        Err(failed) => return Ended::failed(failed),
    };
    let mut renderer = context.engine.at(gathered.now);
    let data = match shape::data(spec, fetched, &mut renderer) {
        Ok(shaped) => {
            tell_missing(context, gathered, &shaped.missing);
            shaped.data
        }
        Err(failed) => return Ended::failed(failed),
    };
    let place = gathered.destination.place(&gathered.target_key);
    let not_owner = |text: String| {
        let sentence = match place {
            Some(_) => message::COULD_NOT_DELETE_RESOURCE,
            None => message::COULD_NOT_DELETE,
        };
        let failed = Failed::new(sentence, &Problem::NotOwner(text));
        Ended::failed(failed.without_retry())
    };
    match plan::empty(spec, data.len(), &gathered.target) {
        Empty::Retain => return Ended::of(Outcome::Retained),
        Empty::Absent => return Ended::of(Outcome::Deleted),
        Empty::Delete => return delete(context, writer, gathered).await,
        Empty::NotOwner if spec.creation_policy() != CreationPolicy::Owner => {
            return not_owner(
                "deletionPolicy=Delete must not be used when the controller doesn't own the secret. \
                 Please set creationPolicy=Owner"
                    .into(),
            );
        }
        Empty::NotOwner => {
            return not_owner(format!(
                "nothing was found at the provider, and {} is not owned by this ExternalSecret",
                gathered.destination.describe(&gathered.target_key)
            ));
        }
        Empty::No | Empty::Merge => {}
    }
    write(context, writer, gathered, data, &mut renderer).await
}

async fn write(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    data: BTreeMap<String, SecretBytes>,
    renderer: &mut Renderer<'_>,
) -> Ended {
    let policy = gathered.spec.creation_policy();
    if policy == CreationPolicy::None {
        return Ended::of(Outcome::Synced);
    }
    if let Some(place) = gathered.destination.place(&gathered.target_key) {
        return match write_resource(context, writer, gathered, place, data, renderer).await {
            Ok(Applied::Missing) => Ended::of(Outcome::Missing),
            Ok(applied) => Ended {
                applied,
                ..Ended::of(Outcome::Synced)
            },
            Err(failed) => Ended::failed(failed),
        };
    }
    let needed = keyless_secret::wanted::needs_content(&gathered.spec, gathered.target.exists);
    let content = if needed {
        let content = shape::content(context, &gathered.object, &gathered.spec, data, renderer);
        match content.await {
            Ok(content) => content,
            Err(failed) => {
                return Ended {
                    binding: gathered
                        .target
                        .exists
                        .then(|| gathered.target_key.name.to_string()),
                    ..Ended::failed(failed)
                };
            }
        }
    } else {
        Content::default()
    };
    if policy == CreationPolicy::Owner
        && let Err(error) = delete_orphans(context, writer, gathered).await
    {
        return Ended::failed(Failed::new(message::COULD_NOT_DELETE_ORPHANED, &error));
    }
    let binding = Some(gathered.target_key.name.to_string());
    match apply::secret(context, writer, gathered, &content).await {
        Ok(Applied::Missing) => Ended {
            applied: Applied::Missing,
            awaits: Some(Sighting::ABSENT),
            ..Ended::of(Outcome::Missing)
        },
        Ok(applied) => Ended {
            outcome: Outcome::Synced,
            binding,
            applied,
            awaits: None,
        },
        Err(refused) => Ended {
            binding: binding.filter(|_| refused.bound),
            awaits: refused.awaits,
            ..Ended::failed(refused.failed)
        },
    }
}

/// The same for a target that is no Secret. It binds nothing: a binding is a Secret's.
async fn write_resource(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    place: Place<'_>,
    data: BTreeMap<String, SecretBytes>,
    renderer: &mut Renderer<'_>,
) -> Result<Applied, Failed> {
    let content = resource::content(context, gathered, place.kind, data, renderer).await?;
    if gathered.spec.creation_policy() == CreationPolicy::Owner {
        delete_orphans(context, writer, gathered)
            .await
            .map_err(|error| Failed::new(message::COULD_NOT_DELETE_ORPHANED, &error))?;
        resource::delete_orphans(context, writer, gathered, place).await?;
    }
    resource::write(context, writer, gathered, place, &content).await
}

/// Deletes the Secrets of earlier targets.
async fn delete_orphans(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
) -> Result<(), Error> {
    let key = &gathered.object.key;
    let creator = keyless_secret::hash::created_by(&key.namespace, &key.name);
    // A target of another kind may have the name that the Secret had.
    let kept = match gathered.destination.kind() {
        None => gathered.target_key.clone(),
        Some(_) => ObjectKey::new(&key.namespace, ""),
    };
    let orphans = context.state().index.orphans(&creator, &kept);
    for orphan in orphans {
        if apply::delete_secret(context, writer, &orphan).await? {
            apply::tell(
                context,
                &gathered.object,
                Severity::Normal,
                event::DELETED,
                "secret deleted because it was orphaned",
            );
        }
    }
    Ok(())
}

async fn delete(context: &Context, writer: &mut Writer<'_>, gathered: &Gathered) -> Ended {
    if let Some(place) = gathered.destination.place(&gathered.target_key) {
        return match resource::delete(context, writer, place).await {
            Ok(there) => {
                if there {
                    resource::tell_deleted(context, gathered, place);
                }
                Ended::of(Outcome::Deleted)
            }
            Err(error) => Ended::failed(resource::not_deleted(place, error)),
        };
    }
    match apply::delete_secret(context, writer, &gathered.target_key).await {
        Ok(there) => {
            if there {
                apply::tell(
                    context,
                    &gathered.object,
                    Severity::Normal,
                    event::DELETED,
                    message::SECRET_DELETED,
                );
            }
            Ended::of(Outcome::Deleted)
        }
        Err(error) => Ended::failed(Failed::new(message::COULD_NOT_DELETE, &error)),
    }
}

/// Tells once which remote secrets do not exist.
fn tell_missing(context: &Context, gathered: &Gathered, missing: &[Missing]) {
    let seed = if missing.is_empty() {
        0
    } else {
        phase::seed(&format!("{missing:?}"))
    };
    let object = &gathered.object;
    let known = {
        let mut state = context.state();
        let entry = state.index.external_secret_mut(&object.key);
        entry.is_none_or(|e| std::mem::replace(&mut e.missing, seed) == seed)
    };
    if known {
        return;
    }
    for entry in missing {
        apply::tell(
            context,
            object,
            Severity::Normal,
            event::MISSING_PROVIDER_SECRET,
            entry.to_string(),
        );
    }
}

/// Writes the status if it is worth it, tells the events, and says when to look again.
async fn finish(
    context: &Context,
    writer: &mut Writer<'_>,
    object: &ExternalSecret,
    gathered: Option<&Gathered>,
    ended: Ended,
) -> Next {
    let now = gathered.map_or_else(|| context.clock.unix_millis(), |g| g.now);
    let spec = gathered.map(|g| &g.spec);
    let interval = spec.and_then(plan::interval);
    note(context, object, &ended.outcome, now);
    let new = gathered.is_some_and(|gathered| awaits(context, gathered, ended.awaits));
    let kind = gathered.and_then(|g| Some((g.destination.kind()?.kind(), &*g.target_key.name)));
    apply::tell_applied(context, object, kind, &ended.applied);
    let word = match kind {
        None => TargetWord::Secret,
        Some(_) => TargetWord::Resource,
    };
    let remark = spec.map(status::remark).unwrap_or_default();
    let status = status::wanted(
        object,
        &ended.outcome,
        word,
        ended.binding.as_deref(),
        &remark,
        now,
    );
    let news = status::is_news(object, &status);
    if status::worth_writing(object, &status, interval, context.options.status_interval) {
        if let Err(error) = apply::write_status(context, writer, object, &status).await {
            if error.is_not_found() {
                return None;
            }
            if let (Outcome::Failed(failed), Class::Config) = (&ended.outcome, error.class()) {
                return unwritable(context, object, failed);
            }
            return retry(context, object, &error);
        }
        note_status_write(context, gathered, &ended.applied);
    }
    // What it waits for may have come before anyone looked out for it.
    let once_more = new.then(|| (Lane::Retry, context.clock.elapsed()));
    if let Outcome::Failed(failed) = &ended.outcome {
        if news {
            tracing::info!(
                external_secret = %object.key,
                code = failed.code,
                link = failed.link.as_str(),
                reason = failed.detail,
                "not in step"
            );
            apply::tell(
                context,
                object,
                Severity::Warning,
                event::UPDATE_FAILED,
                failed.detail.clone(),
            );
        }
        if once_more.is_some() {
            return once_more;
        }
        if failed.retry {
            return again(context, object, failed.class, failed.retry_after);
        }
        // Without retry: the next refresh is the net.
        let wait = interval.unwrap_or_default();
        return (!wait.is_zero()).then(|| (Lane::Periodic, context.clock.elapsed() + wait));
    }
    if once_more.is_some() {
        return once_more;
    }
    let due = plan::next_refresh(object, spec?, now)?;
    Some((Lane::Periodic, moment(context, due)))
}

/// Notes down whether the object waits for its target to change; true if that is new.
fn awaits(context: &Context, gathered: &Gathered, seen: Option<Sighting>) -> bool {
    let mut state = context.state();
    let (object, target) = (&gathered.object.key, &gathered.target_key);
    let new = state.index.await_target(object, target, seen);
    context.publish(&state.index);
    new
}

/// An ExternalSecret that is rewritten over and over costs a status write each time, whether its
/// Secret changes or not.
fn note_status_write(context: &Context, gathered: Option<&Gathered>, applied: &Applied) {
    let Some(gathered) = gathered else { return };
    // A written Secret was noted already.
    let secret = matches!(applied, Applied::Created | Applied::Updated);
    if !secret && plan::is_fight(plan::cause(&gathered.facts()), false, true, false) {
        let mut state = context.state();
        if let Some(entry) = state.index.external_secret_mut(&gathered.object.key) {
            entry.pace = entry.pace.after_write(gathered.now);
        }
    }
}

/// The API server refuses the status of an object that no longer fits its schema: an event is
/// then the only place left to say what is wrong, once.
fn unwritable(context: &Context, object: &ExternalSecret, failed: &Failed) -> Next {
    let first = {
        let state = context.state();
        let entry = state.index.external_secret(&object.key)?;
        entry.failure.as_ref().is_none_or(|f| f.attempt == 1)
    };
    if first {
        let text = format!(
            "{}. The API server takes no status for this object until it is mended",
            failed.detail
        );
        apply::tell(
            context,
            object,
            Severity::Warning,
            event::UPDATE_FAILED,
            text,
        );
    }
    again(context, object, Class::Config, None)
}

/// Notes how it went, before the status is written: the write may never come.
fn note(context: &Context, object: &ExternalSecret, outcome: &Outcome, now: i64) {
    let mut state = context.state();
    let Some(entry) = state.index.external_secret_mut(&object.key) else {
        return;
    };
    if let Outcome::Failed(failed) = outcome {
        entry.errors += 1;
        entry.failure = Some(Failure::after(
            entry.failure.as_ref(),
            failed.class,
            &failed.message,
        ));
    } else {
        entry.failure = None;
        entry.refreshed = Some(now);
    }
}

/// A request to the API server failed where no condition could say so: log and try again.
fn retry(context: &Context, object: &ExternalSecret, error: &Error) -> Next {
    if !error.is_conflict() {
        tracing::warn!(external_secret = %object.key, %error, "sync interrupted");
    }
    {
        let mut state = context.state();
        if let Some(entry) = state.index.external_secret_mut(&object.key) {
            entry.errors += 1;
            let failure = Failure::after(entry.failure.as_ref(), error.class(), &error.to_string());
            entry.failure = Some(failure);
        }
    }
    again(context, object, error.class(), error.retry_after())
}

fn again(
    context: &Context,
    object: &ExternalSecret,
    class: keyless_fault::Class,
    retry_after: Option<Duration>,
) -> Next {
    let attempt = {
        let state = context.state();
        let entry = state.index.external_secret(&object.key)?;
        entry.failure.as_ref().map_or(1, |f| f.attempt)
    };
    let pause = backoff::delay(class, attempt, retry_after, phase::seed(&object.uid));
    Some((Lane::Retry, context.clock.elapsed() + pause))
}

/// A wall time on the scheduler's clock.
fn moment(context: &Context, unix_millis: i64) -> Moment {
    let wait = unix_millis
        .saturating_sub(context.clock.unix_millis())
        .max(0);
    context.clock.elapsed() + Duration::from_millis(wait.unsigned_abs())
}
