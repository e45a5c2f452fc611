//! `keyless issuer keygen`: a signing key in the files that API servers read.

use std::path::PathBuf;

use anyhow::Result;
use keyless_issuer::keygen::{Format, KeyError, KeyKind, SigningKey, write_new};
use serde_json::json;

use super::print;
use crate::outcome::Outcome;

/// Flags of `keyless issuer keygen`.
#[derive(clap::Args)]
pub struct Flags {
    /// The kind of key
    #[arg(long = "type", value_enum, default_value = "rsa2048")]
    kind: Kind,
    /// The private key's file, for --service-account-signing-key-file; never overwritten, readable by its owner only
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
    /// The public key's file, for --service-account-key-file; default: that of the private key, ending in .pub
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// How the private key is written
    #[arg(long, value_enum, default_value = "pkcs8")]
    form: Form,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: super::Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// RSA of 2048 bits: every cloud takes it
    Rsa2048,
    /// RSA of 3072 bits
    Rsa3072,
    /// RSA of 4096 bits
    Rsa4096,
    /// ECDSA on P-256; Entra refuses its tokens
    Es256,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// PRIVATE KEY
    Pkcs8,
    /// RSA PRIVATE KEY or EC PRIVATE KEY
    Traditional,
}

/// Makes the key and writes both files.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let kind = match flags.kind {
        Kind::Rsa2048 => KeyKind::Rsa2048,
        Kind::Rsa3072 => KeyKind::Rsa3072,
        Kind::Rsa4096 => KeyKind::Rsa4096,
        Kind::Es256 => KeyKind::Es256,
    };
    let form = match flags.form {
        Form::Pkcs8 => Format::Pkcs8,
        Form::Traditional => Format::Traditional,
    };
    let public = flags
        .public_key
        .clone()
        .unwrap_or_else(|| flags.private_key.with_extension("pub"));
    if public == flags.private_key {
        return Ok(Outcome::WrongUse(
            "both keys cannot be in one file: give --public-key".into(),
        ));
    }
    for path in [&flags.private_key, &public] {
        // Looked at before the key is made, so that nothing is left half done.
        if path.exists() {
            let path = path.display().to_string();
            return Ok(Outcome::WrongUse(KeyError::Exists { path }.to_string()));
        }
    }
    let key = SigningKey::generate(kind)?;
    write_new(&flags.private_key, 0o600, &key.private_pem(form)?)?;
    write_new(&public, 0o644, &key.public_pem())?;
    let jwk = key.jwk();
    if kind == KeyKind::Es256 {
        eprintln!(
            "keyless: note: Entra takes RS256 only; with this key no token is good there [K6]"
        );
    }
    let text = match flags.output {
        super::Format::Text => format!(
            "{} {} of {} bits\nprivate key {}\npublic key  {}\n",
            jwk.kid,
            jwk.alg,
            jwk.bits(),
            flags.private_key.display(),
            public.display()
        ),
        super::Format::Json => {
            let document = json!({"kid": jwk.kid, "alg": jwk.alg.as_str(), "bits": jwk.bits(),
                "privateKey": flags.private_key, "publicKey": public});
            serde_json::to_string_pretty(&document)? + "\n"
        }
    };
    print(&text)?;
    Ok(Outcome::Fine)
}
