//! Everything seen from outside, judged together.

use super::transport::{self, Document};
use super::{discovery, issuer, keys};
use crate::documents::{Discovery, KeySet};
use crate::facts::{Outside, Reach, Roots};
use crate::finding::{Code, Finding};

/// What the documents say, as far as they can be read, and what is wrong with them.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The discovery document.
    pub discovery: Option<Discovery>,
    /// The key set.
    pub keys: Option<KeySet>,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// Reads and judges both documents.
#[must_use]
pub fn judge(outside: &Outside) -> Judged {
    let mut judged = Judged {
        findings: issuer::judge(&outside.issuer),
        ..Judged::default()
    };
    if outside.roots == Roots::PlayPublic {
        // Where authorities play the public ones, loopback plays the world.
        judged.findings.retain(|f| f.code != Code::K1);
    }
    let fetched = &outside.discovery;
    let (found, body) = transport::judge(fetched, Document::Discovery, outside.roots);
    match &outside.misplaced {
        // The misplacement says it all; the 404 behind it is no second finding.
        Some((how, url)) if matches!(fetched.reach, Reach::Answered(_)) => judged
            .findings
            .push(transport::misplaced(&fetched.url, *how, url)),
        _ => judged.findings.extend(found),
    }
    match body.map(Discovery::parse) {
        None => {}
        Some(Err(what)) => judged
            .findings
            .push(discovery::unreadable(&fetched.url, &what)),
        Some(Ok(document)) => {
            let found = discovery::judge(&fetched.url, &outside.issuer, &document);
            judged.findings.extend(found);
            judged.discovery = Some(document);
        }
    }
    // A jwks_uri that is no URL has been named with the document it stands in; what became of
    // following it says nothing more.
    let followed = judged.findings.iter().all(|f| f.code != Code::K5);
    if let Some(fetched) = outside.keys.as_ref().filter(|_| followed) {
        let (found, body) = transport::judge(fetched, Document::Keys, outside.roots);
        judged.findings.extend(found);
        match body.map(KeySet::parse) {
            None => {}
            Some(Err(what)) => judged.findings.push(keys::unreadable(&fetched.url, &what)),
            Some(Ok(set)) => {
                judged.findings.extend(keys::judge(&fetched.url, &set));
                judged.keys = Some(set);
            }
        }
    }
    merge(&mut judged.findings);
    judged
}

/// The same remark about two documents of one host is made once.
fn merge(findings: &mut Vec<Finding>) {
    let mut seen: Vec<(Code, String)> = Vec::new();
    findings.retain(|f| {
        let key = (f.code, f.observed.clone());
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
}
