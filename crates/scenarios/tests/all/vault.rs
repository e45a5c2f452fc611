//! The chain from a cluster's token to a Secret, link by link, on Vault.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    vault_refusals_then_secret,
    vault_keys_and_times,
    vault_auth_methods,
    vault_engines,
    vault_tokens_end_with_their_store,
    vault_stays_in_its_namespace,
    vault_namespaces,
    vault_canary,
    vault_example,
    openbao_reads
);
scenarios!(alone: vault_one_login_for_many);

fn one(store: &str, key: &str) -> Value {
    json!({"secretStoreRef": {"name": store}, "refreshInterval": "1s", "data": [{"secretKey": "v", "remoteRef": {"key": key, "property": "v"}}]})
}

/// Each broken link is named in Vault's own words and explained, and mending it is enough.
async fn vault_refusals_then_secret(world: World) -> Result<()> {
    let w = &world;
    w.service_account("app", json!({})).await?;
    w.store("vault", w.vault_store(w.jwt_auth("app"))).await?;
    w.external_secret("hello", one("vault", "db")).await?;

    let message = w.until_store_says("vault", "permission denied").await?;
    assert!(message.contains("an auth method mounted at"), "{message}");

    w.jwt_method().await?;
    w.look_again("vault").await?;
    let message = w.until_store_says("vault", "could not be found").await?;
    assert!(message.contains("[V2]"), "{message}");

    w.jwt_role("app", json!({"bound_audiences": ["elsewhere"]}))
        .await?;
    w.look_again("vault").await?;
    let message = w.until_store_says("vault", "(aud) claim").await?;
    assert!(message.contains("[V3]"), "{message}");

    w.jwt_role("somebody-else", json!({})).await?;
    w.look_again("vault").await?;
    let message = w.until_store_says("vault", "(sub) claim").await?;
    assert!(message.contains("[V2]"), "{message}");
    assert!(
        message.contains(&w.subject("app")),
        "the message names the subject that was presented: {message}"
    );

    w.jwt_role(
        "app",
        json!({"bound_claims": {"/kubernetes.io/namespace": "another"}}),
    )
    .await?;
    w.look_again("vault").await?;
    let message = w.until_store_says("vault", "bound claim").await?;
    assert!(message.contains("[V2]"), "{message}");

    w.jwt_role(
        "app",
        json!({"bound_claims": {"/kubernetes.io/namespace": w.ns}}),
    )
    .await?;
    w.look_again("vault").await?;
    w.sync_now("hello").await?;
    let message = w.until_message("hello", "[V8]").await?;
    assert!(
        message.contains(&format!("{}/data/db", w.vault_name("kv"))),
        "the message names the policy's path: {message}"
    );

    w.vault_policy().await?;
    w.sync_now("hello").await?;
    let message = w.until_message("hello", "does not exist").await?;
    assert!(message.contains("data/db"), "{message}");
    assert!(w.secret("hello").await?.is_none(), "nothing was written");

    w.vault_put("db", json!({"v": "s3cr3t"})).await?;
    w.sync_now("hello").await?;
    w.until_ready("hello").await?;
    assert_eq!(w.secret_data("hello").await?["v"], "s3cr3t");
    Ok(())
}

