//! The chain of trust of one object, link by link, and the first link that is broken.
//!
//! Owns: the facts that a diagnosis is made from ([`Facts`]: no value and no token among them),
//! and the verdict ([`Diagnosis`]). Refuses: collecting facts, and guessing: a link that nothing
//! is known of is unknown.
//!
//! What a provider said weighs most: it judged the links before the one that it names. Facts of
//! our own make its verdict finer, and stand alone where nobody has said anything yet.

mod cloud;
mod documents;
mod facts;
mod failure;
mod objects;
mod page;
mod pod;
mod said;
mod show;
mod stored;
mod token;

use keyless_fault::Link;

use crate::catalogue;
use crate::plan::Identity;

pub use facts::{
    Described, Facts, InjectionFact, LoginFact, OutsideFacts, OutsideFinding, StoredFact,
    TokenFact, Unseen,
};
pub use failure::{Account, Failure, Presented, place, sharpen, sharper};
pub use page::html;
pub use show::text;
pub use stored::{Wanted, wanted};

/// The links in the order in which a sync passes them.
pub const CHAIN: [Link; 13] = [
    Link::Manifest,
    Link::Store,
    Link::Kubernetes,
    Link::Token,
    Link::IssuerDocument,
    Link::Keys,
    Link::TrustObject,
    Link::Identity,
    Link::Network,
    Link::Permission,
    Link::Decryption,
    Link::Secret,
    Link::Template,
];

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It holds.
    Holds,
    /// It is the first broken one.
    Broken,
    /// Nothing is known of it.
    Unknown,
    /// A link before it is broken.
    NotReached,
}

impl State {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
            Self::NotReached => "not reached",
        }
    }
}

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which link.
    pub link: Link,
    /// What is known of it.
    pub state: State,
    /// Why that is known.
    pub evidence: String,
}

/// What is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which link.
    pub link: Link,
    /// The catalogue's code; empty for a refusal that it does not know.
    pub code: &'static str,
    /// What it is about.
    pub subject: String,
    /// What was seen.
    pub observed: String,
    /// What would be right.
    pub required: Option<String>,
    /// What to do.
    pub fix: String,
}

impl Verdict {
    fn new(code: &'static str, subject: impl Into<String>, observed: impl Into<String>) -> Self {
        let row = catalogue::row(code);
        Self {
            link: row.map_or(Link::Manifest, |row| row.link),
            code,
            subject: subject.into(),
            observed: observed.into(),
            required: None,
            fix: row.map_or_else(String::new, |row| row.fix.to_owned()),
        }
    }

    fn required(mut self, required: impl Into<String>) -> Self {
        self.required = Some(required.into());
        self
    }

    fn at(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }
}

/// The diagnosis of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The object.
    pub about: String,
    /// Who logs in there, if it is known.
    pub identity: Option<Identity>,
    /// All links, in order.
    pub chain: Vec<Step>,
    /// The first broken link.
    pub broken: Option<Verdict>,
    /// What is wrong beside it, or will be.
    pub further: Vec<Verdict>,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}

impl Diagnosis {
    /// Whether every link is known to hold.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.broken.is_none() && self.chain.iter().all(|s| s.state == State::Holds)
    }
}

/// Where a link stands in the chain.
fn rank(link: Link) -> usize {
    CHAIN.iter().position(|l| *l == link).unwrap_or(CHAIN.len())
}

/// What has been found so far.
#[derive(Default)]
struct Findings {
    /// Links that are known to hold, and why.
    holds: Vec<(Link, String)>,
    /// What facts show to be broken.
    proven: Vec<Verdict>,
    /// What is worth knowing and breaks nothing.
    further: Vec<Verdict>,
    /// Why a token may be out of its time, where somebody says that it is.
    short: Vec<Verdict>,
}

impl Findings {
    fn holds(&mut self, link: Link, evidence: impl Into<String>) {
        self.holds.push((link, evidence.into()));
    }
}

/// Diagnoses the object that `facts` are about.
#[must_use]
pub fn diagnose(facts: &Facts) -> Diagnosis {
    let subject = objects::Subject::of(facts);
    let mut found = Findings::default();
    objects::judge(&subject, &mut found);
    token::judge(&subject, &mut found);
    documents::judge(&subject, &mut found);
    cloud::judge(&subject, &mut found);
    stored::judge(&subject, &mut found);
    let mut said = said::judge(&subject);
    if let (None, Some((login, link))) = (&said, subject.refused_login()) {
        said = Some(unlisted(login, link));
    }
    if let Some(identity) = subject.logged_in() {
        said = logged_in(identity, said, &mut found);
    }
    // A pod names no store: what a store would say, its own manifest says.
    if let Some(said) = said
        .as_mut()
        .filter(|s| subject.is_pod() && s.link == Link::Store)
    {
        said.link = Link::Manifest;
    }
    let ready = said.is_none() && subject.is_ready();
    let broken = if ready {
        None
    } else {
        choose(&mut found, said.clone())
    };
    let mut further = found.further;
    if let Some(broken) = &broken {
        let known = |v: &Verdict| v.code != broken.code;
        further.extend(found.proven.into_iter().filter(known));
    } else {
        further.extend(found.proven);
    }
    Diagnosis {
        about: subject.name(),
        chain: chain(
            &links(&subject, broken.as_ref()),
            &found.holds,
            broken.as_ref(),
            said.as_ref(),
            ready,
        ),
        identity: subject.identity.clone(),
        broken,
        further,
        unseen: facts.unseen.clone(),
    }
}

