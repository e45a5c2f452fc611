//! The facts of a diagnosis: what a bundle holds. No value, no token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that was seen.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// Kind, namespace and name of the object that was asked about, as `Kind namespace/name`;
    /// empty for the first one that is not ready.
    pub about: String,
    /// ExternalSecrets, stores, service accounts, namespaces; never a Secret.
    pub objects: Vec<Value>,
    /// What was looked for and is not there, as `Kind namespace/name`.
    pub absent: Vec<String>,
    /// Kinds of which every object was listed, so that what is not among them is not there.
    pub listed: Vec<String>,
    /// Served versions of `external-secrets.io`; empty when that is not known.
    pub served: Vec<String>,
    /// Tokens that were minted, by their claims only.
    pub tokens: Vec<TokenFact>,
    /// The issuer by the cluster's own discovery document.
    pub issuer: Option<String>,
    /// The issuer's documents as seen from outside.
    pub outside: Option<OutsideFacts>,
    /// What the clouds' own tools print about their objects.
    pub described: Vec<Described>,
    /// Secrets and ConfigMaps that are there, by their names and, where they were looked into, by
    /// the names and sizes of their keys.
    pub stored: Vec<StoredFact>,
    /// What came of logins that were tried.
    pub logins: Vec<LoginFact>,
    /// What the rules of injection would do to the pod that was asked about.
    pub injection: Vec<InjectionFact>,
    /// Error texts that somebody saw.
    pub errors: Vec<String>,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
    /// When the facts were collected, seconds since 1970.
    pub now: i64,
}

/// A token by its header and claims.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenFact {
    /// Namespace and name of the service account.
    pub account: String,
    /// The audience that was asked for.
    pub audience: String,
    /// The protected header.
    pub header: Value,
    /// The claims.
    pub claims: Value,
    /// Why none was minted.
    pub refused: Option<String>,
}

/// What a cloud's rules of injection would do to a pod if it were created now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InjectionFact {
    /// `aws`, `azure` or `google`.
    pub cloud: String,
    /// Whether it would get a token that it has not.
    pub adds: bool,
    /// Why it would be refused.
    pub denied: Option<String>,
    /// What whoever created it would be told.
    pub warnings: Vec<String>,
}

/// A Secret or ConfigMap that a store names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoredFact {
    /// `Kind namespace/name`.
    pub name: String,
    /// Its keys, each with the number of bytes; nothing where only its metadata was read.
    pub keys: Option<BTreeMap<String, usize>>,
}

/// A login that was tried with a token of the service account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginFact {
    /// What the token was to become.
    pub identity: String,
    /// Why it did not, as the operator would say it.
    pub refused: Option<String>,
    /// The link that the refusal is about, for one that the catalogue does not know.
    pub link: Option<String>,
}

/// The issuer's documents from outside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutsideFacts {
    /// The issuer that was asked about.
    pub issuer: String,
    /// What the issuer's rules found.
    pub findings: Vec<OutsideFinding>,
    /// Names of the published keys, if the set was read.
    pub keys: Option<Vec<String>>,
}

/// A finding of the issuer's rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutsideFinding {
    /// Code of the catalogue.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// What was seen.
    pub observed: String,
    /// What would be right.
    pub required: String,
    /// What to do.
    pub fix: String,
    /// Whether it is only worth a thought.
    pub warning: bool,
}

/// A document about an object of a cloud.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Described {
    /// Where it is from.
    pub name: String,
    /// The document.
    pub document: Value,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}