/// Issuer, keys and times: what only a token of one's own making can get wrong.
async fn vault_keys_and_times(world: World) -> Result<()> {
    let w = &world;
    w.jwt_method().await?;
    w.vault_policy().await?;
    w.jwt_role("app", json!({})).await?;
    let now = w.now();
    let claims = |iat: i64, exp: i64| json!({"iss": w.issuer_url(), "sub": w.subject("app"), "aud": ["vault"], "iat": iat, "nbf": iat, "exp": exp});
    let forged = {
        let good = w.sign(&claims(now, now + 600))?;
        let (rest, signature) = good.rsplit_once('.').expect("three parts");
        let other: String = signature.chars().rev().collect();
        format!("{rest}.{other}")
    };
    let tokens = [
        ("good", w.sign(&claims(now, now + 600))?),
        ("expired", w.sign(&claims(now - 7200, now - 3600))?),
        ("future", w.sign(&claims(now + 3600, now + 7200))?),
        ("forged", forged),
    ];
    let data: serde_json::Map<String, Value> = tokens
        .iter()
        .map(|(name, token)| ((*name).to_owned(), STANDARD.encode(token).into()))
        .collect();
    w.api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tokens", "namespace": w.ns}, "data": data})).await?;
    let auth = |key: &str, mount: &str| json!({"jwt": {"path": mount, "role": "app", "secretRef": {"name": "tokens", "key": key}}});
    let jwt = w.vault_name("jwt");
    for (name, _) in &tokens {
        w.store(name, w.vault_store(auth(name, &jwt))).await?;
    }
    // The same token at methods that are set up wrongly.
    let vault = w.vault();
    let issuer = w.vault_name("issuer");
    vault.enable_auth(&issuer, "jwt").await?;
    let config =
        json!({"oidc_discovery_url": w.issuer_url(), "bound_issuer": "https://another.example"});
    vault
        .write(&format!("auth/{issuer}/config"), config)
        .await?;
    let keys = w.vault_name("keys");
    vault.enable_auth(&keys, "jwt").await?;
    vault
        .write(
            &format!("auth/{keys}/config"),
            json!({"jwt_validation_pubkeys": [rcgen::KeyPair::generate()?.public_key_pem()]}),
        )
        .await?;
    for mount in [&issuer, &keys] {
        let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"]});
        vault.write(&format!("auth/{mount}/role/app"), role).await?;
    }
    w.store("issuer", w.vault_store(auth("good", &issuer)))
        .await?;
    w.store("keys", w.vault_store(auth("good", &keys))).await?;

    w.vault_put("x", json!({"v": "1"})).await?;
    w.external_secret("es", one("good", "x")).await?;
    w.until_ready("es").await?;
    for (store, text, code) in [
        ("expired", "token is expired", "[K11]"),
        ("future", "not yet valid", "[K12]"),
        ("forged", "signature", "[K7]"),
        ("issuer", "(iss) claim", "[V4]"),
        ("keys", "no known key", "[V6]"),
    ] {
        let message = w.until_store_says(store, text).await?;
        assert!(message.contains(code), "{store}: {message}");
    }
    let wrong = json!({"oidc_discovery_url": "https://localhost:1"});
    let refused = vault.write(&format!("auth/{jwt}/config"), wrong).await;
    assert!(
        refused
            .expect_err("no such issuer")
            .to_string()
            .contains("error checking oidc discovery URL")
    );
    Ok(())
}

