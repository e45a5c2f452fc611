//! Server processes that cannot outlive the test that started them.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A running server. Killed when dropped, and also when this process dies in any way: a shell
/// between the two waits for the end of its standard input, which the kernel closes for us.
pub struct Server {
    supervisor: Child,
}

impl Server {
    /// Starts `program` with `arguments`; both outputs go to `log`.
    pub fn spawn(program: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let supervisor = Command::new("sh")
            .arg("-c")
            .arg(r#"exec 3<&0; "$@" 3<&- </dev/null & pid=$!; (while kill -0 $pid 2>/dev/null; do sleep 1; done; kill $$ 2>/dev/null) 3<&- & read -r _ <&3; kill -9 $pid"#)
            .arg("supervisor")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { supervisor })
    }

    /// Whether the server (or its supervisor) has ended.
    pub fn ended(&mut self) -> bool {
        !matches!(self.supervisor.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing the pipe is the signal; the wait only avoids a zombie.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}
