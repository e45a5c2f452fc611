//! Admission webhooks: who is asked about a write, and what the answers do to it.
//!
//! Owns: the stored configurations as ready-to-match hooks, matching, patches, refusals.
//! Refuses: `matchConditions`, and webhooks behind a Service, since nothing here routes to one:
//! they fail as an unreachable webhook does. Tests: `tests/kube/admission.rs`.

mod call;
mod hook;

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::hook::Hook;
use super::json_patch;
use super::object::{self, items, meta, set, text};
use super::server::{App, Context, answer};
use super::status::{Details, Status};
use super::store::Bucket;

/// What a request does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It comes into being.
    Create,
    /// It changes.
    Update,
    /// It goes.
    Delete,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

#[derive(Debug, Default)]
struct Hooks {
    mutating: Vec<Hook>,
    validating: Vec<Hook>,
}

/// The hooks as of now, and connections to them.
#[derive(Debug, Default)]
pub struct Webhooks {
    hooks: RwLock<Option<Arc<Hooks>>>,
    clients: call::Clients,
}

impl Webhooks {
    /// Forgets the hooks: a configuration has changed.
    pub fn reset(&self) {
        *self.hooks.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn hooks(&self, app: &App) -> Arc<Hooks> {
        if let Some(hooks) = &*self.hooks.read().unwrap_or_else(PoisonError::into_inner) {
            return Arc::clone(hooks);
        }
        let all = |plural: &str| {
            let (configurations, _) = app
                .store
                .list(&Bucket::new("admissionregistration.k8s.io", plural), None);
            configurations
                .iter()
                .flat_map(|c| {
                    items(c.value(), "webhooks")
                        .map(Hook::parse)
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        let mut slot = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        let hooks = Arc::new(Hooks {
            mutating: all("mutatingwebhookconfigurations"),
            validating: all("validatingwebhookconfigurations"),
        });
        *slot = Some(Arc::clone(&hooks));
        hooks
    }
}

/// Defaults of a webhook configuration.
pub fn prepare(new: &mut Value) {
    let mutating = text(new, "kind") == "MutatingWebhookConfiguration";
    for hook in new
        .get_mut("webhooks")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let mut defaults = vec![
            ("failurePolicy", json!("Fail")),
            ("matchPolicy", json!("Equivalent")),
            ("timeoutSeconds", json!(10)),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
        ];
        if mutating {
            defaults.push(("reinvocationPolicy", json!("Never")));
        }
        for (field, value) in defaults {
            if hook.get(field).is_none_or(Value::is_null) {
                set(hook, field, value);
            }
        }
        for rule in hook
            .get_mut("rules")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if text(rule, "scope").is_empty() {
                set(rule, "scope", "*");
            }
        }
    }
}

/// A write as webhooks see it.
struct Question<'a> {
    ctx: &'a Context,
    operation: Operation,
    object: Option<&'a Value>,
    old: Option<&'a Value>,
}

impl Question<'_> {
    fn review(&self) -> Value {
        let resource = &self.ctx.resource;
        let kind = json!({"group": &*resource.group, "version": &*resource.version, "kind": resource.kind});
        let names = json!({"group": &*resource.group, "version": &*resource.version, "resource": &*resource.plural});
        let served = |value: Option<&Value>| {
            value.map(|v| {
                let mut copy = v.clone();
                answer::to_served(resource, &mut copy);
                copy
            })
        };
        let known = self.object.or(self.old);
        let mut request = json!({
            "uid": super::uid(), "kind": kind, "resource": names, "requestKind": kind, "requestResource": names,
            "name": known.map_or(self.ctx.target.name.as_str(), |o| meta(o, "name")),
            "operation": self.operation.as_str(), "userInfo": self.ctx.user_info(),
            "object": served(self.object), "oldObject": served(self.old), "dryRun": self.ctx.params.dry_run, "options": null,
        });
        if resource.namespaced {
            set(
                &mut request,
                "namespace",
                self.ctx.target.namespace.as_str(),
            );
        }
        if !self.ctx.target.subresource.is_empty() {
            set(
                &mut request,
                "subResource",
                self.ctx.target.subresource.as_str(),
            );
            set(
                &mut request,
                "requestSubResource",
                self.ctx.target.subresource.as_str(),
            );
        }
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
    }
}