/// Every way of logging in, each through its real exchange.
async fn vault_auth_methods(world: World) -> Result<()> {
    let w = &world;
    let vault = w.vault();
    w.jwt_method().await?;
    w.jwt_role("app", json!({})).await?;
    w.vault_policy().await?;
    w.service_account("app", json!({})).await?;
    w.service_account("other", json!({})).await?;
    w.kubernetes_method("app").await?;
    let policies = json!([w.vault_name("read")]);
    let client = rcgen::generate_simple_self_signed(["app.example".to_owned()])?;
    let (role, user, directory, cert) = (
        w.vault_name("approle"),
        w.vault_name("userpass"),
        w.vault_name("ldap"),
        w.vault_name("cert"),
    );
    vault.enable_auth(&role, "approle").await?;
    vault
        .write(
            &format!("auth/{role}/role/app"),
            json!({"token_policies": policies, "role_id": "the-role"}),
        )
        .await?;
    let secret_id = vault
        .write(&format!("auth/{role}/role/app/secret-id"), json!({}))
        .await?;
    vault.enable_auth(&user, "userpass").await?;
    vault
        .write(
            &format!("auth/{user}/users/u"),
            json!({"password": "p4ss", "token_policies": policies}),
        )
        .await?;
    vault.enable_auth(&directory, "ldap").await?;
    vault
        .write(
            &format!("auth/{directory}/config"),
            json!({"url": "ldaps://directory"}),
        )
        .await?;
    vault
        .write(
            &format!("auth/{directory}/groups/readers"),
            json!({"policies": policies}),
        )
        .await?;
    vault.put_directory_user(&w.vault_name("user"), "dir-p4ss", &["readers"]);
    vault.enable_auth(&cert, "cert").await?;
    vault
        .write(
            &format!("auth/{cert}/certs/app"),
            json!({"certificate": client.cert.pem(), "token_policies": policies}),
        )
        .await?;
    let iam = w.vault_name("aws");
    w.aws_role("irsa", &w.subject("irsa"), &w.path("*")).await?;
    let annotation = json!({"eks.amazonaws.com/role-arn": w.role_arn("irsa")});
    w.service_account("irsa", annotation).await?;
    vault.enable_auth(&iam, "aws").await?;
    vault
        .write(
            &format!("auth/{iam}/config/client"),
            json!({"sts_endpoint": w.aws_url(), "iam_server_id_header_value": "vault.example"}),
        )
        .await?;
    for (name, arn) in [("app", w.role_arn("irsa")), ("other", w.role_arn("other"))] {
        let role = json!({"auth_type": "iam", "bound_iam_principal_arn": [arn], "token_policies": policies});
        vault
            .write(&format!("auth/{iam}/role/{name}"), role)
            .await?;
    }
    let token = vault
        .write(
            "auth/token/create",
            json!({"policies": policies, "ttl": "1h"}),
        )
        .await?;
    let part = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let secrets = [
        ("secret-id", part(&secret_id, "secret_id")),
        ("password", "p4ss".to_owned()),
        ("directory", "dir-p4ss".to_owned()),
        ("token", format!("{}\n", part(&token, "client_token"))),
        ("wrong", "wrong".to_owned()),
        ("tls.crt", client.cert.pem()),
        ("tls.key", client.signing_key.serialize_pem()),
    ];
    let data: serde_json::Map<String, Value> = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), STANDARD.encode(value).into()))
        .collect();
    w.api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": w.ns}, "data": data})).await?;
    let from = |key: &str| json!({"name": "login", "key": key});
    let kubernetes = |account: &str| json!({"kubernetes": {"mountPath": w.vault_name("kubernetes"), "role": "app", "serviceAccountRef": {"name": account}}});
    let app_role = |key: &str| json!({"appRole": {"path": role, "roleId": "the-role", "secretRef": from(key)}});
    let password =
        |key: &str| json!({"userPass": {"path": user, "username": "u", "secretRef": from(key)}});
    let ldap = |key: &str| json!({"ldap": {"path": directory, "username": w.vault_name("user"), "secretRef": from(key)}});
    let aws = |role: &str, server: &str| json!({"iam": {"path": iam, "vaultRole": role, "vaultAwsIamServerID": server, "jwt": {"serviceAccountRef": {"name": "irsa"}}}});
    let good = [
        ("jwt", w.jwt_auth("app")),
        ("kubernetes", kubernetes("app")),
        ("approle", app_role("secret-id")),
        ("userpass", password("password")),
        ("ldap", ldap("directory")),
        (
            "cert",
            json!({"cert": {"path": cert, "clientCert": from("tls.crt"), "secretRef": from("tls.key")}}),
        ),
        ("token", json!({"tokenSecretRef": from("token")})),
        ("aws", aws("app", "vault.example")),
    ];
    w.vault_put("x", json!({"v": "found"})).await?;
    for (name, auth) in &good {
        w.store(name, w.vault_store(auth.clone())).await?;
        w.external_secret(name, one(name, "x")).await?;
    }
    let bad = [
        (
            "bad-kubernetes",
            kubernetes("other"),
            "name not authorized",
            "[V2]",
        ),
        (
            "bad-approle",
            app_role("wrong"),
            "invalid role or secret ID",
            "auth.jwt",
        ),
        (
            "bad-userpass",
            password("wrong"),
            "invalid username or password",
            "auth.jwt",
        ),
        ("bad-ldap", ldap("wrong"), "failed to bind", "auth.jwt"),
        (
            "bad-aws-role",
            aws("other", "vault.example"),
            "does not belong to the role",
            "[V2]",
        ),
        (
            "bad-aws-server",
            aws("app", "another.example"),
            "X-Vault-AWS-IAM-Server-ID",
            "[V2]",
        ),
        (
            "bad-token",
            json!({"tokenSecretRef": from("wrong")}),
            "permission denied",
            "auth.jwt",
        ),
        (
            "bad-gcp",
            json!({"gcp": {"role": "app", "serviceAccountRef": {"name": "nobody"}}}),
            "cannot read ServiceAccount",
            "nobody",
        ),
    ];
    for (name, auth, _, _) in &bad {
        w.store(name, w.vault_store(auth.clone())).await?;
    }
    for (name, _) in &good {
        w.until_ready(name).await?;
        assert_eq!(w.secret_data(name).await?["v"], "found", "{name}");
    }
    for (name, _, text, hint) in &bad {
        let message = w.until_store_says(name, text).await?;
        assert!(message.contains(hint), "{name}: {message}");
    }
    Ok(())
}