/// A refusal that the catalogue has no row for. It is a verdict all the same: it came just now.
fn unlisted(login: &LoginFact, link: Link) -> Verdict {
    let refused = login.refused.clone().unwrap_or_default();
    Verdict::new("", login.identity.clone(), refused)
        .at(link)
        .fix("Look at what the provider says: nothing in the catalogue fits it.")
}

/// The links that a login has passed, and what it proves wrong: words that are older than it.
fn logged_in(identity: &str, said: Option<Verdict>, found: &mut Findings) -> Option<Verdict> {
    let end = rank(Link::Identity);
    let passed = |link: Link| (rank(Link::Kubernetes)..=end).contains(&rank(link));
    for link in CHAIN.into_iter().filter(|link| passed(*link)) {
        found.holds(link, format!("logged in as {identity} just now"));
    }
    // What documents seem to forbid was allowed.
    let (refuted, proven) = std::mem::take(&mut found.proven)
        .into_iter()
        .partition(|v| passed(v.link));
    found.proven = proven;
    found.further.extend::<Vec<Verdict>>(refuted);
    let (old, said): (Vec<_>, Vec<_>) = said.into_iter().partition(|v| passed(v.link));
    found.further.extend(old);
    said.into_iter().next()
}

/// The first broken link: what was said, made finer by what facts prove.
fn choose(found: &mut Findings, said: Option<Verdict>) -> Option<Verdict> {
    let Some(said) = said else {
        let proven = &mut found.proven;
        proven.sort_by_key(|v| rank(v.link));
        return (!proven.is_empty()).then(|| proven.remove(0));
    };
    match finer(found, said.link, said.code) {
        Some(mut better) => {
            // What the provider itself said stays beside what facts add.
            if better.code == said.code && better.required.is_none() {
                better.required = said.required;
            }
            Some(better)
        }
        None => Some(said),
    }
}

/// What facts prove beyond a refusal at `said` with `code`; taken out of what was found.
fn finer(found: &mut Findings, said: Link, code: &str) -> Option<Verdict> {
    // Whoever says that a token is out of its time does not know how long it was to live.
    if matches!(code, "K11" | "Z7" | "G6") {
        found.proven.append(&mut found.short);
    }
    found.proven.sort_by_key(|v| rank(v.link));
    let documents = [Link::IssuerDocument, Link::Keys];
    let own = [Link::Manifest, Link::Store, Link::Kubernetes, Link::Token];
    let finer = |v: &Verdict| {
        let before = own.contains(&v.link) && rank(v.link) < rank(said);
        let same = v.link == said;
        let fetched = documents.contains(&v.link) && documents.contains(&said);
        // Another text of the issuer is a matter of the trust object, whoever got it wrong. A
        // provider that complains of something else knows the issuer.
        let unknown = matches!(code, "A1" | "Z1" | "Z4" | "G5" | "V4");
        let issuer = matches!(v.code, "K1" | "K2") && said == Link::TrustObject && unknown;
        // A signature that nobody can read is no token to some.
        let signature = v.code == "K6" && code == "K16";
        // Whoever was refused at a provider had a tenant to go to: perhaps the operator's own.
        let tenant = v.code == "Z16" && rank(said) > rank(Link::Store);
        !tenant && (before || same || fetched || issuer || signature)
    };
    let at = found.proven.iter().position(finer)?;
    Some(found.proven.remove(at))
}

/// The links that the chain of an object has.
fn links(subject: &objects::Subject<'_>, broken: Option<&Verdict>) -> Vec<Link> {
    let named = |link: Link| broken.is_some_and(|b| b.link == link);
    let has = |link: &Link| !subject.is_pod() || pod::CHAIN.contains(link) || named(*link);
    CHAIN.into_iter().filter(has).collect()
}

fn chain(
    links: &[Link],
    holds: &[(Link, String)],
    broken: Option<&Verdict>,
    said: Option<&Verdict>,
    ready: bool,
) -> Vec<Step> {
    let end = broken.map(|b| rank(b.link));
    let reached = said.map(|s| rank(s.link));
    links
        .iter()
        .map(|&link| {
            let at = rank(link);
            let known = holds.iter().find(|(l, _)| *l == link);
            let step = |state, evidence: String| Step {
                link,
                state,
                evidence,
            };
            match end {
                Some(end) if at == end => step(
                    State::Broken,
                    broken.map_or_else(String::new, |b| b.observed.clone()),
                ),
                Some(end) if at > end => step(State::NotReached, String::new()),
                _ => match known {
                    Some((_, why)) => step(State::Holds, why.clone()),
                    None if ready => step(State::Holds, "the last sync passed it".into()),
                    None if reached.is_some_and(|r| at < r) => {
                        step(State::Holds, "the refusal came after it".into())
                    }
                    None => step(State::Unknown, String::new()),
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
