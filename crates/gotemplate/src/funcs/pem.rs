//! Choosing among PEM blocks and certificates.

use super::args::{Answer, text};
use super::strings::{find, texts_value};
use crate::call::Call;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};
use crate::pki::certificate::Certificate;
use crate::pki::pem::{self, Block};
use crate::value::{Text, Value};

pub(crate) static ESO: &[Declared] = &[
    fixed("filterPEM", &[Str, Str], filter_pem),
    fixed("filterCertChain", &[Str, Str], filter_chain),
    fixed("certSANs", &[Str], cert_sans),
];

/// From the first block on.
fn trim_junk(input: &[u8]) -> &[u8] {
    find(input, b"-----BEGIN")
        .and_then(|at| input.get(at..))
        .unwrap_or(input)
}

/// All blocks, and what is left after the last one.
pub(super) fn blocks(input: &[u8]) -> (Vec<Block>, &[u8]) {
    let (mut all, mut rest) = (Vec::new(), input);
    while let Some((block, after)) = pem::decode(rest) {
        all.push(block);
        rest = after;
    }
    (all, rest)
}

fn filter_pem(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let wanted = text(args, 0);
    let (blocks, rest) = blocks(trim_junk(text(args, 1)));
    let mut out = Vec::new();
    for block in blocks {
        if block.label.eq_ignore_ascii_case(wanted) {
            out.extend(block.encode());
        }
    }
    if out.is_empty() && !rest.is_empty() {
        return Err("error filtering pem: found junk".into());
    }
    Ok(call.text(out)?)
}

/// Certificates from the leaf to as far up as they go.
///
/// # Errors
/// When they are not one chain.
pub(super) fn chain(certificates: Vec<Certificate>) -> Result<Vec<Certificate>, &'static str> {
    // The first other certificate whose key identifier is the one that signed.
    let parents: Vec<Option<usize>> = certificates
        .iter()
        .enumerate()
        .map(|(i, child)| {
            let signed = |parent: &Certificate| child.authority_key_id == parent.subject_key_id;
            certificates
                .iter()
                .enumerate()
                .find(|(j, parent)| i != *j && signed(parent))
                .map(|(j, _)| j)
        })
        .collect();
    let mut leaves = (0..certificates.len()).filter(|i| !parents.contains(&Some(*i)));
    let leaf = leaves.next().ok_or("no leaf certificate found")?;
    if leaves.next().is_some() {
        return Err("found multiple leaf or disjunct certificates");
    }
    let mut certificates: Vec<Option<Certificate>> = certificates.into_iter().map(Some).collect();
    let mut out = Vec::new();
    let mut next = Some(leaf);
    while let Some(i) = next {
        let certificate = certificates.get_mut(i).and_then(Option::take);
        out.push(certificate.ok_or("constructing chain resulted in cycle")?);
        next = parents.get(i).copied().flatten();
    }
    Ok(out)
}

/// How many certificates are looked at, since each is compared with each.
const MAX_CERTIFICATES: usize = 1_000;

/// The certificates of all blocks.
pub(super) fn certificates(input: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    let (blocks, _) = blocks(input);
    if blocks.len() > MAX_CERTIFICATES {
        return Err("too many certificates");
    }
    blocks
        .iter()
        .map(|block| Certificate::parse(&block.bytes))
        .collect()
}

pub(super) fn encoded(certificate: &Certificate) -> Vec<u8> {
    Block::new("CERTIFICATE", certificate.der.clone()).encode()
}

fn filter_chain(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let ordered = chain(certificates(text(args, 1))?)?;
    let mut out = Vec::new();
    match text(args, 0) {
        b"leaf" => {
            let leaf = ordered.first().filter(|leaf| !leaf.is_root());
            out.extend(leaf.map(encoded).unwrap_or_default());
        }
        b"intermediate" => {
            for certificate in ordered.iter().skip(1).take_while(|c| !c.is_root()) {
                out.extend(encoded(certificate));
            }
        }
        b"root" => {
            let root = ordered.last().filter(|root| root.is_root());
            out.extend(root.map(encoded).unwrap_or_default());
        }
        _ => {}
    }
    Ok(call.text(out)?)
}

fn cert_sans(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (block, _) = pem::decode(trim_junk(text(args, 0))).ok_or("failed to decode PEM block")?;
    let certificate = Certificate::parse(&block.bytes)
        .map_err(|reason| format!("failed to parse certificate: {reason}"))?;
    let names = certificate
        .names
        .iter()
        .map(|name| Text::from(name.as_str()));
    texts_value(call, names.collect())
}
