//! HashiCorp Vault, and OpenBao by the same HTTP API.

use std::collections::BTreeMap;

use super::{AwsJwtAuth, AwsSecretRef, GcpSecretRef, GcpWorkloadIdentity};
use crate::reference::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use crate::rules;
use crate::schema::{object, string_enum};

string_enum! {
    /// Version of the key-value engine.
    pub enum KvVersion = V2 {
        /// Without versions of secrets.
        V1 = "v1",
        /// With versions of secrets.
        V2 = "v2",
    }
}

object! {
    /// HashiCorp Vault, or an OpenBao server.
    pub struct VaultProvider {
        /// URL of the server, such as https://vault.example.com:8200.
        server req "server": String,
        /// How to log in; the first method that is set is used.
        auth opt "auth": Option<VaultAuth>,
        /// Where the key-value engine is mounted. Without it keys start with the mount's name.
        path opt "path": Option<String>,
        /// Version of the key-value engine.
        version opt "version": Option<KvVersion> { .default("v2") },
        /// Vault namespace that holds the secrets, and the login unless auth names another one.
        namespace opt "namespace": Option<String>,
        /// Certificate authorities for the server's certificate, as base64-encoded PEM.
        ca_bundle opt "caBundle": Option<String> { .with("format", "byte") },
        /// Object that holds the certificate authorities for the server's certificate.
        ca_provider opt "caProvider": Option<CaProvider>,
        /// Client certificate that is shown to the server.
        tls opt "tls": Option<VaultTls>,
        /// Makes reads wait until earlier writes are visible on a replica.
        read_your_writes opt "readYourWrites": Option<bool>,
        /// Makes a replica pass a read on when it lags behind earlier writes.
        forward_inconsistent opt "forwardInconsistent": Option<bool>,
        /// HTTP headers added to every request.
        headers opt "headers": BTreeMap<String, String>,
        /// Check-and-set for pushed values.
        check_and_set opt "checkAndSet": Option<VaultCheckAndSet>,
    }

    /// Check-and-set for pushed values.
    pub struct VaultCheckAndSet {
        /// Sends the version that a write is based on, so that concurrent writes are refused.
        required opt "required": Option<bool>,
    }

    /// A client certificate.
    pub struct VaultTls {
        /// The certificate, in PEM.
        cert_secret_ref opt "certSecretRef": Option<SecretKeySelector>,
        /// The private key, in PEM.
        key_secret_ref opt "keySecretRef": Option<SecretKeySelector>,
    }

    /// How to log in to Vault; the first method that is set is used.
    pub struct VaultAuth {
        /// Vault namespace of the login, when it is not that of the secrets.
        namespace opt "namespace": Option<String>,
        /// Uses a stored token.
        token_secret_ref opt "tokenSecretRef": Option<SecretKeySelector>,
        /// Uses an AppRole.
        app_role opt "appRole": Option<VaultAppRole>,
        /// Exchanges a service account's token that Vault checks with this cluster.
        kubernetes opt "kubernetes": Option<VaultKubernetesAuth>,
        /// Uses a name and password of a directory.
        ldap opt "ldap": Option<VaultLdapAuth>,
        /// Uses a name and password kept by Vault.
        user_pass opt "userPass": Option<VaultUserPassAuth>,
        /// Exchanges a token that Vault checks with its issuer's published keys; no stored key.
        jwt opt "jwt": Option<VaultJwtAuth>,
        /// Uses a client certificate.
        cert opt "cert": Option<VaultCertAuth>,
        /// Exchanges AWS credentials.
        iam opt "iam": Option<VaultAwsAuth>,
        /// Exchanges Google credentials.
        gcp opt "gcp": Option<VaultGcpAuth>,
    }

