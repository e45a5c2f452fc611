//! PKCS#12 files to and from PEM. Reading needs the cargo feature `pkcs12`.

use super::args::{Answer, text};
use super::encoding::base64;
use super::pem::{blocks, chain, encoded};
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};
use crate::pki::certificate::Certificate;
use crate::pki::key::PrivateKey;
use crate::pki::pem::{self, Block};
use crate::pki::pkcs12;
use crate::value::Value;

pub(crate) static ESO: &[Declared] = &[
    fixed("pkcs12key", &[Str], |call, args| {
        key_pem(call, b"", text(args, 0))
    }),
    fixed("pkcs12keyPass", &[Str, Str], |call, args| {
        key_pem(call, text(args, 0), text(args, 1))
    }),
    fixed("pkcs12cert", &[Str], |call, args| {
        cert_pem(call, b"", text(args, 0))
    }),
    fixed("pkcs12certPass", &[Str, Str], |call, args| {
        cert_pem(call, text(args, 0), text(args, 1))
    }),
    fixed("pemToPkcs12", &[Str, Str], |call, args| {
        from_pem(call, args, b"", false)
    }),
    fixed("pemToPkcs12Pass", &[Str, Str, Str], |call, args| {
        from_pem(call, args, text(args, 2), false)
    }),
    fixed("fullPemToPkcs12", &[Str, Str], |call, args| {
        from_pem(call, args, b"", true)
    }),
    fixed("fullPemToPkcs12Pass", &[Str, Str, Str], |call, args| {
        from_pem(call, args, text(args, 2), true)
    }),
    fixed("pemTruststoreToPKCS12", &[Str], |call, args| {
        trust_store(call, text(args, 0), b"")
    }),
    fixed("pemTruststoreToPKCS12Pass", &[Str, Str], |call, args| {
        trust_store(call, text(args, 0), text(args, 1))
    }),
];

/// What a file holds: the key in PKCS#8 and the certificates in their order.
struct Contents {
    key: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

#[cfg(feature = "pkcs12")]
fn read(call: &mut Call<'_>, password: &[u8], file: &[u8]) -> Result<Contents, &'static str> {
    use p12_keystore::error::Error;

    call.slow(1)
        .map_err(|_| "too many calls of slow functions")?;
    let password = std::str::from_utf8(password).map_err(|_| "pkcs12: password is not UTF-8")?;
    let archive =
        p12_keystore::Pkcs12Archive::from_pkcs12(file, password).map_err(|e| match e {
            Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError => {
                "pkcs12: decryption password incorrect"
            }
            Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm => {
                "pkcs12: unsupported algorithm"
            }
            Error::InvalidParameters => "pkcs12: parameters out of range",
            _ => "pkcs12: error reading P12 data",
        })?;
    if archive.certs.is_empty() {
        return Err("pkcs12: certificate missing");
    }
    let key = match archive.keys.as_slice() {
        [] => return Err("pkcs12: private key missing"),
        [key] => key.key.as_der().to_vec(),
        _ => return Err("pkcs12: expected exactly one key bag"),
    };
    Ok(Contents {
        key,
        certificates: archive
            .certs
            .iter()
            .map(|bag| bag.cert.as_der().to_vec())
            .collect(),
    })
}

#[cfg(not(feature = "pkcs12"))]
fn read(_: &mut Call<'_>, _: &[u8], _: &[u8]) -> Result<Contents, &'static str> {
    Err("this build cannot read PKCS#12")
}

fn key_pem(call: &mut Call<'_>, password: &[u8], file: &[u8]) -> Answer {
    let contents = read(call, password, file)
        .map_err(|reason| format!("unable to decode pkcs12 with password: {reason}"))?;
    let key = PrivateKey::from_pkcs8(&contents.key)
        .ok_or("unable to decode pkcs12 with password: unsupported private key")?;
    Ok(call.text(Block::new("PRIVATE KEY", key.to_pkcs8()).encode())?)
}

fn cert_pem(call: &mut Call<'_>, password: &[u8], file: &[u8]) -> Answer {
    let contents = read(call, password, file)
        .map_err(|reason| format!("unable to decode pkcs12 certificate with password: {reason}"))?;
    let parse = || -> Result<Vec<Certificate>, &'static str> {
        contents
            .certificates
            .iter()
            .map(|der| Certificate::parse(der))
            .collect()
    };
    let certificates = parse()
        .map_err(|reason| format!("unable to decode pkcs12 certificate with password: {reason}"))?;
    // What is not one chain stays in the order of the file.
    let ordered = chain(certificates).or_else(|_| parse())?;
    let out: Vec<u8> = ordered.iter().flat_map(encoded).collect();
    Ok(call.text(out)?)
}

fn password(bytes: &[u8]) -> Result<&str, CallError> {
    std::str::from_utf8(bytes).map_err(|_| "pkcs12: password is not UTF-8".into())
}

fn from_pem(call: &mut Call<'_>, args: &[Value], pass: &[u8], full: bool) -> Answer {
    let (first, rest) = pem::decode(text(args, 0)).ok_or("no PEM block with a certificate")?;
    let certificate = Certificate::parse(&first.bytes)?;
    let others = if full {
        certificates(rest)?
    } else {
        Vec::new()
    };
    let (block, _) = pem::decode(text(args, 1)).ok_or("no PEM block with a private key")?;
    let key = PrivateKey::from_der(&block.bytes).ok_or("unable to parse private key type")?;
    call.slow(1)?;
    let password = password(pass)?;
    let mut random = |bytes: &mut [u8]| call.random(bytes);
    let file = pkcs12::write_chain(&key, &certificate, &others, password, &mut random)?;
    Ok(call.text(base64::encode(&file))?)
}

/// The certificates of a text that holds nothing but blocks.
fn certificates(text: &[u8]) -> Result<Vec<Certificate>, CallError> {
    let (blocks, rest) = blocks(text);
    if !rest.is_empty() {
        return Err("found something other than PEM blocks".into());
    }
    let all: Result<Vec<_>, _> = blocks
        .iter()
        .map(|b| Certificate::parse(&b.bytes))
        .collect();
    Ok(all?)
}

fn trust_store(call: &mut Call<'_>, text: &[u8], pass: &[u8]) -> Answer {
    let certificates = certificates(text)?;
    call.slow(1)?;
    let password = password(pass)?;
    let mut random = |bytes: &mut [u8]| call.random(bytes);
    let file = pkcs12::write_trust_store(&certificates, password, &mut random)?;
    Ok(call.text(base64::encode(&file))?)
}
