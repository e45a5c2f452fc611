//! What the tests of an installation work with: Helm, a cluster, the operator's process.

#[path = "support/audit.rs"]
pub mod audit;
#[path = "support/cluster.rs"]
pub mod cluster;
#[path = "support/helm.rs"]
pub mod helm;
#[path = "support/operator.rs"]
pub mod operator;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: a limit, not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A file of the workspace.
pub fn workspace(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(path)
}

/// Waits until `probe` answers.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
