//! AWS: accounts and annotations, IAM's objects, the issuer as STS sees it, what an organisation
//! and a network refuse.

use anyhow::{Context as _, Result};
use keyless_sandbox::issuer::Faults;
use keyless_scenarios::World;
use keyless_trust::lint::Expect;
use serde_json::{Value, json};

use super::{doctor_says, linted, one, says, store_says};

scenarios!(aws_accounts, aws_policies_with_mistakes);
// Alone: they change what others log in with.
scenarios!(alone: aws_providers, aws_issuers_documents, aws_guard_rails, aws_quota, aws_agent);

fn expect(w: &World, account: &str) -> Expect {
    Expect {
        issuer: Some(w.issuer_url()),
        subject: Some(w.subject(account)),
        audience: Some("sts.amazonaws.com".to_owned()),
    }
}

/// A service account that has not logged in yet, with a role that it may have.
async fn newcomer(w: &World, name: &str) -> Result<()> {
    w.aws_role(name, &w.subject(name), &w.path("*")).await?;
    w.service_account(
        name,
        json!({"eks.amazonaws.com/role-arn": w.role_arn(name)}),
    )
    .await
}

/// Service accounts whose annotation leads nowhere, and a store without a region.
async fn aws_accounts(world: World) -> Result<()> {
    let w = &world;
    w.aws_ready("reader").await?;
    let absent = w.role_arn("absent");
    let rows = [
        (
            "malformed",
            json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}),
            "A4",
        ),
        (
            "elsewhere",
            json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::999900001111:role/x"}),
            "A1",
        ),
        (
            "absent",
            json!({"eks.amazonaws.com/role-arn": absent}),
            "A3",
        ),
    ];
    for (name, annotations, _) in &rows {
        w.service_account(name, annotations.clone()).await?;
        w.store(name, w.aws_store(name)).await?;
        w.external_secret(name, one(name, &w.path("x"))).await?;
    }
    let mut spec = w.aws_store("reader");
    spec["provider"]["aws"]["region"] = json!("");
    w.store("nowhere", spec).await?;
    w.external_secret("nowhere", one("nowhere", &w.path("x")))
        .await?;
    for (name, _, code) in &rows {
        store_says(w, name, code).await?;
        w.until_failed(name).await?;
        doctor_says(w, name, code).await?;
    }
    w.service_account("bare", json!({})).await?;
    w.store("bare", w.aws_store("bare")).await?;
    w.external_secret("bare", one("bare", &w.path("x"))).await?;
    store_says(w, "bare", "O1").await?;
    doctor_says(w, "bare", "O1").await?;
    store_says(w, "nowhere", "A12").await?;
    doctor_says(w, "nowhere", "A12").await
}

/// Policies that IAM takes and that let nobody in, or read nothing: AWS says no more than that it
/// is denied, the linter says why.
async fn aws_policies_with_mistakes(world: World) -> Result<()> {
    let w = &world;
    w.parameter("x", "v").await?;
    w.aws_ready("reader").await?;
    w.external_secret("es", one("aws", &w.path("x"))).await?;
    w.until_ready("es").await?;
    let trust = w.trust_policy("reader");
    let host = w.issuer_url().trim_start_matches("https://").to_owned();

    // Another action and another principal.
    let mut wrong = trust.clone();
    wrong["Statement"][0]["Action"] = json!("sts:AssumeRole");
    newcomer(w, "wrong").await?;
    w.set_trust_policy("wrong", &wrong)?;
    w.store("wrong", w.aws_store("wrong")).await?;
    store_says(w, "wrong", "A3").await?;
    let found = linted(w, &wrong, &expect(w, "reader"));
    assert!(found.contains(&"A5"), "{found:?}");

    // Anybody of the cluster gets in: nothing fails, and the linter says so.
    let mut wide = trust.clone();
    wide["Statement"][0]["Condition"] =
        json!({"StringLike": {format!("{host}:sub"): "system:serviceaccount:*:*"}});
    newcomer(w, "wide").await?;
    w.set_trust_policy("wide", &wide)?;
    w.store("wide", w.aws_store("wide")).await?;
    w.until_store_ready("wide").await?;
    let found = linted(w, &wide, &expect(w, "reader"));
    assert!(found.contains(&"A26"), "{found:?}");

    // The second role of a chain has no session of this federation, so that its keys are absent.
    w.aws_chained_role("second", &w.role_arn("reader"), &w.path("*"))
        .await?;
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParameters"],
        "Resource": format!("arn:aws:ssm:*:*:parameter{}", w.path("*")),
        "Condition": {"StringEquals": {format!("{host}:sub"): w.subject("reader")}},
    }]});
    w.set_role_policy("second", &policy)?;
    let mut spec = w.aws_store("reader");
    spec["provider"]["aws"]["role"] = json!(w.role_arn("second"));
    spec["provider"]["aws"]["externalID"] = json!("the-tenant");
    w.store("chained", spec).await?;
    w.external_secret("chained", one("chained", &w.path("x")))
        .await?;
    says(w, "chained", "A18").await?;
    let found = linted(w, &policy, &Expect::default());
    assert!(found.contains(&"A19"), "{found:?}");
    Ok(())
}

