//! Secrets of this cluster or another one.

use crate::reference::{CaProvider, SecretKeySelector, ServiceAccountSelector};
use crate::schema::object;

object! {
    /// Secrets of a namespace of this cluster or another one.
    pub struct KubernetesProvider {
        /// The API server.
        server opt "server": Option<KubernetesServer>,
        /// How to log in.
        auth opt "auth": Option<KubernetesAuth>,
        /// Secret that holds a kubeconfig, instead of server and auth.
        auth_ref opt "authRef": Option<SecretKeySelector>,
        /// Namespace that the Secrets are read from.
        remote_namespace opt "remoteNamespace": Option<String> {
            .default("default").dns_label()
        },
    }

    /// An API server.
    pub struct KubernetesServer {
        /// URL of the API server; this cluster's when nothing is set.
        url opt "url": Option<String> { .default("kubernetes.default") },
        /// Certificate authorities for the server's certificate, as base64-encoded PEM.
        ca_bundle opt "caBundle": Option<String> { .with("format", "byte") },
        /// Object that holds the certificate authorities for the server's certificate.
        ca_provider opt "caProvider": Option<CaProvider>,
    }

    /// How to log in to an API server; exactly one method.
    pub struct KubernetesAuth [ .exactly_one_property() ] {
        /// Uses a client certificate.
        cert opt "cert": Option<KubernetesCertAuth>,
        /// Uses a short-lived token of a service account; no stored key.
        service_account opt "serviceAccount": Option<ServiceAccountSelector>,
        /// Uses a stored token.
        token opt "token": Option<KubernetesTokenAuth>,
    }

    /// Login with a client certificate.
    pub struct KubernetesCertAuth {
        /// Secret that holds the certificate, in PEM.
        client_cert req "clientCert": SecretKeySelector,
        /// Secret that holds the private key, in PEM.
        client_key req "clientKey": SecretKeySelector,
    }

    /// Login with a stored token.
    pub struct KubernetesTokenAuth {
        /// Secret that holds the token.
        bearer_token req "bearerToken": SecretKeySelector,
    }
}
