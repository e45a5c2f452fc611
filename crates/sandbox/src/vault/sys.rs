//! `sys/…`: health, mounts, policies, namespaces.

use serde_json::{Map, Value, json};

use super::auth::{self, Kind, Method};
use super::policy::Policy;
use super::protocol::{Operation, Outcome, Refusal, Reply, Request, texts, uuid};
use super::state::{AuthMount, Engine, Mount, Namespace, State};
use super::{dispatch, kv1, kv2, token};

const VERSION: &str = "1.20.0";

/// Paths that need no token; `None` for every other path.
pub(super) fn open(state: &State, request: &Request) -> Option<Outcome> {
    let document = match request.path.as_str() {
        "sys/health" => {
            let status = if state.sealed { 503 } else { 200 };
            let health = json!({
                "initialized": true, "sealed": state.sealed, "standby": false,
                "performance_standby": false, "replication_performance_mode": "disabled",
                "replication_dr_mode": "disabled", "server_time_utc": request.now,
                "version": VERSION, "cluster_name": "keyless-sandbox", "cluster_id": "sandbox",
            });
            return Some(Ok(Reply::Bare(status, health)));
        }
        "sys/seal-status" => json!({
            "type": "shamir", "initialized": true, "sealed": state.sealed, "t": 1, "n": 1,
            "progress": 0, "nonce": "", "version": VERSION, "storage_type": "inmem",
        }),
        "sys/init" => json!({"initialized": true}),
        "sys/leader" => json!({"ha_enabled": false, "is_self": true, "leader_address": ""}),
        _ => return None,
    };
    Some(Ok(Reply::Bare(200, document)))
}

/// The caller has a valid token and the permission.
pub(super) fn call(state: &mut State, request: &Request) -> Outcome {
    let path = request.path.trim_start_matches("sys/");
    let (area, rest) = path.split_once('/').unwrap_or((path, ""));
    match area {
        "mounts" => mounts(state, request, rest),
        "auth" => auths(state, request, rest),
        "policies" => match rest.split_once('/').unwrap_or((rest, "")) {
            ("acl", name) => policies(state, request, name),
            _ => Err(Refusal::no_route(&request.path)),
        },
        "policy" => policies(state, request, rest),
        "internal" => match rest.strip_prefix("ui/mounts/") {
            Some(path) => ui_mount(state, request, path),
            None => Err(Refusal::no_route(&request.path)),
        },
        "capabilities-self" => capabilities(state, request),
        "namespaces" => namespaces(state, request, rest),
        _ => Err(Refusal::no_route(&request.path)),
    }
}

fn own<'s>(state: &'s mut State, request: &Request) -> Result<&'s mut Namespace, Refusal> {
    state
        .namespaces
        .get_mut(&request.namespace)
        .ok_or_else(|| Refusal::no_route(&request.path))
}

/// As Vault lists mounts: under `data`, and once more beside it.
fn listed(mounts: Map<String, Value>) -> Outcome {
    let mut document = mounts.clone();
    document.insert("request_id".to_owned(), json!(uuid()));
    document.insert("data".to_owned(), Value::Object(mounts));
    Ok(Reply::Bare(200, Value::Object(document)))
}

fn describe(mount: &Mount) -> Value {
    let options = match &mount.engine {
        Engine::V1(_) => json!({"version": "1"}),
        Engine::V2(_) => json!({"version": "2"}),
    };
    json!({
        "type": "kv", "description": mount.description, "accessor": mount.accessor,
        "options": options, "local": false, "seal_wrap": false, "external_entropy_access": false,
        "config": {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false},
    })
}

