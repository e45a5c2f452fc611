//! Every way to log in to Google ends in the same value, and what does not hold is refused.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use anyhow::Result;
use keyless_sandbox::gcp::AwsProvider;
use keyless_scenarios::World;
use keyless_scenarios::gcp::{ACCESSOR, POOL, USER};
use serde_json::{Value, json};

scenarios!(
    gcp_federation_and_impersonation,
    gcp_gke_by_service_account,
    gcp_keys,
    gcp_credential_configurations,
    gcp_source_at_aws,
);
// Alone: the node has one identity.
scenarios!(alone: gcp_operators_own_identity);

const EMAIL_OF_NOBODY: &str = "nobody@my-gcp-project.iam.gserviceaccount.com";

fn spec(store: &str) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": [{"secretKey": "v", "remoteRef": {"key": "a"}}]})
}

/// The ExternalSecret `es-STORE` over a store with `auth` must be Ready.
async fn works(w: &World, store: &str, auth: Value) -> Result<()> {
    w.store(store, w.gcp_spec(auth)).await?;
    let name = format!("es-{store}");
    w.external_secret(&name, spec(store)).await?;
    w.until_ready(&name).await?;
    assert_eq!(w.secret_data(&name).await?["v"], "value", "{store}");
    Ok(())
}

/// A store with `auth` must say `text`.
async fn refused(w: &World, store: &str, auth: Value, text: &str) -> Result<String> {
    w.store(store, w.gcp_spec(auth)).await?;
    w.until_store_says(store, text).await
}

/// A project that trusts the cluster, with the secret `a` and an account that may read it.
fn project(w: &World) -> Result<String> {
    w.make_gcp_project()?;
    w.trust_issuer(&w.issuer_url())?;
    w.gcp_secret("a", "value")?;
    let email = w.gcp().create_service_account(&w.gcp_project(), "reader")?;
    w.gcp_bind(ACCESSOR, &format!("serviceAccount:{email}"))?;
    Ok(email)
}

fn federation(w: &World, account: &str) -> Result<Value> {
    Ok(json!({"serviceAccountRef": {"name": account}, "audience": w.gcp_audience()?}))
}

/// The pool's own principal, and a service account by field or annotation.
async fn gcp_federation_and_impersonation(world: World) -> Result<()> {
    let w = &world;
    let email = project(w)?;
    for (name, annotations) in [
        ("plain", json!({})),
        (
            "annotated",
            json!({"iam.gke.io/gcp-service-account": email}),
        ),
    ] {
        w.service_account(name, annotations).await?;
    }
    let auth = |account: &str, email: Option<&str>| -> Result<Value> {
        let mut block = federation(w, account)?;
        if let Some(email) = email {
            block["gcpServiceAccountEmail"] = json!(email);
        }
        Ok(json!({"workloadIdentityFederation": block}))
    };
    // Nobody may act as the account yet.
    let message = refused(
        w,
        "not-yet",
        auth("annotated", None)?,
        "iam.serviceAccounts.getAccessToken",
    )
    .await?;
    let principal = w.gcp_principal("annotated")?;
    assert!(
        message.contains("[G9]") && message.contains(&principal),
        "{message}"
    );
    for account in ["plain", "annotated"] {
        w.gcp()
            .bind_on_account(&email, USER, &w.gcp_principal(account)?)?;
    }
    w.again("SecretStore", "not-yet", "bound").await?;
    w.external_secret("es", spec("not-yet")).await?;
    w.until_ready("es").await?;
    works(w, "by-field", auth("plain", Some(&email))?).await?;
    w.gcp_bind(ACCESSOR, &w.gcp_principal("plain")?)?;
    works(w, "direct", auth("plain", None)?).await?;
    let other = auth("plain", Some(EMAIL_OF_NOBODY))?;
    refused(w, "nobody", other, "iam.serviceAccounts.getAccessToken").await?;

    // An audience of the store's own choice, which the provider allows.
    w.gcp_provider(&keyless_sandbox::gcp::OidcProvider {
        issuer: w.issuer_url(),
        audiences: vec!["shop".to_owned()],
        ..Default::default()
    })?;
    let mut block = federation(w, "plain")?;
    block["serviceAccountRef"]["audiences"] = json!(["shop"]);
    works(
        w,
        "own-audience",
        json!({"workloadIdentityFederation": block}),
    )
    .await
}

