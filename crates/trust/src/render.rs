//! A plan in a cloud's language: OpenTofu, a shell script of the cloud's own tool, or documents.
//!
//! Owns: what is created for a plan, by cloud, and writing it so that no name in a manifest can
//! become code: texts are quoted in [`crate::hcl::write`] and in `shell` only. Refuses: running
//! anything, and a trust without subject or audience.
//!
//! All three forms come from one model for each cloud, so that they cannot differ.

mod aws;
mod azure;
mod google;
mod names;
mod shell;
mod vault;

use serde_json::Value;

use crate::plan::{Cloud, Identity, Options, Plan};

pub use shell::quote as shell_quote;

/// The clouds that can be rendered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// AWS.
    Aws,
    /// Azure.
    Azure,
    /// Google.
    Google,
    /// Vault or OpenBao.
    Vault,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Aws, Self::Azure, Self::Google, Self::Vault];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Google => "google",
            Self::Vault => "vault",
        }
    }

    /// The identities of a plan that log in there.
    pub fn identities(self, plan: &Plan) -> impl Iterator<Item = &Identity> {
        plan.identities
            .iter()
            .filter(move |i| i.cloud.as_str() == self.as_str())
    }
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenTofu and Terraform.
    Hcl,
    /// A script for `aws`, `az`, `gcloud` or `bao`.
    Shell,
    /// Documents for programs.
    Json,
}

/// How a plan is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// What the plan was made with.
    pub options: &'a Options,
    /// Take over what exists, where the form can say so.
    pub import: bool,
}

/// Why a plan cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Something that no manifest says is missing.
    #[error("{what} is not known: give {flag}")]
    Missing {
        /// What.
        what: String,
        /// Where it is given.
        flag: &'static str,
    },
    /// A name that cannot be written without meaning more than itself.
    #[error("{name:?} cannot be a name {place}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Where.
        place: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The cloud's limit for one object is exceeded.
    #[error("{what} of {name} has {size} {unit}, at most {limit} are allowed; {fix}")]
    TooMuch {
        /// Which object.
        what: &'static str,
        /// Of whom.
        name: String,
        /// How much there is.
        size: usize,
        /// Of what.
        unit: &'static str,
        /// How much there may be.
        limit: usize,
        /// What helps.
        fix: &'static str,
    },
}

/// The plan for `target`, as text in `form`.
///
/// # Errors
/// See [`RenderError`].
pub fn render(
    plan: &Plan,
    target: Target,
    form: Form,
    settings: &Settings<'_>,
) -> Result<String, RenderError> {
    Ok(match (target, form) {
        (Target::Aws, Form::Hcl) => aws::hcl(&aws::model(plan, settings)?),
        (Target::Aws, Form::Shell) => aws::shell(&aws::model(plan, settings)?),
        (Target::Azure, Form::Hcl) => azure::hcl(&azure::model(plan, settings)?),
        (Target::Azure, Form::Shell) => azure::shell(&azure::model(plan, settings)?),
        (Target::Google, Form::Hcl) => google::hcl(&google::model(plan, settings)?),
        (Target::Google, Form::Shell) => google::shell(&google::model(plan, settings)?),
        (Target::Vault, Form::Hcl) => vault::hcl(&vault::model(plan, settings)?),
        (Target::Vault, Form::Shell) => vault::shell(&vault::model(plan, settings)?),
        (_, Form::Json) => {
            let json = documents(plan, target, settings)?;
            serde_json::to_string_pretty(&json).unwrap_or_default() + "\n"
        }
    })
}

/// The plan for `target`, as documents for programs.
///
/// # Errors
/// See [`RenderError`].
pub fn documents(
    plan: &Plan,
    target: Target,
    settings: &Settings<'_>,
) -> Result<Value, RenderError> {
    Ok(match target {
        Target::Aws => aws::json(&aws::model(plan, settings)?),
        Target::Azure => azure::json(&azure::model(plan, settings)?),
        Target::Google => google::json(&google::model(plan, settings)?),
        Target::Vault => vault::json(&vault::model(plan, settings)?),
    })
}

/// The issuer, which every trust needs.
fn issuer(plan: &Plan) -> Result<&crate::Issuer, RenderError> {
    plan.issuer.as_ref().ok_or_else(|| RenderError::Missing {
        what: "the issuer of the cluster's tokens".into(),
        flag: "--issuer",
    })
}

/// What every file begins with.
fn head(target: Target) -> String {
    format!(
        "Made by `keyless trust render {}`. Change the objects that need it, then make it again.",
        target.as_str()
    )
}

/// Why an identity is there, for comments.
fn reasons(identity: &Identity) -> String {
    let mut out = format!(
        "{}: {}",
        identity.name,
        match &identity.cloud {
            Cloud::Vault { server, .. } => format!("{} at {server}", identity.subject()),
            _ => identity.subject(),
        }
    );
    for grant in &identity.grants {
        out.push_str(&format!(
            "\n  {} {} in {}",
            grant.access.verb.as_str(),
            grant.access.scope,
            grant.access.place
        ));
        const SHOWN: usize = 3;
        for why in grant.because.iter().take(SHOWN) {
            out.push_str(&format!("\n    for {why}"));
        }
        if let Some(more) = grant.because.len().checked_sub(SHOWN).filter(|n| *n > 0) {
            out.push_str(&format!("\n    and {more} more"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
