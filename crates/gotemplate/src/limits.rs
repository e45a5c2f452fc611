//! What a template may spend, and the account that is charged while it runs.
//!
//! Every node, call and byte is charged here, so that no template can stall its caller or
//! exhaust memory. Refuses wall-clock limits: the same template gives the same answer everywhere.

use std::fmt;

/// The most that one execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes walked, arguments evaluated, elements visited by functions.
    pub steps: u64,
    /// Bytes of output.
    pub output_bytes: usize,
    /// Bytes of one value made by a function.
    pub value_bytes: usize,
    /// Bytes of all values made by functions together.
    pub total_bytes: usize,
    /// Nesting of templates, control structures and parentheses while executing.
    pub depth: usize,
    /// Calls of functions that are slow on purpose or make keys (bcrypt, scrypt, RSA, PKCS#12).
    pub slow_calls: u32,
    /// Bytes of a regular expression, and (times 1,024) of its compiled form.
    pub regex_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 2_000_000,
            output_bytes: 4 << 20,
            value_bytes: 4 << 20,
            total_bytes: 64 << 20,
            depth: 200,
            slow_calls: 32,
            regex_bytes: 1 << 10,
        }
    }
}

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::steps`].
    Steps(u64),
    /// [`Limits::output_bytes`].
    OutputBytes(usize),
    /// [`Limits::value_bytes`].
    ValueBytes(usize),
    /// [`Limits::total_bytes`].
    TotalBytes(usize),
    /// [`Limits::depth`].
    Depth(usize),
    /// [`Limits::slow_calls`].
    SlowCalls(u32),
    /// [`Limits::regex_bytes`].
    RegexBytes(usize),
    /// Nesting of lists and dictionaries within one another, [`MAX_NESTING`].
    Nesting(usize),
}

/// How deep lists and dictionaries may nest.
pub const MAX_NESTING: usize = 200;

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(n) => write!(f, "template exceeds the limit of {n} steps"),
            Self::OutputBytes(n) => write!(f, "template exceeds the limit of {n} bytes of output"),
            Self::ValueBytes(n) => write!(f, "template exceeds the limit of {n} bytes per value"),
            Self::TotalBytes(n) => {
                write!(f, "template exceeds the limit of {n} bytes for all values")
            }
            Self::Depth(n) => write!(f, "template exceeds the nesting limit of {n} levels"),
            Self::SlowCalls(n) => {
                write!(
                    f,
                    "template exceeds the limit of {n} calls of slow functions"
                )
            }
            Self::RegexBytes(n) => write!(
                f,
                "regular expression exceeds the limit of {n} bytes (or {n} KiB compiled)"
            ),
            Self::Nesting(n) => write!(f, "value exceeds the nesting limit of {n} levels"),
        }
    }
}

impl std::error::Error for Limit {}

/// What is left of the limits during one execution.
#[derive(Debug)]
pub(crate) struct Fuel {
    limits: Limits,
    steps: u64,
    bytes: usize,
    depth: usize,
    slow_calls: u32,
}

impl Fuel {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            steps: 0,
            bytes: 0,
            depth: 0,
            slow_calls: 0,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Charges `n` steps.
    pub(crate) fn step(&mut self, n: usize) -> Result<(), Limit> {
        self.steps = self.steps.saturating_add(n as u64);
        if self.steps > self.limits.steps {
            return Err(Limit::Steps(self.limits.steps));
        }
        Ok(())
    }

    /// Charges the reading of `n` bytes: 64 of them cost as much as one step.
    pub(crate) fn read(&mut self, n: usize) -> Result<(), Limit> {
        self.step(1 + n / 64)
    }

    /// Refuses a value of `n` bytes before it is made, and charges it.
    pub(crate) fn make(&mut self, n: usize) -> Result<(), Limit> {
        if n > self.limits.value_bytes {
            return Err(Limit::ValueBytes(self.limits.value_bytes));
        }
        self.bytes = self.bytes.saturating_add(n);
        if self.bytes > self.limits.total_bytes {
            return Err(Limit::TotalBytes(self.limits.total_bytes));
        }
        self.read(n)
    }

    /// Charges a list or dictionary of `n` elements.
    pub(crate) fn make_elements(&mut self, n: usize) -> Result<(), Limit> {
        self.make(n.saturating_mul(ELEMENT_BYTES))?;
        self.step(n)
    }

    /// Charges as much as `n` calls of functions that are slow on purpose.
    pub(crate) fn slow(&mut self, n: u32) -> Result<(), Limit> {
        self.slow_calls = self.slow_calls.saturating_add(n);
        if self.slow_calls > self.limits.slow_calls {
            return Err(Limit::SlowCalls(self.limits.slow_calls));
        }
        Ok(())
    }

    /// Enters one level of nesting; [`Fuel::leave`] ends it.
    pub(crate) fn enter(&mut self) -> Result<(), Limit> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Limit::Depth(self.limits.depth));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// What an element of a list or dictionary is charged, about its size in memory.
const ELEMENT_BYTES: usize = 64;
