//! The syntax of names, labels and annotations. Each check gives the API's own words, or `None`.

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DATA_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|&b| lower(b))
        && bytes.last().is_some_and(|&b| lower(b))
        && bytes.iter().all(|&b| lower(b) || b == b'-')
}

fn is_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

/// Names of namespaces.
#[must_use]
pub fn dns_label(text: &str) -> Option<String> {
    if text.len() > 63 {
        Some(long(63))
    } else if is_label(text) {
        None
    } else {
        Some(DNS_LABEL.to_owned())
    }
}

/// Names of most objects.
#[must_use]
pub fn dns_subdomain(text: &str) -> Option<String> {
    if text.len() > 253 {
        Some(long(253))
    } else if text.split('.').all(is_label) {
        None
    } else {
        Some(DNS_SUBDOMAIN.to_owned())
    }
}

/// Names that only need to be one part of a path: RBAC objects.
#[must_use]
pub fn path_segment(text: &str) -> Option<String> {
    match text {
        "." | ".." => Some(format!("may not be '{text}'")),
        _ => text
            .chars()
            .find(|c| matches!(c, '/' | '%'))
            .map(|c| format!("may not contain '{c}'")),
    }
}

/// Keys of labels and annotations.
#[must_use]
pub fn label_key(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return Some("a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')".to_owned());
        }
        Some(("", _)) => return Some("prefix part must be non-empty".to_owned()),
        Some((prefix, name)) => match dns_subdomain(prefix) {
            Some(why) => return Some(format!("prefix part {why}")),
            None => name,
        },
    };
    if name.is_empty() {
        Some(format!("name part must be non-empty; {QUALIFIED}"))
    } else if name.len() > 63 {
        Some(format!("name part {}", long(63)))
    } else if is_word(name) {
        None
    } else {
        Some(QUALIFIED.to_owned())
    }
}

/// Values of labels.
#[must_use]
pub fn label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        Some(long(63))
    } else if value.is_empty() || is_word(value) {
        None
    } else {
        Some(LABEL_VALUE.to_owned())
    }
}

/// Keys of Secrets and ConfigMaps.
#[must_use]
pub fn data_key(key: &str) -> Option<String> {
    if key.len() > 253 {
        Some(long(253))
    } else if key.is_empty()
        || !key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        Some(DATA_KEY.to_owned())
    } else if key == "." || key == ".." {
        Some(format!("must not be '{key}'"))
    } else if key.starts_with("..") {
        Some("must not start with '..'".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{data_key, dns_label, dns_subdomain, label_key, label_value, path_segment};

    #[test]
    fn accepted_and_refused() {
        for (check, good, bad) in [
            (
                dns_label as fn(&str) -> Option<String>,
                vec!["a", "a-b", "1"],
                vec!["", "A", "-a", "a.b", "a_"],
            ),
            (
                dns_subdomain,
                vec!["a.b-c", "x"],
                vec!["a..b", ".a", "A.b", ""],
            ),
            (
                path_segment,
                vec!["system:x", "A b"],
                vec![".", "..", "a/b", "a%"],
            ),
            (
                label_key,
                vec!["a", "example.com/B_c"],
                vec!["", "/a", "a/", "a/b/c", "-a", "A.B/c"],
            ),
            (label_value, vec!["", "A.b-c"], vec!["-", "a b", "a/"]),
            (
                data_key,
                vec!["a", ".b", "A_-"],
                vec!["", ".", "..", "..a", "a b", "a/b"],
            ),
        ] {
            good.iter().for_each(|g| assert_eq!(check(g), None, "{g}"));
            bad.iter().for_each(|b| assert!(check(b).is_some(), "{b}"));
        }
        assert!(dns_label(&"a".repeat(64)).is_some());
    }
}
