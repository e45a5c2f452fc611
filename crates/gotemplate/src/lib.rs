//! keyless-gotemplate
