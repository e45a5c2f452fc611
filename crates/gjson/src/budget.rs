//! Bounds on work and nesting, so that no document and no path costs more than its size allows.

/// The deepest nesting of path components, pipes and visited values.
///
/// The same figure as serde_json's limit for documents.
pub const MAX_DEPTH: usize = 128;

/// Bytes that may be looked at or produced for one path, beside [`WORK_PER_BYTE`].
pub const BASE_WORK: usize = 16 << 20;

/// Further bytes that may be looked at or produced per byte of the document.
pub const WORK_PER_BYTE: usize = 64;

/// A path that was given up because a bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nested deeper than [`MAX_DEPTH`].
    Depth,
    /// More work than [`BASE_WORK`] and [`WORK_PER_BYTE`] allow.
    Work,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Depth => write!(f, "the path or document is nested deeper than {MAX_DEPTH}"),
            Self::Work => f.write_str("evaluating the path costs too much work"),
        }
    }
}

impl std::error::Error for Limit {}

/// What is left of the bounds of one evaluation.
pub struct Budget {
    work: usize,
    depth: usize,
}

impl Budget {
    /// A fresh budget for a document of `length` bytes.
    pub fn new(length: usize) -> Self {
        Self {
            work: length
                .saturating_mul(WORK_PER_BYTE)
                .saturating_add(BASE_WORK),
            depth: 0,
        }
    }

    /// Pays for `amount` bytes.
    pub fn charge(&mut self, amount: usize) -> Result<(), Limit> {
        self.work = self.work.checked_sub(amount).ok_or(Limit::Work)?;
        Ok(())
    }

    /// Runs `inside` one level deeper.
    pub fn deeper<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, Limit>,
    ) -> Result<T, Limit> {
        self.enter()?;
        let result = inside(self);
        self.leave();
        result
    }

    /// Goes one level deeper; [`Self::leave`] goes back.
    pub fn enter(&mut self) -> Result<(), Limit> {
        if self.depth >= MAX_DEPTH {
            return Err(Limit::Depth);
        }
        self.depth += 1;
        Ok(())
    }

    /// Goes back one level.
    pub fn leave(&mut self) {
        self.depth -= 1;
    }
}
