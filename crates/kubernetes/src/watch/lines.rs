//! Splits a byte stream into lines without copying those that arrive whole.

use bytes::{Buf, Bytes, BytesMut};

/// The longest line taken: an object has at most 1.5 MiB in etcd, JSON may double it.
const MAX_LINE: usize = 8 << 20;

/// Bytes that have arrived and are not yet taken as lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end is still to come.
    rest: BytesMut,
    /// The newest chunk.
    chunk: Bytes,
}

impl Lines {
    /// Adds what has arrived.
    ///
    /// # Errors
    /// If a line grows beyond 8 MiB.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), String> {
        if self.chunk.is_empty() {
            self.chunk = chunk;
        } else {
            self.rest.extend_from_slice(&self.chunk);
            self.chunk = chunk;
        }
        if self.rest.len() > MAX_LINE {
            return Err(format!("an event is larger than {MAX_LINE} bytes"));
        }
        Ok(())
    }

    /// The next whole line without its end; keeps an unfinished one for later.
    pub fn next_line(&mut self) -> Option<Bytes> {
        loop {
            let Some(end) = self.chunk.iter().position(|b| *b == b'\n') else {
                self.rest.extend_from_slice(&self.chunk);
                self.chunk.clear();
                return None;
            };
            let head = self.chunk.split_to(end);
            self.chunk.advance(1);
            let line = if self.rest.is_empty() {
                head
            } else {
                self.rest.extend_from_slice(&head);
                // A fresh buffer each time: one huge object must not stay allocated for ever.
                std::mem::take(&mut self.rest).freeze()
            };
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk)).unwrap();
            while let Some(line) = lines.next_line() {
                out.push(line.to_vec());
            }
        }
        out
    }

    #[test]
    fn unfinished_lines_wait_for_their_end() {
        assert_eq!(all(&[b"ab", b"c\nd", b"e"]), [b"abc".to_vec()]);
        assert_eq!(all(&[b"a\n\n \nb\n"]), [b"a".to_vec(), b"b".to_vec()]);
    }

    #[test]
    fn endless_lines_are_refused() {
        let mut lines = Lines::default();
        let mut refused = false;
        for _ in 0..20 {
            refused |= lines.push(Bytes::from(vec![b'x'; 1 << 20])).is_err();
            assert!(lines.next_line().is_none());
        }
        assert!(refused);
    }

    proptest! {
        #[test]
        fn chunk_borders_do_not_matter(text in "[ab\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            prop_assert_eq!(all(&chunks), all(&[bytes]));
        }
    }
}
