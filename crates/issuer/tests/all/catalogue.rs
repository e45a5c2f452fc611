//! Every row of the catalogue's families K and P that one machine can produce, produced by real
//! servers, and found under its code and no other.
//!
//! Not here: P2 and P18 (beside their targets and in the plan's own tests), K10 (with the change of
//! the issuer, and on a real API server), K17 (the command's own test).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keyless_issuer::cluster::{Account, ApiServer};
use keyless_issuer::documents::{Discovery, KeySet};
use keyless_issuer::fetch::{Look, Outlook, unix_now};
use keyless_issuer::keygen::{KeyKind, SigningKey};
use keyless_issuer::marker::Marker;
use keyless_issuer::rules::servers::judge;
use keyless_issuer::verify::{Question, Report, Sample, verify};
use keyless_issuer::{Code, Finding, Severity};
use keyless_trust::Issuer;
use kube::client::Body;
use rustls::ServerConfig;
use serde_json::{Value, json};

use crate::site::{
    Authority, HOST, ISSUER, Leaf, Page, Site, claims, key, pages, self_signed, set,
};

const DISCOVERY: &str = "/c/.well-known/openid-configuration";
const KEYS: &str = "/c/openid/v1/jwks";

/// A site that is as it should be, a question about it, and what is changed for a row.
struct Row {
    public: Authority,
    config: Option<ServerConfig>,
    pages: BTreeMap<String, Page>,
    question: Question,
    plain: bool,
}

impl Row {
    fn new() -> Self {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let keys = set(&[key(0)]);
        let algorithms: Vec<_> = keys.keys().map(|k| k.alg).collect();
        let document = Discovery::canonical(&issuer, &algorithms);
        Self {
            public: Authority::new("public"),
            config: None,
            pages: BTreeMap::from([
                (DISCOVERY.to_owned(), Page::json(document.to_bytes())),
                (KEYS.to_owned(), Page::json(keys.to_bytes())),
            ]),
            question: Question {
                issuer: ISSUER.into(),
                ..Question::default()
            },
            plain: false,
        }
    }

    /// The discovery document with some members changed; null takes one away.
    fn document(mut self, change: Value) -> Self {
        let issuer = Issuer::parse(ISSUER).unwrap();
        let mut document =
            Discovery::canonical(&issuer, &[keyless_issuer::documents::Algorithm::Rs256])
                .to_value();
        for (name, value) in change.as_object().unwrap() {
            let members = document.as_object_mut().unwrap();
            members.insert(name.clone(), value.clone());
            if value.is_null() {
                members.remove(name);
            }
        }
        self.pages
            .insert(DISCOVERY.into(), Page::json(document.to_string()));
        self
    }

    fn page(mut self, path: &str, page: Page) -> Self {
        self.pages.insert(path.to_owned(), page);
        self
    }

    fn body(self, path: &str, body: impl Into<Vec<u8>>) -> Self {
        self.page(path, Page::json(body))
    }

    /// The same page with one more header.
    fn header(mut self, path: &str, name: &'static str, value: &str) -> Self {
        self.pages
            .get_mut(path)
            .unwrap()
            .headers
            .push((name, value.to_owned()));
        self
    }

    fn slow(mut self, path: &str, delay: Duration) -> Self {
        self.pages.get_mut(path).unwrap().delay = delay;
        self
    }

    fn moved(mut self, to: &str) -> Self {
        let page = self.pages.remove(DISCOVERY).unwrap();
        self.page(to, page)
    }

    fn without(mut self, path: &str) -> Self {
        self.pages.remove(path);
        self
    }

    fn keys(self, keys: &Value) -> Self {
        self.body(KEYS, json!({ "keys": keys }).to_string())
    }

    fn certificate(mut self, config: impl FnOnce(&Authority) -> ServerConfig) -> Self {
        self.config = Some(config(&self.public));
        self
    }

    fn token(mut self, text: String) -> Self {
        self.question.tokens.push(Sample {
            name: "token".into(),
            text,
            audience: Some("cloud".into()),
            subject: Some("system:serviceaccount:shop:web".into()),
            seconds: Some(600),
        });
        self
    }

