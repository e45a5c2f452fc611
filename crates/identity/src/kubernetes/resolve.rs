//! From a store's `provider.kubernetes` to the identity it asks for.
//!
//! Owns: which server, which of the methods, whose token. Refuses: logging in, and the
//! operator's own rights for a namespaced store: whoever may write one must not read with them.

use keyless_api::{KubernetesAuth, KubernetesCertAuth, KubernetesProvider, ServiceAccountSelector};
use url::Url;

use super::{ApiServer, Login, Source, kubeconfig};
use crate::reference::{Reader, Stop, incomplete, is_open, resolved};
use crate::{ClientCertificate, Cluster, Consumer, Error, Peer, Resolved, Sealed};

/// The name of this cluster's API server inside it, and the default of `server.url`.
const DEFAULT: &str = "kubernetes.default";

/// The identity that `spec` asks for on behalf of `consumer`.
///
/// # Errors
/// When the spec is incomplete, reaches into a foreign namespace, or what it names is missing.
pub async fn resolve(
    cluster: &dyn Cluster,
    spec: &KubernetesProvider,
    consumer: &Consumer,
) -> Result<Resolved<Login>, Error> {
    resolved(login(Reader { cluster, consumer }, spec).await)
}

/// Whether the identity differs between the namespaces that use a ClusterSecretStore.
#[must_use]
pub fn depends_on_consumer(spec: &KubernetesProvider) -> bool {
    is_open(spec)
}

async fn login(reader: Reader<'_>, spec: &KubernetesProvider) -> Result<Login, Stop> {
    if let Some(config) = &spec.auth_ref {
        let text = reader.secret(config, "authRef").await?;
        return Ok(kubeconfig::read(text.expose())?);
    }
    let server = server(reader, spec).await?;
    let mut peer = Peer {
        // A tenant names the others freely.
        guarded: reader.cluster.server().as_ref() != Some(&server),
        authorities: server.authorities,
        certificate: None,
    };
    let source = match &spec.auth {
        Some(auth) => source(reader, auth, &mut peer).await?,
        None if reader.consumer.store.namespace.is_none() => Source::Operator,
        None => {
            return Err(incomplete(
                "auth is missing: only a ClusterSecretStore may read with the operator's own rights",
            )
            .into());
        }
    };
    Ok(Login {
        url: server.url,
        peer,
        source,
    })
}

/// The server that the store names. Without URL and authorities it is this cluster's, as the
/// operator itself reaches it.
async fn server(reader: Reader<'_>, spec: &KubernetesProvider) -> Result<ApiServer, Stop> {
    let (url, bundle, provider) = match &spec.server {
        Some(server) => (
            server.url.as_deref().unwrap_or_default(),
            server.ca_bundle.as_deref(),
            server.ca_provider.as_ref(),
        ),
        None => ("", None, None),
    };
    let authorities = reader.authorities(bundle, provider, "server.").await?;
    let own = matches!(url, "" | DEFAULT);
    if own
        && authorities.is_none()
        && let Some(server) = reader.cluster.server()
    {
        return Ok(server);
    }
    let url = if own { DEFAULT } else { url };
    Ok(ApiServer {
        url: address(url)?,
        authorities,
    })
}

/// A URL without a slash at its end; a bare host is one that speaks TLS.
pub(super) fn address(url: &str) -> Result<String, Error> {
    let url = url.trim();
    let whole = if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    // A token must not travel in the clear.
    let parsed = Url::parse(&whole).ok().filter(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed {
        Some(parsed) => Ok(parsed.as_str().trim_end_matches('/').to_owned()),
        None => Err(incomplete(format!("server {url:?} is not an https URL"))),
    }
}

async fn source(
    reader: Reader<'_>,
    auth: &KubernetesAuth,
    peer: &mut Peer,
) -> Result<Source, Stop> {
    if let Some(account) = &auth.service_account {
        return of_account(reader, account).await;
    }
    if let Some(token) = &auth.token {
        let field = "auth.token.bearerToken";
        let token = Sealed::trimmed(&reader.secret(&token.bearer_token, field).await?);
        if token.secret().is_empty() {
            return Err(incomplete(format!("the token that {field} names is empty")).into());
        }
        return Ok(Source::Token(token));
    }
    if let Some(certificate) = &auth.cert {
        peer.certificate = Some(of_certificate(reader, certificate).await?);
        return Ok(Source::Certificate);
    }
    Err(incomplete("auth names no method: set serviceAccount, token or cert").into())
}

async fn of_account(reader: Reader<'_>, account: &ServiceAccountSelector) -> Result<Source, Stop> {
    let what = "auth.serviceAccount";
    let namespace = reader.namespace(account.namespace.as_deref(), what)?;
    let found = reader.cluster.service_account(&namespace, &account.name);
    Ok(Source::Account {
        uid: found.await?.uid,
        name: account.name.clone(),
        audiences: account.audiences.clone(),
        namespace,
    })
}

async fn of_certificate(
    reader: Reader<'_>,
    certificate: &KubernetesCertAuth,
) -> Result<ClientCertificate, Stop> {
    let chain = reader
        .secret(&certificate.client_cert, "auth.cert.clientCert")
        .await?;
    let key = reader
        .secret(&certificate.client_key, "auth.cert.clientKey")
        .await?;
    Ok(ClientCertificate {
        chain: chain.expose().to_vec(),
        key: Sealed::new(key),
    })
}

#[cfg(test)]
mod tests;
