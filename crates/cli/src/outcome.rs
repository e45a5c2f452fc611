//! How a command ends: the exit codes, documented once, and the last line on standard error.

use std::process::ExitCode;

/// The end of a command.
#[derive(Debug)]
pub enum Outcome {
    /// All is well: exit code 0.
    Fine,
    /// It ran, and found something wrong or different: exit code 1.
    Findings(String),
    /// It could not look: exit code 3. (Wrong use is clap's own exit code 2.)
    CouldNotLook(String),
}

impl Outcome {
    /// An error that reached the top: the command could not do its work.
    #[must_use]
    pub fn from_error(error: anyhow::Error) -> Self {
        Self::CouldNotLook(format!("{error:#}"))
    }

    /// Prints the reason on standard error and yields the exit code.
    #[must_use]
    pub fn report(self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Findings(what) => {
                eprintln!("keyless: {what}");
                ExitCode::from(1)
            }
            Self::CouldNotLook(why) => {
                eprintln!("keyless: {why}");
                ExitCode::from(3)
            }
        }
    }
}
