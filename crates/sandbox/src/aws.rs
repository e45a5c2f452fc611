//! The emulated AWS.
