//! Pages of secrets and of versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::state::State;
use super::filter::Filter;
use super::name::{Parent, SecretName};
use super::read;

/// Without a wish, and at most.
const PAGE: usize = 25_000;

/// One page of `items`, with what comes after it.
fn page(field: &str, items: Vec<Value>, call: &Call<'_>) -> Result<Answer, Answer> {
    let bad = |what: &str| Answer::error("INVALID_ARGUMENT", format!("Invalid {what}."));
    let size = match call.query("pageSize").as_deref() {
        None | Some("" | "0") => PAGE,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| bad("page size"))?
            .min(PAGE),
    };
    let start = match call.query("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
            .ok_or_else(|| bad("page token"))?,
    };
    let total = items.len();
    let shown: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let end = start.saturating_add(shown.len());
    let mut answer = json!({"totalSize": total});
    if let Some(fields) = answer.as_object_mut() {
        if !shown.is_empty() {
            fields.insert(field.to_owned(), json!(shown));
        }
        if end < total {
            let next = URL_SAFE_NO_PAD.encode(end.to_string());
            fields.insert("nextPageToken".into(), json!(next));
        }
    }
    Ok(Answer::ok(answer))
}

/// The newest first, as the service lists.
pub(super) fn secrets(state: &State, parent: &Parent, call: &Call<'_>) -> Result<Answer, Answer> {
    let filter = Filter::parse(&call.query("filter").unwrap_or_default())?;
    let prefix = format!("{parent}/secrets/");
    let mut found: Vec<_> = state
        .secrets
        .values()
        .filter(|secret| secret.name.starts_with(&prefix) && filter.takes_secret(secret))
        .collect();
    found.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
    page(
        "secrets",
        found.into_iter().map(|secret| secret.show()).collect(),
        call,
    )
}

/// The newest first.
pub(super) fn versions(
    state: &State,
    name: &SecretName,
    call: &Call<'_>,
) -> Result<Answer, Answer> {
    let filter = Filter::parse(&call.query("filter").unwrap_or_default())?;
    let secret = read::find(state, name)?;
    let shown = (1_u64..)
        .zip(&secret.versions)
        .filter(|(_, version)| filter.takes_version(version))
        .map(|(number, version)| secret.show_version(number, version));
    let mut shown: Vec<Value> = shown.collect();
    shown.reverse();
    page("versions", shown, call)
}
