//! Whether a document is JSON.

use crate::bytes::{at, tail};

/// Whether `json` is one valid JSON value, by gjson's rules: strings need not be UTF-8.
pub fn is_valid(json: &[u8]) -> bool {
    let mut reader = Reader { rest: json };
    reader.document().is_some() && {
        reader.space();
        reader.rest.is_empty()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = at(self.rest, 0) {
            self.rest = tail(self.rest, 1);
        }
    }

    fn take(&mut self, literal: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    /// One value, with the open brackets on a heap stack: no document is too deep.
    fn document(&mut self) -> Option<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match at(self.rest, 0)? {
                bracket @ (b'{' | b'[') => {
                    self.rest = tail(self.rest, 1);
                    self.space();
                    if at(self.rest, 0) == Some(bracket + 2) {
                        self.rest = tail(self.rest, 1);
                    } else {
                        open.push(bracket);
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.take(b"true")?,
                b'f' => self.take(b"false")?,
                b'n' => self.take(b"null")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return None,
            }
            // After a value: close what ends here, then expect the next member.
            loop {
                let Some(bracket) = open.last().copied() else {
                    return Some(());
                };
                self.space();
                let next = at(self.rest, 0)?;
                self.rest = tail(self.rest, 1);
                if next == bracket + 2 {
                    open.pop();
                } else if next == b',' {
                    if bracket == b'{' {
                        self.key()?;
                    }
                    break;
                } else {
                    return None;
                }
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.space();
        self.string()?;
        self.space();
        self.take(b":")
    }

    fn string(&mut self) -> Option<()> {
        self.take(b"\"")?;
        loop {
            let byte = at(self.rest, 0)?;
            self.rest = tail(self.rest, 1);
            match byte {
                b'"' => return Some(()),
                0..0x20 => return None,
                b'\\' => match at(self.rest, 0)? {
                    b'u' => {
                        let digits = self.rest.get(1..5)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        self.rest = tail(self.rest, 5);
                    }
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                        self.rest = tail(self.rest, 1);
                    }
                    _ => return None,
                },
                _ => {}
            }
        }
    }

    fn digits(&mut self) -> usize {
        let count = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.rest = tail(self.rest, count);
        count
    }

    fn number(&mut self) -> Option<()> {
        if at(self.rest, 0) == Some(b'-') {
            self.rest = tail(self.rest, 1);
        }
        if at(self.rest, 0)? == b'0' {
            self.rest = tail(self.rest, 1);
        } else if self.digits() == 0 {
            return None;
        }
        if at(self.rest, 0) == Some(b'.') {
            self.rest = tail(self.rest, 1);
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = at(self.rest, 0) {
            self.rest = tail(self.rest, 1);
            if let Some(b'+' | b'-') = at(self.rest, 0) {
                self.rest = tail(self.rest, 1);
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_judged() {
        for good in [
            "{}",
            "[]",
            " [1 , {\"a\" : [null,true,false]}] ",
            "-0.5e+3",
            "\"\\u00e9\\n\"",
            "0",
        ] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "01",
            "1.",
            "1e",
            "-",
            "tru",
            "[1 2]",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "{} {}",
            "[}",
            "nan",
            "{1:2}",
            "[,1]",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(is_valid(deep.as_bytes()));
    }
}
