//! Pages of lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::bad;

/// One page of `items` under `field`: `usual` of them without a wish, never more than `most`.
pub(super) fn page(
    call: &Call<'_>,
    field: &str,
    items: Vec<Value>,
    usual: usize,
    most: usize,
) -> Result<Answer, Answer> {
    let size = match call.query("pageSize").as_deref() {
        None | Some("" | "0") => usual,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| bad("Invalid value at 'page_size' (TYPE_INT32)"))?
            .min(most),
    };
    let start = match call.query("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok())
            .ok_or_else(|| bad("The page token is invalid."))?,
    };
    let end = start.saturating_add(size);
    let more = items.len() > end;
    let shown: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let mut answer = json!({});
    if let Some(fields) = answer.as_object_mut() {
        if !shown.is_empty() {
            fields.insert(field.to_owned(), json!(shown));
        }
        if more {
            let next = URL_SAFE_NO_PAD.encode(end.to_string());
            fields.insert("nextPageToken".into(), json!(next));
        }
    }
    Ok(Answer::ok(answer))
}
