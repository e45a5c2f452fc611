//! Parameter names: plain or ARN, with or without `:version` or `:label`.

/// A requested name without its selector.
pub(super) fn base(name: &str) -> &str {
    split(name).0
}

/// A requested name as base and selector.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    // The first five colons of an ARN are its own.
    let own = if name.starts_with("arn:") { 5 } else { 0 };
    match name.match_indices(':').nth(own) {
        Some((at, _)) => {
            let (base, selector) = name.split_at(at);
            (base, selector.strip_prefix(':'))
        }
        None => (name, None),
    }
}

/// Whether `resource`, the ARN in a denial, is the parameter asked for as `name`.
pub(super) fn is_resource(name: &str, resource: &str) -> bool {
    let wanted = base(name);
    if wanted.starts_with("arn:") {
        return wanted == resource;
    }
    let Some(found) = resource.splitn(6, ':').nth(5) else {
        return false;
    };
    let Some(path) = found.strip_prefix("parameter/") else {
        return false;
    };
    path.trim_start_matches('/') == wanted.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        for (name, expected) in [
            ("/a/b", ("/a/b", None)),
            ("/a/b:3", ("/a/b", Some("3"))),
            ("a:prod", ("a", Some("prod"))),
            (
                "arn:aws:ssm:eu-central-1:1:parameter/a",
                ("arn:aws:ssm:eu-central-1:1:parameter/a", None),
            ),
            (
                "arn:aws:ssm:eu-central-1:1:parameter/a:7",
                ("arn:aws:ssm:eu-central-1:1:parameter/a", Some("7")),
            ),
            ("", ("", None)),
            ("arn:", ("arn:", None)),
        ] {
            assert_eq!(split(name), expected);
        }
    }

    #[test]
    fn a_denied_resource_is_recognised() {
        let resource = "arn:aws:ssm:eu-central-1:111122223333:parameter/a/b";
        for name in ["/a/b", "/a/b:3", "a/b", resource] {
            assert!(is_resource(name, resource), "{name}");
        }
        for name in ["/a", "/a/b/c", "/x/a/b", ""] {
            assert!(!is_resource(name, resource), "{name}");
        }
        assert!(!is_resource("/a/b", "*"));
    }
}