/// Both versions of the engine: keys, properties, versions, metadata, searches, absence.
async fn vault_engines(world: World) -> Result<()> {
    let w = &world;
    let vault = w.vault();
    w.vault_ready("app").await?;
    let kv = w.vault_name("kv");
    w.vault_put("foo", json!({"a": "old"})).await?;
    w.vault_put(
        "foo",
        json!({"a": "1", "n": {"x": "y", "l": [1, 2.5]}, "a.b": "literal", "z": null, "h": "<&>"}),
    )
    .await?;
    w.vault_put("dir/one", json!({"v": "1"})).await?;
    w.vault_put("dir/deep/two", json!({"v": "2"})).await?;
    w.vault_put("dir/gone", json!({"v": "3"})).await?;
    vault.delete(&format!("{kv}/data/dir/gone")).await?;
    vault
        .write(
            &format!("{kv}/metadata/dir/one"),
            json!({"custom_metadata": {"team": "a", "env": "prod"}}),
        )
        .await?;
    let data = |entries: Value| json!({"secretStoreRef": {"name": "vault"}, "data": entries});
    let entry = |key: &str, remote: Value| json!({"secretKey": key, "remoteRef": remote});
    w.external_secret(
        "forms",
        data(json!([
            entry("whole", json!({"key": "foo"})),
            entry(
                "mounted",
                json!({"key": format!("{kv}/foo"), "property": "a"})
            ),
            entry(
                "datapath",
                json!({"key": format!("{kv}/data/foo"), "property": "n.l.1"})
            ),
            entry("literal", json!({"key": "foo", "property": "a.b"})),
            entry("null", json!({"key": "foo", "property": "z"})),
            entry(
                "old",
                json!({"key": "foo", "version": "1", "property": "a"})
            ),
            entry(
                "team",
                json!({"key": "dir/one", "metadataPolicy": "Fetch", "property": "team"})
            ),
        ])),
    )
    .await?;
    let from = |source: Value| json!({"secretStoreRef": {"name": "vault"}, "dataFrom": [source]});
    w.external_secret(
        "extract",
        from(json!({"extract": {"key": "foo", "property": "n"}})),
    )
    .await?;
    w.external_secret(
        "names",
        from(json!({"find": {"path": "dir", "name": {"regexp": ".*"}}})),
    )
    .await?;
    w.external_secret(
        "tags",
        from(json!({"find": {"tags": {"team": "a", "env": "prod"}}})),
    )
    .await?;
    w.external_secret(
        "deleted",
        data(json!([entry("v", json!({"key": "dir/gone"}))])),
    )
    .await?;
    w.external_secret(
        "property",
        data(json!([entry(
            "v",
            json!({"key": "foo", "property": "nope"})
        )])),
    )
    .await?;
    w.external_secret(
        "escape",
        data(json!([entry("v", json!({"key": "../../sys/mounts"}))])),
    )
    .await?;
    w.until_ready("forms").await?;
    let forms = w.secret_data("forms").await?;
    let want = [
        (
            "whole",
            r#"{"a":"1","a.b":"literal","h":"\u003c\u0026\u003e","n":{"l":[1,2.5],"x":"y"},"z":null}"#,
        ),
        ("mounted", "1"),
        ("datapath", "2.5"),
        ("literal", "literal"),
        ("null", ""),
        ("old", "old"),
        ("team", "a"),
    ];
    for (key, value) in want {
        assert_eq!(forms[key], value, "{key}");
    }
    w.until_ready("extract").await?;
    assert_eq!(w.secret_data("extract").await?["l"], "[1,2.5]");
    w.until_ready("names").await?;
    let names = w.secret_data("names").await?;
    assert_eq!(
        names.keys().collect::<Vec<_>>(),
        ["dir_deep_two", "dir_one"],
        "what is deleted is left out"
    );
    w.until_ready("tags").await?;
    assert_eq!(w.secret_data("tags").await?.len(), 1);
    w.until_message("deleted", "does not exist").await?;
    w.until_message("property", "cannot find secret data for key")
        .await?;
    w.until_message("escape", "no path of a secret").await?;

    let old = w.vault_name("old");
    vault.enable_kv(&old, 1).await?;
    vault
        .write(&format!("{old}/foo"), json!({"v": "first"}))
        .await?;
    vault
        .allow(
            &w.vault_name("read"),
            &[&format!("{old}/*"), &format!("{kv}/*")],
            &["read", "list"],
        )
        .await?;
    let mut spec = w.vault_store(w.jwt_auth("app"));
    spec["provider"]["vault"]["path"] = json!(old);
    spec["provider"]["vault"]["version"] = json!("v1");
    w.store("old", spec.clone()).await?;
    w.external_secret("v1", json!({"secretStoreRef": {"name": "old"}, "data": [{"secretKey": "v", "remoteRef": {"key": "foo", "property": "v"}}], "dataFrom": [{"find": {"name": {"regexp": "."}}}]}))
        .await?;
    w.until_ready("v1").await?;
    assert_eq!(w.secret_data("v1").await?["foo"], r#"{"v":"first"}"#);
    w.external_secret(
        "v1-tags",
        json!({"secretStoreRef": {"name": "old"}, "dataFrom": [{"find": {"tags": {"a": "b"}}}]}),
    )
    .await?;
    w.until_message("v1-tags", "version 1").await?;
    // The wrong version is told by the server and is no absence.
    spec["provider"]["vault"]["path"] = json!(kv);
    w.store("mixed", spec).await?;
    w.external_secret("mixed", json!({"secretStoreRef": {"name": "mixed"}, "data": [{"secretKey": "v", "remoteRef": {"key": "foo"}}]}))
        .await?;
    let message = w.until_message("mixed", "versioned").await?;
    assert!(message.contains("Correct version"), "{message}");
    Ok(())
}

/// A hundred objects behind one identity: one login; the token ends with the operator.
async fn vault_one_login_for_many(world: World) -> Result<()> {
    let w = &world;
    let class = format!("many-{}", w.ns);
    w.jwt_method().await?;
    w.jwt_role("app", json!({})).await?;
    w.vault_policy().await?;
    w.service_account("app", json!({})).await?;
    let mut store = w.vault_store(w.jwt_auth("app"));
    store["controller"] = json!(class);
    // Two stores of one identity share it as well.
    w.store("one", store.clone()).await?;
    w.store("two", store).await?;
    for i in 0..100 {
        w.vault_put(
            &format!("s{}", i % 50),
            json!({"v": format!("v{}", i % 50)}),
        )
        .await?;
        let store = if i % 2 == 0 { "one" } else { "two" };
        w.external_secret(&format!("es{i}"), json!({"secretStoreRef": {"name": store}, "data": [{"secretKey": "v", "remoteRef": {"key": format!("s{}", i % 50), "property": "v"}}]}))
            .await?;
    }
    let mount = w.vault_name("jwt");
    let operator = w.operator_of_class(&class).await?;
    for i in 0..100 {
        w.until_ready(&format!("es{i}")).await?;
    }
    assert_eq!(w.secret_data("es42").await?["v"], "v42");
    assert_eq!(w.vault().calls(&format!("write auth/{mount}/login")), 1);
    assert_eq!(w.vault().live_tokens("", &mount), 1);
    operator.stop().await?;
    assert_eq!(w.vault().live_tokens("", &mount), 0, "revoked at the end");
    Ok(())
}

/// The token of a deleted store is revoked, and that of a recreated account replaced.
async fn vault_tokens_end_with_their_store(world: World) -> Result<()> {
    let w = &world;
    w.vault_ready("app").await?;
    w.vault_put("x", json!({"v": "1"})).await?;
    w.external_secret("es", one("vault", "x")).await?;
    w.until_ready("es").await?;
    let mount = w.vault_name("jwt");
    assert_eq!(w.vault().live_tokens("", &mount), 1);
    w.api.delete("ExternalSecret", &w.ns, "es").await?;
    w.api.delete("SecretStore", &w.ns, "vault").await?;
    w.until_no_token("jwt").await?;

    // A service account that is gone: what it was good for ends as well.
    w.store("again", w.vault_store(w.jwt_auth("app"))).await?;
    w.external_secret("es", one("again", "x")).await?;
    w.until_ready("es").await?;
    w.api.delete("ServiceAccount", &w.ns, "app").await?;
    w.look_again("again").await?;
    w.until_store_says("again", "does not exist").await?;
    w.until_no_token("jwt").await
}

/// A SecretStore reaches no other namespace's service account or secret.
async fn vault_stays_in_its_namespace(world: World) -> Result<()> {
    let w = &world;
    w.jwt_method().await?;
    let foreign = json!({"name": "default", "namespace": "default"});
    let mount = w.vault_name("jwt");
    for (name, auth) in [
        (
            "account",
            json!({"jwt": {"path": mount, "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": foreign}}}),
        ),
        (
            "kubernetes",
            json!({"kubernetes": {"mountPath": mount, "role": "app", "serviceAccountRef": foreign}}),
        ),
        (
            "secret",
            json!({"tokenSecretRef": {"name": "t", "key": "t", "namespace": "default"}}),
        ),
    ] {
        w.store(name, w.vault_store(auth)).await?;
        w.until_store_says(name, "namespace should either be empty or match")
            .await?;
    }
    assert_eq!(w.vault().calls(&format!("write auth/{mount}/login")), 0);
    Ok(())
}

