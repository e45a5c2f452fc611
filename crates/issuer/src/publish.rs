//! `publish`: brings a target to what the plan says.
//!
//! Owns: reading what is there, carrying the plan out write by write, and starting again with
//! fresh facts when someone else wrote in between. Refuses: reading API servers (see
//! [`crate::cluster`]) and planning (see [`crate::plan`]).

use keyless_fault::{Class, Fault, Link};
use serde::Serialize;

use crate::finding::Finding;
use crate::plan::{Current, Object, Wish, plan};
use crate::target::{Seen, Stored, Target, TargetError};

/// How often a publication starts again when others write at the same time.
const ATTEMPTS: u32 = 5;

/// Why nothing, or not everything, was published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The plan is forbidden; nothing was written.
    #[error("nothing was published: {}", summary(.0))]
    Forbidden(Vec<Finding>),
    /// The target did not take it.
    #[error("cannot publish at {name}")]
    Target {
        /// The target.
        name: String,
        /// The cause.
        #[source]
        source: TargetError,
    },
}

fn summary(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Fault for PublishError {
    fn link(&self) -> Link {
        match self {
            Self::Forbidden(found) => found
                .first()
                .map_or(Link::IssuerDocument, |f| f.code.link()),
            Self::Target { source, .. } => source.link(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Forbidden(_) => Class::Config,
            Self::Target { source, .. } => source.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(found) => found.first().map_or("", |f| f.code.as_str()),
            Self::Target { source, .. } => source.code(),
        }
    }

    fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Forbidden(_) => None,
            Self::Target { source, .. } => source.provider_code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Forbidden(_) => None,
            Self::Target { source, .. } => source.hint(),
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Published {
    /// The paths that were written, in their order; none if all was as it should be.
    pub written: Vec<&'static str>,
    /// All keys that are published now.
    pub keys: Vec<String>,
    /// Those that are new.
    pub added: Vec<String>,
    /// Those that no API server has, and until when they stay.
    pub kept: Vec<(String, Option<i64>)>,
    /// Those that went.
    pub removed: Vec<String>,
    /// Remarks.
    pub findings: Vec<Finding>,
}

/// Publishes.
///
/// # Errors
/// Nothing was written because of a finding, or the target refused; what is published stays valid
/// in any case.
pub async fn publish(target: &dyn Target, wish: &Wish<'_>) -> Result<Published, PublishError> {
    let failed = |source| PublishError::Target {
        name: target.name(),
        source,
    };
    let mut attempt = 1;
    loop {
        match once(target, wish).await {
            Ok(done) => return done.map_err(PublishError::Forbidden),
            Err(TargetError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(failed(error)),
        }
    }
}

async fn once(
    target: &dyn Target,
    wish: &Wish<'_>,
) -> Result<Result<Published, Vec<Finding>>, TargetError> {
    let mut stored: Vec<(Object, Option<Stored>)> = Vec::new();
    for object in Object::ALL {
        stored.push((object, target.read(object).await?));
    }
    let bytes = |object| {
        let found = stored.iter().find(|(o, _)| *o == object);
        found.and_then(|(_, s)| s.as_ref()).map(|s| s.bytes.clone())
    };
    let current = Current {
        marker: bytes(Object::Marker),
        keys: bytes(Object::Keys),
        discovery: bytes(Object::Discovery),
    };
    let plan = match plan(wish, &current) {
        Ok(plan) => plan,
        Err(findings) => return Ok(Err(findings)),
    };
    for (object, bytes) in &plan.writes {
        let seen = stored.iter().find(|(o, _)| o == object);
        let seen = seen.and_then(|(_, s)| s.as_ref());
        let seen = seen.map_or(Seen::Nothing, |s| Seen::Version(&s.version));
        target.write(*object, bytes, seen).await?;
    }
    Ok(Ok(Published {
        written: plan.writes.iter().map(|(o, _)| o.path()).collect(),
        keys: plan.merged.keys.keys().cloned().collect(),
        added: plan.merged.added,
        kept: plan.merged.kept,
        removed: plan.merged.removed,
        findings: plan.findings,
    }))
}
