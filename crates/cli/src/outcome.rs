//! How a command ends: the exit codes, documented once, and the last line on standard error.

use std::process::ExitCode;

/// The end of a command.
#[derive(Debug)]
pub enum Outcome {
    /// All is well: exit code 0.
    Fine,
    /// It ran, and found something wrong or different: exit code 1.
    Findings(String),
    /// It was asked for something that does not exist: exit code 2, as clap's own.
    WrongUse(String),
    /// It could not look: exit code 3.
    CouldNotLook(String),
}

impl Outcome {
    /// An error that reached the top: the command could not do its work.
    #[must_use]
    pub fn from_error(error: anyhow::Error) -> Self {
        let mut text = String::new();
        for cause in error.chain().map(ToString::to_string) {
            // Some libraries repeat their cause in their own text.
            if !text.contains(&cause) {
                text.push_str(if text.is_empty() { "" } else { ": " });
                text.push_str(&cause);
            }
        }
        Self::CouldNotLook(text)
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
            Self::WrongUse(what) => {
                eprintln!("keyless: {what}");
                ExitCode::from(2)
            }
            Self::CouldNotLook(why) => {
                eprintln!("keyless: {why}");
                ExitCode::from(3)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once() {
        let error = anyhow::anyhow!("no such file")
            .context("cannot read x: no such file")
            .context("cannot start");
        let Outcome::CouldNotLook(text) = Outcome::from_error(error) else {
            panic!("another outcome")
        };
        assert_eq!(text, "cannot start: cannot read x: no such file");
    }
}
