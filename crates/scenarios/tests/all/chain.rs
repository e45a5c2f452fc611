//! The chain from a cluster's token to a Secret, link by link, on AWS Parameter Store.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::json;

scenarios!(
    refusals_then_secret,
    roles_are_chained,
    find_and_extract,
    versions_and_properties,
    blog_manifests
);
scenarios!(alone: one_login_for_many);

/// Each broken link is named by AWS's own code and explained, and mending it is enough.
async fn refusals_then_secret(world: World) -> Result<()> {
    let w = &world;
    w.parameter("db/password", "s3cr3t").await?;
    let role = w.role_arn("reader");
    w.service_account("reader", json!({"eks.amazonaws.com/role-arn": role}))
        .await?;
    w.store("aws", w.aws_store("reader")).await?;
    w.external_secret("hello", json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "password", "remoteRef": {"key": w.path("db/password")}}]}))
        .await?;

    w.until_message("hello", "AccessDenied").await?;

    w.aws_role("reader", &w.subject("someone-else"), &w.path("*"))
        .await?;
    let message = w.until_message("hello", "AccessDenied").await?;
    assert!(
        message.contains("[A3]"),
        "the message carries the catalogue code: {message}"
    );
    assert!(
        message.contains(&w.subject("reader")),
        "the message names the subject that was presented: {message}"
    );

    w.aws_role("reader", &w.subject("reader"), "/elsewhere/*")
        .await?;
    let message = w.until_message("hello", "AccessDeniedException").await?;
    assert!(
        message.contains("ssm:GetParameter"),
        "the message names the action: {message}"
    );
    assert!(
        w.secret("hello").await?.is_none(),
        "nothing was written on the way"
    );

    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    w.until_ready("hello").await?;
    assert_eq!(
        w.secret_data("hello").await?,
        [("password".to_owned(), "s3cr3t".to_owned())].into()
    );
    Ok(())
}

/// A hundred objects behind one identity, there before the operator: one login, full batches.
async fn one_login_for_many(world: World) -> Result<()> {
    let w = &world;
    let class = format!("many-{}", w.ns);
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    w.service_account(
        "reader",
        json!({"eks.amazonaws.com/role-arn": w.role_arn("reader")}),
    )
    .await?;
    let mut store = w.aws_store("reader");
    store["controller"] = json!(class);
    w.store("aws", store).await?;
    for i in 0..100 {
        w.parameter(&format!("p{i}"), &format!("v{i}")).await?;
        let spec = json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "v", "remoteRef": {"key": w.path(&format!("p{i}"))}}]});
        w.external_secret(&format!("es{i}"), spec).await?;
    }
    let before = w.aws_calls();
    let operator = w.operator_of_class(&class).await?;
    for i in 0..100 {
        w.until_ready(&format!("es{i}")).await?;
    }
    operator.stop().await?;
    let calls = w.aws_calls().since(&before);
    // Counts, not times, yet a busy machine feeds the batches slowly: far from a hundred is the claim.
    let logins = calls.of("sts:AssumeRoleWithWebIdentity");
    assert!(
        (1..=2).contains(&logins),
        "one login for all, and one if the ring's own operator renews its: {calls:?}"
    );
    assert!(
        calls.of("ssm:GetParameter") <= 30,
        "many to a call: {calls:?}"
    );
    assert_eq!(w.secret_data("es42").await?["v"], "v42");
    Ok(())
}

/// The web identity's role assumes another, and only the second may read.
async fn roles_are_chained(world: World) -> Result<()> {
    let w = &world;
    w.parameter("deep", "down").await?;
    w.aws_ready("reader").await?;
    w.aws_chained_role("second", &w.role_arn("reader"), &w.path("*"))
        .await?;
    let mut spec = w.aws_store("reader");
    spec["provider"]["aws"]["role"] = json!(w.role_arn("second"));
    spec["provider"]["aws"]["externalID"] = json!("the-tenant");
    w.store("chained", spec).await?;
    w.external_secret("es", json!({"secretStoreRef": {"name": "chained"}, "data": [{"secretKey": "v", "remoteRef": {"key": w.path("deep")}}]})).await?;
    w.until_ready("es").await?;
    assert_eq!(w.secret_data("es").await?["v"], "down");
    Ok(())
}

/// `find` by name and path, and `extract` of a JSON value.
async fn find_and_extract(world: World) -> Result<()> {
    let w = &world;
    w.parameter("app/one", "1").await?;
    w.parameter("app/two", "2").await?;
    w.parameter("app/skip", "3").await?;
    w.parameter("json", r#"{"user":"u","port":5432,"nested":{"a":true}}"#)
        .await?;
    w.aws_ready("reader").await?;
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "aws"}, "dataFrom": [
            {"find": {"path": w.path("app"), "name": {"regexp": "(one|two)$"}}},
            {"extract": {"key": w.path("json")}},
        ]}),
    )
    .await?;
    w.until_ready("es").await?;
    let converted = |name: &str| w.path(name).replace('/', "_");
    let data = w.secret_data("es").await?;
    assert_eq!(
        data,
        [
            (converted("app/one"), "1".to_owned()),
            (converted("app/two"), "2".to_owned()),
            ("user".to_owned(), "u".to_owned()),
            ("port".to_owned(), "5432".to_owned()),
            ("nested".to_owned(), r#"{"a":true}"#.to_owned()),
        ]
        .into()
    );
    Ok(())
}

/// A version, a SecureString, and a property by path.
async fn versions_and_properties(world: World) -> Result<()> {
    let w = &world;
    w.parameter("v", "old").await?;
    w.parameter("v", "new").await?;
    w.secure_parameter("s", r#"{"a":{"b":"deep"},"x.y":"literal"}"#)
        .await?;
    w.aws_ready("reader").await?;
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "aws"}, "data": [
            {"secretKey": "first", "remoteRef": {"key": w.path("v"), "version": "1"}},
            {"secretKey": "latest", "remoteRef": {"key": w.path("v")}},
            {"secretKey": "deep", "remoteRef": {"key": w.path("s"), "property": "a.b"}},
            {"secretKey": "literal", "remoteRef": {"key": w.path("s"), "property": "x.y"}},
        ]}),
    )
    .await?;
    w.until_ready("es").await?;
    let data = w.secret_data("es").await?;
    let want = [
        ("first", "old"),
        ("latest", "new"),
        ("deep", "deep"),
        ("literal", "literal"),
    ];
    assert_eq!(data, want.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    Ok(())
}

/// The manifests of the first example, byte for byte, with the operator's own web identity.
async fn blog_manifests(world: World) -> Result<()> {
    let w = &world;
    w.operator_identity("/path/to/*").await?;
    w.parameter_at("/path/to/key", "from the blog").await?;
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/aws-parameter-store"
    );
    for file in ["cluster-secret-store.yaml", "external-secret.yaml"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}"))?;
        w.api.create(&serde_saphyr::from_str(&text)?).await?;
    }
    let ready = |o: &serde_json::Value| keyless_scenarios::api::ready(o).0 == "True";
    w.api
        .until("ExternalSecret", "default", "hello", "Ready", ready)
        .await?;
    let secret = w
        .api
        .get("Secret", "default", "hello")
        .await?
        .expect("the Secret exists");
    assert_eq!(
        keyless_scenarios::data(&secret)["SOME_ENV_VAR"],
        "from the blog"
    );
    // Outside the scenario's namespace, so not cleared by itself.
    w.api.delete("ExternalSecret", "default", "hello").await?;
    w.api
        .delete("ClusterSecretStore", "", "aws-parameter-store")
        .await
}
