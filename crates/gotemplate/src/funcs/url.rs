//! `urlParse` and `urlJoin`, after Go's `net/url`.

use super::args::{Answer, map, text};
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{AnyMap, Text as Str};
use crate::functions::{Declared, fixed};
use crate::value::{Text, Value};

mod escape;
mod parse;

use parse::Url;

pub(crate) static TABLE: &[Declared] = &[
    fixed("urlParse", &[Str], parse_url),
    fixed("urlJoin", &[AnyMap], join_url),
];

fn parse_url(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let url = Url::parse(text(args, 0))
        .map_err(|reason| CallError::new(format!("unable to parse url: {reason}")))?;
    let entries = [
        ("scheme", url.scheme.clone()),
        ("host", url.host.clone()),
        ("hostname", url.hostname().to_vec()),
        ("path", url.path.clone()),
        ("query", url.query.clone()),
        ("opaque", url.opaque.clone()),
        ("fragment", url.fragment.clone()),
        (
            "userinfo",
            url.user
                .as_ref()
                .map(parse::User::to_text)
                .unwrap_or_default(),
        ),
    ];
    let entries = entries
        .into_iter()
        .map(|(key, value)| (Text::from(key), Value::from(value)));
    Ok(call.map(entries.collect())?)
}

fn join_url(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let field = |name: &str| -> Result<Vec<u8>, CallError> {
        match map(args, 0).and_then(|map| map.get(name.as_bytes())) {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) => Ok(text.to_vec()),
            Some(Value::Nil | Value::NoValue) => {
                Err("runtime error: invalid memory address or nil pointer dereference".into())
            }
            Some(other) => Err(format!(
                "unable to parse {name} key, must be of type string, but {} found",
                other.kind_name()
            )
            .into()),
        }
    };
    let userinfo = field("userinfo")?;
    let user = if userinfo.is_empty() {
        None
    } else {
        let whole = [b"proto://", &*userinfo, b"@host"].concat();
        let parsed = Url::parse(&whole).map_err(|reason| {
            CallError::new(format!("unable to parse userinfo in dict: {reason}"))
        })?;
        parsed.user
    };
    let url = Url {
        scheme: field("scheme")?,
        host: field("host")?,
        path: field("path")?,
        query: field("query")?,
        opaque: field("opaque")?,
        fragment: field("fragment")?,
        user,
        ..Url::default()
    };
    Ok(call.text(url.to_text())?)
}
