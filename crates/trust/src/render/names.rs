//! Names of what is created: unique, and of the characters that the place takes.

use std::collections::BTreeSet;

/// Hands out names, each once.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A label of HCL for `text`.
    pub(super) fn label(&mut self, text: &str) -> String {
        let mut out: String = text
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        if !out.starts_with(|c: char| c.is_ascii_lowercase()) {
            out.insert(0, 'x');
        }
        self.unique(out, '_')
    }

    fn unique(&mut self, base: String, between: char) -> String {
        let mut name = base.clone();
        let mut n = 2;
        while !self.0.insert(name.clone()) {
            name = format!("{base}{between}{n}");
            n += 1;
        }
        name
    }
}

/// `text` with every character outside of letters, digits and `allowed` made a hyphen, cut to
/// `most` characters.
pub(super) fn slug(text: &str, allowed: &str, most: usize) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || allowed.contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(most)
        .collect()
}