    /// Login with an AppRole.
    pub struct VaultAppRole {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("approle").required() },
        /// The role's id.
        role_id opt "roleId": Option<String>,
        /// Secret that holds the role's id.
        role_ref opt "roleRef": Option<SecretKeySelector>,
        /// Secret that holds the role's secret id.
        secret_ref req "secretRef": SecretKeySelector,
    }

    /// Login with a service account's token that Vault checks with this cluster.
    pub struct VaultKubernetesAuth {
        /// Where the method is mounted.
        mount_path opt "mountPath": Option<String> { .default("kubernetes").required() },
        /// The role at Vault.
        role req "role": String,
        /// The service account. Without it, and without secretRef, the operator's own is used.
        service_account_ref opt "serviceAccountRef": Option<ServiceAccountSelector>,
        /// Secret that holds a service account's token; its key is token when nothing is set.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }

    /// Login with a name and password of a directory.
    pub struct VaultLdapAuth {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("ldap").required() },
        /// The user's name.
        username req "username": String,
        /// Secret that holds the password.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }

    /// Login with a name and password.
    pub struct VaultUserPassAuth {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("userpass").required() },
        /// The user's name.
        username req "username": String,
        /// Secret that holds the password.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }

    /// Login with a token of this cluster or another issuer.
    pub struct VaultJwtAuth [
        .rule("has(self.secretRef) || has(self.kubernetesServiceAccountToken)", rules::JWT_WITHOUT_TOKEN)
    ] {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("jwt").required() },
        /// The role at Vault.
        role opt "role": Option<String>,
        /// Mints a token of a service account.
        kubernetes_service_account_token opt "kubernetesServiceAccountToken":
            Option<VaultServiceAccountToken>,
        /// Secret that holds a token.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }

    /// A token to be minted for a service account.
    pub struct VaultServiceAccountToken {
        /// The service account.
        service_account_ref req "serviceAccountRef": ServiceAccountSelector,
        /// Audiences of the token; vault when nothing is set. Prefer the audiences inside
        /// serviceAccountRef, which are added to these.
        audiences opt "audiences": Option<Vec<String>>,
        /// How long the token lives, in seconds; 600 when nothing is set.
        expiration_seconds opt "expirationSeconds": Option<i64>,
    }

    /// Login with a client certificate.
    pub struct VaultCertAuth {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("cert") },
        /// The role at Vault; every role is tried when nothing is set.
        vault_role opt "vaultRole": Option<String>,
        /// Secret that holds the certificate, in PEM.
        client_cert opt "clientCert": Option<SecretKeySelector>,
        /// Secret that holds the private key, in PEM.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }

    /// Login with AWS credentials.
    pub struct VaultAwsAuth {
        /// Where the method is mounted; aws when nothing is set.
        path opt "path": Option<String>,
        /// Region of AWS; us-east-1 when nothing is set.
        region opt "region": Option<String>,
        /// ARN of the AWS role to assume before the login.
        role opt "role": Option<String>,
        /// The role at Vault.
        vault_role req "vaultRole": String,
        /// External id that the trust policy of role asks for.
        external_id opt "externalID": Option<String>,
        /// Value of the server id header that Vault is configured to ask for.
        vault_aws_iam_server_id opt "vaultAwsIamServerID": Option<String>,
        /// Uses an access key stored in Secrets.
        secret_ref opt "secretRef": Option<AwsSecretRef>,
        /// Exchanges a service account's token for AWS credentials first.
        jwt opt "jwt": Option<AwsJwtAuth>,
    }

    /// Login with Google credentials.
    pub struct VaultGcpAuth {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("gcp") },
        /// The role at Vault.
        role req "role": String,
        /// Google project.
        project_id opt "projectID": Option<String>,
        /// Google region.
        location opt "location": Option<String>,
        /// Uses a service account key stored in a Secret.
        secret_ref opt "secretRef": Option<GcpSecretRef>,
        /// Uses Workload Identity of a GKE cluster.
        workload_identity opt "workloadIdentity": Option<GcpWorkloadIdentity>,
        /// The Kubernetes service account that stands for the login.
        service_account_ref opt "serviceAccountRef": Option<ServiceAccountSelector>,
    }
}