    fn claim(self, change: Value) -> Self {
        let mut claims = claims(ISSUER);
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.token(key(0).sign(&claims).unwrap())
    }

    fn ask(mut self, change: impl FnOnce(&mut Question)) -> Self {
        change(&mut self.question);
        self
    }

    async fn report(self) -> Report {
        let config = self
            .config
            .unwrap_or_else(|| self.public.config(&Leaf::default(), &[]));
        if self.plain {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = pages(self.pages);
            tokio::spawn(async move { axum::serve(listener, router).await });
            let outlook = crate::site::outlook(address, &self.public.pem, true);
            return verify(&outlook, &self.question).await;
        }
        let site = Site::start(config, pages(self.pages)).await;
        verify(&site.outlook(&self.public.pem), &self.question).await
    }
}

/// The codes of warnings and worse.
fn codes(findings: &[Finding]) -> BTreeSet<Code> {
    let bad = findings.iter().filter(|f| f.severity >= Severity::Warning);
    bad.map(|f| f.code).collect()
}

async fn check(name: &str, row: Row, expected: &[Code]) {
    let report = row.report().await;
    let expected: BTreeSet<Code> = expected.iter().copied().collect();
    assert_eq!(
        codes(&report.findings),
        expected,
        "{name}: {:#?}",
        report.findings
    );
    for finding in &report.findings {
        assert!(
            [
                &finding.observed,
                &finding.required,
                &finding.fix,
                &finding.subject
            ]
            .into_iter()
            .all(|t| !t.is_empty()),
            "{name}: {finding:?} lacks a part"
        );
    }
}

fn jwk(key: &SigningKey) -> Value {
    key.jwk()
        .members()
        .into_iter()
        .map(|(n, v)| (n.to_owned(), json!(v)))
        .collect()
}

fn with(member: &str, value: Value) -> Value {
    let mut jwk = jwk(key(0));
    jwk[member] = value;
    jwk
}

#[tokio::test]
async fn all_is_well() {
    check("the site itself", Row::new().claim(json!({})), &[]).await;
    let lean = Row::new().document(json!({"authorization_endpoint": null}));
    check("without the sixth field", lean, &[]).await;
    let octets = Page::status(200, &[("content-type", "application/octet-stream")], "");
    let mut row = Row::new();
    row.pages.get_mut(KEYS).unwrap().headers = octets.headers;
    check("another content type", row, &[]).await;
}

#[tokio::test]
async fn storage_refuses() {
    let xml = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    for (name, status, headers, body, code) in [
        (
            "S3 refuses",
            403,
            vec![("server", "AmazonS3")],
            xml("AccessDenied"),
            Code::P1,
        ),
        (
            "Azure refuses",
            409,
            vec![("x-ms-error-code", "PublicAccessNotPermitted")],
            String::new(),
            Code::P3,
        ),
        (
            "a private container",
            404,
            vec![("x-ms-error-code", "ResourceNotFound")],
            String::new(),
            Code::P3,
        ),
        (
            "Google refuses",
            403,
            vec![("x-guploader-uploadid", "x")],
            xml("AccessDenied"),
            Code::P4,
        ),
        (
            "a bucket that is gone",
            404,
            vec![("server", "AmazonS3")],
            xml("NoSuchBucket"),
            Code::P15,
        ),
        ("a rate limit", 429, vec![], String::new(), Code::P6),
        ("a server in trouble", 502, vec![], String::new(), Code::P6),
        (
            "a redirect",
            301,
            vec![("location", "https://www.issuer.example.com/")],
            String::new(),
            Code::P11,
        ),
    ] {
        for path in [DISCOVERY, KEYS] {
            let row = Row::new().page(path, Page::status(status, &headers, &body));
            check(name, row, &[code]).await;
        }
    }
}

