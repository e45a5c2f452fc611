//! A change of the signing key, or of the issuer, as a state machine: announce, wait, activate,
//! drain, retire.
//!
//! Owns: the states, what must be seen before each next one, what is published meanwhile, and the
//! refusal to go ahead of time. Pure: facts and the time are arguments, so it can be stopped and
//! resumed anywhere, by anyone who has the state. Refuses: I/O (see [`crate::rotate`]).
//!
//! The order is that of the relying parties' caches. A key must be seen before it signs: AWS and
//! Entra keep key sets for hours, and Entra has been seen to need half an hour after that. A key
//! must stay until the last token of it has ended.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::finding::{Code, Finding, Severity};

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The key that signs. Names are key names.
    Key,
    /// The issuer's URL. Names are issuers; both have documents while tokens of both live.
    Issuer,
}

/// Where the change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Phase {
    /// The new one is being published.
    Announce,
    /// It is published, and caches are given time.
    Wait {
        /// When it was first seen from outside.
        since: i64,
    },
    /// The API servers are being switched.
    Activate,
    /// All sign with the new one; tokens of the old one are given time to end.
    Drain {
        /// When the last API server was seen to sign with the new one.
        since: i64,
    },
    /// The old one is being taken away.
    Retire,
    /// All is done.
    Done,
    /// Given up, before anything was activated.
    Aborted,
}

impl Phase {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announce => "announce",
            Self::Wait { .. } => "wait",
            Self::Activate => "activate",
            Self::Drain { .. } => "drain",
            Self::Retire => "retire",
            Self::Done => "done",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Aborted)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long the two patient phases take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The longest that a relying party keeps the old key set.
    pub wait: i64,
    /// The longest life of a token, and what caches add.
    pub drain: i64,
}

/// A phase that was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// When.
    pub at: i64,
    /// Which.
    pub phase: String,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// What changes.
    pub kind: Kind,
    /// The names that go.
    pub old: BTreeSet<String>,
    /// The name that comes.
    pub new: String,
    /// The new public key in PEM, if it is a key: published from here until an API server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// How long the patient phases take.
    pub timing: Timing,
    /// Where it stands.
    pub phase: Phase,
    /// How it came there.
    pub log: Vec<Entered>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The names that the world can use; absent if nobody could look.
    pub published: Option<BTreeSet<String>>,
    /// For each API server what it signs with; absent if it was not heard.
    pub signing: Vec<(String, Option<String>)>,
    /// The names that API servers still accept and serve.
    pub served: BTreeSet<String>,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// Why it does not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The reason.
    pub reason: String,
    /// When it may go on, if that is a matter of time.
    pub until: Option<i64>,
    /// What has to be done by someone, if it is not.
    pub todo: Option<Todo>,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Todo {
    /// Publish the new one, or wait for caches to show it.
    Publish,
    /// Let the API servers sign with the new one.
    Switch,
    /// Take the old one off the API servers.
    Remove,
    /// Bring back an API server that is not heard.
    Repair,
}

/// The next state.
#[derive(Clone, Debug)]
#[must_use]
pub struct Advance {
    /// The state; the same if nothing moved.
    pub rotation: Rotation,
    /// Whether it moved.
    pub moved: bool,
    /// Why it went no further; absent when all is done.
    pub stay: Option<Stay>,
    /// What is dangerous right now.
    pub findings: Vec<Finding>,
}

impl Rotation {
    /// Begins a change.
    #[must_use]
    pub fn begin(kind: Kind, old: BTreeSet<String>, new: String, timing: Timing, now: i64) -> Self {
        let log = vec![Entered {
            at: now,
            phase: Phase::Announce.to_string(),
            note: None,
        }];
        Self {
            kind,
            old,
            new,
            public_key: None,
            timing,
            phase: Phase::Announce,
            log,
        }
    }

    /// Names that must not be published any more.
    #[must_use]
    pub fn retired(&self) -> BTreeSet<String> {
        match (self.kind, self.phase) {
            (Kind::Key, Phase::Retire | Phase::Done) => self.old.clone(),
            (Kind::Key, Phase::Aborted) => BTreeSet::from([self.new.clone()]),
            _ => BTreeSet::new(),
        }
    }

    /// Whether the new key is to be published although no API server may have it yet.
    #[must_use]
    pub const fn announces(&self) -> bool {
        !matches!(self.phase, Phase::Aborted)
    }

    /// Whether documents of `issuer` are kept published. When the issuer changes, each of the two
    /// has documents while tokens of both may live; the one that goes must not be written again.
    #[must_use]
    pub fn publishes(&self, issuer: &str) -> bool {
        match (self.kind, self.phase) {
            (Kind::Key, _) => true,
            (Kind::Issuer, Phase::Retire | Phase::Done) => issuer == self.new,
            (Kind::Issuer, Phase::Aborted) => self.old.contains(issuer),
            (Kind::Issuer, _) => true,
        }
    }

