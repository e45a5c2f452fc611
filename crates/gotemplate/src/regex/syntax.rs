//! From RE2 syntax, as Go parses it, to that of the `regex` crate.
//!
//! Accepts and refuses what Go does: stacked repetitions, counts beyond 1,000, `\d` and `\b` in
//! ASCII, `\Q…\E`, octal escapes, a literal `{` that starts no count. Reasons quote no pattern,
//! since patterns may be data. One difference stays: nothing matches an invalid UTF-8 byte.

mod class;
mod escape;

use escape::Escape;

/// Go's most for a count, and for counts within one another multiplied.
const MAX_COUNT: u32 = 1_000;

/// A translated expression and which group has which name; Go lets groups share one.
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) names: Vec<(Box<str>, usize)>,
    /// About how many states an automaton for it has, with all counts written out.
    pub(super) states: usize,
}

/// Translates `pattern`.
pub(super) fn translate(pattern: &str) -> Result<Translated, &'static str> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        groups: vec![Group::default()],
        names: Vec::new(),
        captures: 0,
        after: After::Nothing,
        weight: 1,
        states: 0,
    };
    while !translator.rest.is_empty() {
        translator.element()?;
    }
    if translator.groups.len() > 1 {
        return Err("missing closing )");
    }
    Ok(Translated {
        pattern: translator.out,
        names: translator.names,
        states: translator.groups.first().map_or(0, |group| group.states),
    })
}

/// What the last element was, which decides whether it can be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Atom,
    Repeat,
}

/// An open group: the greatest product of counts seen inside, and the states so far.
#[derive(Clone, Copy)]
struct Group {
    weight: u32,
    states: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            weight: 1,
            states: 0,
        }
    }
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    groups: Vec<Group>,
    names: Vec<(Box<str>, usize)>,
    captures: usize,
    after: After,
    /// The product of counts within the last atom.
    weight: u32,
    /// The states of the last atom.
    states: usize,
}

type Step = Result<(), &'static str>;

