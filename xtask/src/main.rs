//! Tasks that are not cargo's.
fn main() {}
