use super::*;
use keyless_fault::Fault;

fn judged(status: u16, code: &str, message: &str) -> Error {
    let attempt = Attempt {
        intent: "read parameter \"/a\"".into(),
        service: "AWS Parameter Store (eu-central-1)",
        action: "ssm:GetParameter",
        key: Some("/a"),
        throttled: "wait",
    };
    let answer = Answer {
        status,
        code,
        message,
        request_id: None,
        retry_after: None,
    };
    attempt.answered(answer).error
}

#[test]
fn every_code_has_its_row() {
    let user = "User: arn:aws:sts::111122223333:assumed-role/app/s is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/a";
    for (status, code, message, link, class, row) in [
        (
            400,
            "ParameterNotFound",
            "",
            Link::Secret,
            Class::NotFound,
            "A21",
        ),
        (
            400,
            "ParameterVersionNotFound",
            "",
            Link::Secret,
            Class::NotFound,
            "A21",
        ),
        (
            400,
            "AccessDeniedException",
            &*format!("{user} because no identity-based policy allows the ssm:GetParameter action"),
            Link::Permission,
            Class::Denied,
            "A18",
        ),
        (
            400,
            "AccessDeniedException",
            user,
            Link::Permission,
            Class::Denied,
            "A18",
        ),
        (
            400,
            "AccessDeniedException",
            &format!("{user} with an explicit deny in a service control policy"),
            Link::Permission,
            Class::Denied,
            "A6",
        ),
        (
            400,
            "AccessDeniedException",
            &format!("{user} because no permissions boundary allows it"),
            Link::Permission,
            Class::Denied,
            "A18",
        ),
        (
            400,
            "AccessDeniedException",
            &format!("{user} because no VPC endpoint policy allows it"),
            Link::Network,
            Class::Denied,
            "A25",
        ),
        (
            400,
            "AccessDeniedException",
            &user.replace("app/s", "node/i-0123456789abcdef0"),
            Link::Identity,
            Class::Denied,
            "A13",
        ),
        (
            400,
            "AccessDeniedException",
            "User: x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-central-1:1:key/k because no identity-based policy allows it",
            Link::Decryption,
            Class::Denied,
            "A20",
        ),
        (
            400,
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
            Link::Decryption,
            Class::Denied,
            "A20",
        ),
        (
            400,
            "InvalidKeyId",
            "",
            Link::Decryption,
            Class::Denied,
            "A20",
        ),
        (
            400,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: X",
            Link::Secret,
            Class::NotFound,
            "A21",
        ),
        (
            400,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            Link::Secret,
            Class::NotFound,
            "A22",
        ),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            Link::Decryption,
            Class::Denied,
            "A20",
        ),
        (
            400,
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
            Link::Decryption,
            Class::Denied,
            "A20",
        ),
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            Link::Network,
            Class::Throttled,
            "A23",
        ),
        (
            400,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            Link::Identity,
            Class::Denied,
            "A11",
        ),
        (
            400,
            "ExpiredTokenException",
            "",
            Link::Identity,
            Class::Denied,
            "K12",
        ),
        (
            400,
            "ValidationException",
            "bad name",
            Link::Secret,
            Class::Config,
            "",
        ),
        (
            500,
            "InternalServerError",
            "",
            Link::Network,
            Class::Unavailable,
            "",
        ),
        (503, "Unknown", "", Link::Network, Class::Unavailable, ""),
    ] {
        let error = judged(status, code, message);
        assert_eq!(
            (error.link(), error.class(), error.code()),
            (link, class, row),
            "{code} {message}"
        );
        let absent = matches!(code, "ParameterNotFound" | "ResourceNotFoundException");
        assert_eq!(error.is_no_secret(), absent || row == "A22");
    }
}

#[test]
fn a_denial_names_action_and_resource() {
    let error = judged(
        400,
        "AccessDeniedException",
        "User: u is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-central-1:1:parameter/a because no identity-based policy allows the ssm:GetParameters action",
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("Allow ssm:GetParameters on arn:aws:ssm:eu-central-1:1:parameter/a in"),
        "{hint}"
    );
}
