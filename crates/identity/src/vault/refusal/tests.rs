use super::*;
use crate::vault::{Product, Server};
use crate::{Peer, Sealed};

fn login(method: Method) -> Login {
    Login {
        server: Server::new(
            Product::Vault,
            "https://v",
            &Default::default(),
            Peer::default(),
        )
        .unwrap(),
        namespace: None,
        method,
    }
}

fn account() -> Subject {
    Subject::Account {
        namespace: "ns".into(),
        name: "sa".into(),
        uid: "u".into(),
        audiences: vec!["vault".into()],
        ttl: std::time::Duration::from_secs(600),
    }
}

fn judged(method: Method, status: u16, text: &str) -> Verdict {
    let token = TokenFacts {
        issuer: "https://issuer.example".into(),
        subject: "system:serviceaccount:ns:sa".into(),
        audiences: vec!["vault".into()],
        key_id: Some("k1".into()),
        ..TokenFacts::default()
    };
    Attempt {
        login: &login(method),
        token: Some(&token),
    }
    .judge(status, text)
}

#[test]
fn every_text_of_the_jwt_method_has_its_row() {
    let method = || Method::Jwt {
        mount: "jwt".into(),
        role: "app".into(),
        subject: account(),
    };
    let validating = "error validating token: ";
    for (status, text, link, code) in [
        (400, "role \"app\" could not be found".to_owned(), Link::TrustObject, "V2"),
        (400, "missing role".into(), Link::TrustObject, "V2"),
        (400, format!("{validating}invalid issuer (iss) claim"), Link::TrustObject, "V4"),
        (400, format!("{validating}invalid subject (sub) claim"), Link::TrustObject, "V2"),
        (400, format!("{validating}invalid audience (aud) claim: audience claim does not match any expected audience"), Link::TrustObject, "V3"),
        (400, "audience claim found in JWT but no audiences bound to the role".into(), Link::TrustObject, "V3"),
        (400, format!("{validating}invalid expiration time (exp) claim: token is expired"), Link::Token, "K11"),
        (400, format!("{validating}invalid not before (nbf) claim: token not yet valid"), Link::Token, "K12"),
        (400, format!("{validating}invalid issued at (iat) claim: token issued in the future"), Link::Token, "K12"),
        (400, format!("{validating}error verifying token signature: failed to verify id token signature"), Link::Keys, "K7"),
        (400, format!("{validating}no known key successfully validated the token signature"), Link::Keys, "V6"),
        (400, format!("{validating}token signed with unexpected algorithm"), Link::Keys, "K6"),
        (400, "error checking oidc discovery URL".into(), Link::IssuerDocument, "V5"),
        (400, "could not load configuration".into(), Link::TrustObject, "V5"),
        (400, "claim \"x\" not found in token".into(), Link::TrustObject, "V2"),
        (400, "error validating claims: claim \"/kubernetes.io/namespace\" does not match any associated bound claim values".into(), Link::TrustObject, "V2"),
        (400, format!("{validating}not a JWT"), Link::Token, "K16"),
        (400, format!("{validating}error verifying token signature: oidc: malformed jwt: go-jose/go-jose: compact JWS format must have three parts"), Link::Token, "K16"),
        (403, "permission denied".into(), Link::TrustObject, ""),
        (404, "no handler for route \"auth/jwt/login\". route entry not found.".into(), Link::TrustObject, ""),
    ] {
        let found = judged(method(), status, &text);
        assert_eq!((found.link, found.code, found.class), (link, code, Class::Denied), "{text}");
        assert!(found.hint.is_some(), "{text}");
    }
}