    /// When an old key goes although tokens of it may live. `kept` are published keys that no API
    /// server has, and until when they stay.
    #[must_use]
    pub fn goes_early(&self, kept: &[(String, Option<i64>)]) -> Option<i64> {
        let needed = match self.phase {
            Phase::Activate => i64::MAX,
            Phase::Drain { since } => since.saturating_add(self.timing.drain),
            _ => return None,
        };
        let old = kept.iter().filter(|(name, _)| self.old.contains(name));
        old.filter_map(|(_, end)| *end)
            .filter(|end| *end < needed)
            .min()
    }

    /// Goes as far as the facts allow. In an emergency nothing is waited for.
    pub fn advance(&self, facts: &Facts, emergency: bool) -> Advance {
        let mut rotation = self.clone();
        let mut moved = false;
        // Each phase is entered at most once a call, and back once at most.
        for _ in 0..8 {
            match rotation.next(facts, emergency) {
                Ok((phase, note)) => {
                    rotation.enter(phase, note, facts.now);
                    moved = true;
                }
                Err(stay) => {
                    let findings = rotation.dangers(facts);
                    return Advance {
                        rotation,
                        moved,
                        stay,
                        findings,
                    };
                }
            }
        }
        let findings = rotation.dangers(facts);
        Advance {
            rotation,
            moved,
            stay: None,
            findings,
        }
    }

    /// Gives up. Only while nothing has been activated.
    ///
    /// # Errors
    /// The reason why it is too late.
    pub fn abort(&self, facts: &Facts) -> Result<Self, Stay> {
        let signs = facts
            .signing
            .iter()
            .any(|(_, name)| name.as_deref() == Some(&self.new));
        let early = matches!(
            self.phase,
            Phase::Announce | Phase::Wait { .. } | Phase::Activate
        );
        if !early || signs {
            return Err(Stay {
                reason: format!(
                    "tokens of {} may live: it cannot be taken back, only replaced by another change",
                    self.new
                ),
                until: None,
                todo: None,
            });
        }
        let mut rotation = self.clone();
        rotation.enter(Phase::Aborted, None, facts.now);
        Ok(rotation)
    }

    fn enter(&mut self, phase: Phase, note: Option<String>, now: i64) {
        self.phase = phase;
        self.log.push(Entered {
            at: now,
            phase: phase.to_string(),
            note,
        });
    }

    /// The next phase, or why there is none now.
    fn next(
        &self,
        facts: &Facts,
        emergency: bool,
    ) -> Result<(Phase, Option<String>), Option<Stay>> {
        match self.phase {
            Phase::Announce => self.announced(facts),
            Phase::Wait { since } => self.waited(since, facts, emergency),
            Phase::Activate => self.activated(facts),
            Phase::Drain { since } => self.drained(since, facts, emergency),
            Phase::Retire => self.is_retired(facts),
            Phase::Done | Phase::Aborted => Err(None),
        }
    }

    fn announced(&self, facts: &Facts) -> Result<(Phase, Option<String>), Option<Stay>> {
        let published = published(facts)?;
        let wanted = || self.old.iter().chain([&self.new]);
        let lacks: Vec<&str> = wanted()
            .filter(|n| !published.contains(*n))
            .map(String::as_str)
            .collect();
        if lacks.is_empty() {
            return Ok((Phase::Wait { since: facts.now }, None));
        }
        Err(Some(Stay {
            reason: format!("{} cannot be seen from outside yet", lacks.join(", ")),
            until: None,
            todo: Some(Todo::Publish),
        }))
    }

    fn waited(
        &self,
        since: i64,
        facts: &Facts,
        emergency: bool,
    ) -> Result<(Phase, Option<String>), Option<Stay>> {
        let published = published(facts)?;
        if !published.contains(&self.new) {
            let note = format!("{} was not seen from outside any more", self.new);
            return Ok((Phase::Announce, Some(note)));
        }
        let until = since.saturating_add(self.timing.wait);
        if facts.now >= until {
            return Ok((Phase::Activate, None));
        }
        if emergency {
            return Ok((
                Phase::Activate,
                Some(format!("{} s early: emergency", until - facts.now)),
            ));
        }
        Err(Some(Stay {
            reason: "service providers may still hold the old key set; a token signed now could be refused [K7]".into(),
            until: Some(until),
            todo: None,
        }))
    }

    fn activated(&self, facts: &Facts) -> Result<(Phase, Option<String>), Option<Stay>> {
        let published = published(facts)?;
        if !published.contains(&self.new) {
            let note = format!("{} was not seen from outside any more", self.new);
            return Ok((Phase::Announce, Some(note)));
        }
        let others = self.others(facts)?;
        if others.is_empty() {
            return Ok((Phase::Drain { since: facts.now }, None));
        }
        Err(Some(Stay {
            reason: format!(
                "not every API server signs with {}: {}",
                self.new,
                others.join(", ")
            ),
            until: None,
            todo: Some(Todo::Switch),
        }))
    }

