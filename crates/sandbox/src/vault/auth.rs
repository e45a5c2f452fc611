//! The auth methods.
//!
//! Owns: which methods there are, what each keeps, and reading and writing that. Refuses: giving
//! tokens, which `token` does.

pub(super) mod app_role;
pub(super) mod aws;
pub(super) mod certificate;
pub(super) mod jwt;
pub(super) mod kubernetes;
pub(super) mod password;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::protocol::{Operation, Outcome, Refusal, Reply, Request};
use super::token::{Holder, Params};
use super::{Vault, state::State};

/// The kind of an auth method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AppRole,
    Aws,
    Certificate,
    Jwt,
    Kubernetes,
    Ldap,
    Userpass,
}

/// What an auth method keeps: documents by path, as they were written.
#[derive(Clone, Debug)]
pub(super) struct Method {
    pub kind: Kind,
    pub documents: BTreeMap<String, Map<String, Value>>,
    /// AppRole: secret ids, each with the role's name and the uses that are left.
    pub secret_ids: BTreeMap<String, app_role::SecretId>,
}

/// Who a login is, and what its token is like.
pub(super) struct Known {
    pub params: Params,
    pub display_name: String,
    pub meta: BTreeMap<String, String>,
    pub policies: Vec<String>,
}

impl Kind {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "approle" => Self::AppRole,
            "aws" => Self::Aws,
            "cert" => Self::Certificate,
            "jwt" | "oidc" => Self::Jwt,
            "kubernetes" => Self::Kubernetes,
            "ldap" => Self::Ldap,
            "userpass" => Self::Userpass,
            _ => return None,
        })
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::AppRole => "approle",
            Self::Aws => "aws",
            Self::Certificate => "cert",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Ldap => "ldap",
            Self::Userpass => "userpass",
        }
    }

    /// Folders of named documents.
    const fn folders(self) -> &'static [&'static str] {
        match self {
            Self::AppRole | Self::Aws | Self::Jwt | Self::Kubernetes => &["role"],
            Self::Certificate => &["certs"],
            Self::Ldap => &["groups", "users"],
            Self::Userpass => &["users"],
        }
    }

    /// Fields that are never read back.
    const fn hidden(self) -> &'static [&'static str] {
        match self {
            Self::Kubernetes => &["token_reviewer_jwt"],
            Self::Userpass => &["password"],
            Self::Ldap => &["bindpass"],
            Self::Aws => &["secret_key"],
            Self::AppRole | Self::Certificate | Self::Jwt => &[],
        }
    }
}

impl Method {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            documents: BTreeMap::new(),
            secret_ids: BTreeMap::new(),
        }
    }

    pub fn document(&self, path: &str) -> Option<&Map<String, Value>> {
        self.documents.get(path)
    }
}

/// Whether `rest` of an auth mount's path is a login, which needs no token.
pub(super) fn is_login(rest: &str) -> bool {
    rest == "login" || rest.starts_with("login/")
}

/// Logs in at `mount` of the request's namespace.
pub(super) async fn log_in(vault: &Vault, request: &Request, mount: &str, rest: &str) -> Outcome {
    let method = {
        let state = vault.state();
        let namespace = state.namespaces.get(&request.namespace);
        let found = namespace.and_then(|namespace| namespace.auths.get(mount));
        found.ok_or_else(Refusal::no_token)?.method.clone()
    };
    if request.operation != Operation::Write {
        return Err(Refusal::new(405, "unsupported operation"));
    }
    let known = match method.kind {
        Kind::Jwt => jwt::log_in(vault, &method, request).await?,
        Kind::Kubernetes => kubernetes::log_in(&method, request).await?,
        Kind::Aws => aws::log_in(&method, request).await?,
        Kind::Certificate => certificate::log_in(&method, request)?,
        Kind::AppRole => app_role::log_in(&mut vault.state(), request, mount)?,
        Kind::Userpass => password::user(&method, request, rest)?,
        Kind::Ldap => password::directory(&vault.state(), &method, request, rest)?,
    };
    let holder = Holder {
        namespace: request.namespace.clone(),
        path: format!("auth/{mount}/{rest}"),
        display_name: format!("{mount}-{}", known.display_name),
        meta: known.meta,
        policies: known.policies,
        parent: None,
    };
    let now = request.now;
    Ok(Reply::Auth(vault.state().tokens.issue(
        &known.params,
        holder,
        now,
    )))
}

