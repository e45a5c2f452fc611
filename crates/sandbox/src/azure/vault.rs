//! Key Vault.
//!
//! Owns: the challenge, verification of tokens, the two access models, and the collections of
//! secrets, certificates and keys with versions, attributes, pages and soft delete.
//! Refuses: cryptography with keys, policies of certificates, backups.

mod access;
mod certificates;
mod keys;
mod objects;
mod secrets;

use std::collections::BTreeMap;

use http::Method;

use super::answer::Answer;
use super::dispatch::Call;
use super::state::{Placement, State};
use super::{Azure, guards, token};
pub use access::Access;
use access::Caller;
pub(super) use access::Policy;
pub(super) use certificates::import as import_certificate;
pub(super) use keys::import as import_key;
pub(super) use objects::{Kind, Object, delete};
pub use secrets::Secret;
pub(super) use secrets::{set as set_secret, update as update_secret};

/// What tokens for a vault must be meant for.
const RESOURCE: &str = "https://vault.azure.net";

/// One vault.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    pub name: String,
    pub place: Placement,
    pub access: Access,
    /// Whether it answers to callers from anywhere.
    pub public: bool,
    /// By object id of the caller, in lower case; without effect where [`Access::Roles`] rules.
    pub policies: BTreeMap<String, Policy>,
    /// What else the Resource Manager was told, without effect here.
    pub properties: serde_json::Map<String, serde_json::Value>,
    pub objects: BTreeMap<(Kind, String), Object>,
}

impl Vault {
    pub fn new(name: &str, place: Placement, access: Access) -> Self {
        Self {
            name: name.to_owned(),
            place,
            access,
            public: true,
            policies: BTreeMap::new(),
            properties: serde_json::Map::new(),
            objects: BTreeMap::new(),
        }
    }

    /// Its id in the Resource Manager, the scope of its role assignments.
    pub fn resource_id(&self, subscription: &str) -> String {
        self.place
            .id(subscription, "Microsoft.KeyVault/vaults", &self.name)
    }

    /// Where an object is, as its id says: always under the vault's own name.
    pub fn id(&self, kind: Kind, name: &str) -> String {
        format!("https://{}.vault.azure.net/{kind}/{name}", self.name)
    }
}

/// Whether a path under a host that names no vault belongs to one.
pub(super) fn is_path(path: &[&str]) -> bool {
    path.first().is_some_and(|first| {
        Kind::of(first).is_some()
            || first
                .strip_prefix("deleted")
                .is_some_and(|k| Kind::of(k).is_some())
    })
}

/// The API that a call is for, named as the service's own metrics do.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    let path = call.path.as_slice();
    match (call.method, path) {
        (&Method::GET, ["secrets"]) => "GetSecrets",
        (&Method::GET, ["secrets", _, "versions"]) => "GetSecretVersions",
        (&Method::GET, ["secrets", _] | ["secrets", _, _]) => "GetSecret",
        (&Method::PUT, ["secrets", _]) => "SetSecret",
        (&Method::PATCH, ["secrets", ..]) => "UpdateSecret",
        (&Method::DELETE, ["secrets", _]) => "DeleteSecret",
        (&Method::GET, ["certificates"]) => "GetCertificates",
        (&Method::GET, ["certificates", _] | ["certificates", _, _]) => "GetCertificate",
        (&Method::POST, ["certificates", _, "import"]) => "ImportCertificate",
        (&Method::DELETE, ["certificates", _]) => "DeleteCertificate",
        (&Method::GET, ["keys"]) => "GetKeys",
        (&Method::GET, ["keys", _] | ["keys", _, _]) => "GetKey",
        (&Method::PUT, ["keys", _]) => "ImportKey",
        (&Method::DELETE, ["keys", _]) => "DeleteKey",
        (&Method::GET, ["deletedsecrets" | "deletedcertificates" | "deletedkeys", ..]) => {
            "GetDeleted"
        }
        (&Method::DELETE, ["deletedsecrets" | "deletedcertificates" | "deletedkeys", _]) => "Purge",
        (
            &Method::POST,
            [
                "deletedsecrets" | "deletedcertificates" | "deletedkeys",
                _,
                "recover",
            ],
        ) => "Recover",
        _ => "Unknown",
    }
}

pub(super) fn call(azure: &Azure, name: &str, api: &str, call: &Call<'_>) -> Answer {
    match answer(azure, name, api, call) {
        Ok(answer) | Err(answer) => answer,
    }
}