/// Workload Identity of a GKE cluster by a service account of the namespace.
async fn gcp_gke_by_service_account(world: World) -> Result<()> {
    let w = &world;
    let email = project(w)?;
    let (gcp, project) = (w.gcp(), w.gcp_project());
    gcp.create_cluster(&project, "europe-west3", "main", &w.issuer_url());
    w.service_account("direct", json!({})).await?;
    w.service_account(
        "annotated",
        json!({"iam.gke.io/gcp-service-account": email}),
    )
    .await?;
    w.gcp_bind(ACCESSOR, &gcp.gke_principal(&project, &w.ns, "direct")?)?;
    let older = format!("serviceAccount:{project}.svc.id.goog[{}/annotated]", w.ns);
    gcp.bind_on_account(&email, USER, &older)?;
    let auth = |account: &str, cluster: &str, of: &str| {
        json!({"workloadIdentity": {
            "serviceAccountRef": {"name": account}, "clusterName": cluster,
            "clusterLocation": "europe-west3", "clusterProjectID": of,
        }})
    };
    works(w, "direct", auth("direct", "main", &project)).await?;
    works(w, "annotated", auth("annotated", "main", &project)).await?;
    let message = refused(
        w,
        "no-cluster",
        auth("direct", "none", &project),
        "invalid_target",
    )
    .await?;
    assert!(message.contains("[G19]"), "{message}");
    let message = refused(
        w,
        "no-pool",
        auth("direct", "main", "no-such-project"),
        "Identity Pool does not exist",
    )
    .await?;
    assert!(message.contains("[G19]"), "{message}");
    Ok(())
}

/// A stored key of a service account.
async fn gcp_keys(world: World) -> Result<()> {
    let w = &world;
    let email = project(w)?;
    let file = w.gcp().create_key(&email)?;
    w.stored("key", "json", &file).await?;
    let auth = |name: &str| json!({"secretRef": {"secretAccessKeySecretRef": {"name": name, "key": "json"}}});
    works(w, "key", auth("key")).await?;
    let mut elsewhere: Value = serde_json::from_str(&file)?;
    elsewhere["token_uri"] = json!("https://evil.example/token");
    w.stored("elsewhere", "json", &elsewhere.to_string())
        .await?;
    refused(w, "elsewhere", auth("elsewhere"), "evil.example").await?;
    let mut nobody: Value = serde_json::from_str(&file)?;
    nobody["client_email"] = json!(EMAIL_OF_NOBODY);
    w.stored("nobody", "json", &nobody.to_string()).await?;
    refused(w, "nobody", auth("nobody"), "account not found").await?;
    w.gcp().delete_keys(&email)?;
    let mut other: Value = serde_json::from_str(&file)?;
    other["private_key_id"] = json!("0");
    w.stored("gone", "json", &other.to_string()).await?;
    refused(w, "gone", auth("gone"), "Invalid JWT Signature").await?;
    Ok(())
}

/// An endpoint that answers `token` as JSON; it ends with the process.
fn endpoint(token: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/token", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let lines = BufReader::new(&stream).lines();
            let asked = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .any(|line| line.eq_ignore_ascii_case("x-proof: here"));
            let (status, body) = if asked {
                ("200 OK", json!({"value": token}).to_string())
            } else {
                ("403 Forbidden", String::new())
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    Ok(url)
}

/// External account configurations out of a ConfigMap.
async fn gcp_credential_configurations(world: World) -> Result<()> {
    let w = &world;
    project(w)?;
    let subject = w.subject("from-elsewhere");
    w.gcp_bind(ACCESSOR, &w.gcp_principal("from-elsewhere")?)?;
    let now = w.now();
    let token = w.sign(&json!({
        "iss": w.issuer_url(), "sub": subject, "aud": [w.gcp_audience()?],
        "iat": now, "nbf": now, "exp": now + 3600,
    }))?;
    let url = endpoint(token.clone())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    std::fs::write(&file, &token)?;
    let config = |source: Value| {
        json!({
            "type": "external_account", "audience": w.gcp_audience().unwrap_or_default(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
        })
    };
    let by_url = json!({"url": url, "headers": {"x-proof": "here"}, "format": {"type": "json", "subject_token_field_name": "value"}});
    let mut evil = config(by_url.clone());
    evil["token_url"] = json!("https://evil.example/v1/token");
    let configs = json!({
        "url": config(by_url).to_string(),
        "file": config(json!({"file": file})).to_string(),
        "mounted": config(json!({"file": "/var/run/secrets/kubernetes.io/serviceaccount/token"})).to_string(),
        "program": config(json!({"executable": {"command": "/bin/true"}})).to_string(),
        "evil": evil.to_string(),
    });
    w.api
        .create(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "config", "namespace": w.ns}, "data": configs,
        }))
        .await?;
    let auth = |key: &str, endpoint: Option<&str>| {
        let mut block = json!({"credConfig": {"name": "config", "key": key}});
        if let Some(endpoint) = endpoint {
            block["externalTokenEndpoint"] = json!(endpoint);
        }
        json!({"workloadIdentityFederation": block})
    };
    works(w, "url", auth("url", Some(&url))).await?;
    works(w, "file", auth("file", None)).await?;
    for (name, key, text) in [
        ("other-url", "url", "externalTokenEndpoint"),
        (
            "mounted",
            "mounted",
            "not a file whose token a store may use",
        ),
        ("program", "program", "no program is run"),
        ("evil", "evil", "evil.example"),
    ] {
        refused(w, name, auth(key, None), text).await?;
    }
    Ok(())
}

