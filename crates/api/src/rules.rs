//! The texts and bounds of the validation rules, shared by the schemas and the validator.
//!
//! Owns: messages, which are those that users of the API know; bounds of lists and texts; the
//! rules that more than one field has. Refuses: judging a spec, which the validator does.

use crate::schema::Node;

/// Bound of lists that a rule walks. The API has none; without one the API server refuses the
/// rule as too expensive. It is far above anything an object of at most 1.5 MiB is used for.
pub(crate) const MANY: u32 = 4096;
/// Bound of the text of a path that a rule reads.
pub(crate) const LONG_PATH: u32 = 1024;
/// Bound of the text of a duration.
const LONG_DURATION: u32 = 64;

pub(crate) const NO_DATA: &str = "either data or dataFrom should be specified";
pub(crate) const NO_SOURCE: &str = "either extract, find, or sourceRef must be set to dataFrom";
pub(crate) const MANY_SOURCES: &str =
    "extract, find, or generatorRef cannot be set at the same time";
pub(crate) const EMPTY_SOURCE: &str =
    "generatorRef or storeRef must be set when using sourceRef in dataFrom";
pub(crate) const DELETE_NOT_OWNED: &str = "deletionPolicy=Delete must not be used when the \
     controller doesn't own the secret. Please set creationPolicy=Owner";
pub(crate) const MERGE_WITH_NONE: &str = "deletionPolicy=Merge must not be used with \
     creationPolicy=None. There is no Secret to merge with";
pub(crate) const BOOTSTRAP_TOKEN: &str =
    r#"template.type="bootstrap.kubernetes.io/token" is not allowed"#;
pub(crate) const TOKEN_ANNOTATION: &str = r#"template.type="kubernetes.io/service-account-token" with annotation "kubernetes.io/service-account.name" is not allowed"#;
pub(crate) const TOKEN_TARGET: &str = r#"template.type="kubernetes.io/service-account-token" with templateFrom target="Annotations" is not allowed"#;
pub(crate) const TEMPLATE_SCOPE: &str = r#"templateFrom target is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels""#;
pub(crate) const RESERVED_TAGS: &str = "customSessionTags cannot contain automatically injected \
     reserved keys: esoNamespace, esoStoreName, esoStoreKind";
pub(crate) const FORCE_AND_WINDOW: &str =
    "invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays";
pub(crate) const RECOVERY_WINDOW: &str =
    "invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days";
pub(crate) const JWT_WITHOUT_TOKEN: &str = "neither `secretRef` nor \
     `kubernetesServiceAccountToken` was supplied as token source for jwt authentication";
pub(crate) const ONE_CA: &str = "at most one of caBundle and caProvider may be set";
pub(crate) const ONE_OPENBAO_LOGIN: &str =
    "exactly one of appRole, tokenSecretRef and userPass must be set";
pub(crate) const ONE_ROLE_ID: &str = "exactly one of roleId and roleRef must be set";
pub(crate) const ONE_CRD_LOGIN: &str = "exactly one of auth and authRef must be set";
pub(crate) const FAKE_KEY: &str = "key must be set in data";
pub(crate) const FAKE_VALUE: &str = "at least one value must be set in data";
pub(crate) const FOREIGN_NAMESPACE: &str = "namespace should either be empty or match the \
     namespace of the SecretStore for a namespaced SecretStore";

/// The grammar of Go's durations as a regular expression.
const GO_DURATION: &str =
    "^[-+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|\u{b5}s|\u{3bc}s|ms|s|m|h))+)$";

/// An expression for Go's complaint about the text that the expression `text` yields and that is
/// no duration.
fn go_complaint(text: &str) -> String {
    let unknown = format!(
        "{text}.findAll('[0-9.][^0-9.]+').map(unit, unit.substring(1))\
         .filter(unit, !(unit in ['ns', 'us', '\u{b5}s', '\u{3bc}s', 'ms', 's', 'm', 'h']))"
    );
    format!(
        "!{text}.matches('^[-+]?([0-9]|[.][0-9])') \
         ? 'time: invalid duration \"' + {text} + '\"' \
         : {unknown}.size() > 0 \
         ? 'time: unknown unit \"' + {unknown}[0] + '\" in duration \"' + {text} + '\"' \
         : 'time: missing unit in duration \"' + {text} + '\"'"
    )
}

const NO_DURATION: &str = "not a Go duration such as 30s, 15m or 1h30m";

impl Node {
    /// A Go duration, refused in Go's words.
    pub(crate) fn duration(self) -> Self {
        self.max_length(LONG_DURATION).rule_saying(
            &format!("self.matches('{GO_DURATION}')"),
            &go_complaint("self"),
            NO_DURATION,
        )
    }

    /// A store's refresh interval: seconds that are not negative, or such a Go duration.
    pub(crate) fn store_interval(self) -> Self {
        self.max_length(LONG_DURATION)
            .rule_saying(
                "type(self) == int ? self >= 0 : !string(self).matches('^-.*[1-9]')",
                "'invalid refreshInterval ' \
                 + (type(self) == int ? string(self) : '\"' + string(self) + '\"') \
                 + ': must not be negative'",
                "must not be negative",
            )
            .rule_saying(
                &format!("type(self) == int || string(self).matches('{GO_DURATION}')"),
                &format!(
                    "'invalid refreshInterval \"' + string(self) + '\": ' + ({})",
                    go_complaint("string(self)")
                ),
                NO_DURATION,
            )
    }
}
