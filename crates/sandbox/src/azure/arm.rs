//! The Resource Manager: what gives identities their trust and their permissions.
//!
//! Owns: the way into a request (token, version, subscription, right, resource group, in the order
//! in which the Resource Manager looks), its errors, and the table of operations. What is written
//! here is the state by which Entra and the vaults decide. Refuses: deployments, locks, policies,
//! long-running operations (all is done when the answer comes), and resources of other kinds.

mod assignments;
mod credentials;
mod groups;
mod identities;
mod refusal;
mod route;
mod vaults;

use http::Method;
use serde_json::{Value, json};

use super::answer::Answer;
use super::dispatch::Call;
use super::roles::{self, Plane};
use super::state::{State, Tags};
use super::{Azure, token};
pub(super) use credentials::begin as begin_write;
pub(super) use route::is_path;
use route::{Resource, Route};

/// What tokens for the Resource Manager are meant for: either name.
pub(super) const AUDIENCES: [&str; 2] = [
    "https://management.core.windows.net",
    "https://management.azure.com",
];

/// Regions; an excerpt.
const LOCATIONS: [&str; 14] = [
    "australiaeast",
    "centralus",
    "eastus",
    "eastus2",
    "francecentral",
    "germanywestcentral",
    "italynorth",
    "northeurope",
    "swedencentral",
    "switzerlandnorth",
    "uksouth",
    "westeurope",
    "westus2",
    "westus3",
];

/// A request of someone who is known.
struct Request<'a> {
    azure: &'a Azure,
    call: &'a Call<'a>,
    caller: token::Claims,
    now: i64,
}

impl Request<'_> {
    fn subscription(&self) -> &str {
        self.azure.subscription()
    }

    /// Whether the caller may do `action` at `scope`.
    fn may(&self, state: &State, action: &str, scope: &str) -> bool {
        let who = &self.caller.oid;
        roles::allows(&state.assignments, who, Plane::Control, action, scope)
    }

    fn require(&self, state: &State, action: &str, scope: &str) -> Result<(), Answer> {
        if self.may(state, action, scope) {
            return Ok(());
        }
        Err(refusal::unauthorized(&self.caller, action, scope))
    }

    /// The body, which must be an object.
    fn body(&self) -> Result<Value, Answer> {
        serde_json::from_slice::<Value>(self.call.body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| {
                Answer::error(
                    400,
                    "InvalidRequestContent",
                    "The request content was invalid and could not be deserialized.",
                )
            })
    }
}

/// The API that a call is for, by which it is counted and struck by faults.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    Route::of(call).api
}

