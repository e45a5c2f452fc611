//! How a chain of trust breaks: one row for each known way, by a stable code.
//!
//! Owns: the rows, finding one by its code or by what a provider said, and their pages in
//! `docs/errors`. Refuses: judging facts; what a row means for one store is the doctor's, and
//! what a document does wrong is the linter's.
//!
//! Codes never change their meaning and are never reused. The first letter is the family.

mod aws;
mod azure;
mod cluster;
mod google;
mod operator;
mod page;
mod publishing;
mod vault;
mod webhook;
mod written;

use keyless_fault::Link;

pub use page::{index, page};

/// A sign by which a provider's answer is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The provider's own error code: alone, or as a word in a text.
    Code(&'static str),
    /// A part of the text, compared without regard to case.
    Text(&'static str),
}

/// One way in which a chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The stable code, such as `A3`.
    pub code: &'static str,
    /// The link that breaks.
    pub link: Link,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What a user sees; codes are looked for before texts.
    pub signs: &'static [Sign],
    /// Why it happens.
    pub cause: &'static str,
    /// How to make sure of it.
    pub check: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// A family of rows: one page of `docs/errors`.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// First letter of the codes.
    pub letter: char,
    /// Name of the page.
    pub file: &'static str,
    /// Heading of the page.
    pub title: &'static str,
    /// Its rows, by number.
    pub rows: &'static [Row],
}

/// All families, in the order of the chain.
pub const FAMILIES: &[Family] = &[
    cluster::FAMILY,
    publishing::FAMILY,
    aws::FAMILY,
    azure::FAMILY,
    google::FAMILY,
    vault::FAMILY,
    webhook::FAMILY,
    operator::FAMILY,
    written::FAMILY,
];

/// All rows, in the order of the families.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.rows)
}

/// The row of a code.
#[must_use]
pub fn row(code: &str) -> Option<&'static Row> {
    let letter = code.chars().next()?;
    let family = FAMILIES.iter().find(|family| family.letter == letter)?;
    family.rows.iter().find(|row| row.code == code)
}

/// Where the documentation speaks of a code, from the root of the repository.
#[must_use]
pub fn place(code: &str) -> Option<String> {
    let letter = code.chars().next()?;
    let family = FAMILIES.iter().find(|family| family.letter == letter)?;
    row(code)?;
    Some(format!(
        "docs/errors/{}.md#{}",
        family.file,
        code.to_ascii_lowercase()
    ))
}

/// Rows that an error text may belong to, the surest first: a row whose error code stands in the
/// text goes before one whose text does, a longer sign before a shorter one.
#[must_use]
pub fn recognise(text: &str) -> Vec<&'static Row> {
    let lower = text.to_ascii_lowercase();
    let weight = |row: &'static Row| {
        let signs = row.signs.iter().filter_map(|sign| match sign {
            Sign::Code(code) => has_word(text, code).then_some((1, code.len())),
            Sign::Text(part) => lower
                .contains(&part.to_ascii_lowercase())
                .then_some((0, part.len())),
        });
        signs.max()
    };
    let mut found: Vec<_> = rows()
        .filter_map(|row| weight(row).map(|weight| (weight, row)))
        .collect();
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().map(|(_, row)| row).collect()
}

/// Whether `word` stands in `text` with no letter or digit at its ends.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
        !inside(before) && !inside(after)
    })
}

#[cfg(test)]
mod tests;
