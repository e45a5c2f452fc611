//! Subject tokens that are neither minted nor signed here: out of a file, or from a web server.
//!
//! Owns: reading them within bounds. Refuses: the operator's own token to a store, by whatever link
//! it is reached, and redirects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyless_fault::{Class, Link};
use keyless_secret::SecretBytes;
use tokio::io::AsyncReadExt;

use super::Format;
use super::config::may_read;
use super::login::host;
use crate::http::Limits;
use crate::{Error, HttpExchange};

/// Largest file or answer, in bytes.
const LARGEST: usize = 64 << 10;

/// Out of the file `path`, anew each time, since the kubelet replaces it.
pub(super) async fn file(path: &str, format: &Format, guarded: bool) -> Result<SecretBytes, Error> {
    let failed = |reason: String| Error::Config {
        reason: format!("cannot read {path:?} (credential_source.file): {reason}"),
        hint: Some("Mount the projected service account token into the operator".into()),
        code: "K17",
    };
    let real = tokio::fs::canonicalize(path)
        .await
        .map_err(|error| failed(error.to_string()))?;
    if guarded && !may_read(Path::new(&real)) {
        return Err(failed("a store may not use the token behind it".into()));
    }
    let file = tokio::fs::File::open(&real)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let bytes = SecretBytes::new(bytes);
    if bytes.len() > LARGEST {
        return Err(failed("it is too large for a token".into()));
    }
    picked(&bytes, format).ok_or_else(|| failed("it holds no token".into()))
}

/// From the web server at `url`.
pub(super) async fn url(
    http: &Arc<dyn HttpExchange>,
    url: &str,
    headers: &[(String, String)],
    format: &Format,
    identity: &str,
) -> Result<SecretBytes, Error> {
    let mut request = http::Request::get(url).extension(Limits {
        total: Some(Duration::from_secs(10)),
        answer: Some(LARGEST),
        direct: false,
    });
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Bytes::new()).map_err(|_| Error::Config {
        reason: "credential_source has a url or headers that cannot be sent".into(),
        hint: Some("Correct the credential configuration".into()),
        code: "",
    })?;
    let found = http.send(request).await.map_err(|source| Error::Http {
        identity: identity.to_owned(),
        source,
    })?;
    let status = found.status();
    if !status.is_success() {
        let class = match status.as_u16() {
            429 => Class::Throttled,
            500.. => Class::Unavailable,
            _ => Class::Denied,
        };
        return Err(Error::Refused {
            identity: identity.to_owned(),
            service: "the token endpoint of the store",
            status: status.as_u16(),
            provider_code: format!("HTTP {}", status.as_u16()),
            message: format!("{} gave no token", host(url)),
            request_id: None,
            link: Link::Token,
            class,
            code: "",
            observed: None,
            required: Some("a token, without a redirect".into()),
            hint: Some("Correct externalTokenEndpoint, or what answers there".into()),
            retry_after: None,
        });
    }
    let body = SecretBytes::new(found.into_body().to_vec());
    picked(&body, format).ok_or_else(|| Error::Answer {
        identity: identity.to_owned(),
        service: "the token endpoint of the store",
        reason: "it holds no token".into(),
    })
}

/// The token in `bytes`.
fn picked(bytes: &SecretBytes, format: &Format) -> Option<SecretBytes> {
    let token = match format {
        Format::Text => bytes.expose().trim_ascii().to_vec(),
        Format::Json(field) => {
            let value: serde_json::Value = serde_json::from_slice(bytes.expose()).ok()?;
            value.get(field)?.as_str()?.trim().as_bytes().to_vec()
        }
    };
    let token = SecretBytes::new(token);
    let plain = token.expose().iter().all(u8::is_ascii_graphic);
    (!token.is_empty() && plain).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats() {
        let json = Format::Json("jwt".into());
        for (text, format, found) in [
            (" a.b.c\n", &Format::Text, Some("a.b.c")),
            ("", &Format::Text, None),
            ("a b", &Format::Text, None),
            (r#"{"jwt":"a.b.c","x":1}"#, &json, Some("a.b.c")),
            (r#"{"jwt":1}"#, &json, None),
            ("a.b.c", &json, None),
        ] {
            let token = picked(&text.into(), format);
            assert_eq!(token, found.map(SecretBytes::from), "{text}");
        }
    }

    #[tokio::test]
    async fn a_link_to_the_operators_token_is_followed_before_it_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "a.b.c\n").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&token, &link).unwrap();
        let read = file(link.to_str().unwrap(), &Format::Text, true).await;
        assert_eq!(read.unwrap().expose(), b"a.b.c");
        let process = folder.path().join("process");
        std::os::unix::fs::symlink("/proc/self/environ", &process).unwrap();
        let refused = file(process.to_str().unwrap(), &Format::Text, true).await;
        assert!(refused.unwrap_err().to_string().contains("may not use"));
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'a'; LARGEST + 1]).unwrap();
        assert!(
            file(large.to_str().unwrap(), &Format::Text, false)
                .await
                .is_err()
        );
        assert!(file("/no/such/file", &Format::Text, false).await.is_err());
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>) {
            let bytes = SecretBytes::new(bytes);
            let _ = picked(&bytes, &Format::Text);
            let _ = picked(&bytes, &Format::Json("a".into()));
        }
    }
}