#[tokio::test]
async fn certificates() {
    let leaf = |change: fn(&mut Leaf)| {
        move |authority: &Authority| {
            let mut leaf = Leaf::default();
            change(&mut leaf);
            authority.config(&leaf, &[])
        }
    };
    for (name, row, said) in [
        (
            "expired",
            Row::new().certificate(leaf(|l| l.years = (2020, 2021))),
            "expired",
        ),
        (
            "not yet",
            Row::new().certificate(leaf(|l| l.years = (2048, 2049))),
            "valid only from",
        ),
        (
            "another name",
            Row::new().certificate(leaf(|l| l.names = vec!["other.example.com".into()])),
            "other.example.com",
        ),
        (
            "signed by itself",
            Row::new().certificate(|_| self_signed()),
            "signed itself",
        ),
        (
            "a private authority",
            Row::new().certificate(|_| Authority::new("private").config(&Leaf::default(), &[])),
            "no authority",
        ),
        (
            "a missing intermediate",
            Row::new().certificate(|public| {
                let leaf = Leaf {
                    fetchable: true,
                    ..Leaf::default()
                };
                public.intermediate("between").config(&leaf, &[])
            }),
            "without the certificates between",
        ),
        (
            "no TLS",
            Row {
                plain: true,
                ..Row::new()
            },
            "no TLS",
        ),
    ] {
        let report = row.report().await;
        assert_eq!(
            codes(&report.findings),
            [Code::P5].into(),
            "{name}: {:?}",
            report.findings
        );
        assert!(
            report.findings[0].observed.contains(said),
            "{name}: {:?}",
            report.findings
        );
    }
    let whole = Row::new().certificate(|public| {
        let between = public.intermediate("between");
        between.config(&Leaf::default(), &[&between])
    });
    check("the full chain", whole, &[]).await;
}

#[tokio::test]
async fn places() {
    for (to, said) in [
        ("/.well-known/openid-configuration/c", "RFC 8414"),
        (
            "/.well-known/openid-configuration",
            "without the issuer's path",
        ),
        ("/c/.well-known/oidc-configuration", "another name"),
        ("/c/well-known/openid-configuration", "without its dot"),
        ("/c/.well-known/oauth-authorization-server", "OAuth"),
        ("/elsewhere", "404"),
    ] {
        let report = Row::new().moved(to).report().await;
        assert_eq!(
            codes(&report.findings),
            [Code::P7].into(),
            "{to}: {:?}",
            report.findings
        );
        assert!(
            report.findings[0].observed.contains(said),
            "{to}: {:?}",
            report.findings
        );
    }
    check("no keys", Row::new().without(KEYS), &[Code::P7]).await;
    let outlook = Outlook::new(&Look::default()).unwrap();
    let gone = Question {
        issuer: "https://issuer.invalid".into(),
        ..Question::default()
    };
    assert_eq!(
        codes(&verify(&outlook, &gone).await.findings),
        [Code::P15].into()
    );
}