/// Lets mutating webhooks change `object`.
///
/// # Errors
/// A webhook's refusal or failure.
pub async fn mutate(
    app: &Arc<App>,
    ctx: &Context,
    operation: Operation,
    object: &mut Value,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let hooks = app.webhooks.hooks(app);
    for hook in &hooks.mutating {
        let question = Question {
            ctx,
            operation,
            object: Some(object),
            old,
        };
        let Some(response) = ask(app, hook, &question, warnings).await? else {
            continue;
        };
        let Some(patch) = response
            .get("patch")
            .and_then(Value::as_str)
            .filter(|p| !p.is_empty())
        else {
            continue;
        };
        let broken = |why: String| {
            Status::internal(format!("failed calling webhook {:?}: {why}", hook.name))
        };
        let bytes = STANDARD.decode(patch).map_err(|e| broken(e.to_string()))?;
        let patch: Value = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        let mut changed = object.clone();
        answer::to_served(&ctx.resource, &mut changed);
        json_patch::apply(&mut changed, &patch).map_err(|e| broken(e.to_string()))?;
        answer::to_stored(&ctx.resource, &mut changed);
        *object = changed;
    }
    Ok(())
}

/// Asks validating webhooks.
///
/// # Errors
/// A webhook's refusal or failure.
pub async fn validate(
    app: &Arc<App>,
    ctx: &Context,
    operation: Operation,
    object: Option<&Value>,
    old: Option<&Value>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let hooks = app.webhooks.hooks(app);
    if hooks.validating.is_empty() && (operation != Operation::Delete || hooks.mutating.is_empty())
    {
        return Ok(());
    }
    let question = Question {
        ctx,
        operation,
        object,
        old,
    };
    // A delete has nothing to change, but mutating webhooks may refuse it.
    let first = if operation == Operation::Delete {
        hooks.mutating.as_slice()
    } else {
        &[]
    };
    for hook in first.iter().chain(&hooks.validating) {
        ask(app, hook, &question, warnings).await?;
    }
    Ok(())
}

/// The response of a hook that allows the write; `None` when it is not concerned or ignored.
async fn ask(
    app: &Arc<App>,
    hook: &Hook,
    question: &Question<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<Value>, Status> {
    if !hook.matches(
        app,
        question.ctx,
        question.operation,
        question.object,
        question.old,
    ) {
        return Ok(None);
    }
    if question.ctx.params.dry_run && !hook.is_harmless {
        return Err(Status::bad_request(format!(
            "admission webhook {:?} does not support dry run",
            hook.name
        )));
    }
    let review = question.review();
    let answered = app.webhooks.clients.call(hook, &review).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(why) if hook.is_optional => {
            tracing::debug!(
                webhook = hook.name,
                why,
                "ignored a webhook that could not be called"
            );
            return Ok(None);
        }
        Err(why) => {
            return Err(Status::internal(format!(
                "failed calling webhook {:?}: {why}",
                hook.name
            )));
        }
    };
    warnings.extend(object::strings(response.get("warnings")).map(str::to_owned));
    if response.get("allowed").and_then(Value::as_bool) == Some(true) {
        return Ok(Some(response));
    }
    let status = object::unset(&mut response, "status").unwrap_or_default();
    Err(denial(&hook.name, &status))
}

/// A webhook's refusal in the API's words.
fn denial(name: &str, status: &Value) -> Status {
    let (message, reason) = (text(status, "message"), text(status, "reason"));
    let by = format!("admission webhook {name:?} denied the request");
    let message = match (message, reason) {
        ("", "") => format!("{by} without explanation"),
        ("", reason) => format!("{by}: {reason}"),
        (message, _) => format!("{by}: {message}"),
    };
    let code = status
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|c| u16::try_from(c).ok())
        .filter(|c| (400..600).contains(c))
        .unwrap_or(400);
    let reason = [
        "BadRequest",
        "Forbidden",
        "Invalid",
        "NotFound",
        "Conflict",
        "Unauthorized",
        "InternalError",
        "AlreadyExists",
    ]
    .into_iter()
    .find(|known| *known == reason)
    .unwrap_or_default();
    Status {
        details: Some(Box::new(Details::default())),
        ..Status::new(code, reason, message)
    }
}
