//! The store's folder: one append-only file of JSON lines, rewritten when mostly stale.
//!
//! Crash-safe by construction: a torn last line is dropped on reading, and a rewrite goes to a
//! new file that replaces the old one by rename. Nothing is synced per write: a power cut may
//! lose the last moments, never the rest.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Bucket, Key};
use crate::kube::object::{self, Object};

/// Lines that may be stale before a rewrite is worth it.
const SLACK: usize = 20_000;

/// What a folder held.
pub(super) struct Kept {
    pub version: u64,
    pub objects: Vec<(Bucket, Value)>,
}

/// The open log.
pub(super) struct Log {
    folder: PathBuf,
    file: Option<BufWriter<File>>,
    /// Lines in the file, and lines at the last rewrite.
    lines: usize,
    base: usize,
}

fn path(folder: &Path) -> PathBuf {
    folder.join("objects.jsonl")
}

impl Log {
    pub(super) fn open(folder: &Path) -> std::io::Result<(Self, Kept)> {
        std::fs::create_dir_all(folder)?;
        let mut kept = Kept {
            version: 0,
            objects: Vec::new(),
        };
        if let Ok(file) = File::open(path(folder)) {
            replay(file, &mut kept)?;
        }
        let mut log = Self {
            folder: folder.to_owned(),
            file: None,
            lines: 0,
            base: 0,
        };
        let objects: Vec<(Bucket, Object)> = kept
            .objects
            .iter()
            .map(|(b, v)| (b.clone(), Object::new(v.clone(), 0)))
            .collect();
        log.try_rewrite(kept.version, objects.iter().map(|(b, o)| (b, o)))?;
        Ok((log, kept))
    }

    pub(super) fn append(&mut self, bucket: &Bucket, object: &Object, gone: bool) {
        self.lines += 1;
        if let Some(file) = &mut self.file
            && write_line(file, bucket, object, gone)
                .and_then(|()| file.flush())
                .is_err()
        {
            tracing::warn!(folder = %self.folder.display(), "the sandbox's folder cannot be written; changes are no longer kept");
            self.file = None;
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.file.is_some() && self.lines > self.base.saturating_mul(2).saturating_add(SLACK)
    }

    pub(super) fn rewrite<'a>(
        &mut self,
        version: u64,
        all: impl Iterator<Item = (&'a Bucket, &'a Object)>,
    ) {
        if self.try_rewrite(version, all).is_err() {
            tracing::warn!(folder = %self.folder.display(), "the sandbox's folder cannot be rewritten");
        }
    }

    fn try_rewrite<'a>(
        &mut self,
        version: u64,
        all: impl Iterator<Item = (&'a Bucket, &'a Object)>,
    ) -> std::io::Result<()> {
        let (target, new) = (path(&self.folder), self.folder.join("objects.new"));
        crate::tls::private_file(&new, format!("{{\"version\":{version}}}\n").as_bytes())?;
        let mut file = BufWriter::new(OpenOptions::new().append(true).open(&new)?);
        let mut lines = 1;
        for (bucket, object) in all {
            write_line(&mut file, bucket, object, false)?;
            lines += 1;
        }
        file.flush()?;
        file.get_ref().sync_data()?;
        std::fs::rename(&new, &target)?;
        self.file = Some(file);
        (self.lines, self.base) = (lines, lines);
        Ok(())
    }
}

fn write_line(
    file: &mut BufWriter<File>,
    bucket: &Bucket,
    object: &Object,
    gone: bool,
) -> std::io::Result<()> {
    let verb = if gone { "gone" } else { "object" };
    write!(
        file,
        r#"{{"group":"{}","resource":"{}","{verb}":"#,
        bucket.group, bucket.plural
    )?;
    file.write_all(&object.full())?;
    file.write_all(b"}\n")
}

fn replay(file: File, kept: &mut Kept) -> std::io::Result<()> {
    let mut objects: HashMap<Key, Value> = HashMap::new();
    for line in BufReader::new(file).split(b'\n') {
        // A line torn by a crash, and all after it, never happened.
        let Ok(mut entry) = serde_json::from_slice::<Value>(&line?) else {
            break;
        };
        if let Some(version) = entry.get("version").and_then(Value::as_u64) {
            kept.version = version;
            continue;
        }
        let bucket = Bucket::new(
            object::text(&entry, "group"),
            object::text(&entry, "resource"),
        );
        let (value, gone) = match object::unset(&mut entry, "object") {
            Some(value) => (value, false),
            None => (object::unset(&mut entry, "gone").unwrap_or_default(), true),
        };
        kept.version = kept.version.max(
            object::meta(&value, "resourceVersion")
                .parse()
                .unwrap_or_default(),
        );
        let key = Key::of(&bucket, &value);
        if gone {
            objects.remove(&key);
        } else {
            objects.insert(key, value);
        }
    }
    kept.objects = objects
        .into_iter()
        .map(|(key, value)| (key.bucket, value))
        .collect();
    Ok(())
}
