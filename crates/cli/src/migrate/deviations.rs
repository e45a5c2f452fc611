//! Where an object works and behaves otherwise, as far as its manifest shows it.
//!
//! Owns: which rows of docs/compatibility.md concern an object. Refuses: rows that concern all
//! objects, or that only show at run time: nobody could act on them.

use keyless_api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec, SecretStoreSpec};

/// A row that concerns objects whose spec says so.
pub struct Deviation<T> {
    /// The first cell of the row.
    pub row: &'static str,
    /// The field.
    pub path: &'static str,
    /// What is different.
    pub message: &'static str,
    /// Whether it concerns an object with this spec.
    pub concerns: fn(&T) -> bool,
}

fn template_from(spec: &ExternalSecretSpec) -> bool {
    let template = spec.template();
    template.is_some_and(|t| {
        let mut sources = t.template_from.iter();
        sources.any(|from| from.config_map.is_some() || from.secret.is_some())
    })
}

fn generic(spec: &ExternalSecretSpec) -> bool {
    let manifest = spec.target.as_ref().and_then(|t| t.manifest.as_ref());
    manifest.is_some_and(|manifest| !manifest.is_secret())
}

/// Those of ExternalSecrets.
pub const EXTERNAL_SECRET: &[Deviation<ExternalSecretSpec>] = &[
    Deviation {
        row: "deletionPolicy Delete, nothing found",
        path: "spec.target.deletionPolicy",
        message: "only a Secret that this object owns is deleted; ESO deletes any Secret of that name",
        concerns: |spec| spec.deletion_policy() == DeletionPolicy::Delete,
    },
    Deviation {
        row: "a changed ConfigMap or Secret of `templateFrom`",
        path: "spec.target.template.templateFrom",
        message: "a changed template source is rendered at once, not at the next refresh",
        concerns: template_from,
    },
    Deviation {
        row: "overlapping sync windows",
        path: "spec.syncWindows",
        message: "windows that follow each other leave no second uncovered, and an object outside of its windows sleeps until the next one",
        concerns: |spec| spec.sync_windows.is_some(),
    },
    Deviation {
        row: "rewritten keys that collide",
        path: "spec.dataFrom.rewrite",
        message: "where rewritten keys collide the alphabetically later source wins, always; with ESO one wins at random",
        concerns: |spec| spec.data_from.iter().any(|from| !from.rewrite.is_empty()),
    },
    Deviation {
        row: "Merge and CreateOrMerge without a template",
        path: "spec.target.manifest",
        message: "keys of others stay, and keys that are no longer wanted go",
        concerns: |spec| {
            let policy = spec.creation_policy();
            generic(spec)
                && spec.template().is_none()
                && matches!(
                    policy,
                    CreationPolicy::Merge | CreationPolicy::CreateOrMerge
                )
        },
    },
    Deviation {
        row: "`template.metadata`",
        path: "spec.target.template.metadata",
        message: "labels and annotations of the target are rendered as templates",
        concerns: |spec| generic(spec) && spec.template().is_some_and(|t| t.metadata.is_some()),
    },
];

/// Those of stores.
pub const STORE: &[Deviation<SecretStoreSpec>] = &[
    Deviation {
        row: "AWS Secrets Manager, `find.name` without `path` in a store with `prefix`",
        path: "spec.provider.aws.prefix",
        message: "a search by name finds names that begin with the prefix; with ESO it finds nothing",
        concerns: |spec| {
            let aws = spec.provider.aws.as_ref();
            aws.is_some_and(|aws| aws.prefix.as_ref().is_some_and(|prefix| !prefix.is_empty()))
        },
    },
    Deviation {
        row: "Vault: login",
        path: "spec.provider.vault.auth",
        message: "one session for each identity is kept, renewed and shared, and revoked when nobody uses it any more",
        concerns: |spec| spec.provider.vault.is_some() || spec.provider.open_bao.is_some(),
    },
    Deviation {
        row: "store validation",
        path: "spec.provider.azurekv",
        message: "the store reads a name that does not exist to find out whether it works, and is not Ready if the login, the vault or the firewall says no",
        concerns: |spec| spec.provider.azurekv.is_some(),
    },
    Deviation {
        row: "`customCloudConfig`",
        path: "spec.provider.azurekv.customCloudConfig",
        message: "it is used whenever it is set; useAzureSDK has no effect",
        concerns: |spec| {
            let azure = spec.provider.azurekv.as_ref();
            azure.is_some_and(|azure| azure.custom_cloud_config.is_some())
        },
    },
    Deviation {
        row: "store validation",
        path: "spec.provider.gcpsm",
        message: "the store reads a name that does not exist to find out whether it works, and is not Ready if the login, the project or a service perimeter says no",
        concerns: |spec| spec.provider.gcpsm.is_some(),
    },
    Deviation {
        row: "Vault: `auth.gcp`",
        path: "spec.provider.vault.auth.gcp.serviceAccountRef",
        message: "it is the account of a GKE cluster that logs in; with ESO it stands for the operator's own identity",
        concerns: |spec| {
            let vault = spec.provider.vault.as_ref().and_then(|v| v.auth.as_ref());
            let gcp = vault.and_then(|auth| auth.gcp.as_ref());
            gcp.is_some_and(|gcp| gcp.service_account_ref.is_some())
        },
    },
    Deviation {
        row: "`kubernetes`: an absent Secret in `data`",
        path: "spec.provider.kubernetes",
        message: "an absent Secret counts as absent, so deletionPolicy acts on it",
        concerns: |spec| spec.provider.kubernetes.is_some(),
    },
    Deviation {
        row: "`kubernetes`: `authRef`",
        path: "spec.provider.kubernetes.authRef",
        message: "only a server, authorities and a token or certificate are read from the kubeconfig; programs, files and proxies in it are refused",
        concerns: |spec| {
            let kubernetes = spec.provider.kubernetes.as_ref();
            kubernetes.is_some_and(|kubernetes| kubernetes.auth_ref.is_some())
        },
    },
    Deviation {
        row: "`webhook`, `vault`: addresses",
        path: "spec.provider.webhook.url",
        message: "link-local addresses and metadata services are out of reach, redirects are an error, and an answer may take 30 s and 4 MiB",
        concerns: |spec| spec.provider.webhook.is_some(),
    },
    Deviation {
        row: "`webhook`: the language of `result.jsonPath`",
        path: "spec.provider.webhook.result.jsonPath",
        message: "the path is read by RFC 9535",
        concerns: |spec| {
            let webhook = spec.provider.webhook.as_ref();
            let result = webhook.and_then(|webhook| webhook.result.as_ref());
            result.is_some_and(|result| result.json_path.is_some())
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row exists, so that whoever follows it finds it.
    #[test]
    fn every_row_is_in_the_documentation() {
        let page = include_str!("../../../../docs/compatibility.md");
        let external_secret = EXTERNAL_SECRET.iter().map(|d| d.row);
        for row in external_secret.chain(STORE.iter().map(|d| d.row)) {
            assert!(page.contains(&format!("\n| {row} |")), "{row}");
        }
    }
}