#[tokio::test]
async fn documents() {
    let html = "<!DOCTYPE html><html><body>Checking your browser</body></html>";
    let mut gzip = vec![0x1f, 0x8b, 8, 0];
    gzip.extend([0; 30]);
    let bom = |path: &str| [b"\xef\xbb\xbf".as_slice(), &Row::new().pages[path].body].concat();
    for (name, row, code) in [
        ("HTML", Row::new().body(DISCOVERY, html), Code::P6),
        ("HTML for keys", Row::new().body(KEYS, html), Code::P6),
        ("gzip", Row::new().body(DISCOVERY, gzip), Code::P8),
        (
            "a byte order mark",
            Row::new().body(DISCOVERY, bom(DISCOVERY)),
            Code::P8,
        ),
        (
            "YAML",
            Row::new().body(DISCOVERY, "issuer: https://issuer.example.com/c\n"),
            Code::P8,
        ),
        (
            "no issuer",
            Row::new().document(json!({"issuer": null})),
            Code::P8,
        ),
        (
            "no jwks_uri",
            Row::new().document(json!({"jwks_uri": null})),
            Code::P8,
        ),
        (
            "no subject types",
            Row::new().document(json!({"subject_types_supported": null})),
            Code::P8,
        ),
        (
            "an empty endpoint",
            Row::new().document(json!({"authorization_endpoint": ""})),
            Code::P8,
        ),
        (
            "another issuer's slash",
            Row::new().document(json!({"issuer": format!("{ISSUER}/")})),
            Code::K2,
        ),
        (
            "another issuer's case",
            Row::new().document(json!({"issuer": "https://issuer.example.com/C"})),
            Code::K2,
        ),
        (
            "keys at the API server's address",
            Row::new().document(json!({"jwks_uri": "https://127.0.0.1:1/openid/v1/jwks"})),
            Code::K4,
        ),
        (
            "keys at a name of the cluster",
            Row::new()
                .document(json!({"jwks_uri": "https://kubernetes.default.svc/openid/v1/jwks"})),
            Code::K4,
        ),
        (
            "keys over http",
            Row::new().document(json!({"jwks_uri": "http://issuer.example.com/c/openid/v1/jwks"})),
            Code::K5,
        ),
        (
            "quotes in jwks_uri",
            Row::new().document(json!({"jwks_uri": "https://\"host\":443/openid/v1/jwks"})),
            Code::K5,
        ),
        (
            "a relative jwks_uri",
            Row::new().document(json!({"jwks_uri": "/openid/v1/jwks"})),
            Code::K5,
        ),
        (
            "ES256 only",
            Row::new().document(json!({"id_token_signing_alg_values_supported": ["ES256"]})),
            Code::K6,
        ),
    ] {
        check(name, row, &[code]).await;
    }
}

#[tokio::test]
async fn key_sets() {
    let ec = SigningKey::generate(KeyKind::Es256).unwrap();
    let many =
        |n: usize| Value::Array((0..n).map(|i| with("kid", json!(format!("{i}")))).collect());
    let bytes = |n: usize| json!({"keys": many(n)}).to_string().len();
    assert!(bytes(101) > 16 << 10, "so many keys are too large as well");
    for (name, row, expected) in [
        (
            "PEM",
            Row::new().body(KEYS, key(0).public_pem()),
            vec![Code::P9],
        ),
        (
            "an array",
            Row::new().body(KEYS, json!([jwk(key(0))]).to_string()),
            vec![Code::P9],
        ),
        ("no key", Row::new().keys(&json!([])), vec![Code::P9]),
        (
            "padding",
            Row::new().keys(&json!([jwk(key(0)), with("n", json!("AAAA=="))])),
            vec![Code::P9, Code::P13],
        ),
        (
            "a short key",
            Row::new().keys(&json!([jwk(key(1)), with("n", json!("_____w"))])),
            vec![Code::P9],
        ),
        (
            "a certificate",
            Row::new().keys(&json!([with("x5c", json!(["AAAA"]))])),
            vec![Code::P9],
        ),
        (
            "a name twice",
            Row::new().keys(&json!([jwk(key(0)), jwk(key(0))])),
            vec![Code::P13],
        ),
        (
            "no name",
            Row::new().keys(&json!([jwk(key(0)), with("kid", json!(""))])),
            vec![Code::P13],
        ),
        (
            "private members",
            Row::new().keys(&json!([with("d", json!("AQAB"))])),
            vec![Code::P14],
        ),
        (
            "a private key in PEM",
            Row::new().body(
                KEYS,
                key(0)
                    .private_pem(keyless_issuer::keygen::Format::Pkcs8)
                    .unwrap(),
            ),
            vec![Code::P14],
        ),
        (
            "an EC key",
            Row::new().keys(&json!([jwk(&ec)])),
            vec![Code::K6],
        ),
        (
            "101 keys",
            Row::new().keys(&many(101)),
            vec![Code::P8, Code::P16],
        ),
    ] {
        check(name, row, &expected).await;
    }
}

