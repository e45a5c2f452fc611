//! From a store's templates to a request.
//!
//! Owns: what templates see, and escaping it in the URL so that a key cannot change the path.
//! Refuses: sending anything.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use keyless_api::{GoDuration, WebhookProvider};
use keyless_identity::Limits;
use keyless_identity::webhook::Login;
use keyless_secret::render::{Context, Engine, RenderError};
use url::{Url, form_urlencoded};

use crate::Error;

/// Its table of functions is worth keeping; a template needs it for microseconds.
static ENGINE: LazyLock<Mutex<Engine>> =
    LazyLock::new(|| Mutex::new(Engine::new("", "", Context::new(0, 0, |_: &mut [u8]| {}))));

/// How long an endpoint may take when the store says nothing.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that a store may ask for.
const LONGEST: Duration = Duration::from_secs(300);
/// The largest answer.
const ANSWER: usize = 4 << 20;

/// What one read is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Variables {
    pub key: String,
    pub property: String,
    pub version: String,
    pub namespace: String,
}

/// The templates of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    url: String,
    method: Option<Method>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    timeout: Duration,
    path: Option<String>,
}

impl Spec {
    /// Checks what can be checked before a read.
    pub fn new(provider: &WebhookProvider) -> Result<Self, Error> {
        let method = match provider.method.as_deref().filter(|m| !m.is_empty()) {
            None => None,
            Some(name) => Some(
                Method::from_bytes(name.as_bytes())
                    .map_err(|_| config(format!("method {name:?} is not an HTTP method")))?,
            ),
        };
        let timeout = match provider.timeout.as_deref().filter(|t| !t.is_empty()) {
            None => TIMEOUT,
            Some(text) => GoDuration::parse(text)
                .map_err(|error| config(format!("timeout: {error}")))?
                .positive()
                .unwrap_or(TIMEOUT),
        };
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(Self {
            url: provider.url.clone(),
            method,
            headers: provider
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            body: filled(&provider.body),
            timeout: timeout.min(LONGEST),
            path: provider.result.as_ref().and_then(|r| filled(&r.json_path)),
        })
    }

    /// The JSONPath into the answer; `None` for the whole of it.
    pub fn path(&self, variables: &Variables) -> Result<Option<String>, Error> {
        let Some(template) = &self.path else {
            return Ok(None);
        };
        let none = Login::default();
        let rendered = Scope::reading(variables, &none, false).text("result.jsonPath", template)?;
        Ok(Some(rendered))
    }

    /// The URL of a read, or of what the templates make of nothing.
    pub fn address(&self, scope: &Scope<'_>) -> Result<Url, Error> {
        let text = scope.text("url", &self.url)?;
        let url = Url::parse(text.trim()).ok();
        let usable = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        usable.ok_or_else(|| config("url does not become an http or https URL".into()))
    }

    /// The request; `fallback` are the method and body where the store has none.
    pub fn request(
        &self,
        escaped: &Scope<'_>,
        plain: &Scope<'_>,
        fallback: (Method, &[u8]),
    ) -> Result<Request<Bytes>, Error> {
        let url = self.address(escaped)?;
        let body = match &self.body {
            Some(template) => plain.bytes("body", template)?,
            None => fallback.1.to_vec(),
        };
        let mut request = Request::builder()
            .method(self.method.clone().unwrap_or(fallback.0))
            .uri(url.as_str());
        for (name, template) in &self.headers {
            let field = format!("headers[{name}]");
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| config(format!("{field} is not the name of a header")))?;
            let mut value = HeaderValue::from_bytes(&plain.bytes(&field, template)?)
                .map_err(|_| config(format!("{field} does not become a line of text")))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let mut request = request
            .body(Bytes::from(body))
            .map_err(|_| config("the request cannot be formed".into()))?;
        request.extensions_mut().insert(Limits {
            total: Some(self.timeout),
            answer: Some(ANSWER),
            direct: false,
        });
        Ok(request)
    }
}

/// What templates see.
pub(crate) struct Scope<'a>(BTreeMap<&'a str, BTreeMap<&'a str, std::borrow::Cow<'a, [u8]>>>);

impl<'a> Scope<'a> {
    /// For a read. `escape` is for the URL: what is in it must not change its structure.
    pub fn reading(variables: &'a Variables, login: &'a Login, escape: bool) -> Self {
        Self::of(
            [
                ("key", variables.key.as_bytes()),
                ("property", variables.property.as_bytes()),
                ("version", variables.version.as_bytes()),
                ("namespace", variables.namespace.as_bytes()),
            ],
            login,
            escape,
        )
    }

