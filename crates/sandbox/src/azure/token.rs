//! Access tokens: JWTs that Entra signs and the vaults verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Azure;
use super::answer::guid;
use super::state::Client;

/// Life of a token, in seconds; those of managed identities live for a day.
const LIFE: i64 = 3599;
const MANAGED_LIFE: i64 = 86_399;

/// The claims that the vaults look at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub aud: String,
    pub iss: String,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    pub appid: String,
    pub oid: String,
    pub sub: String,
    pub tid: String,
    pub ver: String,
    pub uti: String,
}

/// A token for `client`, and for how many seconds it lives.
pub(super) fn issue(azure: &Azure, client: &Client, resource: &str) -> Option<(String, i64)> {
    let now = azure.now();
    let life = if client.managed.is_some() {
        MANAGED_LIFE
    } else {
        LIFE
    };
    let claims = Claims {
        aud: resource.to_owned(),
        iss: issuer(azure.tenant()),
        // As Entra does: valid a little before it is made.
        iat: now - 300,
        nbf: now - 300,
        exp: now + life,
        appid: client.id.clone(),
        oid: client.object_id.clone(),
        sub: client.object_id.clone(),
        tid: azure.tenant().to_owned(),
        ver: "1.0".to_owned(),
        uti: guid(),
    };
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": azure.0.key.kid()});
    let part = |bytes: String| URL_SAFE_NO_PAD.encode(bytes);
    let body = serde_json::to_string(&claims).ok()?;
    let message = format!("{}.{}", part(header.to_string()), part(body));
    let signature = azure.0.key.sign(message.as_bytes()).ok()?;
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    Some((token, life))
}

/// The issuer of version 1 tokens, which the vaults take.
pub(super) fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// The claims of a token that this Entra signed.
pub(super) fn read(azure: &Azure, token: &str) -> Option<Claims> {
    let (message, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if !azure.0.key.verify(message.as_bytes(), &signature) {
        return None;
    }
    let (_, claims) = message.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}