#[tokio::test]
async fn caches_and_time() {
    check(
        "an old copy",
        Row::new().header(KEYS, "age", "90000"),
        &[Code::P10],
    )
    .await;
    check(
        "kept for a week",
        Row::new().header(KEYS, "cache-control", "max-age=604800"),
        &[Code::P10],
    )
    .await;
    let behind = Row::new().ask(|q| q.expected = Some(set(&[key(0), key(1)])));
    check("an edge without the new key", behind, &[Code::P10]).await;
    check(
        "too slow",
        Row::new().slow(DISCOVERY, Duration::from_millis(5200)),
        &[Code::P6],
    )
    .await;
    check(
        "a clock that is wrong",
        Row::new().header(DISCOVERY, "date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        &[Code::K12],
    )
    .await;
}

#[tokio::test]
async fn tokens() {
    let now = unix_now();
    let uploaded = |keys: Value| {
        move |q: &mut Question| q.inline = Some(json!({ "keys": keys }).to_string().into_bytes())
    };
    let marker = Marker {
        owner: "o".into(),
        issuer: ISSUER.into(),
        withdrawn: vec![key(1).jwk().kid.clone()],
        ..Marker::default()
    };
    let ec = SigningKey::generate(KeyKind::Es256).unwrap();
    // A key that someone made anew under the old name.
    let mut forged = jwk(key(1));
    forged["kid"] = jwk(key(0))["kid"].clone();
    let legacy = json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:shop:web",
        "kubernetes.io/serviceaccount/namespace": "shop"});
    for (name, row, expected) in [
        (
            "not published yet",
            Row::new().token(key(1).sign(&claims(ISSUER)).unwrap()),
            vec![Code::K7],
        ),
        (
            "withdrawn too early",
            Row::new()
                .body("/c/keyless-publication.json", marker.to_bytes())
                .token(key(1).sign(&claims(ISSUER)).unwrap()),
            vec![Code::K9],
        ),
        (
            "another key of that name",
            Row::new().keys(&json!([forged])).claim(json!({})),
            vec![Code::P12],
        ),
        (
            "an EC key",
            Row::new()
                .keys(&json!([jwk(key(0)), jwk(&ec)]))
                .token(ec.sign(&claims(ISSUER)).unwrap()),
            vec![Code::K6],
        ),
        (
            "a slash in iss",
            Row::new().claim(json!({"iss": format!("{ISSUER}/")})),
            vec![Code::K2],
        ),
        (
            "expired",
            Row::new().claim(json!({"iat": now - 700, "nbf": now - 700, "exp": now - 100})),
            vec![Code::K11],
        ),
        (
            "from the future",
            Row::new().claim(json!({"iat": now + 300, "nbf": now + 300, "exp": now + 900})),
            vec![Code::K12],
        ),
        (
            "a short life",
            Row::new().claim(json!({"exp": now + 300})),
            vec![Code::K15],
        ),
        (
            "a token from a Secret",
            Row::new().token(key(0).sign(&legacy).unwrap()),
            vec![Code::K16],
        ),
        (
            "for the API server",
            Row::new().claim(json!({"aud": ["https://kubernetes.default.svc"]})),
            vec![Code::K16],
        ),
        (
            "no token",
            Row::new().token("hello".into()),
            vec![Code::K16],
        ),
        (
            "another account",
            Row::new().claim(json!({"sub": "system:serviceaccount:shop:default"})),
            vec![Code::K18],
        ),
        (
            "an uploaded set that is old",
            Row::new().ask(uploaded(json!([jwk(key(1))]))),
            vec![Code::P17],
        ),
        (
            "too many uploaded",
            Row::new().ask(uploaded(
                (0..9)
                    .map(|i| with("kid", json!(format!("{i}"))))
                    .chain([jwk(key(0))])
                    .collect(),
            )),
            vec![Code::P16],
        ),
    ] {
        check(name, row, &expected).await;
    }
}

// --- API servers ------------------------------------------------------------------------------------

/// An API server that answers as it is told, by path.
fn api_server(name: &str, answers: Vec<(&'static str, u16, String)>) -> ApiServer {
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let answers = answers.clone();
        async move {
            let path = request.uri().path().to_owned();
            let found = answers.into_iter().find(|(at, _, _)| path.ends_with(at));
            let (status, body) =
                found.map_or((404, "{}".to_owned()), |(_, status, body)| (status, body));
            let response = http::Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()));
            Ok::<_, std::convert::Infallible>(response.unwrap())
        }
    });
    ApiServer::new(name, kube::Client::new(service, "default"))
}

