//! Access keys and sessions: who holds which key, until when, as whom.
//!
//! Owns: random keys, ids and session tokens. Refuses: printing a secret: `Debug` hides them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_trust::aws::{Arn, Caller, Context, Policy};
use rand::Rng;

/// A key as handed to a client.
#[derive(Clone)]
pub struct AccessKey {
    /// `AKIA…` or `ASIA…`.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// Session token of a temporary key.
    pub token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user with the policies it has for good.
    User,
    /// A session of a role.
    Session { chained: bool },
}

/// The caller behind a key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub caller: Caller,
    /// The ARN that error texts and `GetCallerIdentity` show.
    pub arn: Arn,
    /// `AIDA…`, or `AROA…:SESSION`.
    pub user_id: String,
    pub kind: Kind,
    /// Policies of a user; a role's are looked up at each request.
    pub policies: Vec<Arc<Policy>>,
    /// Each further limits the session.
    pub session_policies: Vec<Arc<Policy>>,
    pub tags: BTreeMap<String, String>,
    /// Tags that go on to roles assumed from this session.
    pub transitive: BTreeSet<String>,
    pub source_identity: Option<String>,
    /// Condition keys of the federation this session came from.
    pub federation: Context,
    pub issued: i64,
}

impl Identity {
    pub fn account(&self) -> &str {
        &self.arn.account
    }

    /// The role, for a session.
    pub fn role(&self) -> Option<&Arn> {
        match &self.caller {
            Caller::Session { role, .. } => Some(role),
            _ => None,
        }
    }

    /// The condition keys every request of this caller has.
    pub fn context(&self) -> Context {
        let mut out = self.federation.clone();
        let (principal, kind) = match self.role() {
            Some(role) => (role, "AssumedRole"),
            None => (&self.arn, "User"),
        };
        out.set("aws:PrincipalArn", principal.to_string());
        out.set("aws:PrincipalAccount", self.account());
        out.set("aws:PrincipalType", kind);
        out.set("aws:userid", self.user_id.clone());
        if kind == "User" {
            let name = self.arn.resource.rsplit('/').next().unwrap_or_default();
            out.set("aws:username", name);
        } else {
            out.set("aws:TokenIssueTime", self.issued.to_string());
        }
        for (key, value) in &self.tags {
            out.set(&format!("aws:PrincipalTag/{key}"), value.clone());
        }
        if let Some(source) = &self.source_identity {
            out.set("aws:SourceIdentity", source.clone());
        }
        out
    }
}

/// A key the endpoint knows.
#[derive(Clone)]
pub(super) struct Credential {
    pub key: AccessKey,
    /// Seconds since 1970; `None` for a key that does not end.
    pub expires: Option<i64>,
    pub identity: Arc<Identity>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("key", &self.key)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A fresh key: long-lived, or with a session token.
pub(super) fn mint(session: bool) -> AccessKey {
    let mut secret = [0_u8; 30];
    let mut token = [0_u8; 96];
    let mut rng = rand::rng();
    rng.fill(&mut secret);
    rng.fill(&mut token);
    AccessKey {
        id: unique_id(if session { "ASIA" } else { "AKIA" }, 16),
        secret: STANDARD.encode(secret),
        token: session.then(|| format!("IQoJb3JpZ2luX2Vj{}", STANDARD.encode(token))),
    }
}

/// `prefix` and `count` random characters of the alphabet AWS uses for ids.
pub(super) fn unique_id(prefix: &str, count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut rng = rand::rng();
    let mut out = prefix.to_owned();
    out.extend((0..count).filter_map(|_| {
        ALPHABET
            .get(rng.random_range(0..ALPHABET.len()))
            .map(|b| char::from(*b))
    }));
    out
}

/// A random request id in the form of a UUID.
pub(super) fn request_id() -> String {
    let n: u128 = rand::rng().random();
    let hex = format!("{n:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
