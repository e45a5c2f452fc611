//! The parts of a URL as Go's `net/url` finds them and puts them together again.

use super::super::strings::find;
use super::escape::{Part, escape, is_encoded, unescape};

/// A user and perhaps a password.
pub(super) struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl User {
    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::User));
        }
        out
    }
}

/// The parts of a URL, decoded.
#[derive(Default)]
pub(super) struct Url {
    pub(super) scheme: Vec<u8>,
    pub(super) opaque: Vec<u8>,
    pub(super) user: Option<User>,
    pub(super) host: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) query: Vec<u8>,
    pub(super) fragment: Vec<u8>,
    pub(super) raw_path: Vec<u8>,
    pub(super) raw_fragment: Vec<u8>,
    pub(super) force_query: bool,
    pub(super) omit_host: bool,
}

fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|b| *b == at) {
        Some(i) => (
            bytes.get(..i).unwrap_or_default(),
            Some(bytes.get(i + 1..).unwrap_or_default()),
        ),
        None => (bytes, None),
    }
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme"),
            b':' => {
                let rest = text.get(i + 1..).unwrap_or_default();
                return Ok((text.get(..i).unwrap_or_default(), rest));
            }
            _ => break,
        }
    }
    Ok((b"", text))
}

impl Url {
    /// Reads a URL; the reason quotes none of it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let (text, fragment) = cut(text, b'#');
        let mut url = Self::without_fragment(text)?;
        if let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) {
            url.fragment = unescape(fragment, Part::Fragment)?;
            if escape(&url.fragment, Part::Fragment) != fragment {
                url.raw_fragment = fragment.to_vec();
            }
        }
        Ok(url)
    }

    fn without_fragment(text: &[u8]) -> Result<Self, &'static str> {
        if text.iter().any(|b| *b < b' ' || *b == 0x7f) {
            return Err("net/url: invalid control character in URL");
        }
        let mut url = Self::default();
        if text == b"*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        let questions = rest.iter().filter(|b| **b == b'?').count();
        if questions == 1 && rest.ends_with(b"?") {
            url.force_query = true;
            rest = rest.strip_suffix(b"?").unwrap_or(rest);
        } else {
            let (before, query) = cut(rest, b'?');
            rest = before;
            url.query = query.unwrap_or_default().to_vec();
        }
        let has_scheme = !url.scheme.is_empty();
        if !rest.starts_with(b"/") {
            if has_scheme {
                url.opaque = rest.to_vec();
                return Ok(url);
            }
            if cut(rest, b'/').0.contains(&b':') {
                return Err("first path segment in URL cannot contain colon");
            }
        }
        if (has_scheme || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
            let authority = rest.get(2..).unwrap_or_default();
            let end = authority
                .iter()
                .position(|b| *b == b'/')
                .unwrap_or(authority.len());
            let (authority, path) = authority.split_at_checked(end).unwrap_or((authority, b""));
            url.set_authority(authority)?;
            rest = path;
        } else if has_scheme && rest.starts_with(b"/") {
            url.omit_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        if escape(&url.path, Part::Path) != rest {
            url.raw_path = rest.to_vec();
        }
        Ok(url)
    }

    fn set_authority(&mut self, authority: &[u8]) -> Result<(), &'static str> {
        let Some(at) = authority.iter().rposition(|b| *b == b'@') else {
            self.host = host(&self.scheme, authority)?;
            return Ok(());
        };
        self.host = host(&self.scheme, authority.get(at + 1..).unwrap_or_default())?;
        let userinfo = authority.get(..at).unwrap_or_default();
        let valid = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
        if !userinfo.iter().all(valid) {
            return Err("net/url: invalid userinfo");
        }
        let (name, password) = cut(userinfo, b':');
        self.user = Some(User {
            name: unescape(name, Part::User)?,
            password: password.map(|p| unescape(p, Part::User)).transpose()?,
        });
        Ok(())
    }

    /// The host without port and brackets.
    pub(super) fn hostname(&self) -> &[u8] {
        let host = &*self.host;
        let end = match host.iter().rposition(|b| *b == b':') {
            Some(at) if is_port(host.get(at..).unwrap_or_default()) => at,
            _ => host.len(),
        };
        let host = host.get(..end).unwrap_or_default();
        host.strip_prefix(b"[")
            .and_then(|inner| inner.strip_suffix(b"]"))
            .unwrap_or(host)
    }

    fn escaped(decoded: &[u8], raw: &[u8], part: Part) -> Vec<u8> {
        if !raw.is_empty()
            && is_encoded(raw, part)
            && unescape(raw, part).is_ok_and(|again| again == decoded)
        {
            return raw.to_vec();
        }
        escape(decoded, part)
    }

    pub(super) fn to_text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.push_authority(&mut out);
            self.push_path(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(Self::escaped(
                &self.fragment,
                &self.raw_fragment,
                Part::Fragment,
            ));
        }
        out
    }

    fn push_authority(&self, out: &mut Vec<u8>) {
        let bare = self.host.is_empty() && self.user.is_none();
        if bare && (self.scheme.is_empty() || self.omit_host) {
            return;
        }
        if !bare || !self.path.is_empty() {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend(user.to_text());
            out.push(b'@');
        }
        out.extend(escape(&self.host, Part::Host));
    }

    fn push_path(&self, out: &mut Vec<u8>) {
        let path = if self.path == b"*" && self.raw_path.is_empty() {
            b"*".to_vec()
        } else {
            Self::escaped(&self.path, &self.raw_path, Part::Path)
        };
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && cut(&path, b'/').0.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

/// Nothing, or a colon and digits.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

fn host(scheme: &[u8], text: &[u8]) -> Result<Vec<u8>, &'static str> {
    match text.iter().rposition(|b| *b == b'[') {
        Some(0) => return literal(text),
        Some(_) => return Err("invalid IP-literal"),
        None => {}
    }
    if let Some(first) = text.iter().position(|b| *b == b':') {
        // Only http takes several colons for a mistake.
        let strict = scheme == b"http" || scheme == b"https";
        let last = text.iter().rposition(|b| *b == b':').unwrap_or(first);
        let at = if strict { first } else { last };
        if !is_port(text.get(at..).unwrap_or_default()) {
            return Err("invalid port after host");
        }
    }
    unescape(text, Part::Host)
}

/// `[address]` or `[address%25zone]`, perhaps with a port.
fn literal(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let close = text
        .iter()
        .rposition(|b| *b == b']')
        .ok_or("missing ']' in host")?;
    let port = text.get(close + 1..).unwrap_or_default();
    if !is_port(port) {
        return Err("invalid port after host");
    }
    let name = text.get(1..close).unwrap_or_default();
    let zone_at = find(name, b"%25").unwrap_or(name.len());
    let (address, zone) = name.split_at_checked(zone_at).unwrap_or((name, b""));
    let address = unescape(address, Part::Host)?;
    let zone = unescape(zone, Part::Zone)?;
    let valid = std::str::from_utf8(&address)
        .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    if !valid || zone == b"%" {
        return Err("invalid host");
    }
    Ok([b"[", &*address, &*zone, b"]", port].concat())
}
