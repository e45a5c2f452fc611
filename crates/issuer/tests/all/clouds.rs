//! The sandbox's clouds trust the published issuer: AWS, Entra and Google take tokens of a published
//! key, keep taking old ones through a change of keys, and refuse what is broken.

use axum::Router;
use axum::body::Body;
use http::Request;
use keyless_issuer::keygen::SigningKey;
use keyless_sandbox::aws::{Aws, AwsOptions};
use keyless_sandbox::azure::{Azure, AzureOptions};
use keyless_sandbox::gcp::{Gcp, GcpOptions, OidcProvider};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::publishing::{Publication, folder};
use crate::real::broken_tokens;
use crate::site::{Authority, HOST, ISSUER, Leaf, Site, claims, directory, key};

const SUBJECT: &str = "system:serviceaccount:shop:web";

struct Clouds {
    aws: Aws,
    role: String,
    azure: Azure,
    client: String,
    gcp: Gcp,
}

impl Clouds {
    fn new(site: &Site, pem: &str) -> Self {
        let hosts = || [(HOST.to_owned(), site.address)].into();
        let aws = Aws::new(AwsOptions {
            roots: pem.to_owned(),
            hosts: hosts(),
            ..AwsOptions::default()
        });
        let provider = aws.create_oidc_provider(ISSUER, &["cloud"]).unwrap();
        let keys = ISSUER.strip_prefix("https://").unwrap();
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
            "Condition": {"StringEquals": {format!("{keys}:sub"): SUBJECT, format!("{keys}:aud"): "cloud"}},
        }]});
        let role = aws.create_role("web", &trust.to_string()).unwrap();
        let azure = Azure::new(AzureOptions {
            roots: pem.to_owned(),
            hosts: hosts(),
            ..AzureOptions::default()
        })
        .unwrap();
        let client = azure.create_managed_identity("web").client_id;
        azure
            .add_federated_credential(&client, "web", ISSUER, SUBJECT, "cloud")
            .unwrap();
        let gcp = Gcp::new(GcpOptions {
            roots: pem.to_owned(),
            hosts: hosts(),
            ..GcpOptions::default()
        });
        gcp.create_pool("my-gcp-project", "pool").unwrap();
        let provider = OidcProvider {
            issuer: ISSUER.into(),
            audiences: vec!["cloud".into()],
            ..OidcProvider::default()
        };
        gcp.create_oidc_provider("my-gcp-project", "pool", "kubernetes", &provider)
            .unwrap();
        Self {
            aws,
            role,
            azure,
            client,
            gcp,
        }
    }

    /// Which clouds take the token.
    async fn take(&self, token: &str) -> [bool; 3] {
        let form = |fields: &[(&str, &str)]| {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(fields).finish()
        };
        let aws = form(&[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role),
            ("RoleSessionName", "test"),
            ("WebIdentityToken", token),
        ]);
        let entra = form(&[
            ("client_id", &self.client),
            ("scope", "https://vault.azure.net/.default"),
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", token),
        ]);
        let audience = format!("//iam.googleapis.com/{}", self.provider());
        let google = form(&[
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", &audience),
            ("scope", "https://www.googleapis.com/auth/cloud-platform"),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ("subject_token", token),
        ]);
        let tenant = format!("/{}/oauth2/v2.0/token", self.azure.tenant());
        [
            post(self.aws.router(), "sts.amazonaws.com", "/", aws).await,
            post(
                self.azure.router(),
                "login.microsoftonline.com",
                &tenant,
                entra,
            )
            .await,
            post(self.gcp.router(), "sts.googleapis.com", "/v1/token", google).await,
        ]
    }

    fn provider(&self) -> String {
        let name = self
            .gcp
            .provider_audience("my-gcp-project", "pool", "kubernetes")
            .unwrap();
        name.trim_start_matches("//iam.googleapis.com/").to_owned()
    }

    /// As if the time that they keep a key set were over.
    fn forget(&self) {
        self.aws.forget_issuer_keys();
        self.azure.forget_issuer_keys();
        self.gcp.forget_issuer_keys();
    }
}

async fn post(router: Router, host: &str, path: &str, body: String) -> bool {
    let request = Request::post(path)
        .header("host", host)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    router.oneshot(request).await.unwrap().status() == 200
}

fn token(key: &SigningKey) -> String {
    let claims: Value = claims(ISSUER);
    key.sign(&claims).unwrap()
}

#[tokio::test]
async fn through_a_change_of_keys() {
    let (files, target) = folder();
    let public = Authority::new("public");
    let site = Site::start(
        public.config(&Leaf::default(), &[]),
        directory(files.path(), "/c"),
    )
    .await;
    let clouds = Clouds::new(&site, &public.pem);
    let (all, none) = ([true; 3], [false; 3]);
    assert_eq!(
        clouds.take(&token(key(0))).await,
        none,
        "nothing is published yet"
    );
    Publication::of(&[key(0)]).publish(&target).await.unwrap();
    clouds.forget();
    assert_eq!(clouds.take(&token(key(0))).await, all);
    for broken in broken_tokens(key(0), key(1), ISSUER) {
        assert_eq!(clouds.take(&broken).await, none);
    }
    // Signed too early: nobody knows the key.
    assert_eq!(clouds.take(&token(key(1))).await, none);
    // Announced, signed, and both are good.
    Publication::of(&[key(0), key(1)])
        .publish(&target)
        .await
        .unwrap();
    clouds.forget();
    assert_eq!(clouds.take(&token(key(1))).await, all);
    assert_eq!(clouds.take(&token(key(0))).await, all);
    // Retired.
    let retired = Publication {
        retire: vec![key(0)],
        ..Publication::of(&[key(1)])
    };
    retired.publish(&target).await.unwrap();
    clouds.forget();
    assert_eq!(clouds.take(&token(key(0))).await, none);
    assert_eq!(clouds.take(&token(key(1))).await, all);
}
