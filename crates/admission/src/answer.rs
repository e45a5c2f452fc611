//! The answer to a review about a pod, once its service accounts are known.
//!
//! Owns: which service accounts must be known, and verdicts as answers. Refuses: I/O.

use std::collections::BTreeMap;

use crate::cloud::{self, Accounts, Cloud, Injectors, Outcome, Route};
use crate::inject::Verdict;
use crate::review::{Answer, Request};

/// What comes of one review.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answered {
    /// What the API server is told.
    pub answer: Answer,
    /// What each cloud did.
    pub outcomes: BTreeMap<Cloud, Outcome>,
}

/// The service accounts that the clouds of `route` ask for.
#[must_use]
pub fn accounts(injectors: &Injectors, route: &Route, request: &Request) -> Vec<String> {
    if !request.creates_pod() {
        return Vec::new();
    }
    let labels = request.object.pointer("/metadata/labels");
    let clouds = route.clouds.iter().copied();
    let concerned = clouds.filter(|cloud| !route.by_labels || cloud.selects(labels));
    let mut names: Vec<String> = concerned
        .filter_map(|cloud| injectors.account(cloud, &request.object))
        .collect();
    names.dedup();
    names
}

/// The answer to `request`. `random` decides the life of a token where it is a matter of chance.
#[must_use]
pub fn answer(
    injectors: &Injectors,
    route: &Route,
    request: &Request,
    known: &Accounts,
    random: u64,
) -> Answered {
    if !request.creates_pod() {
        // A wrong rule in the configuration must not stop what it was never meant for.
        let warning = format!(
            "tokens are injected into pods when they are created, this was {} of {}: correct the rules of the webhook configuration",
            request.operation, request.kind
        );
        return Answered {
            answer: Answer {
                warnings: vec![warning],
                ..Answer::default()
            },
            outcomes: BTreeMap::new(),
        };
    }
    let (verdict, outcomes) = cloud::run(
        injectors,
        route,
        &request.object,
        &request.namespace,
        known,
        random,
    );
    let answer = match verdict {
        Verdict::Denied { reason } => Answer::refused(reason),
        Verdict::Allowed(injection) => Answer {
            refusal: None,
            audit: audit(&outcomes),
            patch: injection.patch,
            warnings: injection.warnings,
        },
    };
    Answered { answer, outcomes }
}

fn audit(outcomes: &BTreeMap<Cloud, Outcome>) -> BTreeMap<&'static str, String> {
    let injected = outcomes.iter().filter(|(_, o)| **o == Outcome::Injected);
    let names: Vec<&str> = injected.map(|(cloud, _)| cloud.as_str()).collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    BTreeMap::from([("injected", names.join(","))])
}

#[cfg(test)]
mod tests;