/// A signed request of AWS in place of a token.
async fn gcp_source_at_aws(world: World) -> Result<()> {
    let w = &world;
    project(w)?;
    let (gcp, project) = (w.gcp(), w.gcp_project());
    let (id, secret) = w.access_key();
    let account = w.aws_account();
    for (provider, account) in [("amazon", account), ("other-account", "999999999999")] {
        let provider_of = AwsProvider {
            account: account.to_owned(),
            ..AwsProvider::default()
        };
        gcp.create_aws_provider(&project, POOL, provider, &provider_of)?;
    }
    let user = format!("arn:aws:iam::{account}:user/admin");
    w.gcp_bind(ACCESSOR, &gcp.pool_principal(&project, POOL, &user)?)?;
    for (name, secret) in [("keys", secret.as_str()), ("wrong", "another")] {
        w.api
            .create(&json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": w.ns},
                "stringData": {"aws_access_key_id": id, "aws_secret_access_key": secret},
            }))
            .await?;
    }
    let auth = |provider: &str, keys: &str| -> Result<Value> {
        Ok(json!({"workloadIdentityFederation": {
            "audience": gcp.provider_audience(&project, POOL, provider)?,
            "awsSecurityCredentials": {"region": "eu-central-1", "awsCredentialsSecretRef": {"name": keys}},
        }}))
    };
    works(w, "amazon", auth("amazon", "keys")?).await?;
    refused(w, "wrong", auth("amazon", "wrong")?, "rejected by AWS STS").await?;
    let other = auth("other-account", "keys")?;
    refused(w, "other", other, "does not match the expected account").await?;
    Ok(())
}

/// The operator's own identity, from the metadata server: the pod's principal, the account of its
/// annotation, and none at all.
async fn gcp_operators_own_identity(world: World) -> Result<()> {
    let w = &world;
    let email = project(w)?;
    let gcp = w.gcp();
    let cluster = format!("own-{}", w.ns);
    let store = |name: &str| {
        let mut spec = w.gcp_spec(Value::Null);
        spec["controller"] = json!(cluster);
        (name.to_owned(), spec)
    };
    let (name, own) = store("own");
    w.store(&name, own).await?;
    w.external_secret("es", spec("own")).await?;
    let pod = gcp.gke_principal(gcp.project(), "external-secrets", "external-secrets")?;

    let operator = w.operator_of_class(&cluster).await?;
    w.until_message("es", "PERMISSION_DENIED").await?;
    w.gcp_bind(ACCESSOR, &pod)?;
    w.again("ExternalSecret", "es", "bound").await?;
    w.until_ready("es").await?;
    operator.stop().await?;

    // As another account, which the pod may become; a new operator has no token yet.
    gcp.unbind_on_project(&w.gcp_project(), &pod)?;
    gcp.bind_on_account(&email, USER, &pod)?;
    w.run_on_gke(Some(&email));
    w.external_secret("other", spec("own")).await?;
    let operator = w.operator_of_class(&cluster).await?;
    w.until_ready("other").await?;
    operator.stop().await?;

    gcp.run_on_machine(gcp.project(), None);
    w.external_secret("none", spec("own")).await?;
    let operator = w.operator_of_class(&cluster).await?;
    let message = w.until_message("none", "metadata server").await?;
    assert!(message.contains("[G17]"), "{message}");
    operator.stop().await?;
    w.run_on_gke(None);
    Ok(())
}
