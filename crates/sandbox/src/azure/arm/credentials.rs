//! Federated credentials of managed identities.

use http::Method;
use keyless_trust::azure::{CredentialError, FederatedCredential};
use serde_json::{Value, json};

use super::super::Azure;
use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::state::{Client, State};
use super::route::Route;
use super::{Request, created, identities, nothing, page, refusal};

const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

/// A write to a managed identity's credentials that is under way.
pub(in super::super) struct Writing<'a>(&'a Azure, String);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.state().writing.remove(&self.1);
    }
}

/// Begins a write, if `call` is one. Azure refuses another one to the same identity until it has
/// ended.
pub(in super::super) fn begin<'a>(
    azure: &'a Azure,
    call: &Call<'_>,
) -> Result<Option<Writing<'a>>, Answer> {
    if !matches!(*call.method, Method::PUT | Method::DELETE) {
        return Ok(None);
    }
    let route = Route::of(call);
    let Some(id) = route.identity_of_credential() else {
        return Ok(None);
    };
    if azure.state().writing.insert(id.to_ascii_lowercase()) {
        return Ok(Some(Writing(azure, id.to_ascii_lowercase())));
    }
    Err(Answer::error(
        409,
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        format!(
            "Too many Federated Identity Credentials are written concurrently for the managed \
             identity '{id}'. Concurrent Federated Identity Credentials writes under the same \
             managed identity are not supported."
        ),
    ))
}

fn show(parent: &str, credential: &FederatedCredential) -> Value {
    json!({
        "id": format!("{parent}/federatedIdentityCredentials/{}", credential.name()),
        "name": credential.name(),
        "type": KIND,
        "properties": {
            "issuer": credential.issuer(),
            "subject": credential.subject(),
            "audiences": [credential.audience()],
        },
    })
}

fn parent<'a>(
    request: &Request<'_>,
    state: &'a mut State,
    group: &str,
    name: &str,
) -> Result<(String, &'a mut Client), Answer> {
    let writes = *request.call.method == Method::PUT;
    let Some(client) = identities::find(state, group, name) else {
        if !writes {
            return Err(refusal::no_resource(identities::KIND, name, group));
        }
        let id = format!(
            "/subscriptions/{}/resourceGroups/{group}/providers/{}/{name}",
            request.subscription(),
            identities::KIND
        );
        return Err(Answer::error(
            404,
            "ParentResourceNotFound",
            format!(
                "Failed to perform 'write' on resource(s) of type \
                 'userAssignedIdentities/federatedIdentityCredentials', because the parent \
                 resource '{id}' could not be found."
            ),
        ));
    };
    Ok((identities::id(request.subscription(), client), client))
}

pub(super) fn list(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    identity: &str,
) -> Result<Answer, Answer> {
    let (id, client) = parent(request, state, group, identity)?;
    Ok(page(
        client.credentials.iter().map(|c| show(&id, c)).collect(),
    ))
}

pub(super) fn one(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    identity: &str,
    name: &str,
) -> Result<Answer, Answer> {
    let (id, client) = parent(request, state, group, identity)?;
    let named = |c: &&FederatedCredential| c.name().eq_ignore_ascii_case(name);
    match *request.call.method {
        Method::GET => {
            let found = client.credentials.iter().find(named);
            let found = found.ok_or_else(|| {
                let path = format!("{identity}/federatedIdentityCredentials/{name}");
                refusal::no_resource(identities::KIND, &path, group)
            })?;
            Ok(Answer::ok(show(&id, found)))
        }
        Method::PUT => {
            // A name keeps the letters that it was made with.
            let old = client.credentials.iter().find(named);
            let name = old.map_or(name, |c| c.name()).to_owned();
            let credential = read(&name, &request.body()?)?;
            let shown = show(&id, &credential);
            match credential.put(&mut client.credentials) {
                Ok(true) => Ok(created(shown)),
                Ok(false) => Ok(Answer::ok(shown)),
                Err(error) => Err(refuse(&name, &error)),
            }
        }
        Method::DELETE => {
            let before = client.credentials.len();
            client.credentials.retain(|c| !named(&c));
            if client.credentials.len() == before {
                return Ok(nothing());
            }
            Ok(Answer::ok(Value::Null))
        }
        ref other => Err(super::not_allowed(other)),
    }
}

/// The credential in a body.
fn read(name: &str, body: &Value) -> Result<FederatedCredential, Answer> {
    let properties = body.get("properties").and_then(Value::as_object);
    let properties = properties.filter(|p| !p.is_empty()).ok_or_else(|| {
        refusal::bad_request("Federated identity credential from HTTP body has empty properties")
    })?;
    let text = |field: &str| {
        properties
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let audiences: Vec<&str> = properties
        .get("audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|a| a.as_str().unwrap_or_default())
        .collect();
    let [audience] = audiences.as_slice() else {
        return Err(Answer::error(
            400,
            "InvalidFederatedIdentityCredentialsAudienceLength",
            "Federated identity credentials must have exactly 1 audience.",
        ));
    };
    if [text("issuer"), text("subject"), audience].contains(&"") {
        return Err(refusal::bad_request(
            "The request format was unexpected. Federated Identity Credential must specify \
             'issuer', 'subject' and 'audience'.",
        ));
    }
    FederatedCredential::new(name, text("issuer"), text("subject"), audience)
        .map_err(|error| refuse(name, &error))
}

fn refuse(name: &str, error: &CredentialError) -> Answer {
    match error {
        CredentialError::Name(_) => refusal::bad_request(format!(
            "Federated identity credential name '{name}' is invalid."
        )),
        CredentialError::Exists(_) => refusal::bad_request(
            "Issuer and subject combination already exists for this Managed Identity.",
        ),
        // The Resource Manager's words for these are not published.
        other => refusal::bad_request(format!(
            "The request format was unexpected: {other}, in federated identity credential '{name}'."
        )),
    }
}
