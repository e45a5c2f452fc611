//! Filters of listings: <https://docs.cloud.google.com/secret-manager/docs/filtering>.
//!
//! Owns: terms of `name`, `labels`, `annotations`, `state` and bare text, with `AND`, `OR`, `NOT`
//! and `-`. Refuses: parentheses and times.

use super::super::answer::Answer;
use super::record::{Secret, Version};

/// Every group must hold, and in a group one term: `OR` binds closer than `AND`, as AIP-160 has
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<Vec<Term>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    not: bool,
    /// Empty: every field.
    field: String,
    /// The whole value, or a part of it.
    exact: bool,
    value: String,
}

impl Filter {
    pub fn parse(text: &str) -> Result<Self, Answer> {
        let bad = || {
            Answer::error(
                "INVALID_ARGUMENT",
                format!("The filter [{text}] cannot be understood."),
            )
        };
        let mut groups: Vec<Vec<Term>> = Vec::new();
        let (mut or, mut not) = (false, false);
        for word in words(text).ok_or_else(bad)? {
            match &*word {
                "AND" => {}
                "OR" => or = true,
                "NOT" => not = true,
                word => {
                    let term = Term::parse(word, std::mem::take(&mut not)).ok_or_else(bad)?;
                    match groups.last_mut().filter(|_| std::mem::take(&mut or)) {
                        Some(group) => group.push(term),
                        None => groups.push(vec![term]),
                    }
                }
            }
        }
        if or || not {
            return Err(bad());
        }
        Ok(Self(groups))
    }

    pub fn takes_secret(&self, secret: &Secret) -> bool {
        let id = secret.name.rsplit('/').next().unwrap_or_default();
        self.takes(|term| match term.field.split_once('.') {
            None => match &*term.field {
                "name" => term.fits(id) || term.fits(&secret.name),
                // A bare map asks for a key.
                "labels" => secret.labels.contains_key(&term.value),
                "annotations" => secret.annotations.contains_key(&term.value),
                "" => {
                    term.fits(id)
                        || secret
                            .labels
                            .iter()
                            .any(|(k, v)| term.fits(k) || term.fits(v))
                }
                _ => false,
            },
            Some(("labels", key)) => secret.labels.get(key).is_some_and(|v| term.fits(v)),
            Some(("annotations", key)) => secret.annotations.get(key).is_some_and(|v| term.fits(v)),
            Some(_) => false,
        })
    }

    pub fn takes_version(&self, version: &Version) -> bool {
        self.takes(|term| term.field == "state" && term.fits(&version.state.to_string()))
    }

    fn takes(&self, holds: impl Fn(&Term) -> bool) -> bool {
        self.0
            .iter()
            .all(|group| group.iter().any(|term| holds(term) != term.not))
    }
}

/// Words divided by white space; quotes keep it.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | ')' if !quoted => return None,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    (!quoted).then_some(words)
}

impl Term {
    fn parse(word: &str, not: bool) -> Option<Self> {
        let (minus, word) = match word.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let at = word.find([':', '=']);
        let (field, sign, value) = match at {
            None => ("", ":", word),
            Some(at) => (word.get(..at)?, word.get(at..=at)?, word.get(at + 1..)?),
        };
        if value.is_empty() {
            return None;
        }
        Some(Self {
            not: minus != not,
            field: field.to_owned(),
            exact: sign == "=",
            value: value.to_owned(),
        })
    }

    fn fits(&self, text: &str) -> bool {
        if self.value == "*" {
            return true;
        }
        if self.exact {
            return text.eq_ignore_ascii_case(&self.value);
        }
        let (text, value) = (text.to_lowercase(), self.value.to_lowercase());
        match value.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => text.contains(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::name::Parent;
    use super::super::record::VersionState;
    use super::*;

    fn secret() -> Secret {
        let parent = Parent {
            number: "1".to_owned(),
            location: None,
        };
        let mut secret = Secret::new(&parent.secret("team-a-password"), 0);
        secret.labels.insert("env".to_owned(), "prod".to_owned());
        secret
            .annotations
            .insert("owner".to_owned(), "Ann".to_owned());
        secret
    }

    #[test]
    fn secrets() {
        for (text, takes) in [
            ("", true),
            ("name:team-a", true),
            ("name:TEAM", true),
            ("name:team-b", false),
            ("name:team*", true),
            ("name=team-a-password", true),
            ("name=team-a", false),
            ("labels.env=prod", true),
            ("labels.env=test", false),
            ("labels.none=prod", false),
            ("labels.env:*", true),
            ("labels:env", true),
            ("annotations.owner=Ann", true),
            ("labels.env=prod AND name:team-b", false),
            ("labels.env=prod name:password", true),
            ("name:team-b OR labels.env=prod", true),
            ("labels.env=test OR name:a AND name:b", false),
            ("NOT labels.env=prod", false),
            ("-labels.env=test", true),
            ("password", true),
            ("\"team-a\"", true),
        ] {
            let filter = Filter::parse(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(filter.takes_secret(&secret()), takes, "{text}");
        }
        for text in ["name:", "(name:a)", "name:a OR", "\"a", "NOT"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn versions() {
        let version = Version {
            state: VersionState::Enabled,
            payload: Vec::new(),
            checked: false,
            created: 0,
            destroyed: None,
            generation: 0,
        };
        for (text, takes) in [
            ("state:ENABLED", true),
            ("state:DISABLED", false),
            ("state:DISABLED OR state:ENABLED", true),
            ("NOT state:DESTROYED", true),
        ] {
            assert_eq!(
                Filter::parse(text).unwrap().takes_version(&version),
                takes,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in r#"[a-z:=.*"\- ()ANDORT]{0,40}"#) {
            if let Ok(filter) = Filter::parse(&text) {
                let _ = filter.takes_secret(&secret());
            }
        }
    }
}
