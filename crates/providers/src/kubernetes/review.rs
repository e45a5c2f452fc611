//! Whether the identity may read Secrets at all.
//!
//! Owns: one SelfSubjectRulesReview and what its rules mean. Refuses: reading a Secret for a
//! test: which one would be anybody's guess.

use http::Method;
use keyless_fault::{Class, Link};
use serde::Deserialize;
use serde_json::json;

use super::calls::{Call, Calls, read};
use crate::{Error, Validation};

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    resource_rules: Vec<Rule>,
    #[serde(default)]
    incomplete: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
}

impl Rule {
    fn reads_secrets(&self) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|x| x == wanted || x == "*");
        has(&self.verbs, "get") && has(&self.resources, "secrets") && has(&self.api_groups, "")
    }
}

/// Asks the API server what the identity may do in the store's namespace.
///
/// # Errors
/// The server does not know the identity, or it may not read Secrets there.
pub(super) async fn validate(calls: &Calls) -> Result<Validation, Error> {
    let namespace = calls.namespace();
    let attempt = calls.attempt(
        format!("ask for the rights in namespace {namespace}"),
        "get",
    );
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    });
    let call = Call {
        name: "CreateSelfSubjectRulesReview",
        method: Method::POST,
        path: "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        body: Some(&body),
    };
    let answer = calls.make(&attempt, &call).await?;
    if !answer.status().is_success() {
        return Err(attempt.refused(&answer));
    }
    let review: Review = read(&attempt, &answer)?;
    if review.status.resource_rules.iter().any(Rule::reads_secrets) {
        return Ok(Validation::Valid);
    }
    if review.status.incomplete {
        // An authorizer that cannot list its rules may still allow: only a read can tell.
        return Ok(Validation::Unknown(
            "the API server cannot list every right of the identity".into(),
        ));
    }
    Err(Error::Provider {
        intent: format!("use {}", attempt.service),
        service: attempt.service.to_owned(),
        provider_code: "Forbidden".into(),
        message: "client is not allowed to get secrets".into(),
        request_id: None,
        link: Link::Permission,
        class: Class::Denied,
        code: "",
        required: Some(format!(
            "verb get on resource secrets in namespace {namespace}"
        )),
        hint: Some(format!(
            "Bind a Role with that rule to {} in namespace {namespace}",
            attempt.identity
        )),
        retry_after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_let_secrets_be_read() {
        for (rule, reads) in [
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["secrets"]}"#,
                true,
            ),
            (
                r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}"#,
                true,
            ),
            (
                r#"{"verbs":["list"],"apiGroups":[""],"resources":["secrets"]}"#,
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["secrets"]}"#,
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["secrets/x"]}"#,
                false,
            ),
            (r#"{"verbs":["get"],"resources":["secrets"]}"#, false),
        ] {
            let parsed: Rule = serde_json::from_str(rule).unwrap();
            assert_eq!(parsed.reads_secrets(), reads, "{rule}");
        }
    }
}