fn mounts(state: &mut State, request: &Request, path: &str) -> Outcome {
    let namespace = own(state, request)?;
    let path = path.trim_matches('/');
    match request.operation {
        Operation::Read if path.is_empty() => {
            let mounts = namespace.mounts.iter();
            listed(
                mounts
                    .map(|(p, m)| (format!("{p}/"), describe(m)))
                    .collect(),
            )
        }
        Operation::Read => match namespace.mounts.get(path) {
            Some(mount) => {
                let facts = describe(mount).as_object().cloned().unwrap_or_default();
                listed(facts)
            }
            None => Err(Refusal::bad(format!("No secret engine mount at {path}/"))),
        },
        Operation::Write => {
            let taken = namespace.mounts.keys().any(|known| {
                known == path
                    || known.starts_with(&format!("{path}/"))
                    || path.starts_with(&format!("{known}/"))
            });
            if taken {
                return Err(Refusal::bad(format!("path is already in use at {path}/")));
            }
            let engine = engine(request)?;
            namespace.mounts.insert(
                path.to_owned(),
                Mount {
                    engine,
                    description: request.text("description").to_owned(),
                    accessor: format!("kv_{}", token::random(8)),
                },
            );
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            namespace.mounts.remove(path);
            Ok(Reply::Nothing)
        }
        Operation::List | Operation::Patch => Err(Refusal::unsupported()),
    }
}

fn engine(request: &Request) -> Result<Engine, Refusal> {
    let version = request
        .body
        .get("options")
        .and_then(|options| options.get("version"))
        .and_then(|version| {
            version
                .as_str()
                .map(str::to_owned)
                .or_else(|| Some(version.to_string()))
        });
    match (request.text("type"), version.as_deref()) {
        ("kv", None | Some("1")) => Ok(Engine::V1(kv1::Store::default())),
        ("kv", Some("2")) | ("kv-v2", _) => Ok(Engine::V2(kv2::Store::default())),
        (other, _) => Err(Refusal::bad(format!(
            "plugin not found in the catalog: {other}"
        ))),
    }
}

fn auths(state: &mut State, request: &Request, path: &str) -> Outcome {
    let namespace = own(state, request)?;
    let path = path.trim_matches('/');
    let facts =
        |mount: &AuthMount| auth::describe(mount.method.kind, &mount.description, &mount.accessor);
    match request.operation {
        Operation::Read if path.is_empty() => {
            let auths = namespace.auths.iter();
            let mut auths: Map<String, Value> =
                auths.map(|(p, m)| (format!("{p}/"), facts(m))).collect();
            auths.insert(
                "token/".to_owned(),
                json!({"type": "token", "description": "token based credentials", "accessor": "auth_token"}),
            );
            listed(auths)
        }
        Operation::Read => match namespace.auths.get(path) {
            Some(mount) => Ok(Reply::Data(facts(mount))),
            None => Err(Refusal::bad(format!("No auth engine at {path}/"))),
        },
        Operation::Write => {
            if path == "token" || namespace.auths.contains_key(path) {
                return Err(Refusal::bad(format!("path is already in use at {path}/")));
            }
            let kind = request.text("type");
            let kind = Kind::parse(kind)
                .ok_or_else(|| Refusal::bad(format!("plugin not found in the catalog: {kind}")))?;
            namespace.auths.insert(
                path.to_owned(),
                AuthMount {
                    method: Method::new(kind),
                    description: request.text("description").to_owned(),
                    accessor: format!("auth_{}_{}", kind.name(), token::random(8)),
                },
            );
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            namespace.auths.remove(path);
            Ok(Reply::Nothing)
        }
        Operation::List | Operation::Patch => Err(Refusal::unsupported()),
    }
}

