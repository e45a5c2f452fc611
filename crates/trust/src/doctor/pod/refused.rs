//! A pod that was never created, by the words of its controller's events.
//!
//! Refuses: refusals of webhooks that inject no token, and of quotas: they are no matter of trust.

use super::hook;
use super::messages;
use crate::catalogue;
use crate::doctor::{Facts, Findings, Verdict};

/// Longest text that is repeated.
const SHOWN: usize = 400;

pub(super) fn judge(facts: &Facts, found: &mut Findings) {
    for message in messages(facts) {
        // What is known more exactly is said elsewhere.
        if !catalogue::recognise(message).is_empty() {
            continue;
        }
        let shown: String = message.chars().take(SHOWN).collect();
        if message.contains("error looking up service account")
            || message.contains("serviceaccount \"") && message.contains("not found")
        {
            found
                .proven
                .push(Verdict::new("K19", facts.about.clone(), shown));
        } else if let Some(webhook) = refusing(message).filter(|name| hook::injects(name)) {
            let verdict = Verdict::new("W2", facts.about.clone(), shown);
            found
                .proven
                .push(verdict.required(format!("an answer of webhook {webhook} that admits it")));
        }
    }
}

/// The webhook that refused, or that could not be asked.
fn refusing(message: &str) -> Option<&str> {
    let (_, rest) = message
        .split_once("admission webhook \"")
        .or_else(|| message.split_once("failed calling webhook \""))?;
    rest.split('"').next()
}
