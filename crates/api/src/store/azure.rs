//! Azure Key Vault.

use crate::reference::{SecretKeySelector, ServiceAccountSelector};
use crate::schema::{object, string_enum};

string_enum! {
    /// How to log in to Entra.
    pub enum AzureAuthType = ServicePrincipal {
        /// With an application's secret or certificate.
        ServicePrincipal = "ServicePrincipal",
        /// With the identity of the operator's node.
        ManagedIdentity = "ManagedIdentity",
        /// With a federated service account token.
        WorkloadIdentity = "WorkloadIdentity",
    }

    /// The Azure cloud.
    pub enum AzureEnvironment = PublicCloud {
        /// The public cloud.
        PublicCloud = "PublicCloud",
        /// The cloud of the US government.
        UsGovernmentCloud = "USGovernmentCloud",
        /// The cloud in China.
        ChinaCloud = "ChinaCloud",
        /// The cloud in Germany.
        GermanCloud = "GermanCloud",
        /// A private cloud.
        AzureStackCloud = "AzureStackCloud",
    }
}

object! {
    /// Azure Key Vault.
    pub struct AzureKvProvider {
        /// URL of the vault, such as https://my-vault.vault.azure.net.
        vault_url req "vaultUrl": String,
        /// How to log in: WorkloadIdentity with a service account's token and no stored key,
        /// ManagedIdentity with the node's identity, ServicePrincipal with a stored secret or
        /// certificate.
        auth_type opt "authType": Option<AzureAuthType> { .default("ServicePrincipal") },
        /// Tenant of the application or managed identity.
        tenant_id opt "tenantId": Option<String>,
        /// Client id of the managed identity to use, when the node has several.
        identity_id opt "identityId": Option<String>,
        /// Service account whose token is exchanged when authType is WorkloadIdentity. Without it
        /// the operator's own service account is used.
        service_account_ref opt "serviceAccountRef": Option<ServiceAccountSelector>,
        /// Secrets that hold the parts of the login.
        auth_secret_ref opt "authSecretRef": Option<AzureAuthSecretRef>,
        /// The Azure cloud that the vault lives in; decides which endpoints are used.
        environment_type opt "environmentType": Option<AzureEnvironment> { .default("PublicCloud") },
        /// Endpoints of a private cloud.
        custom_cloud_config opt "customCloudConfig": Option<AzureCustomCloud>,
        /// Selects the newer Azure client of External Secrets Operator; accepted for
        /// compatibility.
        use_azure_sdk opt "useAzureSDK": Option<bool> { .default(false) },
    }

    /// Secrets that hold the parts of a login to Entra.
    pub struct AzureAuthSecretRef {
        /// Client id of the application.
        client_id opt "clientId": Option<SecretKeySelector>,
        /// Tenant of the application.
        tenant_id opt "tenantId": Option<SecretKeySelector>,
        /// Client secret of the application.
        client_secret opt "clientSecret": Option<SecretKeySelector>,
        /// Certificate and private key of the application, in PEM.
        client_certificate opt "clientCertificate": Option<SecretKeySelector>,
    }

    /// Endpoints of a private cloud.
    pub struct AzureCustomCloud {
        /// Where tokens are issued.
        active_directory_endpoint req "activeDirectoryEndpoint": String,
        /// Audience of Key Vault tokens.
        key_vault_endpoint opt "keyVaultEndpoint": Option<String>,
        /// Domain under which vaults live.
        key_vault_dns_suffix opt "keyVaultDNSSuffix": Option<String>,
        /// Where resources are managed.
        resource_manager_endpoint opt "resourceManagerEndpoint": Option<String>,
    }
}
