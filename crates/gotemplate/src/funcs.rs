//! The functions of Sprig 3 and of External Secrets Operator, one file per family.

use crate::functions::Declared;

mod args;
mod cast;
mod certs;
mod copy;
mod crypto;
mod dates;
mod decimal;
mod defaults;
mod dicts;
mod encoding;
mod equality;
pub(crate) mod json;
mod jwk;
mod lists;
mod merge;
mod numbers;
mod paths;
mod pem;
mod pkcs12;
mod random;
mod regexes;
mod semver;
mod strings;
mod url;
mod words;
mod yamls;

/// Sprig's, without those that look outside.
pub(crate) static SPRIG: &[&[Declared]] = &[
    certs::TABLE,
    crypto::TABLE,
    dates::TABLE,
    defaults::TABLE,
    dicts::TABLE,
    encoding::TABLE,
    json::TABLE,
    lists::TABLE,
    numbers::TABLE,
    paths::TABLE,
    random::TABLE,
    regexes::TABLE,
    semver::TABLE,
    strings::TABLE,
    url::TABLE,
    words::TABLE,
];

/// External Secrets Operator's own.
pub(crate) static ESO: &[&[Declared]] = &[
    crypto::ESO,
    encoding::ESO,
    jwk::ESO,
    pem::ESO,
    pkcs12::ESO,
    yamls::TABLE,
];