fn policies(state: &mut State, request: &Request, name: &str) -> Outcome {
    let namespace = own(state, request)?;
    let name = name.trim_matches('/').to_ascii_lowercase();
    match request.operation {
        Operation::List | Operation::Read if name.is_empty() => {
            let mut names: Vec<&str> = namespace.policies.keys().map(String::as_str).collect();
            names.push(token::ROOT);
            Ok(Reply::Data(json!({"keys": names, "policies": names})))
        }
        Operation::Read => match namespace.policies.get(&name) {
            Some(policy) => Ok(Reply::Data(
                json!({"name": name, "policy": policy.text, "rules": policy.text}),
            )),
            None => Err(Refusal::nothing()),
        },
        Operation::Write if name == token::ROOT => {
            Err(Refusal::bad("cannot update \"root\" policy"))
        }
        Operation::Write => {
            let text = match request.text("policy") {
                "" => request.text("rules"),
                text => text,
            };
            let policy = Policy::parse(text).map_err(Refusal::bad)?;
            namespace.policies.insert(name, policy);
            Ok(Reply::Nothing)
        }
        Operation::Delete if matches!(name.as_str(), "default" | token::ROOT) => {
            Err(Refusal::bad(format!("cannot delete {name:?} policy")))
        }
        Operation::Delete => {
            namespace.policies.remove(&name);
            Ok(Reply::Nothing)
        }
        Operation::List | Operation::Patch => Err(Refusal::unsupported()),
    }
}

/// What a user interface asks: which engine a path belongs to. Whoever may do nothing below the
/// mount learns nothing of it.
fn ui_mount(state: &mut State, request: &Request, path: &str) -> Outcome {
    let path = path.trim_matches('/');
    let denied = || {
        Refusal::new(
            403,
            format!(
                "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
            ),
        )
    };
    let namespace = own(state, request)?;
    let (mount, _) = Namespace::find(&namespace.mounts, path).ok_or_else(denied)?;
    let mut facts = namespace
        .mounts
        .get(&mount)
        .map(describe)
        .unwrap_or_default();
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("path".to_owned(), json!(format!("{mount}/")));
    }
    if !dispatch::reaches_into(state, request, &mount) {
        return Err(denied());
    }
    Ok(Reply::Data(facts))
}

fn capabilities(state: &mut State, request: &Request) -> Outcome {
    let mut answer = Map::new();
    let paths = texts(
        request
            .body
            .get("paths")
            .or_else(|| request.body.get("path")),
    );
    for path in &paths {
        let found = dispatch::capabilities(state, request, path, path.ends_with('/'));
        let found: Vec<String> = if found.is_empty() {
            vec!["deny".to_owned()]
        } else {
            found.into_iter().collect()
        };
        answer.insert(path.clone(), json!(found));
        if paths.len() == 1 {
            answer.insert("capabilities".to_owned(), json!(found));
        }
    }
    Ok(Reply::Data(Value::Object(answer)))
}

fn namespaces(state: &mut State, request: &Request, path: &str) -> Outcome {
    let full = |name: &str| match request.namespace.as_str() {
        "" => name.to_owned(),
        parent => format!("{parent}/{name}"),
    };
    let name = path.trim_matches('/');
    match request.operation {
        Operation::List | Operation::Read if name.is_empty() => {
            let prefix = full("");
            let names: Vec<String> = state
                .namespaces
                .keys()
                .filter_map(|known| known.strip_prefix(&prefix))
                .filter(|rest| !rest.is_empty() && !rest.contains('/'))
                .map(|rest| format!("{rest}/"))
                .collect();
            if names.is_empty() {
                return Err(Refusal::nothing());
            }
            Ok(Reply::Data(json!({ "keys": names })))
        }
        Operation::Read => match state.namespaces.get(&full(name)) {
            Some(found) => Ok(Reply::Data(
                json!({"id": found.id, "path": format!("{}/", full(name))}),
            )),
            None => Err(Refusal::nothing()),
        },
        Operation::Write => {
            let path = full(name);
            let created = state
                .namespaces
                .entry(path.clone())
                .or_insert_with(Namespace::new);
            Ok(Reply::Data(
                json!({"id": created.id, "path": format!("{path}/")}),
            ))
        }
        Operation::Delete => {
            state.namespaces.remove(&full(name));
            Ok(Reply::Nothing)
        }
        Operation::List | Operation::Patch => Err(Refusal::unsupported()),
    }
}
