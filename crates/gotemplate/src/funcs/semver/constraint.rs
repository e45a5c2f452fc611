//! Constraints: `>=1.2, <2 || ^3.1`, ranges with a hyphen, wildcards.

use super::version::{Version, compare_pre};

/// What a version is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Constraint {
    operator: Operator,
    version: Version,
    /// Some number is a wildcard or missing.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
    /// The group that this belongs to names a pre-release, which lets pre-releases in.
    pre_allowed: bool,
}

const IMPROPER: &str = "improper constraint";

/// Longer operators first.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

fn space(text: &str) -> &str {
    text.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' '])
}

/// The groups of a constraint: one of them must hold, each of all its members.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Vec<Constraint>>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| IMPROPER)?;
    let text = rewrite_ranges(text);
    text.split("||").map(group).collect()
}

fn group(text: &str) -> Result<Vec<Constraint>, &'static str> {
    let mut all = Vec::new();
    let mut rest = space(text);
    loop {
        let (constraint, tail) = one(rest)?;
        all.push(constraint);
        let after = space(tail);
        if after.is_empty() {
            break;
        }
        rest = match after.strip_prefix(',') {
            Some(tail) => space(tail),
            None if after.len() < tail.len() => after,
            None => return Err(IMPROPER),
        };
    }
    let pre_allowed = all.iter().any(|one| !one.version.pre.is_empty());
    for one in &mut all {
        one.pre_allowed = pre_allowed;
    }
    Ok(all)
}

fn one(text: &str) -> Result<(Constraint, &str), &'static str> {
    let (operator, rest) = OPERATORS
        .iter()
        .find_map(|(word, operator)| Some((*operator, text.strip_prefix(word)?)))
        .unwrap_or((Operator::Equal, text));
    let (written, rest) = Written::read(space(rest)).ok_or(IMPROPER)?;
    Ok((written.constraint(operator)?, rest))
}

/// A version as a constraint may write it.
struct Written<'t> {
    whole: &'t str,
    numbers: [&'t str; 3],
    pre: &'t str,
}

impl<'t> Written<'t> {
    /// The version at the start of `text` and what follows.
    fn read(text: &'t str) -> Option<(Self, &'t str)> {
        let number = |text: &'t str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit() && !matches!(c, 'x' | 'X' | '*' | '|'))
                .unwrap_or(text.len());
            text.split_at_checked(end)
                .filter(|(number, _)| !number.is_empty())
        };
        let (major, mut rest) = number(text.strip_prefix('v').unwrap_or(text))?;
        let mut numbers = [major, "", ""];
        for slot in numbers.iter_mut().skip(1) {
            let Some((found, tail)) = rest.strip_prefix('.').and_then(number) else {
                break;
            };
            *slot = found;
            rest = tail;
        }
        let mut pre = "";
        for mark in ['-', '+'] {
            if let Some(length) = identifiers(rest, mark) {
                let (found, tail) = rest.split_at_checked(length)?;
                if mark == '-' {
                    pre = found;
                }
                rest = tail;
            }
        }
        let whole = text.get(..text.len() - rest.len())?;
        Some((
            Self {
                whole,
                numbers,
                pre,
            },
            rest,
        ))
    }

    fn constraint(&self, operator: Operator) -> Result<Constraint, &'static str> {
        let wild = |number: &str| matches!(number, "" | "x" | "X" | "*");
        let [major, minor, patch] = self.numbers;
        let (text, dirty, minor_dirty, patch_dirty) = if wild(major) {
            (format!("0.0.0{}", self.pre), true, false, false)
        } else if wild(minor) {
            (format!("{major}.0.0{}", self.pre), true, true, false)
        } else if wild(patch) {
            (format!("{major}.{minor}.0{}", self.pre), true, false, true)
        } else {
            (self.whole.to_owned(), false, false, false)
        };
        let version = Version::parse(text.as_bytes()).map_err(|_| "constraint parser error")?;
        Ok(Constraint {
            operator,
            version,
            dirty,
            minor_dirty,
            patch_dirty,
            pre_allowed: false,
        })
    }
}

/// The length of `mark` and dotted identifiers after it.
fn identifiers(text: &str, mark: char) -> Option<usize> {
    let mut rest = text.strip_prefix(mark)?;
    let mut length = 0;
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        length += end + 1;
        rest = rest.get(end..)?;
        match rest.strip_prefix('.') {
            Some(tail) => rest = tail,
            None => break,
        }
    }
    (length > 0).then_some(length)
}

/// `a - b` becomes `>= a, <= b `.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((low, high, tail)) = range(rest) {
            out.push_str(&format!(">= {low}, <= {high} "));
            rest = tail;
        } else {
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn range(text: &str) -> Option<(&str, &str, &str)> {
    let spaced = |text: &'_ str| -> Option<usize> {
        let after = space(text);
        (after.len() < text.len()).then(|| text.len() - after.len())
    };
    let (low, rest) = Written::read(space(text))?;
    let rest = rest.get(spaced(rest)?..)?.strip_prefix('-')?;
    let (high, rest) = Written::read(rest.get(spaced(rest)?..)?)?;
    Some((low.whole, high.whole, space(rest)))
}

impl Constraint {
    /// Whether `version` satisfies this.
    pub(super) fn holds(&self, version: &Version) -> bool {
        if !version.pre.is_empty() && !self.pre_allowed {
            return false;
        }
        let order = version.compare(&self.version);
        match self.operator {
            Operator::Equal if self.dirty => self.tilde(version),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order.is_lt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::LessOrEqual if !self.dirty => order.is_le(),
            Operator::LessOrEqual => {
                let (this, that) = (version, &self.version);
                this.major < that.major
                    || this.major == that.major && (this.minor <= that.minor || self.minor_dirty)
            }
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        if self.dirty {
            if version.major != self.version.major {
                return true;
            }
            if version.minor != self.version.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if version.patch != self.version.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                let any_pre = !version.pre.is_empty() || !self.version.pre.is_empty();
                return any_pre && compare_pre(&version.pre, &self.version.pre).is_ne();
            }
        }
        version.compare(&self.version).is_ne()
    }

    fn greater(&self, version: &Version) -> bool {
        if self.dirty {
            if version.major != self.version.major {
                return version.major > self.version.major;
            }
            if self.minor_dirty {
                return false;
            }
            if self.patch_dirty {
                return version.minor > self.version.minor;
            }
        }
        version.compare(&self.version).is_gt()
    }

    fn tilde(&self, version: &Version) -> bool {
        let that = &self.version;
        if version.compare(that).is_lt() {
            return false;
        }
        let zero = (that.major, that.minor, that.patch) == (0, 0, 0);
        if zero && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == that.major && (version.minor == that.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version) -> bool {
        let that = &self.version;
        if version.compare(that).is_lt() || version.major != that.major {
            return false;
        }
        if that.major > 0 || self.minor_dirty {
            return true;
        }
        if version.minor != that.minor {
            return false;
        }
        that.minor > 0 || self.patch_dirty || version.patch == that.patch
    }
}
