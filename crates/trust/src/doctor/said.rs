//! What the operator or a provider said, and what that means.

use keyless_fault::Link;

use super::objects::Subject;
use super::{CHAIN, Verdict};
use crate::catalogue;

/// Longest text that is repeated.
const SHOWN: usize = 400;

pub(super) fn judge(subject: &Subject<'_>) -> Option<Verdict> {
    let errors = subject.facts.errors.iter().map(String::as_str);
    let all = errors.chain(subject.messages());
    all.filter_map(|text| meaning(text, &subject.name())).next()
}

fn meaning(text: &str, about: &str) -> Option<Verdict> {
    let own = coded(text);
    let row = own
        .or_else(|| layer(text))
        .or_else(|| catalogue::recognise(text).first().copied())?;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    // keyless's own messages say what was required.
    let part = |name: &str| {
        let rest = text.split_once(name)?.1;
        // A code ends the text.
        let ends = ["; ", ". ", " ["]
            .into_iter()
            .filter_map(|end| rest.find(end));
        let end = ends.min().unwrap_or(rest.len());
        rest.get(..end).map(str::to_owned)
    };
    // They name the link, too: a code may be of several.
    let named = part("; broken link ").filter(|_| own.is_some());
    let named = named.and_then(|name| CHAIN.into_iter().find(|link| link.as_str() == name));
    let link = named.unwrap_or_else(|| link(row, text));
    let mut verdict = Verdict::new(row.code, about, shown).at(link);
    if let Some(required) = part("; required ") {
        verdict = verdict.required(required);
    }
    Some(verdict)
}

/// The code at the end of keyless's own messages.
fn coded(text: &str) -> Option<&'static catalogue::Row> {
    let inner = text.trim_end().strip_suffix(']')?;
    let (_, code) = inner.rsplit_once('[')?;
    catalogue::row(code)
}

/// The kind of policy at the end of AWS's refusals says more than what was refused.
fn layer(text: &str) -> Option<&'static catalogue::Row> {
    let code = match text {
        t if t.contains("with an explicit deny in a service control policy") => "A6",
        t if t.contains("with an explicit deny in a resource control policy") => "A6",
        t if t.contains("because no VPC endpoint policy allows") => "A25",
        _ => return None,
    };
    catalogue::row(code)
}

/// Some refusals come from several links; the text tells which.
pub(super) fn link(row: &catalogue::Row, text: &str) -> Link {
    let exchange = text.contains("sts:AssumeRoleWithWebIdentity");
    match row.code {
        "A6" if !exchange => Link::Permission,
        "Z22" if text.contains("VaultNotFound") => Link::Store,
        _ => row.link,
    }
}