    fn drained(
        &self,
        since: i64,
        facts: &Facts,
        emergency: bool,
    ) -> Result<(Phase, Option<String>), Option<Stay>> {
        // The clock of the last old token starts when the last server is seen to have switched.
        let others = self.others(facts)?;
        if !others.is_empty() {
            return Ok((Phase::Activate, Some(others.join(", "))));
        }
        let until = since.saturating_add(self.timing.drain);
        if facts.now >= until {
            return Ok((Phase::Retire, None));
        }
        if emergency {
            return Ok((
                Phase::Retire,
                Some(format!("{} s early: emergency", until - facts.now)),
            ));
        }
        Err(Some(Stay {
            reason: "tokens of the old one may still live; without its documents they would be refused [K9]".into(),
            until: Some(until),
            todo: None,
        }))
    }

    fn is_retired(&self, facts: &Facts) -> Result<(Phase, Option<String>), Option<Stay>> {
        let published = published(facts)?;
        let served: Vec<&str> = self
            .old
            .intersection(&facts.served)
            .map(String::as_str)
            .collect();
        if !served.is_empty() {
            return Err(Some(Stay {
                reason: format!("API servers still accept {}", served.join(", ")),
                until: None,
                todo: Some(Todo::Remove),
            }));
        }
        let left: Vec<&str> = self
            .old
            .intersection(published)
            .map(String::as_str)
            .collect();
        if left.is_empty() {
            return Ok((Phase::Done, None));
        }
        Err(Some(Stay {
            reason: format!("{} can still be seen from outside", left.join(", ")),
            until: None,
            todo: Some(Todo::Publish),
        }))
    }

    /// API servers that sign with something else, each with what it is. Where none is seen to, an
    /// API server that is not heard is a reason to stay.
    fn others(&self, facts: &Facts) -> Result<Vec<String>, Option<Stay>> {
        let heard = facts.signing.iter();
        let others: Vec<String> = heard
            .filter_map(|(server, name)| Some((server, name.as_deref()?)))
            .filter(|(_, name)| *name != self.new)
            .map(|(server, name)| format!("{server} signs with {name}"))
            .collect();
        if !others.is_empty() {
            return Ok(others);
        }
        let silent = facts.signing.iter().filter(|(_, name)| name.is_none());
        let silent: Vec<&str> = silent.map(|(server, _)| server.as_str()).collect();
        if !facts.signing.is_empty() && silent.is_empty() {
            return Ok(Vec::new());
        }
        let who = if silent.is_empty() {
            "the cluster".to_owned()
        } else {
            silent.join(", ")
        };
        Err(Some(Stay {
            reason: format!("what {who} signs with cannot be seen"),
            until: None,
            todo: Some(Todo::Repair),
        }))
    }

    /// What hurts tokens right now.
    fn dangers(&self, facts: &Facts) -> Vec<Finding> {
        let mut found = Vec::new();
        let early = match self.phase {
            Phase::Announce => Some(None),
            Phase::Wait { since } => Some(Some(since + self.timing.wait - facts.now)),
            _ => None,
        };
        for (server, name) in &facts.signing {
            let Some(name) = name else { continue };
            if let Some(left) = early
                && *name == self.new
            {
                let left = left.map_or_else(
                    || "it is not published yet".to_owned(),
                    |s| format!("{s} s too early"),
                );
                found.push(
                    Finding::new(Code::K7, server)
                        .observed(format!("tokens signed with {name}: {left}"))
                        .required("the old key until the time of waiting is over")
                        .fix("Sign with the old key again, or expect refusals until caches have ended")
                        .severity(Severity::Warning),
                );
            }
            if facts.published.as_ref().is_some_and(|p| !p.contains(name)) {
                found.push(
                    Finding::new(Code::K7, server)
                        .observed(format!(
                            "tokens of {name}, which cannot be seen from outside"
                        ))
                        .required("whatever signs published")
                        .fix("Publish now: `keyless issuer publish`"),
                );
            }
        }
        if matches!(self.phase, Phase::Activate | Phase::Drain { .. })
            && let Some(published) = &facts.published
        {
            for name in self.old.difference(published) {
                found.push(
                    Finding::new(Code::K9, name)
                        .observed("not published any more, while tokens of it may live")
                        .required("published until they have ended")
                        .fix("Publish it again: `keyless issuer publish`, or wait for those tokens to be renewed"),
                );
            }
        }
        found
    }
}

fn published(facts: &Facts) -> Result<&BTreeSet<String>, Option<Stay>> {
    facts.published.as_ref().ok_or_else(|| {
        Some(Stay {
            reason: "the published documents cannot be read from outside".into(),
            until: None,
            todo: Some(Todo::Publish),
        })
    })
}

#[cfg(test)]
mod tests;
