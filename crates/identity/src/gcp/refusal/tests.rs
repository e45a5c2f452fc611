use super::*;
use crate::Environment;
use crate::gcp::{Cloud, Impersonation, Subject};
use keyless_trust::gcp::PoolProvider;
use std::time::Duration;

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1";

fn judged(step: Step, status: u16, code: &str, message: &str, reason: &str) -> Verdict {
    let login = Login {
        cloud: Cloud::of(&Environment::default()).unwrap(),
        source: Source::Federated {
            pool: Pool::Provider(PoolProvider::parse(AUDIENCE).unwrap()),
            subject: Subject::ServiceAccount {
                namespace: "ns".into(),
                name: "sa".into(),
                uid: "u".into(),
                audiences: vec![],
            },
        },
        quota_project: None,
        impersonate: Some(Impersonation {
            email: "a@p.iam.gserviceaccount.com".into(),
            life: Duration::from_secs(3600),
        }),
    };
    let token = TokenFacts {
        issuer: "https://issuer.example/c1".into(),
        key_id: Some("k1".into()),
        ..TokenFacts::default()
    };
    Attempt {
        login: &login,
        step,
        audience: AUDIENCE,
        token: Some(&token),
    }
    .judge(
        status,
        &Refusal {
            code: code.into(),
            message: message.into(),
            reason: reason.into(),
            request_id: None,
        },
    )
}

#[test]
fn every_row_of_the_catalogue() {
    use Class::{Config, Denied, NotFound, Throttled, Unavailable};
    use Step::{Binding, Impersonate, Key, Sign, Sts};
    let target = "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.";
    for (step, status, code, message, link, class, row) in [
        (
            Sts,
            400,
            "invalid_target",
            target,
            Link::TrustObject,
            Denied,
            "G1",
        ),
        (
            Sts,
            400,
            "invalid_request",
            "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider",
            Link::TrustObject,
            Config,
            "G2",
        ),
        (
            Sts,
            400,
            "invalid_grant",
            "The audience in ID Token [x] does not match the expected audience y.",
            Link::TrustObject,
            Denied,
            "G3",
        ),
        (
            Sts,
            400,
            "invalid_grant",
            "Error connecting to the given credential's issuer.",
            Link::IssuerDocument,
            Denied,
            "G4",
        ),
        (
            Sts,
            400,
            "invalid_grant",
            "The issuer in ID Token https://x does not match the expected ones.",
            Link::TrustObject,
            Denied,
            "G5",
        ),
        (
            Sts,
            400,
            "invalid_grant",
            "ID Token issued at 1 is stale to sign-in.",
            Link::Token,
            Denied,
            "G6",
        ),
        (
            Sts,
            400,
            "invalid_grant",
            "Unable to verify the ID Token signature.",
            Link::Keys,
            Denied,
            "K7",
        ),
        (
            Sts,
            400,
            "unauthorized_client",
            "The given credential is rejected by the attribute condition.",
            Link::TrustObject,
            Denied,
            "G7",
        ),
        (
            Sts,
            400,
            "invalid_request",
            "The size of mapped attribute google.subject exceeds the 127 bytes limit.",
            Link::TrustObject,
            Denied,
            "G8",
        ),
        (Sts, 429, "quota_exceeded", "", Link::Network, Throttled, ""),
        (Sts, 503, "", "", Link::Network, Unavailable, ""),
        (Sts, 302, "", "", Link::Network, Config, ""),
        (
            Impersonate,
            403,
            "PERMISSION_DENIED",
            "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
            Link::Identity,
            Denied,
            "G9",
        ),
        (
            Impersonate,
            404,
            "NOT_FOUND",
            "Gaia id not found",
            Link::Identity,
            Denied,
            "G9",
        ),
        (
            Impersonate,
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
            Link::Identity,
            Denied,
            "G11",
        ),
        (
            Impersonate,
            400,
            "INVALID_ARGUMENT",
            "The token lifetime exceeds",
            Link::Identity,
            Config,
            "",
        ),
        (
            Sign,
            403,
            "PERMISSION_DENIED",
            "Permission 'iam.serviceAccounts.signJwt' denied",
            Link::Identity,
            Denied,
            "G9",
        ),
        (
            Sign,
            403,
            "PERMISSION_DENIED",
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x",
            Link::Network,
            Denied,
            "G22",
        ),
        (
            Binding,
            400,
            "INVALID_ARGUMENT",
            "Identity Pool does not exist (p.svc.id.goog).",
            Link::TrustObject,
            Denied,
            "G19",
        ),
        (
            Binding,
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
            Link::TrustObject,
            Denied,
            "G19",
        ),
        (Binding, 404, "", "", Link::Identity, NotFound, ""),
        (
            Key,
            400,
            "invalid_grant",
            "Invalid JWT Signature.",
            Link::Identity,
            Denied,
            "",
        ),
        (
            Key,
            400,
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
            Link::Token,
            Denied,
            "K12",
        ),
    ] {
        let verdict = judged(step, status, code, message, "");
        assert_eq!(
            (verdict.link, verdict.class, verdict.code),
            (link, class, row),
            "{message}"
        );
    }
    let disabled = judged(Sts, 403, "PERMISSION_DENIED", "x", "SERVICE_DISABLED");
    assert_eq!(disabled.code, "G10");
}

#[test]
fn a_missing_role_names_who_needs_it() {
    let verdict = judged(Step::Impersonate, 403, "PERMISSION_DENIED", "", "");
    assert!(verdict.required.unwrap().contains(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/subject/system:serviceaccount:ns:sa"
    ));
    assert!(
        verdict
            .hint
            .unwrap()
            .contains("roles/iam.workloadIdentityUser")
    );
}
