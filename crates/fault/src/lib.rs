//! The one contract of every failure in keyless.
//!
//! Owns: the links of a chain of trust, the classes of failure, and the trait that every
//! crate's error implements so that one table yields condition, event, metric label, retry
//! and the doctor's output. Refuses: values, tokens, I/O, and any knowledge of a provider.
//!
//! Tests are beside the code.

mod verdict;

use std::error::Error;
use std::fmt;
use std::time::Duration;

pub use verdict::Verdict;

/// The link of the chain from a cluster's token to a Secret at which something broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Link {
    /// The Kubernetes object that asked: its spec is wrong or incomplete.
    Manifest,
    /// The store that the object names.
    Store,
    /// Minting or reading the subject token.
    Token,
    /// The issuer's discovery document.
    IssuerDocument,
    /// The issuer's signing keys.
    Keys,
    /// The trust object at the cloud: OIDC provider, federated credential, pool provider.
    TrustObject,
    /// The exchange of the token for a credential: role, app, service account.
    Identity,
    /// The credential's permission on the secret.
    Permission,
    /// Decryption of the secret by a key service.
    Decryption,
    /// The secret itself: missing, wrong version, wrong shape.
    Secret,
    /// Turning fetched values into the wanted Secret.
    Template,
    /// Writing to Kubernetes.
    Kubernetes,
    /// The network or the provider's availability.
    Network,
}

impl Link {
    /// The name used in metrics, JSON and the doctor's drawing.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Store => "store",
            Self::Token => "token",
            Self::IssuerDocument => "issuer-document",
            Self::Keys => "keys",
            Self::TrustObject => "trust-object",
            Self::Identity => "identity",
            Self::Permission => "permission",
            Self::Decryption => "decryption",
            Self::Secret => "secret",
            Self::Template => "template",
            Self::Kubernetes => "kubernetes",
            Self::Network => "network",
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of failure it is; decides how soon a retry makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// What a user wrote is wrong: retrying without a change is useless.
    Config,
    /// A login or permission was refused (401, 403): slow retry, trust takes minutes to spread.
    Denied,
    /// The thing asked for does not exist (404).
    NotFound,
    /// Asked too often (429): the provider's `Retry-After` or a longer back-off.
    Throttled,
    /// The peer could not be reached or failed (5xx, timeout): ordinary back-off.
    Unavailable,
    /// Someone else changed the same object (409): at once, with fresh facts.
    Conflict,
    /// A defect of keyless, or an answer no correct peer gives.
    Bug,
}

impl Class {
    /// The label used in metrics and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Denied => "denied",
            Self::NotFound => "not-found",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Bug => "bug",
        }
    }
}

/// A Kubernetes object that a failure points the user at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Kind, e.g. `ClusterSecretStore`.
    pub kind: String,
    /// Namespace, absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// A reference to `kind` `namespace/name`; an empty namespace means cluster scope.
    pub fn new(
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        let namespace = namespace.into();
        Self {
            kind: kind.into(),
            namespace: (!namespace.is_empty()).then_some(namespace),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(ns) => write!(f, "{} {}/{}", self.kind, ns, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Implemented by the error type at every crate's boundary.
///
/// `Display` of the error states the failed intent with its identifiers; the methods here
/// carry what a program needs. Nothing returned may hold a secret value or a token.
pub trait Fault: Error + Send + Sync + 'static {
    /// The broken link.
    fn link(&self) -> Link;
    /// The class of failure.
    fn class(&self) -> Class;
    /// The stable code of the failure catalogue, e.g. `A3`, documented in `docs/errors/`;
    /// empty where the catalogue has no row.
    fn code(&self) -> &'static str {
        ""
    }
    /// The provider's own error code, e.g. `InvalidIdentityToken`.
    fn provider_code(&self) -> Option<&str> {
        None
    }
    /// The provider's request id, for a support case.
    fn request_id(&self) -> Option<&str> {
        None
    }
    /// What was seen.
    fn observed(&self) -> Option<String> {
        None
    }
    /// What would have been right.
    fn required(&self) -> Option<String> {
        None
    }
    /// What the user can do, one sentence in the imperative.
    fn hint(&self) -> Option<String> {
        None
    }
    /// The peer's wish for the earliest retry.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
    /// The object to point the user at when it is not the one that was being reconciled.
    fn blame(&self) -> Option<ObjectRef> {
        None
    }
}

/// What is told of a failure beside its intent and causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The broken link, where it is to be named.
    pub link: Option<Link>,
    /// What was seen.
    pub observed: Option<String>,
    /// What would have been right.
    pub required: Option<String>,
    /// What the user can do.
    pub fix: Option<String>,
    /// The catalogue's code, or empty.
    pub code: &'static str,
}

