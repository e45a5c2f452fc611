//! `approle`: a role's id and one of its secret ids.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::protocol::{Operation, Outcome, Refusal, Reply, Request, seconds, uuid};
use super::super::state::State;
use super::super::token::Params;
use super::{Known, Method};

#[derive(Clone, Debug)]
pub(in super::super) struct SecretId {
    role: String,
    expires: Option<i64>,
    /// `None` without a limit.
    uses: Option<u64>,
}

/// `role/NAME/role-id`, `secret-id` and `custom-secret-id`; `None` for every other path.
pub(super) fn manage(method: &mut Method, request: &Request, rest: &str) -> Option<Outcome> {
    let rest = rest.strip_prefix("role/")?;
    let Some((name, part)) = rest.split_once('/') else {
        if request.operation == Operation::Write {
            give_id(method, rest);
        }
        return None;
    };
    let path = format!("role/{name}");
    let Some(role) = method.documents.get_mut(&path) else {
        return Some(Err(Refusal::nothing()));
    };
    Some(match (part, request.operation) {
        ("role-id", Operation::Read) => Ok(Reply::Data(json!({"role_id": role.get("role_id")}))),
        ("role-id", Operation::Write) => {
            role.insert("role_id".to_owned(), json!(request.text("role_id")));
            Ok(Reply::Nothing)
        }
        ("secret-id", Operation::Write) => secret_id(method, request, name, uuid()),
        ("custom-secret-id", Operation::Write) => {
            let id = request.text("secret_id").to_owned();
            secret_id(method, request, name, id)
        }
        ("secret-id/destroy", Operation::Write) => {
            method.secret_ids.remove(request.text("secret_id"));
            Ok(Reply::Nothing)
        }
        _ => Err(Refusal::no_route(&request.path)),
    })
}

/// A new role gets its id before it is written.
fn give_id(method: &mut Method, name: &str) {
    let document = method.documents.entry(format!("role/{name}")).or_default();
    document
        .entry("role_id")
        .or_insert_with(|| Value::String(uuid()));
}

fn secret_id(method: &mut Method, request: &Request, name: &str, id: String) -> Outcome {
    let role = method
        .document(&format!("role/{name}"))
        .cloned()
        .unwrap_or_default();
    let ttl = seconds(role.get("secret_id_ttl"))?;
    let uses = role.get("secret_id_num_uses").and_then(Value::as_u64);
    let known = SecretId {
        role: name.to_owned(),
        expires: (ttl > 0).then_some(request.now + ttl),
        uses: uses.filter(|uses| *uses > 0),
    };
    method.secret_ids.insert(id.clone(), known);
    Ok(Reply::Data(json!({
        "secret_id": id, "secret_id_accessor": uuid(), "secret_id_ttl": ttl,
        "secret_id_num_uses": uses.unwrap_or_default(),
    })))
}

pub(super) fn log_in(state: &mut State, request: &Request, mount: &str) -> Result<Known, Refusal> {
    let refused = || Refusal::bad("invalid role or secret ID");
    let method = state
        .namespaces
        .get_mut(&request.namespace)
        .and_then(|namespace| namespace.auths.get_mut(mount))
        .map(|found| &mut found.method)
        .ok_or_else(Refusal::no_token)?;
    let role_id = request.text("role_id");
    if role_id.is_empty() {
        let words = "failed to determine alias name from login request";
        return Err(Refusal::new(500, words));
    }
    let is = |document: &Map<String, Value>| {
        document.get("role_id").and_then(Value::as_str) == Some(role_id)
    };
    let (path, role) = method
        .documents
        .iter()
        .find(|(_, document)| is(document))
        .map(|(path, document)| (path.clone(), document.clone()))
        .ok_or_else(|| Refusal::bad("invalid role ID"))?;
    let name = path.trim_start_matches("role/").to_owned();
    if role.get("bind_secret_id") != Some(&Value::Bool(false)) {
        let id = request.text("secret_id");
        if id.is_empty() {
            return Err(Refusal::bad("missing secret_id"));
        }
        let known = method
            .secret_ids
            .get_mut(id)
            .filter(|known| known.role == name)
            .ok_or_else(refused)?;
        if known.expires.is_some_and(|end| end <= request.now) {
            method.secret_ids.remove(id);
            return Err(refused());
        }
        if let Some(uses) = &mut known.uses {
            *uses -= 1;
            if *uses == 0 {
                method.secret_ids.remove(id);
            }
        }
    }
    Ok(Known {
        params: Params::read(&role)?,
        display_name: name.clone(),
        meta: BTreeMap::from([("role_name".to_owned(), name)]),
        policies: Vec::new(),
    })
}
