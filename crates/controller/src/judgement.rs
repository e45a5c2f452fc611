//! What a failed login or read is told as.
//!
//! Owns: the way from a provider's error and what the operator has in its hands anyway (the
//! store's spec, the account as it was read, the token by its claims) through the doctor's rules
//! to the words of conditions and events. Refuses: requests, and keeping anything: a verdict is
//! made when it is told.

use keyless_api::SecretStoreSpec;
use keyless_fault::{Fault, Judged, Link};
use keyless_providers::Error;
use keyless_trust::catalogue;
use keyless_trust::doctor::{Account, Failure, Presented, Verdict, place, sharpen, sharper};

use crate::external_secret::store_ref;
use crate::object::ObjectKey;

/// Where it failed.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The store.
    pub store: &'a ObjectKey,
    /// Its spec.
    pub spec: &'a SecretStoreSpec,
    /// Namespace of the reader; the store's own while it is validated.
    pub namespace: &'a str,
}

impl Scene<'_> {
    /// What is told of `error` there.
    #[must_use]
    pub fn judge(&self, error: &Error) -> Judged {
        let mut judged = Judged::of(error);
        let link = link(error);
        judged.link = Some(link);
        match self.sharpen(error, link) {
            None => judged,
            Some(verdict) if verdict.code == judged.code && !sharper(&verdict) => Judged {
                link: Some(verdict.link),
                ..judged
            },
            Some(verdict) => Judged {
                link: Some(verdict.link),
                observed: Some(verdict.observed),
                required: verdict.required,
                fix: Some(verdict.fix.trim_end_matches('.').to_owned()),
                code: verdict.code,
            },
        }
    }

    fn sharpen(&self, error: &Error, link: Link) -> Option<Verdict> {
        let evidence = error.evidence();
        let account = evidence.and_then(|known| known.account.as_ref());
        let token = evidence.and_then(|known| known.token.as_ref());
        sharpen(&Failure {
            store: &store_ref(self.store),
            spec: self.spec,
            namespace: self.namespace,
            account: account.map(|account| Account {
                namespace: &account.namespace,
                name: &account.name,
                annotations: &account.annotations,
            }),
            token: token.map(|token| Presented {
                issuer: &token.issuer,
                subject: &token.subject,
                audiences: &token.audiences,
                algorithm: &token.algorithm,
                key: token.key_id.as_deref(),
                life: token.life,
            }),
            link,
            code: error.code(),
        })
    }
}

/// The broken link. What the spec or an annotation lacks is a matter of the store to a login; the
/// catalogue knows whose it is.
fn link(error: &Error) -> Link {
    let link = error.link();
    let code = error.code();
    let blanket = matches!(error, Error::Identity(_)) && (link == Link::Store || code == "K21");
    if blanket { place(code, "", link) } else { link }
}

/// A message without the code at its end, and the code, if it is one of the catalogue.
#[must_use]
pub fn split_code(message: &str) -> (&str, &'static str) {
    let inner = message.trim_end().strip_suffix(']');
    let parts = inner.and_then(|inner| inner.rsplit_once(" ["));
    match parts.and_then(|(text, code)| Some((text, catalogue::row(code)?))) {
        Some((text, row)) => (text, row.code),
        None => (message, ""),
    }
}

#[cfg(test)]
mod tests;