fn api(issuer: &str, keys: &KeySet, token: (u16, String)) -> Vec<(&'static str, u16, String)> {
    let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"]});
    vec![
        (
            "/.well-known/openid-configuration",
            200,
            document.to_string(),
        ),
        (
            "/openid/v1/jwks",
            200,
            String::from_utf8(keys.to_bytes()).unwrap(),
        ),
        ("/token", token.0, token.1),
    ]
}

fn minted(key: &SigningKey, issuer: &str) -> (u16, String) {
    let token = key.sign(&claims(issuer)).unwrap();
    (201, json!({"status": {"token": token}}).to_string())
}

fn refused(status: u16, message: &str) -> (u16, String) {
    (
        status,
        json!({"kind": "Status", "message": message}).to_string(),
    )
}

async fn look(servers: Vec<Vec<(&'static str, u16, String)>>) -> Vec<Finding> {
    let account = Account {
        namespace: "shop".into(),
        name: "web".into(),
        audience: "cloud".into(),
        seconds: 600,
    };
    let mut seen = Vec::new();
    for (n, answers) in servers.into_iter().enumerate() {
        seen.push(
            api_server(&format!("server-{n}"), answers)
                .look(Some(&account))
                .await,
        );
    }
    judge(&seen, unix_now()).findings
}

#[tokio::test]
async fn api_servers() {
    let keys = set(&[key(0)]);
    let both = set(&[key(0), key(1)]);
    let good = || api(ISSUER, &keys, minted(key(0), ISSUER));
    let default = "https://kubernetes.default.svc.cluster.local";
    let mut private = good();
    private[0].2 = private[0].2.replace(
        "https://issuer.example.com/c/openid",
        "https://10.0.0.1:6443/openid",
    );
    let mut silent = good();
    silent.remove(0);
    for (name, servers, expected) in [
        ("as it should be", vec![good(), good()], vec![]),
        (
            "the default issuer",
            vec![api(default, &keys, minted(key(0), default))],
            vec![Code::K1],
        ),
        ("no documents", vec![silent], vec![Code::K3]),
        ("jwks_uri of the API server", vec![private], vec![Code::K4]),
        (
            "signs with a key it does not publish",
            vec![api(ISSUER, &keys, minted(key(1), ISSUER))],
            vec![Code::K7],
        ),
        (
            "different keys",
            vec![good(), api(ISSUER, &both, minted(key(1), ISSUER))],
            vec![Code::K8],
        ),
        (
            "different issuers",
            vec![
                good(),
                api(
                    "https://other.example.com",
                    &keys,
                    minted(key(0), "https://other.example.com"),
                ),
            ],
            vec![Code::K8],
        ),
        (
            "no token at all",
            vec![api(ISSUER, &keys, refused(500, "internal error"))],
            vec![Code::K13],
        ),
        (
            "less than ten minutes",
            vec![api(
                ISSUER,
                &keys,
                refused(
                    422,
                    "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
                ),
            )],
            vec![Code::K14],
        ),
        (
            "no such account",
            vec![api(
                ISSUER,
                &keys,
                refused(404, "serviceaccounts \"web\" not found"),
            )],
            vec![Code::K19],
        ),
        (
            "no right",
            vec![api(
                ISSUER,
                &keys,
                refused(403, "cannot create resource \"serviceaccounts/token\""),
            )],
            vec![Code::K21],
        ),
    ] {
        let findings = look(servers).await;
        let expected: BTreeSet<Code> = expected.into_iter().collect();
        assert_eq!(codes(&findings), expected, "{name}: {findings:#?}");
    }
}

/// What is told of a finding never holds a token.
#[tokio::test]
async fn no_token_is_said() {
    let token = key(1).sign(&claims(ISSUER)).unwrap();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let report = Row::new().token(token).report().await;
    let said = serde_json::to_string(&report).unwrap();
    assert!(said.contains("K7") && !said.contains(&signature));
    assert!(said.contains(HOST));
}
