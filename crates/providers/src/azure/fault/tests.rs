use super::*;
use crate::rest::{Answer as _, Judge as _};
use keyless_fault::Fault;

fn answer(status: u16, body: &str, challenge: Option<&str>) -> Answer {
    let mut response = http::Response::builder()
        .status(status)
        .header("x-ms-request-id", "r-1")
        .header("retry-after", "7");
    if let Some(challenge) = challenge {
        response = response.header("www-authenticate", challenge);
    }
    Answer::read(&response.body(Bytes::from(body.to_owned())).unwrap())
}

fn document(code: &str, message: &str, inner: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message, "innererror": {"code": inner}}})
        .to_string()
}

fn judged(answer: &Answer) -> Error {
    Attempt {
        intent: "read secret \"a\"".into(),
        service: "Azure Key Vault v.vault.azure.net",
        permission: "secrets get",
        caller: "client c in tenant t",
        key: Some("a"),
    }
    .judge(answer)
}

#[test]
fn every_code_has_its_row() {
    use Class::{Conflict, Denied, NotFound, Throttled, Unavailable};
    for (status, code, inner, link, class, row) in [
        (401, "Unauthorized", "", Link::Identity, Denied, "Z18"),
        (
            403,
            "Forbidden",
            "ForbiddenByPolicy",
            Link::Permission,
            Denied,
            "Z19",
        ),
        (
            403,
            "Forbidden",
            "ForbiddenByRbac",
            Link::Permission,
            Denied,
            "Z20",
        ),
        (
            403,
            "Forbidden",
            "ForbiddenByFirewall",
            Link::Network,
            Denied,
            "Z21",
        ),
        (
            403,
            "Forbidden",
            "ForbiddenByConnection",
            Link::Network,
            Denied,
            "Z21",
        ),
        (
            403,
            "Forbidden",
            "SecretDisabled",
            Link::Secret,
            Class::Config,
            "Z22",
        ),
        (403, "Forbidden", "", Link::Permission, Denied, "Z19"),
        (404, "SecretNotFound", "", Link::Secret, NotFound, "Z22"),
        (404, "KeyNotFound", "", Link::Secret, NotFound, "Z22"),
        (404, "VaultNotFound", "", Link::Store, Class::Config, "Z22"),
        (
            409,
            "Conflict",
            "ObjectIsDeletedButRecoverable",
            Link::Secret,
            Class::Config,
            "Z22",
        ),
        (
            409,
            "Conflict",
            "ObjectIsBeingDeleted",
            Link::Secret,
            Conflict,
            "",
        ),
        (
            429,
            "Throttled",
            "VaultRequestTypeLimitReached",
            Link::Network,
            Throttled,
            "",
        ),
        (
            500,
            "InternalServerError",
            "",
            Link::Network,
            Unavailable,
            "",
        ),
        (302, "", "", Link::Network, Class::Config, ""),
        (400, "BadParameter", "", Link::Secret, Class::Config, ""),
    ] {
        let error = judged(&answer(status, &document(code, "m", inner), None));
        assert_eq!(
            (error.link(), error.class(), error.code()),
            (link, class, row),
            "{status} {code} {inner}"
        );
        assert_eq!(error.is_no_secret(), class == NotFound, "{code}");
    }
}

#[test]
fn messages_are_short_and_do_not_change() {
    let role = "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=a;oid=o\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nAssignment: (not found)\r\n";
    assert_eq!(
        stable(role),
        "Caller is not authorized to perform action on resource. Caller: appid=a;oid=o Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"
    );
    assert_eq!(
        stable("No get permission. For help resolving this, see x"),
        "No get permission"
    );
}

#[test]
fn only_key_vault_says_that_a_secret_is_missing() {
    for body in ["<html>404</html>", "", r#"{"error":{"code":"NotFound"}}"#] {
        let error = judged(&answer(404, body, None));
        assert!(!error.is_no_secret(), "{error}");
    }
}

#[test]
fn another_tenant_is_named() {
    let challenge = r#"Bearer authorization="https://login.microsoftonline.com/the-other", resource="https://vault.azure.net""#;
    let message = "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/x/";
    let found = answer(401, &document("Unauthorized", message, ""), Some(challenge));
    assert!(!found.token_refused());
    let error = judged(&found);
    assert!(error.required().unwrap().contains("tenant the-other"));
    assert_eq!(error.request_id(), Some("r-1"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(answer(401, &document("Unauthorized", "expired", ""), None).token_refused());
}

#[test]
fn an_unknown_host_is_an_unknown_vault() {
    let attempt = Attempt {
        intent: "read".into(),
        service: "s",
        permission: "secrets get",
        caller: "c",
        key: None,
    };
    let error = |reason: &str| {
        attempt.unanswered(&HttpError::Connect {
            host: "h".into(),
            reason: reason.into(),
        })
    };
    let unknown = error("failed to lookup address information: Name or service not known");
    assert_eq!((unknown.link(), unknown.code()), (Link::Store, "Z22"));
    for other in [
        "connection refused",
        "invalid peer certificate: certificate not valid for name \"v\"; certificate is only \
         valid for DnsName(\"w\")",
    ] {
        assert_eq!(error(other).link(), Link::Network, "{other}");
    }
}