/// A Vault namespace for secrets and login, and another one for the login alone.
async fn vault_namespaces(world: World) -> Result<()> {
    let w = &world;
    let vault = w.vault();
    let team = w.vault_name("team");
    w.service_account("app", json!({})).await?;
    vault
        .write(&format!("sys/namespaces/{team}"), json!({}))
        .await?;
    vault
        .write(&format!("{team}/sys/mounts/kv"), json!({"type": "kv-v2"}))
        .await?;
    vault
        .write(&format!("{team}/sys/auth/jwt"), json!({"type": "jwt"}))
        .await?;
    vault
        .write(
            &format!("{team}/auth/jwt/config"),
            json!({"oidc_discovery_url": w.issuer_url()}),
        )
        .await?;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": w.subject("app"), "token_policies": ["read"]});
    vault
        .write(&format!("{team}/auth/jwt/role/app"), role)
        .await?;
    vault
        .write(
            &format!("{team}/sys/policies/acl/read"),
            json!({"policy": "path \"kv/data/*\" { capabilities = [\"read\"] }"}),
        )
        .await?;
    vault
        .write(
            &format!("{team}/kv/data/x"),
            json!({"data": {"v": "inside"}}),
        )
        .await?;
    let mut spec = w.vault_store(json!({"jwt": {"path": "jwt", "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "app"}}}}));
    spec["provider"]["vault"]["path"] = json!("kv");
    spec["provider"]["vault"]["namespace"] = json!(team);
    w.store("inside", spec.clone()).await?;
    w.external_secret("es", one("inside", "x")).await?;
    w.until_ready("es").await?;
    assert_eq!(w.secret_data("es").await?["v"], "inside");
    spec["provider"]["vault"]["namespace"] = json!("nowhere");
    w.store("outside", spec).await?;
    w.until_store_says("outside", "namespace \"nowhere\"")
        .await?;
    Ok(())
}

/// Values, tokens of Vault and of the cluster turn up nowhere.
async fn vault_canary(world: World) -> Result<()> {
    let w = &world;
    let canary = format!("canary-{}-7d3a91", w.ns);
    w.vault_ready("app").await?;
    w.vault_put("c", json!({"v": canary, "o": {"in": canary}}))
        .await?;
    w.external_secret("fine", one("vault", "c")).await?;
    for (name, remote) in [
        ("property", json!({"key": "c", "property": "o.nope"})),
        (
            "decoded",
            json!({"key": "c", "property": "v", "decodingStrategy": "Base64"}),
        ),
    ] {
        w.external_secret(name, json!({"secretStoreRef": {"name": "vault"}, "data": [{"secretKey": "a", "remoteRef": remote}]})).await?;
    }
    w.external_secret("map", json!({"secretStoreRef": {"name": "vault"}, "dataFrom": [{"extract": {"key": "c", "property": "v"}}]})).await?;
    w.until_ready("fine").await?;
    for name in ["property", "decoded", "map"] {
        w.until_failed(name).await?;
    }
    assert_eq!(w.secret_data("fine").await?["v"], canary, "it did travel");
    for (place, text) in w.everything_said().await? {
        assert!(!text.contains(&canary), "the value is in {place}");
        assert!(!text.contains("hvs."), "a token of Vault is in {place}");
    }
    let metrics = w.everything_said().await?;
    let metrics = metrics.iter().find(|(place, _)| *place == "a metric");
    let call = "provider=\"HashiCorp/Vault\",call=\"ReadSecretData\",status=\"success\"";
    assert!(metrics.is_some_and(|(_, text)| text.contains(call)));
    Ok(())
}

/// The example's manifests, but for the server's address and authority.
async fn vault_example(world: World) -> Result<()> {
    let w = &world;
    let vault = w.vault();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/vault");
    let text = |file: &str| std::fs::read_to_string(format!("{folder}/{file}"));
    let (jwt, kubernetes) = (w.vault_name("jwt"), w.vault_name("kubernetes"));
    w.jwt_method().await?;
    w.service_account("app", json!({})).await?;
    w.kubernetes_method("app").await?;
    let policy = text("policy.hcl")?.replace("secret/", &format!("{}/", w.vault_name("kv")));
    vault
        .write(
            &format!("sys/policies/acl/{}", w.vault_name("app")),
            json!({"policy": policy}),
        )
        .await?;
    w.jwt_role("app", json!({"token_policies": [w.vault_name("app")]}))
        .await?;
    let role = format!("auth/{kubernetes}/role/app");
    vault
        .write(&role, json!({"token_policies": [w.vault_name("app")]}))
        .await?;
    w.vault_put("app/db", json!({"password": "from the example"}))
        .await?;
    for file in [
        "service-account.yaml",
        "secret-store-jwt.yaml",
        "secret-store-kubernetes.yaml",
        "external-secret.yaml",
    ] {
        let mut object: Value = serde_saphyr::from_str(&text(file)?)?;
        object["metadata"]["namespace"] = json!(w.ns);
        if object["kind"] == "ServiceAccount" {
            continue;
        }
        if let Some(store) = object.pointer_mut("/spec/provider/vault") {
            store["server"] = json!(w.vault_url());
            store["caBundle"] = json!(w.ca_bundle());
            store["path"] = json!(w.vault_name("kv"));
            if let Some(auth) = store.pointer_mut("/auth/jwt") {
                auth["path"] = json!(jwt);
            }
            if let Some(auth) = store.pointer_mut("/auth/kubernetes") {
                auth["mountPath"] = json!(kubernetes);
            }
        }
        w.api.create(&object).await?;
    }
    w.until_ready("app-db").await?;
    assert_eq!(
        w.secret_data("app-db").await?["DB_PASSWORD"],
        "from the example"
    );
    w.external_secret("by-kubernetes", json!({"secretStoreRef": {"name": "vault-kubernetes"}, "data": [{"secretKey": "v", "remoteRef": {"key": "app/db", "property": "password"}}]})).await?;
    w.until_ready("by-kubernetes").await?;
    Ok(())
}

/// The provider key `openBao`: the same engine, reading only.
async fn openbao_reads(world: World) -> Result<()> {
    let w = &world;
    let vault = w.vault();
    w.jwt_method().await?;
    w.vault_policy().await?;
    w.vault_put("x", json!({"v": "1", "n": {"x": "y"}})).await?;
    let token = vault
        .write(
            "auth/token/create",
            json!({"policies": [w.vault_name("read")], "ttl": "1h"}),
        )
        .await?;
    let token = token["client_token"].as_str().unwrap_or_default();
    w.api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t", "namespace": w.ns}, "data": {"t": STANDARD.encode(token), "wrong": STANDARD.encode("wrong")}})).await?;
    let store = |path: &str, key: &str, version: &str| json!({"provider": {"openBao": {"server": w.vault_url(), "caBundle": w.ca_bundle(), "path": path, "version": version, "auth": {"tokenSecretRef": {"name": "t", "key": key}}}}});
    let kv = w.vault_name("kv");
    w.store("bao", store(&kv, "t", "v2")).await?;
    w.store("wrong", store(&kv, "wrong", "v2")).await?;
    w.store("missing", store(&w.vault_name("nowhere"), "t", "v2"))
        .await?;
    w.store("version", store(&kv, "t", "v1")).await?;
    w.external_secret("es", json!({"secretStoreRef": {"name": "bao"}, "data": [{"secretKey": "v", "remoteRef": {"key": "x", "property": "n.x"}}]})).await?;
    w.until_ready("es").await?;
    assert_eq!(w.secret_data("es").await?["v"], "y");
    let bao = w
        .api
        .get("SecretStore", &w.ns, "bao")
        .await?
        .unwrap_or_default();
    assert_eq!(bao["status"]["capabilities"], "ReadOnly");
    w.until_store_says("wrong", "permission denied").await?;
    w.until_store_says("missing", "preflight").await?;
    w.until_store_says("version", "version 2").await?;
    Ok(())
}
