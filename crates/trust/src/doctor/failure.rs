//! A failure of the operator's own, judged where it happens.
//!
//! Owns: the way from what the operator has in its hands when a login or read fails to the finer
//! verdict, by the rules that the doctor judges facts with. Everything is lent: a store with ten
//! thousand readers may fail for all of them at once. Refuses: what differs from one try to the
//! next, such as times, because a message that changes is a write.

use std::collections::BTreeMap;

use keyless_api::SecretStoreSpec;
use keyless_fault::{Link, ObjectRef};

use super::objects::{Fields, annotated, fields};
use super::token::{self, Shown};
use super::{Findings, Verdict, documents, said};
use crate::catalogue;
use crate::plan::{self, Identity, Options};
use crate::trust::ServiceAccount;

/// What the operator knows of a failed login or read.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The store.
    pub store: &'a ObjectRef,
    /// Its spec.
    pub spec: &'a SecretStoreSpec,
    /// Namespace of the reader; the store's own where it is validated for itself.
    pub namespace: &'a str,
    /// The service account, as the login read it.
    pub account: Option<Account<'a>>,
    /// The token that was shown.
    pub token: Option<Presented<'a>>,
    /// Where the fault says that the chain broke.
    pub link: Link,
    /// The fault's own code, or empty.
    pub code: &'static str,
}

/// A service account.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its annotations, as far as they may name an identity.
    pub annotations: &'a BTreeMap<String, String>,
}

/// A token by its own claims.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// `iss`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `aud`.
    pub audiences: &'a [String],
    /// `alg` of the header.
    pub algorithm: &'a str,
    /// `kid` of the header.
    pub key: Option<&'a str>,
    /// `exp` - `iat` in seconds; `None` when it never ends.
    pub life: Option<i64>,
}

/// A verdict that says more than the fault did, if the facts prove one.
///
/// Nothing is added to what came after the login: whoever refuses a read has let the token in.
#[must_use]
pub fn sharpen(failure: &Failure<'_>) -> Option<Verdict> {
    let login = matches!(
        failure.link,
        Link::Manifest
            | Link::Store
            | Link::Token
            | Link::IssuerDocument
            | Link::Keys
            | Link::TrustObject
            | Link::Identity
    );
    if !login {
        return None;
    }
    let mut found = Findings::default();
    fields(
        &failure.store.to_string(),
        &Fields::of_spec(failure.spec),
        &mut found,
    );
    let identity = identity(failure);
    if let (Some(identity), Some(account)) = (&identity, &failure.account) {
        // The operator reads no annotations of its own account.
        annotated(identity, true, account.annotations, &mut found);
    }
    if let Some(token) = &failure.token {
        judge(identity.as_ref(), token, &mut found);
    }
    let better = super::finer(&mut found, failure.link, failure.code)?;
    (better.code != failure.code || better.link != failure.link || sharper(&better))
        .then_some(better)
}

/// The link at which the doctor sees a failure with this code and text; `link` without a code.
#[must_use]
pub fn place(code: &str, text: &str, link: Link) -> Link {
    catalogue::row(code).map_or(link, |row| said::link(row, text))
}

/// Whether a verdict says more than a fault with the same code, which knows its own case best: of
/// the clouds' audiences only the rules know.
#[must_use]
pub fn sharper(verdict: &Verdict) -> bool {
    verdict.code == "Z2"
}

fn identity(failure: &Failure<'_>) -> Option<Identity> {
    let annotation = |account: &ServiceAccount, key: &str| {
        let read = failure.account.as_ref()?;
        let same = read.namespace == account.namespace && read.name == account.name;
        let value = read.annotations.get(key).filter(|v| same && !v.is_empty());
        value.cloned()
    };
    // The operator's own token says whose it is.
    let own = failure.token.as_ref();
    let own = own.and_then(|token| ServiceAccount::from_subject(token.subject));
    let mut options = Options::default();
    if let Some(own) = own {
        options.operator = own;
    }
    plan::identity(
        failure.store,
        failure.spec,
        failure.namespace,
        &annotation,
        &options,
    )
}

fn judge(identity: Option<&Identity>, token: &Presented<'_>, found: &mut Findings) {
    let shown = Shown {
        issuer: token.issuer,
        subject: token.subject,
        audiences: token.audiences.iter().map(String::as_str).collect(),
        algorithm: token.algorithm,
        key: token.key.unwrap_or_default(),
        // Lives are compared, never times.
        issued: token.life.map(|_| 0),
        expires: token.life,
    };
    let about = format!("token of {}", token.subject);
    token::claims(identity, &about, &shown, 0, found);
    let cloud = identity.map(|identity| &identity.cloud);
    if documents::is_fetched(cloud) && token.issuer != token::LEGACY {
        documents::default(cloud, token.issuer, found);
    }
}

#[cfg(test)]
mod tests;
