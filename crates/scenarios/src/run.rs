//! How a scenario is run: on which ring, beside which others, and what is left afterwards.

use std::future::Future;
use std::sync::{PoisonError, RwLock};

use anyhow::Result;

use crate::ring::{Kind, Ring};
use crate::world::World;

/// Scenarios share the ring; one that counts calls has it alone.
static TURN: RwLock<()> = RwLock::new(());

/// Runs `scenario` beside others.
///
/// # Panics
/// When the scenario fails, which is what a test must do.
pub fn run<F: Future<Output = Result<()>>>(
    kind: Kind,
    name: &str,
    scenario: impl FnOnce(World) -> F,
) {
    let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
    perform(kind, name, scenario);
}

/// Runs `scenario` with nothing else going on, so that it may count.
///
/// # Panics
/// When the scenario fails, which is what a test must do.
pub fn run_alone<F: Future<Output = Result<()>>>(
    kind: Kind,
    name: &str,
    scenario: impl FnOnce(World) -> F,
) {
    let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
    perform(kind, name, scenario);
}

#[allow(clippy::panic, reason = "the end of a failed test")]
fn perform<F: Future<Output = Result<()>>>(
    kind: Kind,
    name: &str,
    scenario: impl FnOnce(World) -> F,
) {
    let ring = match Ring::get(kind) {
        Ok(Some(ring)) => ring,
        Ok(None) => return,
        Err(error) => panic!("{kind:?}: {error}"),
    };
    let result = ring.block_on(async {
        let world = World::new(ring, name).await?;
        let left = world.clone();
        let result = scenario(world).await;
        ring.start_operator()?;
        left.clear().await?;
        result
    });
    if let Err(error) = result {
        panic!("{name} on {kind:?}: {error:#}");
    }
}
