//! A directory, which some web server serves.
//!
//! Owns: writing a file whole or not at all (a temporary file, flushed, renamed over the old one)
//! under a lock that keeps a second writer on this machine out between its look and its write.
//! Refuses: network file systems' promises about locks; there the record's owner is the guard.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Seen, Stored, Target, TargetError, content_version};
use crate::effects::{Step, Steps};
use crate::plan::Object;

/// The lock's file; never served for its name begins with a dot, and empty in any case.
const LOCK: &str = ".keyless-publication.lock";

/// A directory.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    steps: Arc<dyn Steps>,
}

impl Directory {
    /// The directory that is served at the issuer's URL.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, steps: Arc<dyn Steps>) -> Self {
        Self {
            root: root.into(),
            steps,
        }
    }

    fn path(&self, object: Object) -> PathBuf {
        self.root.join(object.path())
    }

    async fn replace(
        &self,
        object: Object,
        bytes: &[u8],
        seen: Seen<'_>,
    ) -> Result<(), TargetError> {
        let path = self.path(object);
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder).map_err(|e| failed("create the folder", folder, e))?;
        let lock_path = self.root.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(|e| failed("open", &lock_path, e))?;
        // The lock ends with the file, and with the process in any case.
        lock.lock().map_err(|e| failed("lock", &lock_path, e))?;
        let there = read(&path)?.map(|stored| stored.version);
        let unchanged = match seen {
            Seen::Nothing => there.is_none(),
            Seen::Version(version) => there.as_deref() == Some(version),
        };
        if !unchanged {
            return Err(TargetError::Conflict {
                target: self.name(),
                object: object.path(),
            });
        }
        // One name for all attempts: what a crash leaves is overwritten by the next write.
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let temporary = folder.join(format!(".{name}.keyless-new"));
        self.steps.before(&Step::Begin(object)).await;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            // For the web server, which is someone else.
            .mode(0o644)
            .open(&temporary)
            .map_err(|e| failed("open", &temporary, e))?;
        let half = bytes.len() / 2;
        let (first, second) = bytes.split_at_checked(half).unwrap_or((bytes, &[]));
        file.write_all(first)
            .map_err(|e| failed("write", &temporary, e))?;
        self.steps.before(&Step::Half(object)).await;
        file.write_all(second)
            .and_then(|()| file.sync_all())
            .map_err(|e| failed("write", &temporary, e))?;
        self.steps.before(&Step::Replace(object)).await;
        fs::rename(&temporary, &path).map_err(|e| failed("replace", &path, e))?;
        // The new name is safe once the folder is.
        if let Ok(folder) = File::open(folder) {
            let _ = folder.sync_all();
        }
        self.steps.before(&Step::Done(object)).await;
        Ok(())
    }
}

fn failed(intent: &'static str, path: &Path, source: std::io::Error) -> TargetError {
    TargetError::File {
        intent,
        path: path.display().to_string(),
        source,
    }
}

fn read(path: &Path) -> Result<Option<Stored>, TargetError> {
    match fs::read(path) {
        Ok(bytes) => {
            let version = content_version(&bytes);
            Ok(Some(Stored { bytes, version }))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, error)),
    }
}

impl Target for Directory {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn read(&self, object: Object) -> BoxFuture<'_, Result<Option<Stored>, TargetError>> {
        std::future::ready(read(&self.path(object))).boxed()
    }

    fn write<'a>(
        &'a self,
        object: Object,
        bytes: &'a [u8],
        seen: Seen<'a>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        self.replace(object, bytes, seen).boxed()
    }
}
