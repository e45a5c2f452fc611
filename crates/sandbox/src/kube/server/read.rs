//! Get and list, with selectors, pages and resource versions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;

use super::answer::{self, Page};
use super::request::{self, Shape};
use super::{App, Context};
use crate::kube::object::Object;
use crate::kube::selector::{Fields, Labels};
use crate::kube::status::Status;

/// How many half-read lists are remembered.
const SNAPSHOTS: usize = 64;

/// Lists being read page by page: later pages show what the first one saw.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<VecDeque<(String, Arc<Snapshot>)>>);

#[derive(Debug)]
struct Snapshot {
    version: u64,
    objects: Vec<Arc<Object>>,
}

impl Snapshots {
    fn keep(&self, snapshot: Snapshot) -> (String, Arc<Snapshot>) {
        let (id, snapshot) = (crate::kube::uid(), Arc::new(snapshot));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SNAPSHOTS {
            all.pop_front();
        }
        all.push_back((id.clone(), Arc::clone(&snapshot)));
        (id, snapshot)
    }

    fn find(&self, id: &str) -> Option<Arc<Snapshot>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .find(|(known, _)| known == id)
            .map(|(_, s)| Arc::clone(s))
    }
}

/// One object.
///
/// # Errors
/// 404.
pub fn get(app: &App, ctx: &Context) -> Result<Response, Status> {
    let object = find(app, ctx)?;
    Ok(answer::json(
        StatusCode::OK,
        answer::one(&ctx.resource, &object, ctx.shape, &app.now()),
    ))
}

/// The object that the path names.
///
/// # Errors
/// 404.
pub fn find(app: &App, ctx: &Context) -> Result<Arc<Object>, Status> {
    app.store
        .get(
            &ctx.resource.bucket,
            &ctx.target.namespace,
            &ctx.target.name,
        )
        .ok_or_else(|| {
            Status::not_found(&ctx.resource.group, &ctx.resource.plural, &ctx.target.name)
        })
}

/// What a list or watch selects.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: Labels,
    fields: Fields,
}

impl Selection {
    /// Reads the request's selectors; a named collection watch selects by name.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read.
    pub fn of(ctx: &Context) -> Result<Self, Status> {
        let labels = Labels::parse(&ctx.params.labels).map_err(Status::bad_request)?;
        let mut text = ctx.params.fields.clone();
        if !ctx.target.name.is_empty() {
            text = [text.as_str(), &format!("metadata.name={}", ctx.target.name)].join(",");
        }
        let fields = Fields::parse(&text, &ctx.resource).map_err(Status::bad_request)?;
        Ok(Self { labels, fields })
    }

    /// Whether `object` is selected.
    #[must_use]
    pub fn matches(&self, object: &Object) -> bool {
        self.labels.matches(object.value()) && self.fields.matches(object.value())
    }

    /// The present objects that the request selects, with the version they are of.
    #[must_use]
    pub fn objects(&self, app: &App, ctx: &Context) -> (Vec<Arc<Object>>, u64) {
        let namespace = ctx.target.namespace.as_str();
        let scope = (!namespace.is_empty()).then_some(namespace);
        if let (Some(name), true) = (
            self.fields.name(),
            scope.is_some() || !ctx.resource.namespaced,
        ) {
            let version = app.store.version();
            let found = app.store.get(&ctx.resource.bucket, namespace, name);
            return (
                found.into_iter().filter(|o| self.matches(o)).collect(),
                version,
            );
        }
        let (mut objects, version) = app.store.list(&ctx.resource.bucket, scope);
        if !(self.labels.is_empty() && self.fields.is_empty()) {
            objects.retain(|o| self.matches(o));
        }
        (objects, version)
    }
}

/// All objects that the request selects, or a page of them.
///
/// # Errors
/// 400 for what cannot be read, 410 for a continuation that is no longer known.
pub fn list(app: &App, ctx: &Context) -> Result<Response, Status> {
    request::check_list(&ctx.params)?;
    let selection = Selection::of(ctx)?;
    let (snapshot, id, start) = if ctx.params.continuation.is_empty() {
        check_version(app, ctx)?;
        let (objects, version) = selection.objects(app, ctx);
        (Arc::new(Snapshot { version, objects }), None, 0)
    } else {
        let (id, start) = token(&ctx.params.continuation)?;
        let snapshot = app.snapshots.find(&id).ok_or_else(|| {
            let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
            Status::new(410, "Expired", message)
        })?;
        (snapshot, Some(id), start)
    };
    let total = snapshot.objects.len();
    let end = if ctx.params.limit == 0 {
        total
    } else {
        start.saturating_add(ctx.params.limit).min(total)
    };
    let mut page = Page {
        version: snapshot.version,
        ..Page::default()
    };
    if end < total {
        let id = id.unwrap_or_else(|| {
            let copy = Snapshot {
                version: snapshot.version,
                objects: snapshot.objects.clone(),
            };
            app.snapshots.keep(copy).0
        });
        page.continuation = Some(URL_SAFE_NO_PAD.encode(format!("{id}/{end}")));
        page.remaining = total - end;
    }
    let objects = snapshot.objects.get(start..end).unwrap_or_default();
    let body = match ctx.shape {
        Shape::Table(include) => {
            let values: Vec<_> = objects.iter().map(|o| o.value()).collect();
            let metadata = page.metadata();
            let table = answer::table(&ctx.resource, &values, &metadata, include, &app.now());
            bytes::Bytes::from(table.to_string())
        }
        shape => answer::list(
            &ctx.resource,
            objects.iter().map(AsRef::as_ref),
            &page,
            shape,
        ),
    };
    Ok(answer::json(StatusCode::OK, body))
}

fn token(text: &str) -> Result<(String, usize), Status> {
    let wrong = || Status::bad_request("invalid continue token: continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (id, at) = text.split_once('/').ok_or_else(wrong)?;
    Ok((id.to_owned(), at.parse().map_err(|_| wrong())?))
}

/// Whether the list may be served at the resource version asked for.
fn check_version(app: &App, ctx: &Context) -> Result<(), Status> {
    let (asked, rule) = (
        ctx.params.resource_version.as_str(),
        ctx.params.version_match.as_str(),
    );
    if asked.is_empty() || asked == "0" {
        return Ok(());
    }
    let (version, present) = (version(asked)?, app.store.version());
    if version > present {
        return Err(too_large(version, present));
    }
    if rule == "Exact" && version != present {
        return Err(Status::expired(version, present));
    }
    Ok(())
}

/// A resource version as a number.
///
/// # Errors
/// 400 for anything else.
pub fn version(text: &str) -> Result<u64, Status> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        Status::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: {text:?}: {why}"
        ))
    })
}

/// The answer to a version that has not been reached.
#[must_use]
pub fn too_large(asked: u64, present: u64) -> Status {
    let mut status = Status::new(
        504,
        "Timeout",
        format!("Timeout: Too large resource version: {asked}, current: {present}"),
    )
    .with_cause("ResourceVersionTooLarge", "Too large resource version", "");
    if let Some(details) = &mut status.details {
        details.retry_after_seconds = Some(1);
    }
    status
}
