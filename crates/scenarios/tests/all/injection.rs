//! Pods that an API server has injected: it calls over TLS, with certificates that the admission
//! server made itself, and what it injects logs in.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use keyless_admission::certificate::plan::Lives;
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use serde_json::{Value, json};

scenarios!(
    injected_tokens_log_in,
    reviews_of_old_are_answered,
    pods_of_the_time_away_are_found,
    rotation_under_load
);

fn address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn opted_in() -> Value {
    json!({"azure.workload.identity/use": "true"})
}

fn variable(pod: &Value, name: &str) -> Option<String> {
    let env = pod["spec"]["containers"][0]["env"].as_array()?;
    let entry = env.iter().find(|e| e["name"] == name)?;
    entry["value"].as_str().map(str::to_owned)
}

/// Audience and life of the token in the volume whose name begins so.
fn token(pod: &Value, volume: &str) -> Option<(String, i64)> {
    let volumes = pod["spec"]["volumes"].as_array()?;
    let volume = volumes
        .iter()
        .find(|v| v["name"].as_str().is_some_and(|n| n.starts_with(volume)))?;
    let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
    let audience = token["audience"].as_str()?.to_owned();
    Some((audience, token["expirationSeconds"].as_i64()?))
}

/// What is answered, which is JSON whatever it says.
async fn read(request: reqwest::RequestBuilder) -> Result<Value> {
    Ok(serde_json::from_slice(
        &request.send().await?.bytes().await?,
    )?)
}

/// One pod, three clouds: what is injected is what each of them takes.
async fn injected_tokens_log_in(world: World) -> Result<()> {
    let w = &world;
    let at = address()?;
    w.ask(&[(at, "/inject")], "Fail", &["v1"]).await?;
    let server = w.inject(at, w.injection(Lives::default())).await?;

    w.aws_role("app", &w.subject("app"), &w.path("*")).await?;
    let identity = w.azure().create_managed_identity(&w.ns);
    w.trust_account(&identity, "app")?;
    let (provider, email) = w.google_ready("app")?;
    let annotations = json!({
        "eks.amazonaws.com/role-arn": w.role_arn("app"),
        "azure.workload.identity/client-id": identity.client_id,
        "cloud.google.com/workload-identity-provider": provider,
        "cloud.google.com/service-account-email": email,
        "cloud.google.com/injection-mode": "direct",
    });
    w.service_account("app", annotations).await?;
    w.until_injected("app", &opted_in()).await?;
    // A service account that is as new as its pod.
    w.service_account(
        "fresh",
        json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/x"}),
    )
    .await?;
    let fresh = w.api.create(&w.pod("fresh", "fresh", &json!({}))).await?;
    assert!(token(&fresh, "aws-iam-token").is_some(), "{fresh}");
    // One that asks for nothing.
    let plain = w.api.create(&w.pod("plain", "default", &json!({}))).await?;
    assert_eq!(token(&plain, "aws-iam-token"), None);
    assert_eq!(variable(&plain, "AWS_ROLE_ARN"), None);

    let pod = w.api.create(&w.pod("app", "app", &opted_in())).await?;
    let client = w.clouds_client()?;
    let minted = |volume: &'static str| {
        let pod = &pod;
        async move {
            let (audience, seconds) = token(pod, volume).context(volume)?;
            w.api.token_for(&w.ns, "app", &audience, seconds).await
        }
    };

    let role = variable(&pod, "AWS_ROLE_ARN").context("no role")?;
    let jwt = minted("aws-iam-token").await?;
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleSessionName", "pod"),
        ("RoleArn", &role),
        ("WebIdentityToken", &jwt),
    ];
    let answer = client.post(w.aws_url()).form(&form).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    assert!(
        status.is_success() && text.contains("<AccessKeyId>"),
        "{text}"
    );

    let jwt = minted("azure-workload-identity-reserved-").await?;
    let variable = |name: &'static str| variable(&pod, name).context(name);
    let url = format!(
        "{}{}/oauth2/v2.0/token",
        variable("AZURE_AUTHORITY_HOST")?,
        variable("AZURE_TENANT_ID")?
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &variable("AZURE_CLIENT_ID")?),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", &jwt),
        ("scope", "https://vault.azure.net/.default"),
    ];
    let answer = read(client.post(url).form(&form)).await?;
    assert!(answer["access_token"].is_string(), "{answer}");

    // The credential configuration is in the annotation that the pod's volume shows as a file.
    let jwt = minted("gcp-iam-token").await?;
    let configuration =
        &pod["metadata"]["annotations"]["cloud.google.com/external-credentials-json"];
    let configuration: Value = serde_json::from_str(configuration.as_str().context("none")?)?;
    let text = |field: &'static str| configuration[field].as_str().context(field);
    let exchange = json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "audience": text("audience")?, "subjectTokenType": text("subject_token_type")?, "subjectToken": jwt,
    });
    let answer = client
        .post(text("token_url")?)
        .header("content-type", "application/json");
    let answer = read(answer.body(exchange.to_string())).await?;
    let federated = answer["access_token"]
        .as_str()
        .with_context(|| answer.to_string())?;
    let url = text("service_account_impersonation_url")?;
    let body = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"]});
    let answer = client
        .post(url)
        .bearer_auth(federated)
        .header("content-type", "application/json");
    let answer = read(answer.body(body.to_string())).await?;
    assert!(answer["accessToken"].is_string(), "{answer}");
    server.stop().await
}

