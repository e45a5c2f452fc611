//! What a secret is asked for by: a name, an ARN, or an ARN without its six characters; and which
//! version of it.

/// Which version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    /// The one that is read by default.
    Current,
    /// The one with this staging label.
    Stage(String),
    /// The one with this id.
    Id(String),
}

/// The version that `remoteRef.version` means: nothing is the current one, `uuid/ID` an id, and
/// anything else a staging label.
pub(super) fn version(text: Option<&str>) -> Version {
    match text {
        None | Some("" | "AWSCURRENT") => Version::Current,
        Some(text) => match text.strip_prefix("uuid/") {
            Some(id) => Version::Id(id.to_owned()),
            None => Version::Stage(text.to_owned()),
        },
    }
}

/// `key` with `prefix` in front, unless it is an ARN, which is complete as it is.
pub(super) fn full(prefix: &str, key: &str) -> String {
    if key.starts_with("arn:") {
        key.to_owned()
    } else {
        format!("{prefix}{key}")
    }
}

/// Whether the secret with this name and ARN is the one asked for as `id`.
pub(super) fn is(id: &str, name: Option<&str>, arn: Option<&str>) -> bool {
    if !id.starts_with("arn:") {
        return name == Some(id);
    }
    let Some(arn) = arn else { return false };
    // Six characters behind a hyphen.
    let bare = arn
        .len()
        .checked_sub(7)
        .and_then(|end| arn.split_at_checked(end))
        .filter(|(_, suffix)| suffix.starts_with('-'))
        .map(|(bare, _)| bare);
    id == arn || bare == Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (text, expected) in [
            (None, Version::Current),
            (Some(""), Version::Current),
            (Some("AWSCURRENT"), Version::Current),
            (Some("AWSPREVIOUS"), Version::Stage("AWSPREVIOUS".into())),
            (Some("uuid/123"), Version::Id("123".into())),
            (Some("uuid"), Version::Stage("uuid".into())),
        ] {
            assert_eq!(version(text), expected);
        }
    }

    #[test]
    fn an_arn_may_lack_its_six_characters() {
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/x-AbCdEf";
        let partial = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/x";
        for (id, expected) in [
            ("app/x", true),
            (arn, true),
            (partial, true),
            ("app", false),
            ("app/x-AbCdEf", false),
            (
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app",
                false,
            ),
        ] {
            assert_eq!(is(id, Some("app/x"), Some(arn)), expected, "{id}");
        }
        assert!(!is(arn, Some("app/x"), None));
        assert!(!is("arn:x", None, Some("é")));
    }

    #[test]
    fn the_prefix_goes_in_front_of_names_only() {
        assert_eq!(full("team/", "x"), "team/x");
        assert_eq!(full("team/", "arn:aws:x"), "arn:aws:x");
    }
}