    /// Of these members of `remoteRef`, and the secrets of `login`.
    pub fn of<const N: usize>(
        reference: [(&'a str, &'a [u8]); N],
        login: &'a Login,
        escape: bool,
    ) -> Self {
        let shown = |bytes: &'a [u8]| -> std::borrow::Cow<'a, [u8]> {
            if escape {
                let escaped: String = form_urlencoded::byte_serialize(bytes).collect();
                std::borrow::Cow::Owned(escaped.into_bytes())
            } else {
                std::borrow::Cow::Borrowed(bytes)
            }
        };
        let mut scope = BTreeMap::new();
        for (name, secret) in &login.secrets {
            let entries = secret.iter();
            let entries =
                entries.map(|(key, value)| (key.as_str(), shown(value.secret().expose())));
            scope.insert(name.as_str(), entries.collect());
        }
        let reference = reference
            .into_iter()
            .map(|(name, value)| (name, shown(value)));
        scope.insert("remoteRef", reference.collect());
        Self(scope)
    }

    fn bytes(&self, field: &str, template: &str) -> Result<Vec<u8>, Error> {
        let data = self.0.iter().map(|(name, entries)| {
            let entries = entries.iter().map(|(key, value)| (*key, value.as_ref()));
            (*name, entries.collect())
        });
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        // Webhook templates have no use for randomness that must not repeat.
        let seed = now.subsec_nanos();
        let context = Context::new(seconds, seed, move |bytes: &mut [u8]| {
            let pattern = seed.to_le_bytes();
            for (byte, from) in bytes.iter_mut().zip(pattern.iter().cycle()) {
                *byte = *from;
            }
        });
        let rendered = {
            let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
            engine.set_context(context);
            engine.nested(field, template, &data.collect())
        };
        rendered.map_err(|error| {
            let error = match error {
                RenderError::Parse(text) | RenderError::Execute(text) => text,
            };
            config(format!("{field}: {error}"))
        })
    }

    fn text(&self, field: &str, template: &str) -> Result<String, Error> {
        String::from_utf8(self.bytes(field, template)?)
            .map_err(|_| config(format!("{field} does not become text")))
    }
}

fn config(reason: String) -> Error {
    Error::Config {
        reason: format!("webhook: {reason}"),
        hint: Some("Correct the store's provider.webhook".into()),
    }
}

#[cfg(test)]
mod tests {
    use keyless_identity::Sealed;
    use serde_json::json;

    use super::*;

    fn spec(value: serde_json::Value) -> Result<Spec, Error> {
        Spec::new(&serde_json::from_value(value).unwrap())
    }

    fn login() -> Login {
        let secret = BTreeMap::from([("tok".to_owned(), Sealed::new("T&ken".into()))]);
        Login {
            secrets: BTreeMap::from([("auth".to_owned(), secret)]),
            ..Login::default()
        }
    }

    fn request(spec: &Spec, key: &str) -> Result<Request<Bytes>, Error> {
        let variables = Variables {
            key: key.to_owned(),
            version: "7".into(),
            namespace: "n".into(),
            ..Variables::default()
        };
        let login = login();
        let escaped = Scope::reading(&variables, &login, true);
        let plain = Scope::reading(&variables, &login, false);
        spec.request(&escaped, &plain, (Method::GET, b""))
    }

    #[test]
    fn templates_become_a_request() {
        let spec = spec(json!({
            "url": "https://h/x/{{ .remoteRef.key }}?v={{ .remoteRef.version }}&t={{ .auth.tok }}",
            "method": "POST",
            "headers": {"X-Token": "{{ .auth.tok }}", "X-Ns": "{{ .remoteRef.namespace }}"},
            "body": "{\"key\":\"{{ .remoteRef.key }}\"}",
            "timeout": "5s",
        }))
        .unwrap();
        let request = request(&spec, "a/../b?c").unwrap();
        assert_eq!(request.method(), Method::POST);
        // What is in a URL cannot leave its place there.
        assert_eq!(request.uri(), "https://h/x/a%2F..%2Fb%3Fc?v=7&t=T%26ken");
        assert_eq!(request.headers()["X-Token"], "T&ken");
        assert_eq!(request.headers()["X-Ns"], "n");
        assert_eq!(request.body().as_ref(), br#"{"key":"a/../b?c"}"#);
        let limits = request.extensions().get::<Limits>().unwrap();
        assert_eq!(limits.total, Some(Duration::from_secs(5)));
    }

    #[test]
    fn wrong_stores_are_told_without_their_secrets() {
        for (spec, part) in [
            (json!({"url": "ftp://h"}), "url"),
            (json!({"url": "{{ .remoteRef.key"}), "url"),
            (
                json!({"url": "https://h", "headers": {"a b": "x"}}),
                "headers[a b]",
            ),
            (
                json!({"url": "https://h", "headers": {"a": "x\n{{ .auth.tok }}"}}),
                "headers[a]",
            ),
            (
                json!({"url": "https://h", "body": "{{ env \"HOME\" }}"}),
                "body",
            ),
        ] {
            let spec = self::spec(spec).unwrap();
            let error = request(&spec, "k").unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("T&ken"), "{error}");
        }
        assert!(spec(json!({"url": "https://h", "method": "G T"})).is_err());
        assert!(spec(json!({"url": "https://h", "timeout": "soon"})).is_err());
    }
}
