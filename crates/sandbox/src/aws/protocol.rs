//! AWS's two wire formats: the query protocol with XML answers and JSON 1.1.
//!
//! Owns: reading forms, writing XML, and how an error looks in each. Refuses: knowing services.

use std::collections::BTreeMap;

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value};

/// Which wire format a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Form in, XML out, in this namespace.
    Query(&'static str),
    /// JSON in and out.
    Json,
}

/// A service's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub status: u16,
    pub code: String,
    /// AWS leaves it out for some errors, `ParameterNotFound` among them.
    pub message: Option<String>,
}

impl ApiError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: Some(message.into()),
        }
    }

    /// Status 400.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// Status 400 and no text.
    pub fn bare(code: &str) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: None,
        }
    }
}

/// A service's answer.
pub(super) enum Reply {
    /// What stands inside `<ActionResult>`; `None` for answers that have no such element.
    Xml(Option<Xml>),
    Json(Value),
}

pub(super) type Outcome = Result<Reply, ApiError>;

/// An XML fragment under construction.
// No `Debug`: it holds keys on their way to a client.
#[derive(Clone, Default)]
pub(super) struct Xml(String);

impl Xml {
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`, escaped.
    pub fn text(&mut self, name: &str, value: impl AsRef<str>) -> &mut Self {
        self.open(name);
        for c in value.as_ref().chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // Not allowed in XML 1.0 in any form.
                c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self.close(name)
    }

    /// `<name>…</name>` around what `inside` writes.
    pub fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        inside(self);
        self.close(name)
    }

    /// `<name><member>…</member>…</name>`.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.node(name, |x| {
            for item in items {
                x.node("member", |x| each(x, item));
            }
        })
    }

    /// A list of plain texts.
    pub fn texts<S: AsRef<str>>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = S>,
    ) -> &mut Self {
        self.node(name, |x| {
            for item in items {
                x.text("member", item);
            }
        })
    }

    /// Everything `other` holds, at the end.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

/// A query request's parameters.
// No `Debug`: tokens come in it.
#[derive(Clone, Default)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    pub fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// # Errors
    /// `ValidationError` in the words all query services use.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name)
            .ok_or_else(|| invalid("ValidationError", None, name, "Member must not be null"))
    }

    /// The values of `PREFIX.member.1`, `.2`, … in order.
    pub fn list(&self, prefix: &str) -> Vec<String> {
        (1..=1000)
            .map_while(|i| self.0.get(&format!("{prefix}.member.{i}")).cloned())
            .collect()
    }

    /// `Tags.member.N.Key` and `.Value`.
    pub fn tags(&self) -> Vec<(String, String)> {
        let field = |i: usize, name: &str| self.0.get(&format!("Tags.member.{i}.{name}")).cloned();
        (1..=1000)
            .map_while(|i| Some((field(i, "Key")?, field(i, "Value").unwrap_or_default())))
            .collect()
    }

    /// # Errors
    /// `MalformedInput` when it is there and no number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|v| {
                v.parse()
                    .map_err(|_| ApiError::bad("MalformedInput", "Invalid Argument"))
            })
            .transpose()
    }
}

/// The sentence in which every AWS service reports a broken constraint.
pub(super) fn invalid(code: &str, value: Option<&str>, field: &str, constraint: &str) -> ApiError {
    let mut chars = field.chars();
    let field: String = chars
        .next()
        .map(|c| c.to_ascii_lowercase())
        .into_iter()
        .chain(chars)
        .collect();
    let value = value.map_or_else(|| "null".to_owned(), |v| format!("'{v}'"));
    ApiError::bad(
        code,
        format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: {constraint}"
        ),
    )
}

/// The bytes and headers of an answer.
pub(super) fn render(
    protocol: Protocol,
    action: &str,
    request_id: &str,
    outcome: Outcome,
) -> Response<Body> {
    let (status, kind, body, error) = match (protocol, outcome) {
        (Protocol::Query(namespace), Ok(reply)) => (
            200,
            "text/xml",
            answer(namespace, action, request_id, reply).into_bytes(),
            None,
        ),
        (Protocol::Query(namespace), Err(e)) => (
            e.status,
            "text/xml",
            refusal(namespace, request_id, &e).into_bytes(),
            Some(e.code),
        ),
        (Protocol::Json, Ok(Reply::Json(json))) => (200, JSON, json.to_string().into_bytes(), None),
        (Protocol::Json, Ok(Reply::Xml(_))) => (200, JSON, b"{}".to_vec(), None),
        (Protocol::Json, Err(e)) => {
            let mut body = Map::new();
            body.insert("__type".into(), e.code.clone().into());
            if let Some(message) = e.message {
                // AWS is of two minds about the field's case.
                let name = if e.code == "AccessDeniedException" {
                    "Message"
                } else {
                    "message"
                };
                body.insert(name.into(), message.into());
            }
            (
                e.status,
                JSON,
                Value::Object(body).to_string().into_bytes(),
                Some(e.code),
            )
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(code) = error.and_then(|code| HeaderValue::from_str(&code).ok()) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}

const JSON: &str = "application/x-amz-json-1.1";

fn answer(namespace: &str, action: &str, request_id: &str, reply: Reply) -> String {
    let mut x = Xml::new();
    if let Reply::Xml(Some(Xml(result))) = reply {
        x.node(&format!("{action}Result"), |x| x.0.push_str(&result));
    }
    x.node("ResponseMetadata", |x| {
        x.text("RequestId", request_id);
    });
    format!(
        "<{action}Response xmlns=\"{namespace}\">{}</{action}Response>",
        x.0
    )
}

fn refusal(namespace: &str, request_id: &str, error: &ApiError) -> String {
    let mut x = Xml::new();
    x.node("Error", |x| {
        x.text(
            "Type",
            if error.status < 500 {
                "Sender"
            } else {
                "Receiver"
            },
        );
        x.text("Code", &error.code);
        x.text("Message", error.message.as_deref().unwrap_or_default());
    });
    x.text("RequestId", request_id);
    format!(
        "<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>",
        x.0
    )
}

/// `Tue, 24 Nov 2026 22:00:00 GMT`, as in HTTP's `Date`.
pub(super) fn http_date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// `2026-11-24T22:00:00Z`.
pub(super) fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or_default()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_both_forms() {
        assert_eq!(timestamp(1_440_938_160), "2015-08-30T12:36:00Z");
        assert_eq!(http_date(1_440_938_160), "Sun, 30 Aug 2015 12:36:00 GMT");
    }

    #[test]
    fn xml_is_escaped() {
        let mut x = Xml::new();
        x.list("L", ["a<b", "c\u{1}&\"d"], |x, s| {
            x.text("V", s);
        });
        assert_eq!(
            x.0,
            "<L><member><V>a&lt;b</V></member><member><V>c\u{fffd}&amp;&quot;d</V></member></L>"
        );
    }

    #[test]
    fn forms_hold_lists_and_tags() {
        let form = Form::parse(b"A.member.1=x&A.member.2=y%20z&A.member.4=no&Tags.member.1.Key=k&Tags.member.1.Value=v&N=12&M=x");
        assert_eq!(form.list("A"), ["x", "y z"]);
        assert_eq!(form.tags(), [("k".to_owned(), "v".to_owned())]);
        assert_eq!(form.number("N"), Ok(Some(12)));
        assert_eq!(form.number("M").unwrap_err().code, "MalformedInput");
        assert_eq!(
            form.required("RoleArn").unwrap_err().message.as_deref(),
            Some(
                "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null"
            )
        );
    }
}
