//! Where built tools are kept between runs: outside the clone, so that a fresh clone is warm.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder: `KEYLESS_CACHE`, else `XDG_CACHE_HOME/keyless`, else `~/.cache/keyless`.
pub fn dir() -> Result<PathBuf> {
    let path = if let Some(dir) = env::var_os("KEYLESS_CACHE") {
        PathBuf::from(dir)
    } else if let Some(dir) = env::var_os("XDG_CACHE_HOME").filter(|d| !d.is_empty()) {
        PathBuf::from(dir).join("keyless")
    } else {
        let home = env::var_os("HOME")
            .context("neither KEYLESS_CACHE nor HOME is set: no place for built tools")?;
        PathBuf::from(home).join(".cache/keyless")
    };
    std::fs::create_dir_all(&path)
        .with_context(|| format!("cannot create the cache folder {}", path.display()))?;
    Ok(path)
}

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
