//! Password hashes, derived passwords, AES, RSA decryption.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptionContext, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA512_MGF1SHA512, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};

use super::args::{Answer, any, text};
use super::encoding::base64;
use crate::call::Call;
use crate::error::WITHHELD;
use crate::functions::Type::{NamedText, Text as Str, Uint32};
use crate::functions::{Declared, fixed};
use crate::pki::key::PrivateKey;
use crate::pki::pem;
use crate::value::Value;

mod derive;

pub(crate) static TABLE: &[Declared] = &[
    fixed("bcrypt", &[Str], |call, args| {
        let out = bcrypt_text(call, text(args, 0))?;
        Ok(call.text(out)?)
    }),
    fixed(
        "htpasswd",
        &[Str, Str, NamedText("sprig.HashAlgorithm")],
        htpasswd,
    ),
    fixed(
        "derivePassword",
        &[Uint32, Str, Str, Str, Str],
        derive_password,
    ),
    fixed("encryptAES", &[Str, Str], encrypt_aes),
    fixed("decryptAES", &[Str, Str], decrypt_aes),
];

pub(crate) static ESO: &[Declared] = &[fixed("rsaDecrypt", &[Str, Str, Str, Str], rsa_decrypt)];

/// A hash of cost 10, or the text of Go's refusal.
fn bcrypt_text(call: &mut Call<'_>, password: &[u8]) -> Result<String, crate::error::CallError> {
    if password.len() > 72 {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".into(),
        );
    }
    call.slow(1)?;
    let mut salt = [0; 16];
    call.random(&mut salt);
    let hash = bcrypt::hash_with_salt(password, 10, salt)
        .map_err(|_| "failed to encrypt string with bcrypt")?;
    Ok(hash.format_for_version(bcrypt::Version::TwoA))
}

fn htpasswd(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (user, password) = (text(args, 0), text(args, 1));
    if user.contains(&b':') {
        return Ok(call.text([b"invalid username: ", user].concat())?);
    }
    let hash = if text(args, 2) == b"sha" {
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, password);
        format!("{{SHA}}{}", base64::encode(sum.as_ref()))
    } else {
        bcrypt_text(call, password)?
    };
    Ok(call.text([user, b":", hash.as_bytes()].concat())?)
}

fn derive_password(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let counter = match any(args, 0) {
        Value::Uint(counter, _) => u32::try_from(*counter).unwrap_or(u32::MAX),
        _ => 0,
    };
    let kind = text(args, 1);
    let Some(templates) = derive::templates(kind) else {
        return Ok(call.text([b"cannot find password template ", kind].concat())?);
    };
    call.slow(2)?;
    let (password, user, site) = (text(args, 2), text(args, 3), text(args, 4));
    let out = derive::password(counter, templates, password, user, site)?;
    Ok(call.text(out)?)
}

/// The password cut or filled up with zeros.
fn aes_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    for (slot, byte) in key.iter_mut().zip(password) {
        *slot = *byte;
    }
    key
}

fn encrypt_aes(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let plain = text(args, 1);
    if plain.is_empty() {
        return Ok(Value::text(""));
    }
    let mut iv = [0; 16];
    call.random(&mut iv);
    let mut bytes = plain.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    UnboundCipherKey::new(&AES_256, &aes_key(text(args, 0)))
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|key| key.less_safe_encrypt(&mut bytes, context))
        .map_err(|_| "encryption failed")?;
    Ok(call.text(base64::encode(&[&iv[..], &bytes].concat()))?)
}

/// Takes the last byte for the length of the padding without looking at the rest of it.
fn decrypt_aes(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let encrypted = text(args, 1);
    if encrypted.is_empty() {
        return Ok(Value::text(""));
    }
    let bytes = base64::decode(encrypted)
        .map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    let (iv, body) = bytes
        .split_first_chunk::<16>()
        .ok_or("runtime error: slice bounds out of range")?;
    if body.is_empty() {
        return Err("runtime error: index out of range [-1]".into());
    }
    if body.len() % 16 != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut body = body.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    UnboundCipherKey::new(&AES_256, &aes_key(text(args, 0)))
        .and_then(DecryptingKey::cbc)
        .and_then(|key| key.decrypt(&mut body, context).map(|_| ()))
        .map_err(|_| "decryption failed")?;
    let padding = usize::from(body.last().copied().unwrap_or(0));
    let plain = body
        .len()
        .checked_sub(padding)
        .and_then(|end| body.get(..end))
        .ok_or("runtime error: slice bounds out of range")?;
    Ok(call.text(plain)?)
}

fn rsa_decrypt(call: &mut Call<'_>, args: &[Value]) -> Answer {
    match text(args, 0) {
        b"None" => return Ok(any(args, 2).clone()),
        b"RSA-OAEP" => {}
        scheme => {
            let scheme = call.written(scheme).unwrap_or_else(|| WITHHELD.to_owned());
            return Err(format!("decryption scheme {scheme} is not supported").into());
        }
    }
    call.slow(1)?;
    let (block, _) = pem::decode(text(args, 3)).ok_or("failed to decode PEM block")?;
    let key = PrivateKey::from_der(&block.bytes)
        .ok_or("could not parse private key: unable to parse private key type")?;
    if !matches!(key, PrivateKey::Rsa(_)) {
        return Err("could not parse RSA private key".into());
    }
    let algorithm = match text(args, 1) {
        b"SHA1" => &OAEP_SHA1_MGF1SHA1,
        b"SHA512" => &OAEP_SHA512_MGF1SHA512,
        _ => &OAEP_SHA256_MGF1SHA256,
    };
    let key = PrivateDecryptingKey::from_pkcs8(&key.to_pkcs8())
        .ok()
        .and_then(|key| OaepPrivateDecryptingKey::new(key).ok())
        .ok_or("could not parse private key: unsupported RSA key")?;
    let mut out = vec![0; key.min_output_size()];
    let plain = key
        .decrypt(algorithm, text(args, 2), &mut out, None)
        .map_err(|_| "error decrypting data with RSA: crypto/rsa: decryption error")?;
    Ok(call.text(&*plain)?)
}
