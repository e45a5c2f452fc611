//! A kubeconfig that somebody put into a Secret.
//!
//! Owns: the current context's server, authorities and credentials, as far as they are in the
//! document itself. Refuses: everything that would make the operator run a program, read a file
//! of its own or skip a check because a tenant's document says so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::resolve::address;
use super::{Login, Source};
use crate::reference::incomplete;
use crate::{ClientCertificate, Error, Peer, Sealed};

/// Larger documents are refused unread.
const MAX: usize = 256 * 1024;

#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "current-context")]
    current: String,
    #[serde(default)]
    clusters: Vec<Named<ClusterEntry>>,
    #[serde(default)]
    contexts: Vec<Named<ContextEntry>>,
    #[serde(default)]
    users: Vec<Named<UserEntry>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "context", alias = "user")]
    entry: T,
}

#[derive(Deserialize)]
struct ContextEntry {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    auth_provider: Option<serde::de::IgnoredAny>,
    exec: Option<serde::de::IgnoredAny>,
    username: Option<String>,
    #[serde(rename = "as")]
    impersonate: Option<String>,
}

/// The login that a kubeconfig means. No error quotes the document.
pub(super) fn read(text: &[u8]) -> Result<Login, Error> {
    let wrong = |reason: &str| incomplete(format!("the kubeconfig that authRef names {reason}"));
    if text.len() > MAX {
        return Err(wrong("is larger than 256 KiB"));
    }
    let text = std::str::from_utf8(text).map_err(|_| wrong("is no text"))?;
    let document: Document =
        serde_saphyr::from_str(text).map_err(|_| wrong("cannot be read as a kubeconfig"))?;
    let context = named(document.contexts, &document.current)
        .ok_or_else(|| wrong("lacks the context that current-context names"))?;
    let cluster = named(document.clusters, &context.cluster)
        .ok_or_else(|| wrong("lacks the cluster of its current context"))?;
    let user = named(document.users, &context.user)
        .ok_or_else(|| wrong("lacks the user of its current context"))?;
    for (there, field) in [
        (
            cluster.certificate_authority.is_some(),
            "certificate-authority",
        ),
        (cluster.proxy_url.is_some(), "proxy-url"),
        (cluster.insecure_skip_tls_verify, "insecure-skip-tls-verify"),
        (user.exec.is_some(), "exec"),
        (user.auth_provider.is_some(), "auth-provider"),
        (user.token_file.is_some(), "tokenFile"),
        (user.client_certificate.is_some(), "client-certificate"),
        (user.client_key.is_some(), "client-key"),
        (user.username.is_some(), "username"),
        (user.impersonate.is_some(), "as"),
    ] {
        if there {
            return Err(wrong(&format!(
                "uses {field}: only a token or a certificate in the document itself is taken"
            )));
        }
    }
    let decode = |data: Option<String>, field: &str| match data {
        None => Ok(None),
        Some(data) => STANDARD
            .decode(data.trim())
            .map(Some)
            .map_err(|_| wrong(&format!("has {field} that is not base64"))),
    };
    let authorities = decode(
        cluster.certificate_authority_data,
        "certificate-authority-data",
    )?;
    let chain = decode(user.client_certificate_data, "client-certificate-data")?;
    let key = decode(user.client_key_data, "client-key-data")?;
    let token = user.token.filter(|token| !token.is_empty());
    let certificate = match (chain, key) {
        (Some(chain), Some(key)) => Some(ClientCertificate {
            chain,
            key: Sealed::new(keyless_secret::SecretBytes::new(key)),
        }),
        (None, None) => None,
        _ => return Err(wrong("has only one of certificate and key")),
    };
    let source = match (token, &certificate) {
        (Some(token), _) => Source::Token(Sealed::trimmed(&token.into())),
        (None, Some(_)) => Source::Certificate,
        (None, None) => return Err(wrong("has neither token nor certificate")),
    };
    Ok(Login {
        url: address(&cluster.server)?,
        peer: Peer {
            authorities,
            certificate,
            guarded: true,
        },
        source,
    })
}

fn named<T>(list: Vec<Named<T>>, name: &str) -> Option<T> {
    let found = list.into_iter().find(|entry| entry.name == name);
    found.map(|entry| entry.entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             contexts: [{{name: c, context: {{cluster: k, user: u, namespace: n}}}}]\n\
             clusters: [{{name: k, cluster: {{server: 'https://k:6443/'{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    #[test]
    fn tokens_and_certificates_in_the_document() {
        let login =
            read(config(", certificate-authority-data: Y2E=", "token: canary").as_bytes()).unwrap();
        assert_eq!(login.url, "https://k:6443");
        assert_eq!(login.peer.authorities.as_deref(), Some(b"ca".as_slice()));
        assert!(matches!(&login.source, Source::Token(t) if t.secret().expose() == b"canary"));
        assert!(!format!("{login:?}").contains("canary"));
        let user = "client-certificate-data: Yw==, client-key-data: aw==";
        let login = read(config("", user).as_bytes()).unwrap();
        assert_eq!(login.source, Source::Certificate);
        assert_eq!(login.peer.certificate.unwrap().chain, b"c");
    }

    #[test]
    fn what_would_reach_out_of_the_document_is_refused() {
        for (cluster, user, part) in [
            ("", "token: t, exec: {command: sh}", "exec"),
            ("", "token: t, auth-provider: {name: gcp}", "auth-provider"),
            (
                "",
                "tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
                "tokenFile",
            ),
            (
                "",
                "client-certificate: /c, client-key: /k",
                "client-certificate",
            ),
            ("", "token: t, as: system:admin", "uses as"),
            (
                ", certificate-authority: /ca",
                "token: t",
                "certificate-authority",
            ),
            (
                ", insecure-skip-tls-verify: true",
                "token: t",
                "insecure-skip-tls-verify",
            ),
            (", proxy-url: 'http://p'", "token: t", "proxy-url"),
            ("", "", "neither"),
            ("", "client-key-data: aw==", "only one"),
            (", certificate-authority-data: '?'", "token: t", "base64"),
        ] {
            let error = read(config(cluster, user).as_bytes())
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(part), "{cluster} {user}: {error}");
        }
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused_without_quoting_it() {
        for text in ["canary", "current-context: canary", "{", "[canary]", ""] {
            let error = read(text.as_bytes()).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        let plain = config("", "token: t").replace("https://k:6443/", "http://k");
        assert!(read(plain.as_bytes()).is_err());
    }
}