pub(super) fn call(azure: &Azure, call: &Call<'_>) -> Answer {
    match answer(azure, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn answer(azure: &Azure, call: &Call<'_>) -> Result<Answer, Answer> {
    let caller = authenticate(azure, call)?;
    match call.query("api-version") {
        None => return Err(refusal::no_version()),
        Some(version) if !is_version(&version) => return Err(refusal::bad_version(&version)),
        Some(_) => {}
    }
    let route = Route::of(call);
    if let Some(named) = &route.subscription
        && !named.eq_ignore_ascii_case(azure.subscription())
    {
        return Err(refusal::no_subscription(named));
    }
    let request = Request {
        azure,
        call,
        caller,
        now: azure.now(),
    };
    let state = &mut *azure.state();
    if let Some(action) = route.action
        && let Some(scope) = &route.scope
    {
        request.require(state, action, scope)?;
    }
    // A group is made by the one operation that may name one that is not there.
    if let (Some(group), false) = (&route.group, matches!(route.resource, Resource::Group(_))) {
        groups::known(state, group)?;
    }
    match &route.resource {
        Resource::Tenants => Ok(groups::tenants(azure)),
        Resource::Subscriptions => Ok(groups::subscriptions(&request, state)),
        Resource::Subscription => Ok(Answer::ok(groups::subscription(azure))),
        Resource::Locations => Ok(groups::locations(azure)),
        Resource::Providers(name) => groups::providers(azure, name.as_deref()),
        Resource::Groups => Ok(groups::list(&request, state)),
        Resource::Group(name) => groups::one(&request, state, name),
        Resource::All => groups::resources(&request, state, route.group.as_deref()),
        Resource::Identities => Ok(identities::list(&request, state, route.group.as_deref())),
        Resource::Identity(name) => identities::one(&request, state, group(&route)?, name),
        Resource::Credentials(identity) => {
            credentials::list(&request, state, group(&route)?, identity)
        }
        Resource::Credential(identity, name) => {
            credentials::one(&request, state, group(&route)?, identity, name)
        }
        Resource::Vaults => Ok(vaults::list(&request, state, route.group.as_deref())),
        Resource::DeletedVaults => Ok(Answer::ok(json!({"value": []}))),
        Resource::VaultName => vaults::name_available(&request, state),
        Resource::Vault(name) => vaults::one(&request, state, group(&route)?, name),
        Resource::AccessPolicies(name, operation) => {
            vaults::access_policies(&request, state, group(&route)?, name, operation)
        }
        Resource::RoleDefinitions => assignments::definitions(&request),
        Resource::RoleDefinition(id) => assignments::definition(&request, id),
        Resource::RoleAssignments(scope) => assignments::list(&request, state, scope),
        Resource::RoleAssignment(scope, name) => assignments::one(&request, state, scope, name),
        Resource::Unknown => Err(refusal::nothing_here(call)),
    }
}

fn group(route: &Route) -> Result<&str, Answer> {
    let missing = || {
        Answer::error(
            404,
            "InvalidResourceType",
            "The resource type is not found.",
        )
    };
    route.group.as_deref().ok_or_else(missing)
}

/// Dates, with or without `-preview`.
fn is_version(text: &str) -> bool {
    let date = text.strip_suffix("-preview").unwrap_or(text);
    let mut parts = date.split('-');
    let number = |part: Option<&str>, digits: usize| {
        part.is_some_and(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))
    };
    number(parts.next(), 4)
        && number(parts.next(), 2)
        && number(parts.next(), 2)
        && parts.next().is_none()
}

/// The caller of a token that is meant for the Resource Manager.
fn authenticate(azure: &Azure, call: &Call<'_>) -> Result<token::Claims, Answer> {
    let refuse = |code, message: String| refusal::unauthenticated(azure.tenant(), code, message);
    let bearer = call.authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let Some(bearer) = bearer else {
        return Err(refuse(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.".to_owned(),
        ));
    };
    let Some(claims) = token::read(azure, bearer) else {
        return Err(refuse(
            "InvalidAuthenticationToken",
            "The access token is invalid.".to_owned(),
        ));
    };
    if !AUDIENCES.contains(&claims.aud.trim_end_matches('/')) {
        let found = &claims.aud;
        let allowed = AUDIENCES.map(|a| format!("'{a}/','{a}'")).join(",");
        return Err(refuse(
            "InvalidAuthenticationTokenAudience",
            format!(
                "The access token has been obtained for wrong audience or resource '{found}'. It \
                 should exactly match with one of the allowed audiences {allowed}."
            ),
        ));
    }
    if claims.iss != token::issuer(azure.tenant()) {
        return Err(refuse(
            "InvalidAuthenticationTokenTenant",
            format!(
                "The access token is from the wrong issuer '{}'. It must match the tenant '{}' \
                 associated with this subscription.",
                claims.iss,
                token::issuer(azure.tenant())
            ),
        ));
    }
    let now = azure.now();
    if claims.exp <= now || claims.nbf > now {
        return Err(refuse(
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.".to_owned(),
        ));
    }
    Ok(claims)
}

/// The region in a body, as the Resource Manager writes it, or `old` where there is one.
fn location(body: &Value, old: Option<&str>, what: &str, group: &str) -> Result<String, Answer> {
    let given = body.get("location").and_then(Value::as_str);
    let given = given.map(|text| text.to_ascii_lowercase().replace(' ', ""));
    let Some(given) = given.filter(|text| !text.is_empty()) else {
        return old.map(str::to_owned).ok_or_else(|| {
            Answer::error(
                400,
                "LocationRequired",
                "The location property is required for this definition.",
            )
        });
    };
    if let Some(old) = old.filter(|old| *old != given) {
        return Err(Answer::error(
            409,
            "InvalidResourceLocation",
            format!(
                "The resource '{what}' already exists in location '{old}' in resource group \
                 '{group}'. A resource with the same name cannot be created in location \
                 '{given}'. Please select a new resource name."
            ),
        ));
    }
    if !LOCATIONS.contains(&given.as_str()) {
        return Err(Answer::error(
            400,
            "LocationNotAvailableForResourceType",
            format!(
                "The provided location '{given}' is not available for resource type. List of \
                 available regions for the resource type is '{}'.",
                LOCATIONS.join(",")
            ),
        ));
    }
    Ok(given)
}

/// The tags in a body. None is none: a PUT without tags takes them away.
fn tags(body: &Value) -> Tags {
    let given = body.get("tags").and_then(Value::as_object);
    given
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// An answer with everything on one page.
fn page(values: Vec<Value>) -> Answer {
    Answer::ok(json!({"value": values}))
}

fn created(body: Value) -> Answer {
    Answer {
        status: 201,
        ..Answer::ok(body)
    }
}

fn nothing() -> Answer {
    Answer {
        status: 204,
        ..Answer::ok(Value::Null)
    }
}

fn not_allowed(method: &Method) -> Answer {
    Answer::error(
        405,
        "MethodNotAllowed",
        format!("This emulator does not have '{method}' here."),
    )
}
