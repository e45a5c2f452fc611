//! What an ExternalSecret reads, store by store.

use keyless_api::{ExternalSecretSpec, Find, MetadataPolicy, RemoteRef, StoreKind, StoreRef};

/// One read.
#[derive(Clone, Debug)]
pub(super) struct Read<'a> {
    pub(super) store: Option<&'a StoreRef>,
    pub(super) wanted: Wanted<'a>,
    /// Path of the field, below the spec.
    pub(super) field: String,
}

/// What is read.
#[derive(Clone, Debug)]
pub(super) enum Wanted<'a> {
    /// The value under a key.
    Value(&'a str),
    /// The metadata under a key.
    Metadata(&'a str),
    /// What a search finds.
    Found(&'a Find),
    /// What a generator makes.
    Generated,
}

/// All reads of a spec.
pub(super) fn of(spec: &ExternalSecretSpec) -> Vec<Read<'_>> {
    let whole = spec.secret_store_ref.as_ref();
    let mut out = Vec::new();
    for (n, entry) in spec.data.iter().enumerate() {
        let own = entry.source_ref.as_ref();
        let generated = own.is_some_and(|s| s.generator_ref.is_some());
        out.push(Read {
            store: own.and_then(|s| s.store_ref.as_ref()).or(whole),
            wanted: if generated {
                Wanted::Generated
            } else {
                wanted(&entry.remote_ref)
            },
            field: format!("data[{n}]"),
        });
    }
    for (n, entry) in spec.data_from.iter().enumerate() {
        let own = entry.source_ref.as_ref();
        let store = own.and_then(|s| s.store_ref.as_ref()).or(whole);
        let mut push = |wanted, part: &str| {
            out.push(Read {
                store,
                wanted,
                field: format!("dataFrom[{n}]{part}"),
            });
        };
        if let Some(extract) = &entry.extract {
            push(wanted(extract), ".extract");
        }
        if let Some(find) = &entry.find {
            push(Wanted::Found(find), ".find");
        }
        if own.is_some_and(|s| s.generator_ref.is_some()) {
            push(Wanted::Generated, ".sourceRef");
        }
    }
    out
}

fn wanted(remote: &RemoteRef) -> Wanted<'_> {
    match remote.metadata_policy() {
        MetadataPolicy::Fetch => Wanted::Metadata(&remote.key),
        _ => Wanted::Value(&remote.key),
    }
}

/// Kind and name of the store that is meant.
pub(super) fn kind_and_name(store: &StoreRef) -> (&'static str, &str) {
    let kind = match store.kind() {
        StoreKind::ClusterSecretStore => "ClusterSecretStore",
        _ => "SecretStore",
    };
    (kind, store.name())
}

/// The fixed beginning of every name that an anchored regular expression matches; empty when it
/// is not anchored or begins with a choice.
pub(super) fn literal_prefix(regexp: &str) -> String {
    let Some(rest) = regexp.strip_prefix('^') else {
        return String::new();
    };
    // A choice anywhere may lead past the anchor.
    if rest.contains('|') {
        return String::new();
    }
    let mut out = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.next() {
                Some(escaped) if !escaped.is_alphanumeric() => escaped,
                _ => break,
            },
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '$' | '^' => break,
            c => c,
        };
        // What may be left out is no beginning.
        if matches!(chars.peek(), Some('*' | '?' | '{')) {
            break;
        }
        out.push(literal);
    }
    out
}
