//! PEM as Go's `encoding/pem` finds and writes it: text before, between and after blocks is
//! skipped, and so are blocks that are malformed.

use crate::funcs::json::{base64_decode, base64_encode};

/// A block with its label and headers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) label: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) bytes: Vec<u8>,
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// The first line without trailing space, and what follows it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| *b == b'\n');
    let (line, rest) = match end {
        Some(end) => (
            text.get(..end).unwrap_or_default(),
            text.get(end + 1..).unwrap_or_default(),
        ),
        None => (text, &b""[..]),
    };
    (line.trim_ascii_end(), rest)
}

/// The place of `mark` at the start of a line.
fn find_line(text: &[u8], mark: &[u8]) -> Option<usize> {
    if text.starts_with(mark) {
        return Some(0);
    }
    let with_break = [b"\n", mark].concat();
    memchr::memmem::find(text, &with_break).map(|at| at + 1)
}

/// The first well-formed block and what follows it.
pub(crate) fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = text;
    loop {
        let at = find_line(rest, BEGIN)?;
        rest = rest.get(at + BEGIN.len()..)?;
        if let Some(found) = block(rest) {
            return Some(found);
        }
    }
}

/// A block from after its `BEGIN`.
fn block(text: &[u8]) -> Option<(Block, &[u8])> {
    let (first, mut rest) = line(text);
    let label = first.strip_suffix(DASHES)?;
    let mut headers = Vec::new();
    loop {
        let (header, after) = line(rest);
        let Some(colon) = header.iter().position(|b| *b == b':') else {
            break;
        };
        let name = header.get(..colon).unwrap_or_default().trim_ascii();
        let value = header.get(colon + 1..).unwrap_or_default().trim_ascii();
        headers.push((name.to_vec(), value.to_vec()));
        if after.is_empty() {
            return None;
        }
        rest = after;
    }
    let end = find_line(rest, END)?;
    let (body, tail) = rest.split_at_checked(end)?;
    let tail = tail
        .strip_prefix(END)?
        .strip_prefix(label)?
        .strip_prefix(DASHES)?;
    let (after, rest) = line(tail);
    if !after.is_empty() {
        return None;
    }
    let digits: Vec<u8> = body
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    Some((
        Block {
            label: label.to_vec(),
            headers,
            bytes: base64_decode(&digits)?,
        },
        rest,
    ))
}

impl Block {
    pub(crate) fn new(label: &str, bytes: Vec<u8>) -> Self {
        Self {
            label: label.as_bytes().to_vec(),
            headers: Vec::new(),
            bytes,
        }
    }

    /// The block in lines of 64 characters.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = [BEGIN, &self.label, DASHES, b"\n"].concat();
        if !self.headers.is_empty() {
            let mut headers: Vec<_> = self.headers.iter().collect();
            // The one that says what the block is comes first.
            headers.sort_by_key(|(name, _)| (name != b"Proc-Type", name.clone()));
            for (name, value) in headers {
                out.extend([name, &b": "[..], value, b"\n"].concat());
            }
            out.push(b'\n');
        }
        for chunk in base64_encode(&self.bytes).as_bytes().chunks(64) {
            out.extend_from_slice(chunk);
            out.push(b'\n');
        }
        out.extend([END, &self.label, DASHES, b"\n"].concat());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_and_broken_blocks_are_skipped() {
        let text = b"junk\n-----BEGIN A-----\n%%%\n-----END A-----\n\
            -----BEGIN B-----\nK: v\n\naGk=\n-----END B-----\nrest";
        let (block, rest) = decode(text).unwrap();
        assert_eq!(
            (&*block.label, &*block.bytes, rest),
            (&b"B"[..], &b"hi"[..], &b"rest"[..])
        );
        assert_eq!(
            block.encode(),
            b"-----BEGIN B-----\nK: v\n\naGk=\n-----END B-----\n"
        );
        assert_eq!(decode(b"-----BEGIN A-----\naGk=\n-----END B-----\n"), None);
    }
}
