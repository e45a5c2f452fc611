//! The first record of comma-separated values (RFC 4180), as the AWS webhook reads its list of
//! containers to skip.
//!
//! Owns: quoting and where a record ends. Refuses: trimming, since that webhook does not either.

/// The first record; `None` where the text breaks the rules of quoting.
#[must_use]
pub fn first_record(text: &str) -> Option<Vec<String>> {
    // Empty lines before the record do not count.
    let mut rest = text;
    loop {
        let shorter = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.strip_prefix('\n'));
        match shorter {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    if rest.is_empty() {
        return None;
    }
    let mut fields = Vec::new();
    loop {
        let (field, after) = field(rest)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Some(fields),
        }
    }
}

/// One field and what follows it: a comma, the end of the line, or nothing.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (field, after) = text.split_at_checked(end)?;
        let field = if after.starts_with(',') {
            field
        } else {
            field.strip_suffix('\r').unwrap_or(field)
        };
        return (!field.contains('"')).then(|| (field.to_owned(), after));
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(&part.replace("\r\n", "\n"));
        if let Some(next) = after.strip_prefix('"') {
            field.push('"');
            rest = next;
            continue;
        }
        let after = after.strip_prefix('\r').unwrap_or(after);
        let ends = after.is_empty() || after.starts_with([',', '\n']);
        return ends.then_some((field, after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let some = |fields: &[&str]| Some(fields.iter().map(|f| (*f).to_owned()).collect());
        for (text, record) in [
            ("a,b", some(&["a", "b"])),
            ("a, b", some(&["a", " b"])),
            ("a", some(&["a"])),
            ("a,", some(&["a", ""])),
            (",a", some(&["", "a"])),
            ("", None),
            ("\n\na,b\nc", some(&["a", "b"])),
            ("a\r\nb", some(&["a"])),
            ("\"a\",b", some(&["a", "b"])),
            ("\"a,b\",c", some(&["a,b", "c"])),
            ("\"a\"\"b\"", some(&["a\"b"])),
            ("\"a\nb\",c", some(&["a\nb", "c"])),
            ("\"a\"b", None),
            ("a\"b", None),
            ("\"a", None),
            ("a, \"b\"", None),
        ] {
            assert_eq!(first_record(text), record, "{text:?}");
        }
    }
}
