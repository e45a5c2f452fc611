//! The Master Password algorithm, which turns one password into one per site.

use aws_lc_rs::hmac;

const SEED: &[u8] = b"com.lyndir.masterpassword";

/// The templates of a kind of password: each letter stands for a class of characters.
pub(super) fn templates(kind: &[u8]) -> Option<&'static [&'static str]> {
    Some(match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => return None,
    })
}

fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// A text with its length before it.
fn counted(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), text].concat()
}

/// The password for `site`.
pub(super) fn password(
    counter: u32,
    templates: &[&str],
    password: &[u8],
    user: &[u8],
    site: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let parameters = scrypt::Params::new(15, 8, 2).map_err(|_| "failed to derive password")?;
    let mut key = [0; 64];
    let salt = [SEED, &counted(user)].concat();
    scrypt::scrypt(password, &salt, &parameters, &mut key)
        .map_err(|_| "failed to derive password")?;
    let message = [SEED, &counted(site), &counter.to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let mut seed = seed.as_ref().iter().map(|byte| usize::from(*byte));
    let pick = |all: usize, byte: usize| byte.checked_rem(all).unwrap_or(0);
    let chosen = pick(templates.len(), seed.next().unwrap_or(0));
    let template = templates.get(chosen).copied().unwrap_or_default();
    Ok(template
        .bytes()
        .zip(seed)
        .filter_map(|(letter, byte)| {
            let class = class(letter);
            class.get(pick(class.len(), byte)).copied()
        })
        .collect())
}