fn answer(azure: &Azure, name: &str, api: &str, call: &Call<'_>) -> Result<Answer, Answer> {
    if !azure.state().vaults.contains_key(name) {
        // Azure has no DNS name for it, so that nobody gets this far.
        return Err(Answer::vault(
            404,
            "VaultNotFound",
            "",
            format!("The vault '{name}' does not exist; in Azure its name would not resolve."),
        ));
    }
    let caller = authenticate(azure, call)?;
    if call.query("api-version").is_none() {
        return Err(Answer::vault(
            400,
            "BadParameter",
            "",
            "The api-version query parameter is required.",
        ));
    }
    let now = azure.now();
    let mut state = azure.state();
    let State {
        vaults,
        assignments,
        ..
    } = &mut *state;
    let gate = access::Gate {
        subscription: azure.subscription(),
        assignments,
        caller,
    };
    let Some(vault) = vaults.get_mut(name) else {
        return Err(Answer::vault(404, "VaultNotFound", "", "gone"));
    };
    if !vault.public {
        return Err(guards::no_public_access(name));
    }
    let body = || {
        serde_json::from_slice::<serde_json::Value>(call.body).map_err(|_| {
            Answer::vault(
                400,
                "BadParameter",
                "",
                "The request body is not a JSON object.",
            )
        })
    };
    match (api, call.path.as_slice()) {
        ("GetSecrets" | "GetCertificates" | "GetKeys", [kind]) => {
            let kind = Kind::of(kind).unwrap_or(Kind::Secret);
            gate.check(vault, kind, "list", None)?;
            Ok(objects::list(vault, kind, call))
        }
        ("GetSecretVersions", [_, secret, _]) => {
            gate.check(vault, Kind::Secret, "list", Some(secret))?;
            objects::versions(vault, Kind::Secret, secret)
        }
        ("GetSecret" | "GetCertificate" | "GetKey", [kind, object, rest @ ..]) => {
            let kind = Kind::of(kind).unwrap_or(Kind::Secret);
            gate.check(vault, kind, "get", Some(object))?;
            objects::get(vault, kind, object, rest.first().copied())
        }
        ("SetSecret", [_, object]) => {
            gate.check(vault, Kind::Secret, "set", Some(object))?;
            secrets::set(vault, object, &body()?, now)
        }
        ("UpdateSecret", [_, object, rest @ ..]) => {
            gate.check(vault, Kind::Secret, "set", Some(object))?;
            secrets::update(vault, object, rest.first().copied(), &body()?, now)
        }
        ("ImportCertificate", [_, object, _]) => {
            gate.check(vault, Kind::Certificate, "import", Some(object))?;
            certificates::import(vault, object, &body()?, now)
        }
        ("ImportKey", [_, object]) => {
            gate.check(vault, Kind::Key, "import", Some(object))?;
            keys::import(vault, object, &body()?, now)
        }
        ("DeleteSecret" | "DeleteCertificate" | "DeleteKey", [kind, object]) => {
            let kind = Kind::of(kind).unwrap_or(Kind::Secret);
            gate.check(vault, kind, "delete", Some(object))?;
            objects::delete(vault, kind, object, now)
        }
        ("GetDeleted" | "Purge" | "Recover", [deleted, rest @ ..]) => {
            let kind = deleted.strip_prefix("deleted").and_then(Kind::of);
            let kind = kind.unwrap_or(Kind::Secret);
            let verb = match (api, rest.first()) {
                ("Purge", _) => "purge",
                ("Recover", _) => "recover",
                (_, Some(_)) => "get",
                _ => "list",
            };
            gate.check(vault, kind, verb, rest.first().copied())?;
            objects::deleted(vault, kind, verb, rest.first().copied())
        }
        _ => Err(Answer::vault(
            405,
            "MethodNotAllowed",
            "",
            "This emulator does not have that operation.",
        )),
    }
}

/// The caller of a token that is meant for this vault, or the challenge.
fn authenticate(azure: &Azure, call: &Call<'_>) -> Result<Caller, Answer> {
    let tenant = azure.tenant();
    let refuse = |message: String| {
        Answer::vault(401, "Unauthorized", "", message).with(
            "www-authenticate",
            format!(
                "Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", \
                 resource=\"{RESOURCE}\""
            ),
        )
    };
    let bearer = call.authorization.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let Some(bearer) = bearer else {
        return Err(refuse(
            "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
        ));
    };
    let Some(claims) = token::read(azure, bearer) else {
        return Err(refuse(
            "[BearerReadAccessTokenFailed] Error validating token: 'S2S10001'.".to_owned(),
        ));
    };
    if claims.aud.trim_end_matches('/') != RESOURCE {
        return Err(refuse(format!(
            "AKV10022: Invalid audience. Expected {RESOURCE}, found: {}.",
            claims.aud
        )));
    }
    let expected = token::issuer(tenant);
    if claims.iss != expected {
        return Err(refuse(format!(
            "AKV10032: Invalid issuer. Expected one of {expected}, found {}.",
            claims.iss
        )));
    }
    let now = azure.now();
    if claims.exp <= now || claims.nbf > now {
        return Err(refuse(
            "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
        ));
    }
    Ok(Caller {
        app: claims.appid,
        object: claims.oid,
        issuer: claims.iss,
    })
}