#[test]
fn every_text_of_the_kubernetes_method_has_its_row() {
    let method = || Method::Kubernetes {
        mount: "kubernetes".into(),
        role: "app".into(),
        subject: account(),
    };
    for (status, text, code) in [
        (403, "permission denied", "V1"),
        (403, "service account name not authorized", "V2"),
        (403, "namespace not authorized", "V2"),
        (400, "invalid role name \"app\"", "V2"),
        (
            403,
            "invalid audience (aud) claim: audience claim does not match any expected audience",
            "V3",
        ),
        (500, "could not load backend configuration", "V5"),
    ] {
        let found = judged(method(), status, text);
        assert_eq!(
            (found.link, found.code),
            (Link::TrustObject, code),
            "{text}"
        );
        assert_eq!(found.class, Class::Denied);
    }
    let times = "invalid expiration time (exp) claim: token is expired";
    let expired = judged(method(), 403, times);
    assert_eq!((expired.link, expired.code), (Link::Token, "K11"));
    let bound = judged(method(), 403, "service account name not authorized");
    assert!(bound.hint.unwrap().contains("ns/sa"));
}

#[test]
fn trouble_of_the_server_is_nobody_s_refusal() {
    for (status, text, class) in [
        (500, "internal error", Class::Unavailable),
        (502, "", Class::Unavailable),
        (503, "Vault is sealed", Class::Unavailable),
        (
            429,
            "request path \"auth/jwt/login\": rate limit quota exceeded",
            Class::Throttled,
        ),
    ] {
        let method = Method::AppRole {
            mount: "approle".into(),
            role_id: Sealed::new("a".into()),
            secret_id: Sealed::new("b".into()),
        };
        let found = judged(method, status, text);
        assert_eq!((found.link, found.class), (Link::Network, class), "{text}");
    }
}

#[test]
fn every_text_of_the_aws_method_has_its_row() {
    let method = || Method::Iam {
        mount: "aws".into(),
        role: "app".into(),
        server_id: None,
        login: Box::new(crate::aws::Login {
            region: crate::aws::Region::parse("us-east-1").unwrap(),
            source: crate::aws::Source::Operator,
            hops: Vec::new(),
        }),
    };
    for (text, link, code) in [
        ("entry for role app not found", Link::TrustObject, "V2"),
        (
            "IAM Principal \"arn:x\" does not belong to the role \"app\"",
            Link::TrustObject,
            "V2",
        ),
        (
            "error validating X-Vault-AWS-IAM-Server-ID header: missing",
            Link::TrustObject,
            "V2",
        ),
        (
            "error making upstream request: received error code 403 from STS",
            Link::Identity,
            "",
        ),
    ] {
        let found = judged(method(), 400, text);
        assert_eq!((found.link, found.code), (link, code), "{text}");
        assert!(found.hint.is_some() && found.required.is_some(), "{text}");
    }
}

#[test]
fn every_text_of_the_gcp_method_has_its_row() {
    let method = || Method::Gcp {
        mount: "gcp".into(),
        role: "app".into(),
        login: Box::new(crate::gcp::Login {
            cloud: crate::gcp::Cloud::of(&crate::Environment::default()).unwrap(),
            source: crate::gcp::Source::Metadata,
            impersonate: None,
            quota_project: None,
        }),
    };
    for (text, link, code) in [
        ("role \"app\" not found", Link::TrustObject, "V2"),
        (
            "service account a@p.iam.gserviceaccount.com (id: 1) is not authorized for role",
            Link::TrustObject,
            "V2",
        ),
        (
            "role requires that service account JWTs expire within 900 seconds",
            Link::TrustObject,
            "V2",
        ),
        (
            "service account public key fetch failed",
            Link::Identity,
            "",
        ),
    ] {
        let found = judged(method(), 400, text);
        assert_eq!((found.link, found.code), (link, code), "{text}");
        assert!(found.hint.is_some() && found.required.is_some(), "{text}");
    }
}

#[test]
fn stored_secrets_are_judged_as_such() {
    let password = Method::Password {
        kind: "userpass",
        mount: "userpass".into(),
        username: "u".into(),
        password: Sealed::new("p".into()),
    };
    let certificate = Method::Certificate {
        mount: "cert".into(),
        role: String::new(),
    };
    for (method, text) in [
        (password, "invalid username or password"),
        (
            certificate,
            "invalid certificate or no client certificate supplied",
        ),
        (Method::Token(Sealed::new("t".into())), "permission denied"),
    ] {
        let found = judged(method, 400, text);
        assert_eq!((found.link, found.class), (Link::Identity, Class::Denied));
        assert!(found.hint.is_some());
    }
}