impl<'p> Translator<'p> {
    fn advance(&mut self, n: usize) -> &'p str {
        let (head, tail) = self.rest.split_at_checked(n).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        // Unicode properties and anything but ASCII take many states for the bytes of UTF-8.
        self.placed(if text.contains("\\p") || text.contains("\\P") {
            64
        } else {
            4
        });
    }

    /// Notes an atom of so many states.
    fn placed(&mut self, states: usize) {
        self.after = After::Atom;
        self.weight = 1;
        self.states = states;
        self.add_states(states);
    }

    fn add_states(&mut self, states: usize) {
        if let Some(group) = self.groups.last_mut() {
            group.states = group.states.saturating_add(states);
        }
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.placed(1);
    }

    fn element(&mut self) -> Step {
        let Some(c) = self.rest.chars().next() else {
            return Ok(());
        };
        match c {
            '(' => self.open(),
            ')' => self.close(),
            '|' => {
                self.advance(1);
                self.out.push('|');
                self.after = After::Nothing;
                Ok(())
            }
            '^' | '$' | '.' => {
                let text = self.advance(1);
                self.atom(text);
                Ok(())
            }
            '[' => {
                let (text, rest) = class::translate(self.rest)?;
                self.rest = rest;
                self.atom(&text);
                Ok(())
            }
            '*' | '+' | '?' => {
                let text = self.advance(1);
                self.repeat(text)
            }
            '{' => self.count(),
            '\\' => self.escape(),
            _ => {
                self.advance(c.len_utf8());
                self.literal(c);
                Ok(())
            }
        }
    }

    fn repeat(&mut self, operator: &str) -> Step {
        match self.after {
            After::Nothing => return Err("missing argument to repetition operator"),
            After::Repeat => return Err("invalid nested repetition operator"),
            After::Atom => {}
        }
        self.out.push_str(operator);
        if self.rest.starts_with('?') {
            self.advance(1);
            self.out.push('?');
        }
        self.after = After::Repeat;
        self.weigh();
        Ok(())
    }

    /// Notes the product of counts of the last atom for the group around it.
    fn weigh(&mut self) {
        if let Some(group) = self.groups.last_mut() {
            group.weight = group.weight.max(self.weight);
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`, or a brace that stands for itself.
    fn count(&mut self) -> Step {
        let Some((least, most, length)) = counts(self.rest) else {
            self.advance(1);
            self.literal('{');
            return Ok(());
        };
        let (Some(least), Some(most)) = (least, most) else {
            return Err("invalid repeat count");
        };
        let top = most.unwrap_or(least);
        if least > MAX_COUNT || top > MAX_COUNT || top < least {
            return Err("invalid repeat count");
        }
        let operator = self.advance(length);
        if top >= 2 {
            let more = self.states.saturating_mul(top as usize - 1);
            self.states = self.states.saturating_add(more);
            self.add_states(more);
            self.weight = self.weight.saturating_mul(top);
            if self.after == After::Atom && self.weight > MAX_COUNT {
                return Err("invalid repeat count");
            }
        }
        self.repeat(operator)
    }

    fn open(&mut self) -> Step {
        if self.rest.starts_with("(?") {
            return self.perl_group();
        }
        self.advance(1);
        self.captures += 1;
        self.enter("(");
        Ok(())
    }

    fn enter(&mut self, text: &str) {
        self.out.push_str(text);
        self.groups.push(Group::default());
        self.after = After::Nothing;
    }

    fn close(&mut self) -> Step {
        self.advance(1);
        let group = self.groups.pop().unwrap_or_default();
        if self.groups.is_empty() {
            return Err("unexpected )");
        }
        self.out.push(')');
        self.after = After::Atom;
        self.weight = group.weight;
        self.weigh();
        self.states = group.states;
        self.add_states(group.states);
        Ok(())
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` and `(?flags:`.
    fn perl_group(&mut self) -> Step {
        let inner = self.rest.get(2..).unwrap_or_default();
        if let Some(named) = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<')) {
            let end = named.find('>').ok_or("invalid named capture")?;
            let name = named.get(..end).unwrap_or_default();
            let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(word) {
                return Err("invalid named capture");
            }
            self.captures += 1;
            self.names.push((name.into(), self.captures));
            self.rest = named.get(end + 1..).unwrap_or_default();
            self.enter("(");
            return Ok(());
        }
        let (mut sign, mut flag) = (false, false);
        for (at, c) in inner.char_indices() {
            match c {
                'i' | 'm' | 's' | 'U' => flag = true,
                '-' if !sign => {
                    sign = true;
                    flag = false;
                }
                ':' | ')' if !sign || flag => {
                    let flags = inner.get(..at).unwrap_or_default();
                    self.rest = inner.get(at + 1..).unwrap_or_default();
                    if c == ':' {
                        self.enter(&format!("(?{flags}:"));
                    } else if !flags.is_empty() {
                        self.out.push_str(&format!("(?{flags})"));
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        Err("invalid or unsupported Perl syntax")
    }

    fn escape(&mut self) -> Step {
        if let Some(quoted) = self.rest.strip_prefix("\\Q") {
            let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            for c in text.chars() {
                self.literal(c);
            }
            self.rest = rest;
            return Ok(());
        }
        let (escape, rest) = Escape::read(self.rest)?;
        self.rest = rest;
        match escape {
            Escape::Char(c) => self.literal(c),
            Escape::Class(class) => self.atom(&format!("[{class}]")),
            Escape::Anchor(text) => self.atom(text),
        }
        Ok(())
    }
}

/// A count as written, its numbers, and its length. A number too large to read is `None`.
type Counts = (Option<u32>, Option<Option<u32>>, usize);

fn counts(text: &str) -> Option<Counts> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (least, most) = match inner.split_once(',') {
        None => (inner, None),
        Some((least, most)) => (least, Some(most)),
    };
    let number = |digits: &str| -> Option<Option<u32>> {
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let padded = digits.len() > 1 && digits.starts_with('0');
        (valid && !padded).then(|| digits.parse().ok())
    };
    let first = number(least)?;
    let second = match most {
        None => Some(first),
        Some("") => Some(None),
        Some(most) => number(most)?.map(Some),
    };
    Some((first, second, end + 1))
}

/// A character that stands for itself.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        out.push_str(&format!("\\x{:02X}", u32::from(c)));
    } else {
        out.push(c);
    }
}
