//! keyless-scenarios
