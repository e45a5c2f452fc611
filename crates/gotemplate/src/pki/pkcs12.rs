//! PKCS#12 files as Go's `go-pkcs12` writes its modern kind: PBES2 with AES-256 and
//! PBKDF2-HMAC-SHA-256 for contents, HMAC-SHA-256 for integrity, 2,048 rounds each.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2};

use super::certificate::Certificate;
use super::der::{self, oid};
use super::key::PrivateKey;

const ROUNDS: u16 = 2_048;

/// A source of random bytes.
pub(crate) type Random<'r> = &'r mut dyn FnMut(&mut [u8]);

/// What goes wrong only if the cryptographic library refuses.
const REFUSED: &str = "pkcs12: encryption failed";

/// A password as UTF-16 with a zero at the end; `None` beyond the basic plane.
fn bmp(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(2 * text.len() + 2);
    for c in text.chars() {
        let unit = u16::try_from(u32::from(c)).ok()?;
        out.extend(unit.to_be_bytes());
    }
    Some(out)
}

/// A key with its certificate and further ones.
pub(crate) fn write_chain(
    key: &PrivateKey,
    certificate: &Certificate,
    others: &[Certificate],
    password: &str,
    random: Random<'_>,
) -> Result<Vec<u8>, &'static str> {
    let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.der);
    let key_id = attribute(oid::LOCAL_KEY_ID, &der::octets(fingerprint.as_ref()));
    let mut bags = cert_bag(certificate, &key_id);
    for other in others {
        bags.extend(cert_bag(other, &[]));
    }
    let (algorithm, encrypted) = encrypt(&key.to_pkcs8(), password, random)?;
    let shrouded = der::sequence(&[&algorithm, &der::octets(&encrypted)]);
    let key_bag = der::sequence(&[
        &der::oid(oid::SHROUDED_KEY_BAG),
        &der::explicit(0, &shrouded),
        &der::set(&[&key_id]),
    ]);
    let certificates = encrypted_content(&der::sequence(&[&bags]), password, random)?;
    let keys = content(oid::DATA, &der::octets(&der::sequence(&[&key_bag])));
    finish(&der::sequence(&[&certificates, &keys]), password, random)
}

/// Certificates to trust, as Java marks them.
pub(crate) fn write_trust_store(
    certificates: &[Certificate],
    password: &str,
    random: Random<'_>,
) -> Result<Vec<u8>, &'static str> {
    let trusted = attribute(oid::JAVA_TRUST_STORE, &der::oid(oid::ANY_EXTENDED_USAGE));
    let mut bags = Vec::new();
    for certificate in certificates {
        let name = bmp(&certificate.subject_text).unwrap_or_default();
        let name = attribute(oid::FRIENDLY_NAME, &der::tlv(0x1e, &name));
        bags.extend(cert_bag(certificate, &[trusted.clone(), name].concat()));
    }
    let content = encrypted_content(&der::sequence(&[&bags]), password, random)?;
    finish(&der::sequence(&[&content]), password, random)
}

fn attribute(identifier: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(identifier), &der::set(&[value])])
}

fn cert_bag(certificate: &Certificate, attributes: &[u8]) -> Vec<u8> {
    let inner = der::sequence(&[
        &der::oid(oid::X509_CERTIFICATE),
        &der::explicit(0, &der::octets(&certificate.der)),
    ]);
    let attributes = if attributes.is_empty() {
        Vec::new()
    } else {
        der::set(&[attributes])
    };
    der::sequence(&[
        &der::oid(oid::CERT_BAG),
        &der::explicit(0, &inner),
        &attributes,
    ])
}

fn content(kind: &[u8], inner: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::explicit(0, inner)])
}

fn encrypted_content(
    plain: &[u8],
    password: &str,
    random: Random<'_>,
) -> Result<Vec<u8>, &'static str> {
    let (algorithm, encrypted) = encrypt(plain, password, random)?;
    let info = der::sequence(&[
        &der::oid(oid::DATA),
        &algorithm,
        &der::tlv(0x80, &encrypted),
    ]);
    let data = der::sequence(&[&der::small(0), &info]);
    Ok(content(oid::ENCRYPTED_DATA, &data))
}

/// The algorithm with its parameters, and the encrypted bytes.
fn encrypt(
    plain: &[u8],
    password: &str,
    random: Random<'_>,
) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let (mut salt, mut iv) = ([0u8; 16], [0u8; 16]);
    random(&mut iv);
    random(&mut salt);
    let mut key = [0u8; 32];
    let rounds = NonZeroU32::from(std::num::NonZeroU16::new(ROUNDS).ok_or(REFUSED)?);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        &salt,
        password.as_bytes(),
        &mut key,
    );
    let mut bytes = plain.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    UnboundCipherKey::new(&AES_256, &key)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|key| key.less_safe_encrypt(&mut bytes, context))
        .map_err(|_| REFUSED)?;
    let derivation = der::sequence(&[
        &der::octets(&salt),
        &der::small(ROUNDS),
        &der::algorithm(oid::HMAC_SHA256, &[]),
    ]);
    let parameters = der::sequence(&[
        &der::algorithm(oid::PBKDF2, &derivation),
        &der::algorithm(oid::AES256_CBC, &der::octets(&iv)),
    ]);
    Ok((der::algorithm(oid::PBES2, &parameters), bytes))
}

/// The whole file around its authenticated contents.
fn finish(safe: &[u8], password: &str, random: Random<'_>) -> Result<Vec<u8>, &'static str> {
    let mut salt = [0u8; 16];
    random(&mut salt);
    let mut password = bmp(password)
        .ok_or("pkcs12: string contains characters that cannot be encoded in UCS-2")?;
    password.extend([0, 0]);
    let key = mac_key(&password, &salt);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), safe);
    let mac = der::sequence(&[
        &der::sequence(&[
            &der::algorithm(oid::SHA256, &[]),
            &der::octets(tag.as_ref()),
        ]),
        &der::octets(&salt),
        &der::small(ROUNDS),
    ]);
    Ok(der::sequence(&[
        &der::small(3),
        &content(oid::DATA, &der::octets(safe)),
        &mac,
    ]))
}

/// The derivation of RFC 7292, appendix B, for a key of one SHA-256 block.
fn mac_key(password: &[u8], salt: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let filled = |pattern: &[u8]| -> Vec<u8> {
        let size = pattern.len().div_ceil(BLOCK) * BLOCK;
        pattern.iter().copied().cycle().take(size).collect()
    };
    // 3 is the purpose of a MAC.
    let first = [vec![3u8; BLOCK], filled(salt), filled(password)].concat();
    let mut hash = digest::digest(&digest::SHA256, &first);
    for _ in 1..ROUNDS {
        hash = digest::digest(&digest::SHA256, hash.as_ref());
    }
    let mut key = [0; 32];
    for (slot, byte) in key.iter_mut().zip(hash.as_ref()) {
        *slot = *byte;
    }
    key
}
