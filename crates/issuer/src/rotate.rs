//! `rotate`: publishes what the state says, looks, and goes on as far as what was seen allows.
//!
//! Owns: the order of one round: the state is read, what it demands is published, facts are
//! gathered, the next state is written. A process that dies anywhere in it is followed by one that
//! does the same again. Refuses: restarting API servers; the next phase waits until they have been.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyless_trust::Issuer;
use keyless_trust::token::Token;
use serde::Serialize;

use crate::cluster::{Account, ApiServer};
use crate::documents::{Jwk, KeySet};
use crate::effects::{Step, Steps};
use crate::fetch::{Outlook, unix_now};
use crate::finding::{Finding, Parties, Severity};
use crate::keygen::{KeyError, public_key};
use crate::plan::Wish;
use crate::publish::{PublishError, publish};
use crate::rotation::{Facts, Kind, Rotation, Stay};
use crate::rules;
use crate::state::{State, StateError};
use crate::target::Target;
use crate::verify::observe;

/// How often a token is minted at each API server: one address may be several servers.
const MINTS: usize = 3;
/// Rounds of one call: no more phases than that.
const ROUNDS: usize = 8;

/// Why a rotation could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The state.
    #[error("{0}")]
    State(#[from] StateError),
    /// The publication.
    #[error("cannot publish what the rotation needs")]
    Publish(#[from] PublishError),
    /// The new public key.
    #[error("cannot use the new public key")]
    Key(#[from] KeyError),
    /// Nothing was begun.
    #[error("no rotation was begun")]
    None,
    /// One is under way.
    #[error("a rotation to {0} is under way: finish or abort it first")]
    UnderWay(String),
}

/// A place of documents, and the issuer they are for.
#[derive(Debug)]
pub struct Place {
    /// The issuer.
    pub issuer: Issuer,
    /// The place.
    pub target: Box<dyn Target>,
}

/// Everything a rotation works with.
#[derive(Debug)]
pub struct Rotator {
    /// Where its state is kept.
    pub state: Box<dyn State>,
    /// Where documents are published: one place, or the old and the new one when the issuer
    /// changes.
    pub places: Vec<Place>,
    /// How it looks from outside.
    pub outlook: Outlook,
    /// Every API server.
    pub servers: Vec<ApiServer>,
    /// For whom tokens are minted to see what signs.
    pub account: Account,
    /// Who publishes.
    pub owner: String,
    /// Seconds for which a key stays that no API server has.
    pub keep: i64,
    /// Is asked before each step.
    pub steps: Arc<dyn Steps>,
}

/// How far it came.
#[derive(Clone, Debug, Serialize)]
pub struct Progress {
    /// The state.
    pub rotation: Rotation,
    /// Whether it moved.
    pub moved: bool,
    /// Why it went no further.
    pub stay: Option<Stay>,
    /// What is dangerous.
    pub findings: Vec<Finding>,
    /// Published keys that no API server has, and until when they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<(String, Option<i64>)>,
}

impl Rotator {
    /// Begins.
    ///
    /// # Errors
    /// One is under way, or the state cannot be written.
    pub async fn begin(&self, rotation: &Rotation) -> Result<(), RotateError> {
        let before = self.state.load().await?;
        if let Some(kept) = &before
            && !kept.rotation.phase.is_over()
        {
            return Err(RotateError::UnderWay(kept.rotation.new.clone()));
        }
        let seen = before.as_ref().map(|k| k.version.as_str());
        self.save(rotation, seen).await
    }

    /// The state, and what would happen now. Nothing is written.
    ///
    /// # Errors
    /// Nothing was begun, or the state cannot be read.
    pub async fn status(&self) -> Result<Progress, RotateError> {
        let kept = self.state.load().await?.ok_or(RotateError::None)?;
        let facts = self.facts(&kept.rotation).await;
        let advance = kept.rotation.advance(&facts.0, false);
        Ok(Progress {
            rotation: kept.rotation,
            moved: false,
            stay: advance.stay,
            findings: advance.findings,
            kept: Vec::new(),
        })
    }

    /// Publishes, looks and goes on as far as possible.
    ///
    /// # Errors
    /// The state or the publication failed. Whatever was done before stays.
    pub async fn advance(&self, emergency: bool) -> Result<Progress, RotateError> {
        let mut moved = false;
        let mut progress = None;
        for _ in 0..ROUNDS {
            let kept = self.state.load().await?.ok_or(RotateError::None)?;
            let (_, sets, complete) = self.heard().await;
            let stays = self.publish(&kept.rotation, &sets, complete).await?;
            let (facts, ..) = self.facts(&kept.rotation).await;
            let advance = kept.rotation.advance(&facts, emergency);
            if advance.moved {
                self.save(&advance.rotation, Some(&kept.version)).await?;
                moved = true;
            }
            let again = advance.moved;
            progress = Some(Progress {
                rotation: advance.rotation,
                moved,
                stay: advance.stay,
                findings: advance.findings,
                kept: stays,
            });
            // A new phase may demand another publication.
            if !again {
                break;
            }
        }
        progress.ok_or(RotateError::None)
    }

    /// Gives up.
    ///
    /// # Errors
    /// It is too late; the reason is in the second value.
    pub async fn abort(&self) -> Result<Result<Rotation, Stay>, RotateError> {
        let kept = self.state.load().await?.ok_or(RotateError::None)?;
        let (facts, sets, complete) = self.facts(&kept.rotation).await;
        let aborted = match kept.rotation.abort(&facts) {
            Ok(aborted) => aborted,
            Err(stay) => return Ok(Err(stay)),
        };
        self.save(&aborted, Some(&kept.version)).await?;
        self.publish(&aborted, &sets, complete).await?;
        Ok(Ok(aborted))
    }

    async fn save(&self, rotation: &Rotation, seen: Option<&str>) -> Result<(), RotateError> {
        self.steps.before(&Step::State).await;
        self.state.save(rotation, seen).await?;
        self.steps.before(&Step::StateDone).await;
        Ok(())
    }

    async fn publish(
        &self,
        rotation: &Rotation,
        sets: &[KeySet],
        complete: bool,
    ) -> Result<Vec<(String, Option<i64>)>, RotateError> {
        let mut announced: Vec<Jwk> = Vec::new();
        if let Some(pem) = rotation
            .public_key
            .as_deref()
            .filter(|_| rotation.announces())
        {
            announced.push(public_key("the rotation's new key", pem)?);
        }
        let retire = rotation.retired();
        let mut kept = Vec::new();
        let wanted = |place: &&Place| rotation.publishes(place.issuer.as_str());
        for place in self.places.iter().filter(wanted) {
            let wish = Wish {
                issuer: &place.issuer,
                owner: &self.owner,
                servers: sets,
                complete,
                announced: &announced,
                retire: &retire,
                keep: self.keep,
                adopt: false,
                self_federated: false,
                now: unix_now(),
            };
            kept.extend(publish(place.target.as_ref(), &wish).await?.kept);
        }
        Ok(kept)
    }

    /// What every API server signs with, the key sets of those heard, and whether all were.
    async fn heard(&self) -> (Vec<(String, Option<Signs>)>, Vec<KeySet>, bool) {
        let mut signing = Vec::new();
        let mut sets = Vec::new();
        for server in &self.servers {
            let look = server.look(None).await;
            if let Some(set) = look.keys.ok().and_then(|body| KeySet::parse(&body).ok()) {
                sets.push(set);
            }
            for _ in 0..MINTS {
                signing.push((server.name().to_owned(), self.signs(server).await));
            }
        }
        signing.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
        let complete = sets.len() == self.servers.len() && !sets.is_empty();
        (signing, sets, complete)
    }

    async fn signs(&self, server: &ApiServer) -> Option<Signs> {
        let minted = server.mint(&self.account).await.ok()?;
        let token = Token::parse(&minted.token).ok()?;
        Some(Signs {
            kid: token.header.kid.clone()?,
            issuer: token.issuer()?.to_owned(),
        })
    }

    async fn facts(&self, rotation: &Rotation) -> (Facts, Vec<KeySet>, bool) {
        let (signing, sets, complete) = self.heard().await;
        let kids: BTreeSet<String> = signing
            .iter()
            .filter_map(|(_, s)| Some(s.as_ref()?.kid.clone()))
            .collect();
        let mut facts = Facts {
            now: unix_now(),
            ..Facts::default()
        };
        match rotation.kind {
            Kind::Key => {
                facts.served = sets.iter().flat_map(KeySet::names).collect();
                if let Some(place) = self.places.first() {
                    facts.published = self.usable(&place.issuer).await;
                }
                facts.signing = signing
                    .into_iter()
                    .map(|(n, s)| (n, s.map(|s| s.kid)))
                    .collect();
            }
            Kind::Issuer => {
                facts.served = signing
                    .iter()
                    .filter_map(|(_, s)| Some(s.as_ref()?.issuer.clone()))
                    .collect();
                let mut published = BTreeSet::new();
                for place in &self.places {
                    let usable = self.usable(&place.issuer).await;
                    // Documents that lack a signing key are of no use to anyone.
                    if usable.is_some_and(|names| kids.is_subset(&names)) {
                        published.insert(place.issuer.as_str().to_owned());
                    }
                }
                facts.published = Some(published);
                facts.signing = signing
                    .into_iter()
                    .map(|(n, s)| (n, s.map(|s| s.issuer)))
                    .collect();
            }
        }
        (facts, sets, complete)
    }

    /// The keys that the world can use, if it can use any.
    async fn usable(&self, issuer: &Issuer) -> Option<BTreeSet<String>> {
        let judged = rules::outside::judge(&observe(&self.outlook, issuer.as_str()).await);
        // What hurts everybody; that one cloud takes no EC key is no reason to stop.
        let broken = |f: &Finding| f.severity >= Severity::Error && f.hurts == Parties::ALL;
        if judged.findings.iter().any(broken) {
            return None;
        }
        Some(judged.keys?.names().into_iter().collect())
    }
}

/// What an API server signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signs {
    kid: String,
    issuer: String,
}
