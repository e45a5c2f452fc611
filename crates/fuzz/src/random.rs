//! Random numbers that are the same on every machine.

/// A generator; not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that depend on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = usize::try_from(self.0 >> 33).unwrap_or_default();
        high.checked_rem(bound).unwrap_or_default()
    }

    /// One of `items`.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> Option<&'a T> {
        items.get(self.below(items.len())).copied()
    }

    /// `input` with a few changes: bytes flipped, cut, doubled, or exchanged with `other`'s.
    #[must_use]
    pub fn mutated(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        const WORDS: [&[u8]; 12] = [
            b"{{",
            b"}}",
            b"{{-",
            b"end",
            b"\0",
            b"\"",
            b"#(",
            b"|",
            b"\n",
            b"(?i)",
            b"\xff",
            b"9999999999",
        ];
        let mut out = input.to_vec();
        for _ in 0..=self.below(5) {
            let at = self.below(out.len() + 1);
            match self.below(6) {
                0 => {
                    let flip = 1u8 << self.below(8);
                    if let Some(byte) = out.get_mut(at) {
                        *byte ^= flip;
                    }
                }
                1 => out.truncate(at),
                2 => {
                    let tail = out.get(at..).unwrap_or_default().to_vec();
                    out.extend(tail);
                }
                3 => {
                    let from = self.below(other.len() + 1);
                    let piece = other.get(from..).unwrap_or_default();
                    out.truncate(at);
                    out.extend_from_slice(piece);
                }
                4 if at < out.len() => {
                    out.remove(at);
                }
                _ => {
                    let word = self.pick(&WORDS).unwrap_or_default().to_vec();
                    out.splice(at..at, word);
                }
            }
            out.truncate(4 << 10);
        }
        out
    }
}