/// A configuration of old asks with v1beta1, at the path of the webhook of old.
async fn reviews_of_old_are_answered(world: World) -> Result<()> {
    let w = &world;
    let at = address()?;
    w.ask(&[(at, "/mutate")], "Fail", &["v1beta1"]).await?;
    let server = w.inject(at, w.injection(Lives::default())).await?;
    w.service_account(
        "app",
        json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/x"}),
    )
    .await?;
    w.until_injected("app", &json!({})).await?;
    let pod = w.api.create(&w.pod("app", "app", &json!({}))).await?;
    assert_eq!(
        variable(&pod, "AWS_ROLE_ARN").as_deref(),
        Some("arn:aws:iam::111122223333:role/x")
    );
    server.stop().await
}

/// Pods that were created while nobody was there to inject them are named, once, and left alone.
async fn pods_of_the_time_away_are_found(world: World) -> Result<()> {
    let w = &world;
    let at = address()?;
    w.ask(&[(at, "/inject")], "Ignore", &["v1"]).await?;
    let role = "arn:aws:iam::111122223333:role/x";
    w.service_account("app", json!({"eks.amazonaws.com/role-arn": role}))
        .await?;
    for (name, account, labels) in [
        ("missed", "app", json!({})),
        ("plain", "default", json!({})),
        (
            "opted-out",
            "app",
            json!({"eks.amazonaws.com/skip-pod-identity-webhook": "x"}),
        ),
    ] {
        let pod = w.api.create(&w.pod(name, account, &labels)).await?;
        assert_eq!(variable(&pod, "AWS_ROLE_ARN"), None, "nobody is there");
    }
    let options = keyless_admission::Options {
        sweep: Some(Duration::from_millis(300)),
        ..w.injection(Lives::default())
    };
    let server = w.inject(at, options.clone()).await?;
    let missed = "keyless_injection_missed_pods";
    server.until(missed, "cloud=\"aws\"", 1.0).await?;
    let told = || async {
        let events = w.api.list("Event", &w.ns).await?;
        let events = events
            .into_iter()
            .filter(|e| e["reason"] == "TokenNotInjected");
        Ok::<_, anyhow::Error>(events.collect::<Vec<_>>())
    };
    let events = eventually("the event", || async {
        let events = told().await?;
        Ok((!events.is_empty()).then_some(events))
    })
    .await?;
    assert_eq!(events[0]["involvedObject"]["name"], "missed");
    let message = events[0]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("AWS") && message.contains("service account app"),
        "{message}"
    );
    // Now somebody is.
    w.until_injected("app", &json!({})).await?;
    w.api.create(&w.pod("caught", "app", &json!({}))).await?;
    // Another process finds the same, and does not tell it again.
    server.kill().await?;
    let server = w.inject(at, options).await?;
    server.until(missed, "cloud=\"aws\"", 1.0).await?;
    let sweeps = || {
        server
            .metric("keyless_injection_sweeps_total", "success")
            .unwrap_or_default()
    };
    let before = sweeps();
    eventually("two more sweeps", || async {
        Ok((sweeps() > before + 1.0).then_some(()))
    })
    .await?;
    let events = told().await?;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        server.metric("keyless_injection_sweeps_total", "failed"),
        Some(0.0)
    );
    let pod = w
        .api
        .get("Pod", &w.ns, "missed")
        .await?
        .context("it was deleted")?;
    assert!(pod["metadata"]["deletionTimestamp"].is_null());
    w.api.delete("Pod", &w.ns, "missed").await?;
    server.until(missed, "cloud=\"aws\"", 0.0).await?;
    server.stop().await
}