/// Checks that need other servers, before [`manage`] writes: `auth/jwt/config` looks at the
/// issuer's documents.
pub(super) async fn check(
    vault: &Vault,
    request: &Request,
    mount: &str,
    rest: &str,
) -> Result<(), Refusal> {
    let is_jwt = {
        let state = vault.state();
        let namespace = state.namespaces.get(&request.namespace);
        let found = namespace.and_then(|namespace| namespace.auths.get(mount));
        found.is_some_and(|found| found.method.kind == Kind::Jwt)
    };
    if is_jwt && rest == "config" && request.operation == Operation::Write {
        return jwt::check_config(vault, &request.body, request.now).await;
    }
    Ok(())
}

/// Reads and writes what a method keeps. The caller has the permission.
pub(super) fn manage(state: &mut State, request: &Request, mount: &str, rest: &str) -> Outcome {
    let namespace = state.namespaces.get_mut(&request.namespace);
    let found = namespace.and_then(|namespace| namespace.auths.get_mut(mount));
    let method = &mut found
        .ok_or_else(|| Refusal::no_route(&request.path))?
        .method;
    let kind = method.kind;
    if kind == Kind::AppRole
        && let Some(outcome) = app_role::manage(method, request, rest)
    {
        return outcome;
    }
    let rest = rest.trim_end_matches('/');
    let (folder, name) = rest.split_once('/').unwrap_or((rest, ""));
    let is_config = folder == "config";
    if !is_config && !kind.folders().contains(&folder) {
        return Err(Refusal::no_route(&request.path));
    }
    match request.operation {
        Operation::List if name.is_empty() && !is_config => {
            super::kv1::listing(method.documents.keys(), folder)
        }
        _ if name.is_empty() && !is_config => Err(Refusal::unsupported()),
        Operation::Read => match method.documents.get(rest) {
            Some(document) => {
                let mut shown = document.clone();
                for field in kind.hidden() {
                    shown.remove(*field);
                }
                Ok(Reply::Data(Value::Object(shown)))
            }
            None => Err(Refusal::nothing()),
        },
        Operation::Write => {
            // These two make their configuration anew with every write.
            let anew = is_config && matches!(kind, Kind::Jwt | Kind::Kubernetes);
            let before = method.documents.get(rest).filter(|_| !anew);
            let mut document = before.cloned().unwrap_or_default();
            document.extend(request.body.clone());
            if is_config && kind == Kind::Kubernetes {
                kubernetes::check_config(&request.body)?;
            }
            if !is_config {
                Params::read(&document)?;
                match kind {
                    Kind::Jwt => jwt::check_role(&document)?,
                    Kind::Kubernetes => kubernetes::check_role(&document)?,
                    Kind::Certificate => certificate::check_role(&document)?,
                    _ => {}
                }
            }
            method.documents.insert(rest.to_owned(), document);
            Ok(Reply::Nothing)
        }
        Operation::Delete => {
            method.documents.remove(rest);
            Ok(Reply::Nothing)
        }
        Operation::List | Operation::Patch => Err(Refusal::unsupported()),
    }
}

/// The facts of a mount, as `sys/auth` lists it.
pub(super) fn describe(kind: Kind, description: &str, accessor: &str) -> Value {
    json!({
        "type": kind.name(), "description": description, "accessor": accessor, "local": false,
        "seal_wrap": false, "external_entropy_access": false, "options": null,
        "config": {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false, "token_type": "default-service"},
    })
}