impl Judged {
    /// What the fault itself says; the link is not named.
    #[must_use]
    pub fn of(fault: &dyn Fault) -> Self {
        Self {
            link: None,
            observed: fault.observed(),
            required: fault.required(),
            fix: fault.hint(),
            code: fault.code(),
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if let Some(link) = self.link {
            out.push_str(BROKEN_LINK);
            out.push_str(link.as_str());
        }
        for (word, part) in [("observed", &self.observed), ("required", &self.required)] {
            if let Some(part) = part.as_deref().filter(|part| !part.is_empty()) {
                out.push_str("; ");
                out.push_str(word);
                out.push(' ');
                out.push_str(part);
            }
        }
        if let Some(fix) = self.fix.as_deref().filter(|fix| !fix.is_empty()) {
            out.push_str(". ");
            out.push_str(fix);
        }
        out
    }
}

/// The text shown to users: the failed intent, its causes, what was seen and required, the fix
/// and the catalogue code, on one line of at most [`MAX_MESSAGE`] bytes.
///
/// Request ids are left out: they differ on each retry and would make the text, and with it
/// every condition and event, change without news.
#[must_use]
pub fn explain(fault: &dyn Fault) -> String {
    explain_as("", fault, &Judged::of(fault))
}

/// The same with words before it, and with what somebody who knows more says of the failure. What
/// is too long loses the middle of its causes, then the end of its fix, and never its code.
#[must_use]
pub fn explain_as(prefix: &str, fault: &dyn Fault, judged: &Judged) -> String {
    let mut cause = format!("{prefix}{fault}");
    let mut source = fault.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !text.is_empty() && !cause.contains(&text) {
            cause.push_str(": ");
            cause.push_str(&text);
        }
        source = error.source();
    }
    let code = match judged.code {
        "" => String::new(),
        code => format!(" [{code}]"),
    };
    let most = MAX_MESSAGE.saturating_sub(code.len());
    let rest = judged.text();
    if cause.len() + rest.len() > most {
        shorten(&mut cause, most.saturating_sub(rest.len()).max(MAX_CAUSE));
    }
    let mut out = cause + &rest;
    cut(&mut out, most);
    out.push_str(&code);
    out.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Shortens `text` to at most `most` bytes; an ellipsis stands for what is left out.
fn cut(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    let sign = '…';
    let end = text.floor_char_boundary(most.saturating_sub(sign.len_utf8()));
    text.truncate(end);
    text.push(sign);
}

/// Shortens `text` to at most `most` bytes by its middle: it begins with the intent, and may end in
/// what somebody else has judged.
fn shorten(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    let judged = text.find(BROKEN_LINK).unwrap_or(text.len());
    let left = most.saturating_sub(text.len() - judged + '…'.len_utf8());
    let (start, end) = if judged < text.len() && left >= MAX_CAUSE / 2 {
        (left, judged)
    } else {
        let start = most.saturating_mul(2) / 5;
        let rest = most.saturating_sub(start + '…'.len_utf8());
        (start, text.len().saturating_sub(rest))
    };
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end);
    text.replace_range(start..end, "…");
}

/// The longest text of a failure, in bytes: events refuse more than 1,024, and a condition has a
/// sentence in front.
pub const MAX_MESSAGE: usize = 960;
/// What goes before the name of the broken link.
const BROKEN_LINK: &str = "; broken link ";
/// What is left of intent and causes at least, in bytes.
const MAX_CAUSE: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot log in to AWS as {role}")]
    struct Login {
        role: &'static str,
        #[source]
        source: std::io::Error,
    }

    impl Fault for Login {
        fn link(&self) -> Link {
            Link::Identity
        }
        fn class(&self) -> Class {
            Class::Denied
        }
        fn code(&self) -> &'static str {
            "A3"
        }
        fn required(&self) -> Option<String> {
            Some("subject x".into())
        }
        fn hint(&self) -> Option<String> {
            Some("Add the subject to the role's trust policy".into())
        }
    }

    #[test]
    fn message_names_intent_cause_requirement_fix_and_code() {
        let error = Login {
            role: "r",
            source: std::io::Error::other("refused\nby peer"),
        };
        assert_eq!(
            explain(&error),
            "cannot log in to AWS as r: refused by peer; required subject x. \
             Add the subject to the role's trust policy [A3]"
        );
    }

    #[test]
    fn long_messages_are_cut_at_a_character_and_keep_fix_and_code() {
        let error = Login {
            role: "r",
            source: std::io::Error::other("é".repeat(900)),
        };
        let text = explain(&error);
        assert!(text.len() <= MAX_MESSAGE, "{}", text.len());
        assert!(
            text.ends_with(
                "é; required subject x. Add the subject to the role's trust policy [A3]"
            ),
            "{text}"
        );
    }

    /// A store's verdict in the words of its reader.
    #[test]
    fn what_was_judged_already_survives() {
        let judged = format!("{}; broken link keys; observed a", "é".repeat(500));
        let error = Login {
            role: "r",
            source: std::io::Error::other(judged),
        };
        let text = explain(&error);
        assert!(text.len() <= MAX_MESSAGE, "{}", text.len());
        assert!(
            text.contains("é…; broken link keys; observed a; "),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_longer_than_allowed() {
        let error = Login {
            role: "r",
            source: std::io::Error::other("x".repeat(5000)),
        };
        let judged = Judged {
            link: Some(Link::Identity),
            observed: Some("é".repeat(900)),
            required: Some("y".repeat(900)),
            fix: Some("z".repeat(900)),
            code: "A3",
        };
        let text = explain_as(&"p".repeat(2000), &error, &judged);
        assert!(text.len() <= MAX_MESSAGE, "{}", text.len());
        assert!(
            text.ends_with("… [A3]") && text.starts_with("ppp"),
            "{text}"
        );
        assert!(
            text.contains("…xxx") && text.contains("x; broken link identity; observed é"),
            "{text}"
        );
    }

    #[test]
    fn who_knows_more_says_link_and_code() {
        let error = Login {
            role: "r",
            source: std::io::Error::other("refused"),
        };
        let judged = Judged {
            link: Some(Link::Token),
            observed: Some("subject y".into()),
            fix: Some("Name another account".into()),
            code: "K18",
            ..Judged::default()
        };
        assert_eq!(
            explain_as("spec.data[0]: ", &error, &judged),
            "spec.data[0]: cannot log in to AWS as r: refused; broken link token; observed subject \
             y. Name another account [K18]"
        );
    }
}