/// IAM's provider: gone, made anew for another audience, made anew without any.
async fn aws_providers(world: World) -> Result<()> {
    let w = &world;
    let (aws, url) = (w.aws(), w.issuer_url());
    let host = url.trim_start_matches("https://").to_owned();
    let arn = format!("arn:aws:iam::{}:oidc-provider/{host}", w.aws_account());
    let described = |ids: &[&str]| json!({"Url": host, "ClientIDList": ids, "ThumbprintList": []});
    // Each with a login of its own: one that succeeded is kept.
    let mut seen = Vec::new();
    for (name, ids, code) in [
        ("gone", None, "A1"),
        ("other", Some(&["another"][..]), "A2"),
        ("none", Some(&[]), "A2"),
    ] {
        newcomer(w, name).await?;
        aws.delete_oidc_provider(&arn);
        if let Some(ids) = ids {
            aws.create_oidc_provider(&url, ids)?;
        }
        w.store(name, w.aws_store(name)).await?;
        seen.push(store_says(w, name, code).await);
    }
    aws.delete_oidc_provider(&arn);
    aws.create_oidc_provider(&url, &["sts.amazonaws.com"])?;
    for result in seen {
        result?;
    }
    let wanted = expect(w, "reader");
    assert_eq!(linted(w, &described(&["another"]), &wanted), ["A2"]);
    assert_eq!(linted(w, &described(&[]), &wanted), ["A7"]);
    w.look_again("none").await?;
    w.until_store_ready("none").await
}

/// The issuer's documents as AWS finds them.
async fn aws_issuers_documents(world: World) -> Result<()> {
    let w = &world;
    let mut seen = Vec::new();
    for faults in [
        Faults {
            status: Some(404),
            ..Faults::default()
        },
        Faults {
            status: Some(503),
            ..Faults::default()
        },
        Faults {
            keys: Some(w.another_key_set()?),
            ..Faults::default()
        },
    ] {
        w.publish_as(faults);
        let name = format!("look-{}", seen.len());
        newcomer(w, &name).await?;
        w.store(&name, w.aws_store(&name)).await?;
        seen.push(store_says(w, &name, "A8").await);
    }
    w.publish_as(Faults::default());
    for result in seen {
        result?;
    }
    w.look_again("look-0").await?;
    w.until_store_ready("look-0").await
}

/// What stands around an account: its organisation's policy, and a VPC endpoint's.
async fn aws_guard_rails(world: World) -> Result<()> {
    let w = &world;
    w.parameter("x", "v").await?;
    w.aws_ready("reader").await?;
    w.external_secret("es", one("aws", &w.path("x"))).await?;
    w.until_ready("es").await?;
    let aws = w.aws();
    let here = format!("arn:aws:ssm:*:*:parameter{}", w.path("*"));
    let control = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "ssm:*", "Resource": here},
    ]});
    aws.set_control_policy(w.aws_account(), Some(&control.to_string()))?;
    w.again("ExternalSecret", "es", "organisation").await?;
    let organisation = says(w, "es", "A6").await;
    aws.set_control_policy(w.aws_account(), None)?;
    let endpoint = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "NotResource": here},
    ]});
    aws.set_endpoint_policy(Some(&endpoint.to_string()))?;
    w.again("ExternalSecret", "es", "endpoint").await?;
    let network = says(w, "es", "A25").await;
    aws.set_endpoint_policy(None)?;
    for (result, text) in [
        (organisation, "service control policy"),
        (network, "VPC endpoint policy"),
    ] {
        let message = result?;
        assert!(message.contains(text), "{message}");
    }
    assert_eq!(
        w.secret_data("es").await?["v"],
        "v",
        "the last good value stays"
    );
    w.again("ExternalSecret", "es", "free").await?;
    w.until_ready("es").await?;
    Ok(())
}

/// A quota that lets nothing through.
async fn aws_quota(world: World) -> Result<()> {
    use keyless_sandbox::aws::faults::{Effect, Fault};
    let w = &world;
    w.parameter("x", "v").await?;
    w.aws_ready("reader").await?;
    w.external_secret("es", one("aws", &w.path("x"))).await?;
    w.until_ready("es").await?;
    let quota = Effect::Quota {
        per_second: 0.0,
        burst: 0.0,
    };
    for api in ["GetParameter", "GetParameters"] {
        w.aws().add_fault(Fault::new(quota).on("ssm", api));
    }
    w.again("ExternalSecret", "es", "quota").await?;
    let message = says(w, "es", "A23").await;
    w.aws().clear_faults();
    let message = message?;
    assert!(message.contains("Rate exceeded"), "{message}");
    w.again("ExternalSecret", "es", "free").await?;
    w.until_ready("es").await?;
    Ok(())
}

/// The operator's own identity by Pod Identity, with something else at the agent's address.
async fn aws_agent(world: World) -> Result<()> {
    let w = &world;
    let class = format!("agent-{}", w.ns);
    let proxy = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/v1/credentials", proxy.local_addr()?);
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in proxy.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\nconnection: close\r\n\r\nno way in",
            );
        }
    });
    let environment = |uri: &str| {
        vec![
            ("AWS_ROLE_ARN", None),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", None),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Some(uri.to_owned())),
        ]
    };
    let own = |class: &str| -> Result<Value> {
        let mut spec = w.aws_store("reader");
        spec["controller"] = json!(class);
        let aws = spec["provider"]["aws"].as_object_mut();
        aws.context("an AWS store")?.remove("auth");
        Ok(spec)
    };
    let operator = w.operator_with(&class, environment(&url)).await?;
    w.store("proxied", own(&class)?).await?;
    let proxied = store_says(w, "proxied", "A16").await;
    operator.stop().await?;
    proxied?;
    // An address to which no token may go.
    let class = format!("outside-{}", w.ns);
    let operator = w
        .operator_with(&class, environment("http://agent.example/v1/credentials"))
        .await?;
    w.store("outside", own(&class)?).await?;
    let outside = store_says(w, "outside", "A16").await;
    operator.stop().await?;
    outside?;
    Ok(())
}
