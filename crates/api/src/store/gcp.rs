//! Google Secret Manager.

use crate::reference::{
    ConfigMapKeySelector, SecretKeySelector, SecretReference, ServiceAccountSelector,
};
use crate::schema::{object, string_enum};

string_enum! {
    /// Which version is read when none is named.
    pub enum SecretVersionSelectionPolicy = LatestOrFail {
        /// The latest one, and an error when it is disabled or destroyed.
        LatestOrFail = "LatestOrFail",
        /// The latest one that is enabled.
        LatestOrFetch = "LatestOrFetch",
    }
}

object! {
    /// Google Secret Manager.
    pub struct GcpSmProvider {
        /// Id of the project that holds the secrets.
        project_id opt "projectID": Option<String>,
        /// Region, for secrets that are kept in a single region.
        location opt "location": Option<String>,
        /// How to log in. Without it the operator's own identity is used.
        auth opt "auth": Option<GcpAuth>,
        /// What happens when the latest version of a secret is disabled or destroyed: an error
        /// (LatestOrFail), or the newest enabled version is read (LatestOrFetch).
        secret_version_selection_policy opt "secretVersionSelectionPolicy":
            Option<SecretVersionSelectionPolicy> { .default("LatestOrFail").any_text() },
    }

    /// How to log in to Google.
    pub struct GcpAuth {
        /// Uses a service account key stored in a Secret.
        secret_ref opt "secretRef": Option<GcpSecretRef>,
        /// Uses Workload Identity of a GKE cluster; no stored key.
        workload_identity opt "workloadIdentity": Option<GcpWorkloadIdentity>,
        /// Uses a workload identity pool that trusts this cluster's issuer, or another one; no
        /// stored key.
        workload_identity_federation opt "workloadIdentityFederation":
            Option<GcpWorkloadIdentityFederation>,
    }

    /// Login with a stored key.
    pub struct GcpSecretRef {
        /// The service account key, in JSON.
        secret_access_key opt "secretAccessKeySecretRef": Option<SecretKeySelector>,
    }

    /// Login with Workload Identity of a GKE cluster.
    pub struct GcpWorkloadIdentity {
        /// The Kubernetes service account whose token is exchanged.
        service_account_ref req "serviceAccountRef": ServiceAccountSelector,
        /// Name of the cluster; asked from the metadata server when nothing is set.
        cluster_name opt "clusterName": Option<String>,
        /// Region or zone of the cluster; asked from the metadata server when nothing is set.
        cluster_location opt "clusterLocation": Option<String>,
        /// Project of the cluster; that of the secrets when nothing is set.
        cluster_project_id opt "clusterProjectID": Option<String>,
    }

    /// Login with a workload identity pool. Exactly one of credConfig, serviceAccountRef and
    /// awsSecurityCredentials.
    pub struct GcpWorkloadIdentityFederation {
        /// ConfigMap that holds a credential configuration of type external_account.
        cred_config opt "credConfig": Option<ConfigMapKeySelector>,
        /// The Kubernetes service account whose token is exchanged.
        service_account_ref opt "serviceAccountRef": Option<ServiceAccountSelector>,
        /// AWS credentials that are exchanged.
        aws_security_credentials opt "awsSecurityCredentials": Option<GcpAwsCredentials>,
        /// Full name of the pool's provider, such as
        /// //iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b.
        audience opt "audience": Option<String>,
        /// URL that hands out the token to exchange, instead of the cluster.
        external_token_endpoint opt "externalTokenEndpoint": Option<String>,
        /// Google service account to impersonate after the exchange.
        gcp_service_account_email opt "gcpServiceAccountEmail": Option<String> {
            .pattern(r"^.*@.*\.iam\.gserviceaccount\.com$")
        },
    }

    /// AWS credentials that are exchanged for Google ones.
    pub struct GcpAwsCredentials {
        /// AWS region.
        region req "region": String { .pattern("^[a-z0-9-]+$") },
        /// Secret with the keys aws_access_key_id, aws_secret_access_key and aws_session_token.
        aws_credentials_secret_ref req "awsCredentialsSecretRef": SecretReference,
    }
}
