//! The functions of Sprig 3 and of External Secrets Operator, one file per family.

use crate::functions::Declared;

/// Sprig's, without those that look outside.
pub(crate) static SPRIG: &[&[Declared]] = &[];

/// External Secrets Operator's own.
pub(crate) static ESO: &[&[Declared]] = &[];
