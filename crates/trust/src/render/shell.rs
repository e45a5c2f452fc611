//! Scripts for a POSIX shell: every text is quoted here and nowhere else.

/// A word that the shell takes as it is, whatever is in it.
#[must_use]
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    // Nothing is special inside of single quotes but the quote itself. No argument can hold a
    // zero byte.
    format!("'{}'", text.replace('\0', "").replace('\'', "'\\''"))
}

/// A word of a command.
#[derive(Clone, Debug)]
pub(super) enum Word<'a> {
    /// Whatever it is, it is quoted.
    Text(&'a str),
    /// As [`Word::Text`].
    Owned(String),
    /// The value of a variable of this script, and what follows it.
    Variable(&'static str, String),
    /// The value of a variable whose name was made up.
    Named(String),
    /// A text, and the value of a variable of this script.
    Prefixed(&'static str, &'static str),
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Word<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Word<'_> {
    fn from(text: String) -> Self {
        Self::Owned(text)
    }
}

/// A script under construction.
#[derive(Clone, Debug)]
pub(super) struct Script(String);

impl Script {
    pub(super) fn new(head: &str) -> Self {
        let mut script = Self("#!/bin/sh\n".to_owned());
        script.comment(head);
        script.0.push_str("set -eu\n");
        script
    }

    pub(super) fn comment(&mut self, text: &str) -> &mut Self {
        for line in text.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            self.0.push_str(&format!("# {line}\n"));
        }
        self
    }

    pub(super) fn gap(&mut self) -> &mut Self {
        self.0.push('\n');
        self
    }

    /// A command.
    pub(super) fn run(&mut self, words: &[Word<'_>]) -> &mut Self {
        self.0.push_str(&command(words));
        self.0.push('\n');
        self
    }

    /// A command whose failure is that something exists already, as the check finds.
    pub(super) fn unless(&mut self, check: &[Word<'_>], words: &[Word<'_>]) -> &mut Self {
        self.0.push_str(&format!(
            "{} >/dev/null 2>&1 ||\n  {}\n",
            command(check),
            command(words)
        ));
        self
    }

    /// A variable that holds what a command prints.
    pub(super) fn set(&mut self, name: &str, words: &[Word<'_>]) -> &mut Self {
        self.0.push_str(&format!("{name}=$({})\n", command(words)));
        self
    }

    /// One of several commands, by what a check prints first; nothing if it fails. `cases` are
    /// patterns of the shell, `''` for nothing.
    pub(super) fn by_state(
        &mut self,
        check: &[Word<'_>],
        cases: &[(&str, Vec<Word<'_>>)],
    ) -> &mut Self {
        self.0.push_str(&format!(
            "state=$({} 2>/dev/null) || state=\ncase \"$state\" in\n",
            command(check)
        ));
        for (pattern, words) in cases {
            self.0
                .push_str(&format!("  {pattern}) {} ;;\n", command(words)));
        }
        self.0.push_str("esac\n");
        self
    }

    /// Ends the script unless the variable has that value.
    pub(super) fn require(&mut self, name: &str, value: &str, why: &str) -> &mut Self {
        self.0.push_str(&format!(
            "[ \"${name}\" = {} ] || {{ printf '%s\\n' {} >&2; exit 1; }}\n",
            quote(value),
            quote(why)
        ));
        self
    }

    /// A variable that holds a text.
    pub(super) fn assign(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.0.push_str(&format!("{name}={}\n", quote(text)));
        self
    }

    /// A variable that holds what a command prints, or if that fails, what another one does.
    pub(super) fn find_or(
        &mut self,
        name: &'static str,
        find: &[Word<'_>],
        make: &[Word<'_>],
    ) -> &mut Self {
        self.0.push_str(&format!(
            "{name}=$({} 2>/dev/null) ||\n  {name}=$({})\n",
            command(find),
            command(make)
        ));
        self
    }

    /// A command for a text that is no line of a variable.
    pub(super) fn unless_among(
        &mut self,
        name: &'static str,
        line: &str,
        words: &[Word<'_>],
    ) -> &mut Self {
        self.0.push_str(&format!(
            "printf '%s\\n' \"${name}\" | grep -qxF -e {} ||\n  {}\n",
            quote(line),
            command(words)
        ));
        self
    }

    /// Ends with a message unless a condition holds.
    pub(super) fn demand(&mut self, condition: &'static str, message: &str) -> &mut Self {
        self.0.push_str(&format!(
            "{condition} ||\n  {{ echo {} >&2; exit 1; }}\n",
            quote(message)
        ));
        self
    }

    /// A line of the script itself.
    pub(super) fn line(&mut self, code: &'static str) -> &mut Self {
        self.0.push_str(code);
        self.0.push('\n');
        self
    }

    /// A command that reads a text.
    pub(super) fn feed(&mut self, words: &[Word<'_>], text: &str) -> &mut Self {
        self.0
            .push_str(&format!("printf %s {} | {}\n", quote(text), command(words)));
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

fn command(words: &[Word<'_>]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| match word {
            Word::Text(text) => quote(text),
            Word::Owned(text) => quote(text),
            Word::Named(name) => format!("\"${name}\""),
            Word::Variable(name, rest) if rest.is_empty() => format!("\"${name}\""),
            Word::Variable(name, rest) => format!("\"${name}\"{}", quote(rest)),
            Word::Prefixed(text, name) => format!("{}\"${name}\"", quote(text)),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        /// A real shell hands every text on as it is.
        #[test]
        fn words_arrive_as_they_are(text in "(.|'|\"|\\$\\(id\\)|`|\\\\|\n|;|&|\\*|~|#|-){0,12}") {
            let script = format!("printf '%s.' {}", quote(&text));
            let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
            proptest::prop_assert!(output.status.success());
            proptest::prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}.", text.replace('\0', "")));
        }
    }
}
