//! What trust is derived from: the objects, and what is known beside them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use keyless_trust::plan::{self, Options, Plan};
use keyless_trust::{Issuer, ServiceAccount};

use super::objects::{self, Read};
use super::show;
use crate::outcome::Outcome;

/// Flags of what trust is derived from.
#[derive(clap::Args)]
#[group(skip)]
pub struct Flags {
    #[command(flatten)]
    objects: objects::Flags,
    /// Issuer of the cluster's tokens, exactly as they carry it; default: the cluster is asked
    #[arg(long, value_name = "URL", value_parser = issuer)]
    issuer: Option<Issuer>,
    /// Service account of the operator, for stores that name none
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "external-secrets/external-secrets", value_parser = account)]
    operator: ServiceAccount,
    /// AWS account of roles that no annotation names
    #[arg(long, value_name = "ACCOUNT")]
    aws_account: Option<String>,
    /// Give the operator its role by EKS Pod Identity, in the cluster of this name
    #[arg(long, value_name = "CLUSTER")]
    aws_pod_identity: Option<String>,
    /// ARN of a KMS key of your own that encrypts what is read
    #[arg(long, value_name = "ARN")]
    aws_kms_key: Vec<String>,
    /// Tenant of identities that neither store nor annotation names
    #[arg(long, value_name = "ID")]
    azure_tenant: Option<String>,
    /// Resource group of the managed identities and vaults
    #[arg(long, value_name = "NAME")]
    azure_resource_group: Option<String>,
    /// Region of the managed identities
    #[arg(long, value_name = "REGION")]
    azure_location: Option<String>,
    /// The vaults use access policies, not roles
    #[arg(long)]
    azure_access_policies: bool,
    /// Google project of the pool, and of secrets whose store names none
    #[arg(long, value_name = "ID")]
    google_project: Option<String>,
    /// Its number; default: looked up when the trust is created
    #[arg(long, value_name = "NUMBER")]
    google_project_number: Option<String>,
    /// Id of the workload identity pool
    #[arg(long, value_name = "ID")]
    google_pool: Option<String>,
    /// Id of the pool's provider
    #[arg(long, value_name = "ID")]
    google_provider: Option<String>,
    /// Certificate authority of the issuer, in PEM, if it is a private one that Vault must be told of
    #[arg(long, value_name = "FILE")]
    vault_issuer_ca: Option<PathBuf>,
    /// Address of the API server for a Vault outside of the cluster
    #[arg(long, value_name = "URL")]
    vault_kubernetes_host: Option<String>,
    /// Certificate authority of the API server, in PEM, for a Vault outside of the cluster
    #[arg(long, value_name = "FILE")]
    vault_kubernetes_ca: Option<PathBuf>,
}

/// A plan, with what it was made from.
pub struct Derived {
    pub plan: Plan,
    pub options: Options,
    /// What could not be read, with the reason.
    pub unseen: Vec<String>,
    /// What cannot be used, with the reason.
    pub wrong: Vec<String>,
}

impl Derived {
    /// How the command ends, if not by what it prints.
    pub fn outcome(&self) -> Outcome {
        show::completeness(&self.unseen, &self.wrong)
    }
}

fn issuer(text: &str) -> Result<Issuer, String> {
    Issuer::parse(text).map_err(|error| error.to_string())
}

fn account(text: &str) -> Result<ServiceAccount, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(ServiceAccount::new(namespace, name))
        }
        _ => Err("it has the form NAMESPACE/NAME".to_owned()),
    }
}

/// The text of a file of certificates.
fn authority(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the certificates in {}", file.display()))?;
    anyhow::ensure!(
        text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY"),
        "{} is to hold certificates in PEM and nothing else",
        file.display()
    );
    Ok(text)
}

/// Reads and plans. An outcome in place of a plan says why there is none.
///
/// # Errors
/// A file or the cluster cannot be read at all.
pub fn derive(flags: &Flags) -> Result<std::result::Result<Derived, Outcome>> {
    let mut options = Options {
        issuer: flags.issuer.clone(),
        operator: flags.operator.clone(),
        aws: plan::Aws {
            account: flags.aws_account.clone(),
            pod_identity: flags.aws_pod_identity.clone(),
            keys: flags.aws_kms_key.clone(),
        },
        azure: plan::Azure {
            tenant: flags.azure_tenant.clone(),
            resource_group: flags.azure_resource_group.clone(),
            location: flags.azure_location.clone(),
            access_policies: flags.azure_access_policies,
        },
        google: plan::Google {
            project: flags.google_project.clone(),
            number: flags.google_project_number.clone(),
            pool: flags.google_pool.clone(),
            provider: flags.google_provider.clone(),
        },
        vault: plan::Vault {
            issuer_ca: flags
                .vault_issuer_ca
                .as_deref()
                .map(authority)
                .transpose()?,
            kubernetes_host: flags.vault_kubernetes_host.clone(),
            kubernetes_ca: flags
                .vault_kubernetes_ca
                .as_deref()
                .map(authority)
                .transpose()?,
        },
    };
    let Read {
        inventory,
        issuer,
        mut unseen,
        mut wrong,
    } = flags.objects.read()?;
    match issuer {
        Some(Ok(issuer)) if options.issuer.is_none() => match Issuer::parse(&issuer) {
            Ok(issuer) => options.issuer = Some(issuer),
            Err(error) => wrong.push(format!("the cluster's issuer: {error} [K1]")),
        },
        Some(Err(why)) if options.issuer.is_none() => unseen.push(why),
        _ => {}
    }
    if inventory.is_empty() && wrong.is_empty() && unseen.is_empty() {
        let text = "there is no store and no ExternalSecret to plan for";
        return Ok(Err(Outcome::WrongUse(text.to_owned())));
    }
    Ok(Ok(Derived {
        plan: plan::plan(&inventory, &options),
        options,
        unseen,
        wrong,
    }))
}
