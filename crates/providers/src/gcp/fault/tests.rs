use super::*;
use crate::rest::{Answer as _, Judge as _};
use keyless_fault::Fault;

fn answer(status: u16, code: &str, message: &str, reason: &str) -> Answer {
    let body = serde_json::json!({"error": {"code": status, "status": code, "message": message,
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "r-1"}]}});
    let response = http::Response::builder()
        .status(status)
        .header("retry-after", "7")
        .body(Bytes::from(body.to_string()));
    Answer::read(&response.unwrap())
}

fn judged(answer: &Answer) -> Error {
    Attempt {
        intent: "read secret \"a\"".into(),
        service: "Google Secret Manager (project p)",
        project: "p",
        permission: "secretmanager.versions.access",
        caller: "serviceAccount:a@p.iam.gserviceaccount.com",
        key: Some("a"),
    }
    .judge(answer)
}

#[test]
fn every_row_of_the_catalogue() {
    use Class::{Config, Conflict, Denied, NotFound, Throttled, Unavailable};
    let access = "Permission 'secretmanager.versions.access' denied for resource 'projects/p/secrets/a/versions/latest' (or it may not exist).";
    for (status, code, message, reason, link, class, row) in [
        (
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
            "",
            Link::Identity,
            Denied,
            "G11",
        ),
        (
            403,
            "PERMISSION_DENIED",
            access,
            "IAM_PERMISSION_DENIED",
            Link::Permission,
            Denied,
            "G12",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Secret Manager API has not been used in project 1 before or it is disabled.",
            "SERVICE_DISABLED",
            Link::Store,
            Denied,
            "G10",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x",
            "SECURITY_POLICY_VIOLATED",
            Link::Network,
            Denied,
            "G22",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "Permission denied on resource project p.",
            "CONSUMER_INVALID",
            Link::Store,
            Denied,
            "G12",
        ),
        (
            404,
            "NOT_FOUND",
            "Secret [projects/1/secrets/a] not found or has no versions.",
            "",
            Link::Secret,
            NotFound,
            "G13",
        ),
        (
            404,
            "NOT_FOUND",
            "Project 'p' not found or deleted.",
            "",
            Link::Store,
            Config,
            "G12",
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "Secret Version [projects/1/secrets/a/versions/1] is in DISABLED state.",
            "",
            Link::Secret,
            Config,
            "G13",
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "Secret Version [projects/1/secrets/a/versions/1] is in DESTROYED state.",
            "",
            Link::Secret,
            Config,
            "G13",
        ),
        (400, "INVALID_ARGUMENT", "x", "", Link::Secret, Config, ""),
        (409, "ALREADY_EXISTS", "x", "", Link::Secret, Conflict, ""),
        (409, "ABORTED", "x", "", Link::Secret, Conflict, ""),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded",
            "RATE_LIMIT_EXCEEDED",
            Link::Network,
            Throttled,
            "",
        ),
        (500, "INTERNAL", "x", "", Link::Network, Unavailable, ""),
        (503, "UNAVAILABLE", "x", "", Link::Network, Unavailable, ""),
        (302, "", "", "", Link::Network, Config, ""),
    ] {
        let error = judged(&answer(status, code, message, reason));
        assert_eq!(
            (error.link(), error.class(), error.code()),
            (link, class, row),
            "{status} {code} {message}"
        );
        assert_eq!(error.is_no_secret(), class == NotFound, "{message}");
    }
    let error = judged(&answer(403, "PERMISSION_DENIED", access, ""));
    assert_eq!(error.request_id(), Some("r-1"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(
        error
            .hint()
            .unwrap()
            .contains("roles/secretmanager.secretAccessor")
    );
}

#[test]
fn only_google_says_that_a_secret_is_missing() {
    for body in [
        "<html>404</html>",
        "",
        r#"{"error":"not found"}"#,
        r#"{"error":{"code":404}}"#,
    ] {
        let response = http::Response::builder().status(404);
        let found = Answer::read(&response.body(Bytes::from(body)).unwrap());
        let error = judged(&found);
        assert!(!error.is_no_secret(), "{error}");
    }
}

#[test]
fn messages_do_not_change_from_call_to_call() {
    assert_eq!(
        stable(
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc"
        ),
        "Request is prohibited by organization's policy"
    );
}
