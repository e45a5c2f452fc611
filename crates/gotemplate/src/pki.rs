//! Keys, certificates and their encodings, as far as templates make and convert them.
//!
//! Owns DER, PEM, PKCS#1, PKCS#8, SEC 1, X.509 and the writing of PKCS#12. All arithmetic with
//! secrets is done by `aws-lc-rs`, except for the re-encoding of RSA numbers. Errors quote no
//! input.

pub(crate) mod certificate;
pub(crate) mod der;
pub(crate) mod key;
pub(crate) mod pem;
pub(crate) mod pkcs12;
pub(crate) mod rsa;
