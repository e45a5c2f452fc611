//! `userpass` and `ldap`: names and passwords, Vault's own or a directory's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::protocol::{Refusal, Request, texts};
use super::super::state::State;
use super::super::token::Params;
use super::{Known, Method};

fn name(rest: &str) -> String {
    let name = rest.strip_prefix("login/").unwrap_or_default();
    name.to_ascii_lowercase()
}

fn known(params: Params, name: String, policies: Vec<String>) -> Known {
    Known {
        params,
        meta: BTreeMap::from([("username".to_owned(), name.clone())]),
        display_name: name,
        policies,
    }
}

pub(super) fn user(method: &Method, request: &Request, rest: &str) -> Result<Known, Refusal> {
    let name = name(rest);
    let password = request.text("password");
    if password.is_empty() {
        return Err(Refusal::new(500, "missing password"));
    }
    let refused = || Refusal::bad("invalid username or password");
    let user = method
        .document(&format!("users/{name}"))
        .ok_or_else(refused)?;
    if user.get("password").and_then(Value::as_str) != Some(password) {
        return Err(refused());
    }
    Ok(known(Params::read(user)?, name, Vec::new()))
}

pub(super) fn directory(
    state: &State,
    method: &Method,
    request: &Request,
    rest: &str,
) -> Result<Known, Refusal> {
    let name = name(rest);
    let config = method
        .document("config")
        .ok_or_else(|| Refusal::bad("ldap backend not configured"))?;
    let refused = || Refusal::bad("ldap operation failed: failed to bind as user");
    let (password, groups) = state.directory.get(&name).ok_or_else(refused)?;
    if request.text("password").is_empty() || request.text("password") != password {
        return Err(refused());
    }
    let own = groups
        .iter()
        .map(|group| format!("groups/{group}"))
        .chain([format!("users/{name}")])
        .filter_map(|path| method.document(&path));
    let policies: Vec<String> = own
        .flat_map(|document| texts(document.get("policies")))
        .collect();
    Ok(known(Params::read(config)?, name, policies))
}
