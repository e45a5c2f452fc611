//! Lines of members in JSON text, by JSON pointer.
//!
//! Reads only what a JSON parser has accepted before; anything else gives fewer lines, no error.

use std::collections::BTreeMap;

/// The line, counted from one, on which each value begins.
pub(super) fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut scan = Scan {
        bytes: text.as_bytes(),
        at: 0,
        line: 1,
        found: BTreeMap::new(),
    };
    scan.value(&mut String::new(), 0);
    scan.found
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    found: BTreeMap<String, usize>,
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            let b = *self.bytes.get(self.at)?;
            match b {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => return Some(b),
            }
            self.at += 1;
        }
    }

    fn value(&mut self, path: &mut String, depth: usize) -> Option<()> {
        let first = self.peek()?;
        self.found.insert(path.clone(), self.line);
        // serde_json refuses deeper documents.
        if depth > 128 {
            return None;
        }
        match first {
            b'{' => self.members(path, depth, b'}'),
            b'[' => self.members(path, depth, b']'),
            b'"' => self.string().map(drop),
            // No value begins so: this is no JSON.
            b',' | b']' | b'}' | b':' => None,
            _ => {
                while let Some(b) = self.bytes.get(self.at)
                    && !matches!(b, b',' | b'}' | b']' | b'\n' | b' ' | b'\t' | b'\r')
                {
                    self.at += 1;
                }
                Some(())
            }
        }
    }

    fn members(&mut self, path: &mut String, depth: usize, end: u8) -> Option<()> {
        self.at += 1;
        let mut index = 0;
        loop {
            match self.peek()? {
                b if b == end => {
                    self.at += 1;
                    return Some(());
                }
                b',' => self.at += 1,
                _ => {
                    let length = path.len();
                    path.push('/');
                    let key_line = self.line;
                    if end == b'}' {
                        let key = self.string()?;
                        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                        (self.peek()? == b':').then_some(())?;
                        self.at += 1;
                    } else {
                        path.push_str(&index.to_string());
                    }
                    self.value(path, depth + 1)?;
                    self.found.insert(path.clone(), key_line);
                    path.truncate(length);
                    index += 1;
                }
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    let text = self.bytes.get(from..self.at)?;
                    return serde_json::from_slice(text).ok();
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_its_line() {
        let lines = lines("{\n \"a\": [1,\n  {\"b/c\": \"}\\\"\"}],\n \"d\": null}\n");
        let wanted = [
            ("", 1),
            ("/a", 2),
            ("/a/0", 2),
            ("/a/1", 3),
            ("/a/1/b~1c", 3),
            ("/d", 4),
        ];
        let wanted = wanted.map(|(path, line)| (path.to_owned(), line));
        assert_eq!(lines, BTreeMap::from(wanted));
    }

    proptest::proptest! {
        #[test]
        fn anything_ends(text in "[\\[\\]{}\":,a-z\\\\ \n]{0,60}") {
            lines(&text);
        }
    }
}
