//! The operator as a process of its own, so that its CPU and memory are its own.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A running operator. Killed when dropped.
pub struct Operator {
    child: Child,
    /// When it was started.
    pub started: Instant,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Resident memory, MiB.
    pub rss_mib: f64,
    /// The part of it that is no page of a file, MiB.
    pub rss_anon_mib: f64,
    /// The most it ever was, MiB.
    pub rss_peak_mib: f64,
}

impl Operator {
    /// Starts this same program as `keyless controller` with `arguments`.
    pub fn start(
        arguments: &[String],
        environment: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        Self::start_as(&program, "controller", arguments, environment, log)
    }

    /// Starts `program` as `keyless COMMAND` with `arguments`.
    pub fn start_as(
        program: &Path,
        command: &str,
        arguments: &[String],
        environment: &[(String, String)],
        log: &Path,
    ) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let child = Command::new(program)
            .arg(command)
            .args(arguments)
            .envs(environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self {
            child,
            started: Instant::now(),
        })
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        usage(self.child.id())
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What process `pid` has used, from the proc file system; zeros where there is none.
pub fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field is the program's name in parentheses and may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or_default()
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        line.and_then(|l| l.split_whitespace().next())
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or_default()
    };
    Usage {
        // Linux reports these in hundredths of a second on every architecture it supports.
        cpu_seconds: (ticks(11) + ticks(12)) / 100.0,
        rss_mib: kib("VmRSS:") / 1024.0,
        rss_anon_mib: kib("RssAnon:") / 1024.0,
        rss_peak_mib: kib("VmHWM:") / 1024.0,
    }
}

/// Seconds with three digits.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