/// Two replicas agree on one certificate, and while authority and certificate are replaced again
/// and again, and a replica is killed, not one pod is refused.
async fn rotation_under_load(world: World) -> Result<()> {
    let w = &world;
    let (one, two) = (address()?, address()?);
    w.ask(
        &[(one, "/inject/aws"), (two, "/inject/google")],
        "Fail",
        &["v1"],
    )
    .await?;
    let lives = Lives {
        authority: Duration::from_secs(60),
        certificate: Duration::from_secs(45),
        settle: Duration::from_secs(5),
        overlap: Duration::from_secs(5),
    };
    let (first, second) = tokio::try_join!(
        w.inject(one, w.injection(lives)),
        w.inject(two, w.injection(lives))
    )?;
    w.service_account(
        "app",
        json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/x"}),
    )
    .await?;
    w.until_injected("app", &json!({})).await?;
    let certificates = |server: &keyless_scenarios::Injecting| {
        server
            .metric("keyless_webhook_certificates_served_total", "")
            .unwrap_or_default()
    };
    let begin = std::time::Instant::now();
    let (mut pods, mut authorities) = (0, std::collections::BTreeSet::new());
    // Certificate and authority are due after thirty and forty seconds, and every forty then.
    while certificates(&first) < 3.0 || certificates(&second) < 3.0 || authorities.len() < 2 {
        let made = w.api.dry_run(&w.pod("load", "app", &json!({}))).await?;
        let pod = made.map_err(|r| {
            anyhow::anyhow!("pod {pods}, after {:?}: {}", begin.elapsed(), r.message)
        })?;
        assert!(token(&pod, "aws-iam-token").is_some(), "{pod}");
        pods += 1;
        if pods % 50 == 0 {
            let secret = w
                .api
                .get("Secret", &w.ns, "webhook")
                .await?
                .context("no Secret")?;
            let newest = secret["data"]["ca.key"].as_str().unwrap_or_default();
            authorities.insert(newest.to_owned());
        }
        assert!(
            begin.elapsed() < Duration::from_secs(240),
            "{authorities:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(pods > 100, "{pods}");
    for server in [&first, &second] {
        assert_eq!(
            server.metric("keyless_webhook_handshake_failures_total", ""),
            Some(0.0)
        );
    }
    let made = |what: &str| {
        [&first, &second]
            .iter()
            .filter_map(|s| s.metric("keyless_webhook_rotations_total", &format!("\"{what}\"")))
            .sum::<f64>()
    };
    // Of two replicas one wins: nothing is made twice.
    #[allow(clippy::cast_precision_loss)]
    let seen = authorities.len() as f64;
    assert!(
        made("authority") <= seen + 1.0,
        "{} authorities",
        made("authority")
    );
    first.stop().await?;
    second.stop().await
}
