//! User-assigned managed identities.

use http::Method;
use serde_json::{Value, json};

use super::super::answer::{Answer, guid};
use super::super::state::{Client, Placement, State};
use super::{Request, created, location, nothing, page, refusal, tags};

pub(super) const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// Its id, if it is a managed identity.
pub(super) fn id(subscription: &str, client: &Client) -> String {
    let place = client.managed.as_ref();
    place.map_or(String::new(), |p| p.id(subscription, KIND, &client.name))
}

fn show(request: &Request<'_>, client: &Client, place: &Placement) -> Value {
    json!({
        "id": id(request.subscription(), client),
        "name": client.name,
        "type": KIND,
        "location": place.location,
        "tags": place.tags,
        "properties": {
            "tenantId": request.azure.tenant(),
            "principalId": client.object_id,
            "clientId": client.id,
        },
    })
}

/// All of a group, or of the subscription.
pub(super) fn in_group(request: &Request<'_>, state: &State, group: Option<&str>) -> Vec<Value> {
    let managed = state
        .clients
        .values()
        .filter_map(|client| Some((client, client.managed.as_ref()?)));
    managed
        .filter(|(_, place)| group.is_none_or(|g| place.group.eq_ignore_ascii_case(g)))
        .map(|(client, place)| show(request, client, place))
        .collect()
}

pub(super) fn list(request: &Request<'_>, state: &State, group: Option<&str>) -> Answer {
    page(in_group(request, state, group))
}

pub(super) fn find<'a>(state: &'a mut State, group: &str, name: &str) -> Option<&'a mut Client> {
    state.clients.values_mut().find(|client| {
        let here = |p: &Placement| p.group.eq_ignore_ascii_case(group);
        client.managed.as_ref().is_some_and(here) && client.name.eq_ignore_ascii_case(name)
    })
}

pub(super) fn one(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    name: &str,
) -> Result<Answer, Answer> {
    let missing = || refusal::no_resource(KIND, name, group);
    let shown = |client: &Client| {
        let place = client.managed.as_ref().ok_or_else(missing)?;
        Ok::<Value, Answer>(show(request, client, place))
    };
    match *request.call.method {
        Method::GET => {
            let client = find(state, group, name).ok_or_else(missing)?;
            Ok(Answer::ok(shown(client)?))
        }
        Method::PUT => {
            let body = request.body()?;
            if let Some(client) = find(state, group, name) {
                let old = client.managed.as_ref().map(|p| p.location.as_str());
                let place = location(&body, old, name, group)?;
                client.managed = Some(Placement {
                    group: group.to_owned(),
                    location: place,
                    tags: tags(&body),
                });
                return Ok(Answer::ok(shown(client)?));
            }
            if !is_name(name) {
                return Err(Answer::error(
                    400,
                    "InvalidResourceName",
                    format!(
                        "Resource name {name} is invalid: it has 3 to 128 letters, digits, \
                         hyphens and underscores, and begins with a letter or a digit."
                    ),
                ));
            }
            let place = Placement {
                group: group.to_owned(),
                location: location(&body, None, name, group)?,
                tags: tags(&body),
            };
            let client = Client {
                managed: Some(place),
                ..Client::new(name, &guid(), &guid())
            };
            let answer = created(shown(&client)?);
            state.clients.insert(client.id.clone(), client);
            Ok(answer)
        }
        Method::PATCH => {
            let body = request.body()?;
            let client = find(state, group, name).ok_or_else(missing)?;
            if let (Some(place), true) = (client.managed.as_mut(), body.get("tags").is_some()) {
                place.tags = tags(&body);
            }
            Ok(Answer::ok(shown(client)?))
        }
        Method::DELETE => {
            let Some(id) = find(state, group, name).map(|client| client.id.clone()) else {
                return Ok(nothing());
            };
            // Its role assignments stay behind, with a principal that nobody is.
            state.clients.remove(&id);
            state.node.retain(|has| *has != id);
            Ok(Answer::ok(Value::Null))
        }
        ref other => Err(super::not_allowed(other)),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (3..=128).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
