//! What a login at Google starts from besides a service account of the cluster, and Vault's trust in
//! what Google signs.

use keyless_fault::{Fault, Link};
use serde_json::{Value, json};

use crate::cloud::form;
use crate::gcp_logins::{filled, gcp, open, reads, shown};
use crate::google::{AUDIENCE, EMAIL, answer, world};
use crate::stores::{spec, store};

#[tokio::test(start_paused = true)]
async fn the_operators_credential_file() {
    let folder = std::env::temp_dir().join(format!("keyless-adc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (token, config) = (folder.join("token"), folder.join("adc.json"));
    std::fs::write(&token, "a.b.canarysubject\n").unwrap();
    let document = json!({"type": "external_account", "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        "credential_source": {"file": token}});
    std::fs::write(&config, document.to_string()).unwrap();
    let world = world(&[
        ("GOOGLE_APPLICATION_CREDENTIALS", config.to_str().unwrap()),
        ("GOOGLE_CLOUD_QUOTA_PROJECT", "quota-p"),
    ]);
    world.google.put("secrets/x", "v");
    assert_eq!(reads(&world, &gcp(json!({}))).await.unwrap(), "v");
    let sent = form(&world.google.calls("sts.googleapis.com")[0].body);
    assert_eq!(sent["subject_token"], "a.b.canarysubject");
    assert_eq!(shown(&world), format!("canarytoken-as-{EMAIL}"));
    let quota = world.google.calls(":access").pop().unwrap().quota;
    assert_eq!(quota.as_deref(), Some("quota-p"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_configuration_in_a_config_map() {
    let world = filled(&[]);
    let config = |url: &str| {
        json!({"type": "external_account", "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"url": url, "format": {"type": "json", "subject_token_field_name": "jwt"}}})
        .to_string()
    };
    world
        .kube
        .config_map("a", "c", "k", &config("https://tokens.example/t"));
    let spec = gcp(
        json!({"workloadIdentityFederation": {"credConfig": {"name": "c", "key": "k"},
        "externalTokenEndpoint": "https://tokens.example/t"}}),
    );
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
    let asked = world.google.calls("tokens.example");
    assert!(asked.len() == 1 && asked[0].guarded && asked[0].token.is_empty());
    let sent = form(&world.google.calls("sts.googleapis.com")[0].body);
    assert_eq!(sent["subject_token"], "a.b.canarysubject");
    assert_eq!(
        sent["subject_token_type"],
        "urn:ietf:params:oauth:token-type:id_token"
    );
    // Another place than the store allows.
    world
        .kube
        .config_map("a", "c", "k", &config("http://169.254.169.254/x"));
    world.registry.forget(&store("a").store);
    let Err(error) = world.registry.open(&spec, &store("a")).await else {
        panic!("opened");
    };
    assert!(
        error.to_string().contains("externalTokenEndpoint"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_of_aws_prove_an_identity_there() {
    let world = filled(&[]);
    for (key, value) in [
        ("aws_access_key_id", "AKIDEXAMPLE"),
        ("aws_secret_access_key", "canarysecret"),
        ("aws_session_token", "session"),
    ] {
        world.kube.secret("a", "aws", key, value);
    }
    let spec = gcp(json!({"workloadIdentityFederation": {"audience": AUDIENCE,
        "awsSecurityCredentials": {"region": "eu-central-1", "awsCredentialsSecretRef": {"name": "aws"}}}}));
    assert_eq!(reads(&world, &spec).await.unwrap(), "v");
    let sent = form(&world.google.calls("sts.googleapis.com")[0].body);
    assert_eq!(
        sent["subject_token_type"],
        "urn:ietf:params:aws:token-type:aws4_request"
    );
    let token = form(&format!("t={}", sent["subject_token"]))["t"].clone();
    let token: Value = serde_json::from_str(&token).unwrap();
    assert_eq!(token["method"], "POST");
    assert_eq!(
        token["url"],
        "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
    );
    let headers = token["headers"].as_array().unwrap();
    let header = |name: &str| {
        let found = headers.iter().find(|header| header["key"] == name);
        found.unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header("x-goog-cloud-target-resource"), AUDIENCE);
    assert_eq!(header("x-amz-security-token"), "session");
    assert!(header("authorization").contains("x-goog-cloud-target-resource"));
    assert!(!token.to_string().contains("canarysecret"));
}

#[tokio::test(start_paused = true)]
async fn a_stored_key_is_exchanged_or_in_another_universe_signs_for_itself() {
    for (universe, host, exchanged) in [
        (None, "secretmanager.googleapis.com", true),
        (Some("example.goog"), "secretmanager.example.goog", false),
    ] {
        let world = filled(&[]);
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let mut file = json!({"type": "service_account", "private_key_id": "k", "client_email": EMAIL,
            "private_key": pair.serialize_pem(), "token_uri": format!("https://oauth2.{}/token", universe.unwrap_or("googleapis.com"))});
        if let Some(universe) = universe {
            file["universe_domain"] = json!(universe);
        }
        world.kube.secret("a", "key", "json", &file.to_string());
        let stored =
            gcp(json!({"secretRef": {"secretAccessKeySecretRef": {"name": "key", "key": "json"}}}));
        assert_eq!(reads(&world, &stored).await.unwrap(), "v");
        assert_eq!(world.google.calls(":access")[0].host, host);
        assert_eq!(
            world.google.calls("oauth2.googleapis.com").len(),
            usize::from(exchanged)
        );
        assert_eq!(shown(&world).starts_with("eyJ"), !exchanged);
        // A key that names another place is not used there.
        file["token_uri"] = json!("https://evil.example/token");
        world.kube.secret("a", "key", "json", &file.to_string());
        world.registry.forget(&store("a").store);
        let Err(error) = world.registry.open(&stored, &store("a")).await else {
            panic!("opened");
        };
        assert!(error.to_string().contains("token_uri"), "{error}");
        assert!(world.google.calls("evil").is_empty());
    }
}

/// Vault takes a token that the account signs, that Google signs for it, or that the machine has.
#[tokio::test(start_paused = true)]
async fn vault_believes_what_google_signs() {
    let world = filled(&[("iam.gke.io/gcp-service-account", EMAIL)]);
    world.google.edit(|state| state.metadata = true);
    let account = json!({"serviceAccountRef": {"name": "sa"}});
    for (auth, signed) in [
        (json!({"role": "app", "workloadIdentity": account}), format!("signed.vault/app.{EMAIL}")),
        (json!({"role": "app", "serviceAccountRef": {"name": "sa"}}), format!("signed.vault/app.{EMAIL}")),
        (
            json!({"role": "app"}),
            "machine.instance/service-accounts/default/identity?audience=http%3A%2F%2Fvault%2Fapp&format=full".into(),
        ),
    ] {
        let vault = spec(json!({"vault": {"server": "https://vault.example", "path": "secret",
            "auth": {"gcp": auth}}}));
        let provider = open(&world, &vault, &store("a")).await;
        let _ = provider.validate().await;
        let login = world.google.calls("POST /v1/auth/gcp/login").pop().unwrap();
        let body: Value = serde_json::from_str(&login.body).unwrap();
        assert_eq!(body["role"], "app");
        assert_eq!(body["jwt"], signed);
    }
    // The account signed for itself.
    let signing = world.google.calls("signJwt").pop().unwrap();
    assert_eq!(signing.token, format!("canarytoken-as-{EMAIL}"));
    let refusal = json!({"errors": ["role \"app\" not found"]});
    let vault = spec(
        json!({"vault": {"server": "https://vault.example", "path": "secret",
        "auth": {"gcp": {"role": "other"}}}}),
    );
    world
        .google
        .next("vault.example", answer(400, refusal.to_string()));
    let provider = open(&world, &vault, &store("a")).await;
    let error = provider.validate().await.unwrap_err();
    assert_eq!((error.link(), error.code()), (Link::TrustObject, "V2"));
}
