//! The one batch-first trait behind which every backend lives.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_fault::ObjectRef;
use keyless_secret::SecretBytes;

use crate::Error;

/// One remote value that an object asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ref {
    /// Name at the provider, in the provider's own syntax.
    pub key: String,
    /// Path inside the value.
    pub property: Option<String>,
    /// Version, stage or label.
    pub version: Option<String>,
    /// `metadataPolicy: Fetch`: the secret's tags or labels instead of its value.
    pub metadata: bool,
}

/// A search for values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Find {
    /// Only below this path.
    pub path: Option<String>,
    /// Unanchored RE2 expression on the name.
    pub name: Option<String>,
    /// All of these tags.
    pub tags: BTreeMap<String, String>,
}

/// Where a value is written to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Remote {
    /// Name at the provider, in the provider's own syntax.
    pub key: String,
    /// Only this property of it; the others stay.
    pub property: Option<String>,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Push {
    /// Where to.
    pub remote: Remote,
    /// What: one value, or a whole Secret as a JSON object.
    pub value: SecretBytes,
    /// The provider's own settings, as the user wrote them (`spec.data[].metadata`).
    pub metadata: Option<serde_json::Value>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was made anew.
    Created,
    /// It was changed.
    Updated,
    /// It was as wanted: nothing was written.
    Unchanged,
}

/// What a store can do; the values of `status.capabilities`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capabilities {
    /// Reads only.
    ReadOnly,
    /// Writes only.
    WriteOnly,
    /// Both.
    ReadWrite,
}

impl Capabilities {
    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "ReadOnly",
            Self::WriteOnly => "WriteOnly",
            Self::ReadWrite => "ReadWrite",
        }
    }
}

/// The outcome of a store's validation that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// The login works.
    Valid,
    /// It cannot be known without a consumer: the text says why (referent authentication).
    Unknown(String),
    /// The backend would not say, and reads may work all the same: the text says why.
    Undetermined(String),
}

/// Whose store is used, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreScope {
    /// The store: `SecretStore ns/name` or `ClusterSecretStore name`.
    pub store: ObjectRef,
    /// The namespace of the object that reads; for a store's own validation the store's
    /// namespace, or `None` for a ClusterSecretStore (then referent selectors are unresolvable).
    pub consumer_namespace: Option<String>,
}

/// A backend opened with one identity. Shared by every object that uses the same store spec
/// under the same identity; all methods may be called concurrently.
///
/// `max_age` is how old an answer may be: zero demands a call that starts after this one was
/// made (calls under way that started earlier do not count), larger values let equal reads share
/// an answer. Two identities never share one.
pub trait Provider: Send + Sync {
    /// Reads many values; the answer has one entry for each of `refs`, in order.
    fn read<'a>(
        &'a self,
        refs: &'a [Ref],
        max_age: Duration,
    ) -> BoxFuture<'a, Vec<Result<SecretBytes, Error>>>;

    /// `dataFrom.extract`: the value as a map of keys.
    fn read_map<'a>(
        &'a self,
        reference: &'a Ref,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>>;

    /// `dataFrom.find`: every value that matches, by raw provider name.
    fn find<'a>(
        &'a self,
        find: &'a Find,
        max_age: Duration,
    ) -> BoxFuture<'a, Result<BTreeMap<String, SecretBytes>, Error>>;

    /// Checks that the store can log in; at most one cheap call.
    fn validate(&self) -> BoxFuture<'_, Result<Validation, Error>>;

    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// Writes one value. What exists is only overwritten where it is marked as
    /// `managed-by=external-secrets`, by tag, label or what the provider has for it; what is new
    /// gets that mark. Equal content is not written.
    fn push<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<Pushed, Error>> {
        let _ = push;
        ready(Err(read_only())).boxed()
    }

    /// Deletes what [`Provider::push`] wrote: a property alone where others remain. True if it
    /// was there. What is not marked as ours is refused.
    fn delete<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        let _ = remote;
        ready(Err(read_only())).boxed()
    }

    /// Whether something exists there, whoever wrote it.
    fn exists<'a>(&'a self, remote: &'a Remote) -> BoxFuture<'a, Result<bool, Error>> {
        let _ = remote;
        ready(Err(read_only())).boxed()
    }
}

fn read_only() -> Error {
    Error::Config {
        reason: "this provider only reads".into(),
        hint: Some("Push to a store whose status says ReadWrite".into()),
    }
}
