//! The chain from a cluster's token to a Secret, link by link, on Azure Key Vault.

use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::azure::faults::{Effect, Fault};
use keyless_sandbox::azure::{Access, Secret};
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use keyless_scenarios::azure::AUDIENCE;
use serde_json::{Value, json};

scenarios!(
    azure_refusals_then_secret,
    azure_logins,
    azure_custom_cloud,
    azure_values,
    azure_search,
    azure_roles,
    azure_vault_states,
    azure_tenants,
);
// Alone: they count, turn clocks, or use a name that other examples have too.
scenarios!(alone:
    azure_blog_manifests,
    azure_one_login_for_many,
    azure_expired_token,
    azure_secrecy,
    azure_throttled,
);

fn spec(store: &str, data: Value) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": data})
}

fn one(key: &str) -> Value {
    json!([{"secretKey": "v", "remoteRef": {"key": key}}])
}

/// Each broken link is named by Azure's own code and explained, and mending it is enough.
async fn azure_refusals_then_secret(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    w.make_key_vault(Access::Policies);
    let identity = azure.create_managed_identity("reader");
    let id = &identity.client_id;
    w.azure_account("reader", &identity).await?;
    w.store("azure", w.azure_store("reader")).await?;
    w.external_secret("hello", spec("azure", one("password")))
        .await?;

    let message = w.until_message("hello", "AADSTS70025").await?;
    assert!(message.contains("[Z5]"), "{message}");

    let issuer = &*w.issuer_url();
    let subject = w.subject("reader");
    for (name, issuer, subject, audience, code, row) in [
        (
            "issuer",
            "https://issuer.example/other",
            &*subject,
            AUDIENCE,
            "AADSTS700211",
            "[Z1]",
        ),
        (
            "subject",
            issuer,
            &w.subject("someone-else"),
            AUDIENCE,
            "AADSTS700213",
            "[Z3]",
        ),
        (
            "case",
            issuer,
            &subject.to_uppercase(),
            AUDIENCE,
            "AADSTS7002138",
            "[Z3]",
        ),
        (
            "audience",
            issuer,
            &subject,
            "api://Other",
            "AADSTS700212",
            "[Z2]",
        ),
    ] {
        azure.add_federated_credential(id, name, issuer, subject, audience)?;
        w.again("SecretStore", "azure", name).await?;
        let message = w.until_message("hello", code).await?;
        assert!(message.contains(row), "{message}");
        assert!(
            message.contains(&w.subject("reader")),
            "the message names the subject that was presented: {message}"
        );
        azure.remove_federated_credential(id, name)?;
    }

    w.trust_account(&identity, "reader")?;
    w.again("SecretStore", "azure", "trusted").await?;
    let message = w.until_store_says("azure", "ForbiddenByPolicy").await?;
    assert!(
        message.contains("[Z19]") && message.contains("secrets get"),
        "the store itself names the permission: {message}"
    );

    w.allow_reading(&identity)?;
    w.again("SecretStore", "azure", "allowed").await?;
    let message = w.until_message("hello", "does not exist").await?;
    assert!(message.contains("[Z22]"), "{message}");

    azure.set_secret(&vault, "password", "s3cr3t")?;
    azure.enable_secret(&vault, "password", None, false)?;
    w.again("ExternalSecret", "hello", "disabled").await?;
    let message = w.until_message("hello", "SecretDisabled").await?;
    assert!(message.contains("[Z22]"), "{message}");
    assert!(
        w.secret("hello").await?.is_none(),
        "nothing was written on the way"
    );

    azure.enable_secret(&vault, "password", None, true)?;
    w.again("ExternalSecret", "hello", "enabled").await?;
    w.until_ready("hello").await?;
    assert_eq!(
        w.secret_data("hello").await?,
        [("v".to_owned(), "s3cr3t".to_owned())].into()
    );
    Ok(())
}

/// The manifests of the example, byte for byte: Azure's host names lead to the sandbox, and the
/// operator's own token is the one that Azure's webhook would inject.
async fn azure_blog_manifests(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), "my-keyvault");
    let operator = w.azure_operator();
    azure.add_federated_credential(
        &operator.client_id,
        "external-secrets",
        &w.issuer_url(),
        "system:serviceaccount:external-secrets:external-secrets",
        AUDIENCE,
    )?;
    // As the blog's access policy has it.
    azure.set_access_policy(vault, &operator.object_id, [&["Get"], &["Get"], &[]])?;
    azure.set_secret(vault, "path-to-key", "from the blog")?;
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/azure-key-vault"
    );
    for file in ["cluster-secret-store.yaml", "external-secret.yaml"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}"))?;
        w.api.create(&serde_saphyr::from_str(&text)?).await?;
    }
    let ready = |o: &Value| keyless_scenarios::api::ready(o).0 == "True";
    w.api
        .until("ExternalSecret", "default", "hello", "Ready", ready)
        .await?;
    let secret = w.api.get("Secret", "default", "hello").await?;
    let secret = secret.expect("the Secret exists");
    assert_eq!(
        keyless_scenarios::data(&secret)["SOME_ENV_VAR"],
        "from the blog"
    );
    // Outside the scenario's namespace, so not cleared by itself.
    w.api.delete("ExternalSecret", "default", "hello").await?;
    w.api
        .delete("ClusterSecretStore", "", "azure-keyvault")
        .await
}

/// Every way to log in ends in the same value.
async fn azure_logins(world: World) -> Result<()> {
    let w = &world;
    let azure = w.azure();
    let identity = w.azure_ready("annotated").await?;
    azure.set_secret(&w.key_vault(), "a", "value")?;

    // A service account without annotations: the ids are stored in a Secret.
    w.service_account("bare", json!({})).await?;
    w.trust_account(&identity, "bare")?;
    w.stored("ids", "client", &identity.client_id).await?;
    let stored = |name: &str, key: &str| json!({"name": name, "key": key});
    let app = azure.create_application("app");
    w.allow_reading(&app)?;
    azure.add_client_secret(&app.client_id, "s3cret-of-app", None)?;
    w.stored("app", "id", &app.client_id).await?;
    w.stored("app-secret", "value", "s3cret-of-app\n").await?;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
    let certificate = rcgen::CertificateParams::new(vec!["app".into()])?.self_signed(&key)?;
    azure.add_client_certificate(&app.client_id, &certificate.pem())?;
    let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
    w.stored("app-certificate", "pem", &pem).await?;
    let node = azure.create_managed_identity("node");
    w.allow_reading(&node)?;
    azure.assign_to_node(&node.client_id);

    let tenant = azure.tenant();
    for (name, auth) in [
        (
            "ids",
            json!({
                "authType": "WorkloadIdentity", "tenantId": tenant,
                "serviceAccountRef": {"name": "bare"},
                "authSecretRef": {"clientId": stored("ids", "client")},
            }),
        ),
        (
            "secret",
            json!({
                "tenantId": tenant,
                "authSecretRef": {"clientId": stored("app", "id"), "clientSecret": stored("app-secret", "value")},
            }),
        ),
        (
            "certificate",
            json!({
                "authType": "ServicePrincipal", "tenantId": tenant,
                "authSecretRef": {"clientId": stored("app", "id"), "clientCertificate": stored("app-certificate", "pem")},
            }),
        ),
        (
            "managed",
            json!({"authType": "ManagedIdentity", "identityId": node.client_id}),
        ),
    ] {
        w.store(name, w.azure_spec(&auth)).await?;
    }
    for store in ["azure", "ids", "secret", "certificate", "managed"] {
        let name = format!("es-{store}");
        w.external_secret(&name, spec(store, one("a"))).await?;
        w.until_ready(&name).await?;
        assert_eq!(w.secret_data(&name).await?["v"], "value", "{store}");
    }

    // And what Entra says of proofs that do not hold.
    w.stored("wrong", "value", "another").await?;
    for (name, auth, code) in [
        (
            "wrong-secret",
            json!({
                "tenantId": tenant,
                "authSecretRef": {"clientId": stored("app", "id"), "clientSecret": stored("wrong", "value")},
            }),
            "AADSTS7000215",
        ),
        (
            "wrong-tenant",
            json!({
                "tenantId": "00000000-0000-0000-0000-000000000000",
                "authSecretRef": {"clientId": stored("app", "id"), "clientSecret": stored("app-secret", "value")},
            }),
            "AADSTS90002",
        ),
        (
            "wrong-client",
            json!({
                "tenantId": tenant,
                "authSecretRef": {"clientId": stored("wrong", "value"), "clientSecret": stored("app-secret", "value")},
            }),
            "AADSTS700016",
        ),
        (
            "wrong-node",
            json!({"authType": "ManagedIdentity", "identityId": app.client_id}),
            "Identity not found",
        ),
        (
            "two-clients",
            json!({
                "authType": "WorkloadIdentity", "tenantId": tenant,
                "serviceAccountRef": {"name": "annotated"},
                "authSecretRef": {"clientId": stored("app", "id")},
            }),
            "two client ids",
        ),
    ] {
        w.store(name, w.azure_spec(&auth)).await?;
        w.until_store_says(name, code).await?;
    }
    Ok(())
}

/// Endpoints of a private cloud come from the store.
async fn azure_custom_cloud(world: World) -> Result<()> {
    let w = &world;
    let identity = w.azure_ready("reader").await?;
    let vault = w.azure().default_vault().to_owned();
    w.azure()
        .set_access_policy(&vault, &identity.object_id, [&["get"], &[], &[]])?;
    w.azure().set_secret(&vault, "private", "value")?;
    let url = w.azure_url();
    let cloud = |authority: &str, resource: &str| {
        json!({"provider": {"azurekv": {
            "authType": "WorkloadIdentity", "environmentType": "AzureStackCloud",
            "serviceAccountRef": {"name": "reader"}, "vaultUrl": url,
            "customCloudConfig": {
                "activeDirectoryEndpoint": authority, "keyVaultEndpoint": resource,
                "keyVaultDNSSuffix": "localhost",
            },
        }}})
    };
    w.store("private", cloud(&url, "https://vault.azure.net"))
        .await?;
    w.external_secret("es", spec("private", one("private")))
        .await?;
    w.until_ready("es").await?;
    assert_eq!(w.secret_data("es").await?["v"], "value");
    w.store("elsewhere", cloud(&url, "https://vault.azure.cn"))
        .await?;
    let message = w.until_store_says("elsewhere", "AADSTS500011").await?;
    assert!(message.contains("[Z18]"), "{message}");
    Ok(())
}

/// Versions, properties, tags, certificates and keys.
async fn azure_values(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    w.azure_ready("reader").await?;
    let first = azure.set_secret(&vault, "v", "old")?;
    azure.set_secret(&vault, "v", "new")?;
    let json_value = r#"{"a":{"b":"path"},"a.b":"literal","c.d":1.50,"list":[{"k":"x"}]}"#;
    let tagged = Secret {
        value: json_value.into(),
        tags: [
            ("env".into(), "prod".into()),
            ("team".into(), r#"{"lead":"me"}"#.into()),
        ]
        .into(),
        expires: Some(2_000_000_000),
        ..Secret::default()
    };
    azure.set_secret_with(&vault, "j", &tagged)?;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
    let certificate = rcgen::CertificateParams::new(vec!["site".into()])?.self_signed(&key)?;
    let pem = format!("{}{}", key.serialize_pem(), certificate.pem());
    azure.import_certificate(&vault, "site", &pem)?;
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ", "d": "canary-d"});
    azure.import_key(&vault, "ec", &jwk)?;
    let entry = |secret_key: &str, reference: Value| json!({"secretKey": secret_key, "remoteRef": reference});
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "azure"}, "data": [
            entry("first", json!({"key": "v", "version": first})),
            entry("latest", json!({"key": "secret/v"})),
            entry("path", json!({"key": "j", "property": "a.b"})),
            entry("literal", json!({"key": "j", "property": "c.d"})),
            entry("deep", json!({"key": "j", "property": "list.0.k"})),
            entry("tag", json!({"key": "j", "property": "env", "metadataPolicy": "Fetch"})),
            entry("part", json!({"key": "j", "property": "team.lead", "metadataPolicy": "Fetch"})),
            entry("ends", json!({"key": "j", "property": "expires", "metadataPolicy": "Fetch"})),
            entry("cer", json!({"key": "cert/site"})),
            entry("pem", json!({"key": "site"})),
            entry("crv", json!({"key": "key/ec", "property": "crv"})),
        ], "dataFrom": [
            {"extract": {"key": "j"}},
            {"extract": {"key": "j", "metadataPolicy": "Fetch"}},
        ]}),
    )
    .await?;
    w.until_ready("es").await?;
    let secret = w.secret("es").await?.expect("the Secret exists");
    let cer = secret["data"]["cer"].as_str().unwrap_or_default();
    assert_eq!(cer, STANDARD.encode(certificate.der()));
    let data = w.secret_data("es").await?;
    for (key, value) in [
        ("first", "old"),
        ("latest", "new"),
        ("path", "path"),
        ("literal", "1.5"),
        ("deep", "x"),
        ("tag", "prod"),
        ("part", "me"),
        ("ends", "2033-05-18T03:33:20Z"),
        ("pem", &*pem),
        ("crv", "P-256"),
        ("a.b", "literal"),
        ("j_env", "prod"),
        ("j_team_lead", "me"),
    ] {
        assert_eq!(data.get(key).map(String::as_str), Some(value), "{key}");
    }

    // A version that never was is no missing secret.
    w.external_secret("none", spec("azure", json!([
        {"secretKey": "v", "remoteRef": {"key": "v", "version": "00000000000000000000000000000000"}},
    ])))
    .await?;
    w.until_message("none", "has no such version").await?;
    w.external_secret(
        "key",
        json!({"secretStoreRef": {"name": "azure"}, "dataFrom": [{"extract": {"key": "key/ec"}}]}),
    )
    .await?;
    w.until_message("key", "cannot extract from key").await?;
    Ok(())
}

/// Searching walks every page, by name and by tag, and passes disabled secrets over.
async fn azure_search(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    w.azure_ready("reader").await?;
    for i in 0..60 {
        let secret = Secret {
            value: format!("v{i}"),
            tags: [("even".to_owned(), (i % 2 == 0).to_string())].into(),
            disabled: i == 58,
            ..Secret::default()
        };
        azure.set_secret_with(&vault, &format!("s{i:02}"), &secret)?;
    }
    w.external_secret(
        "es",
        json!({"secretStoreRef": {"name": "azure"}, "dataFrom": [
            {"find": {"name": {"regexp": "^s5"}, "tags": {"even": "true"}}},
            {"find": {"name": {"regexp": "^s0[13]$"}}},
        ]}),
    )
    .await?;
    w.until_ready("es").await?;
    let data = w.secret_data("es").await?;
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["s01", "s03", "s50", "s52", "s54", "s56"]);
    assert_eq!(data["s54"], "v54");

    // A page elsewhere is not read there, and no token goes along.
    let elsewhere = "https://other.vault.azure.net/secrets?api-version=7.4";
    azure.add_fault(
        Fault::new(Effect::ForeignPage {
            link: elsewhere.into(),
        })
        .on("keyvault", "GetSecrets")
        .of_vault(&vault),
    );
    w.external_secret("far", json!({"secretStoreRef": {"name": "azure"}, "dataFrom": [{"find": {"name": {"regexp": "."}}}]}))
        .await?;
    w.until_message("far", "in another place than the vault")
        .await?;
    azure.clear_faults_of(&vault);
    Ok(())
}

/// A vault with roles ignores access policies; a role on one secret opens that one only.
async fn azure_roles(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    let identity = w.azure_ready("reader").await?;
    w.make_key_vault(Access::Roles);
    w.allow_reading(&identity)?;
    for name in ["a", "b"] {
        azure.set_secret(&vault, name, name)?;
    }
    w.external_secret("es", spec("azure", one("a"))).await?;
    let message = w.until_message("es", "ForbiddenByRbac").await?;
    assert!(
        message.contains("[Z20]") && message.contains("Key Vault Secrets User"),
        "{message}"
    );
    // The store cannot know of roles on single secrets, and says so.
    w.again("SecretStore", "azure", "looked").await?;
    w.api
        .until("SecretStore", &w.ns, "azure", "unknown, and why", |s| {
            let (status, reason, message) = keyless_scenarios::api::ready(s);
            (&*status, &*reason) == ("True", "ValidationUnknown")
                && message.contains("one on single secrets may")
        })
        .await?;
    azure.assign_role(
        &vault,
        &identity.object_id,
        "Key Vault Secrets User",
        Some("a"),
    )?;
    w.again("ExternalSecret", "es", "assigned").await?;
    w.until_ready("es").await?;
    w.external_secret("other", spec("azure", one("b"))).await?;
    w.until_message("other", "ForbiddenByRbac").await?;
    azure.assign_role(&vault, &identity.object_id, "Key Vault Secrets User", None)?;
    w.again("ExternalSecret", "other", "assigned").await?;
    w.until_ready("other").await?;
    Ok(())
}

/// A store tells the truth about its vault, and what lies in between is no missing secret.
async fn azure_vault_states(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    w.azure_ready("reader").await?;
    let mut missing = w.azure_store("reader");
    missing["provider"]["azurekv"]["vaultUrl"] = json!("https://no-such-vault.vault.azure.net");
    w.store("missing", missing).await?;
    let message = w.until_store_says("missing", "VaultNotFound").await?;
    assert!(message.contains("[Z22]"), "{message}");

    let mut foreign = w.azure_store("reader");
    foreign["provider"]["azurekv"]["vaultUrl"] = json!("https://vault.azure.net.evil.example");
    w.store("foreign", foreign).await?;
    let message = w.until_store_says("foreign", "never sent there").await?;
    assert!(message.contains("[Z18]"), "{message}");

    azure.set_secret(&vault, "a", "value")?;
    w.external_secret("es", json!({
        "secretStoreRef": {"name": "azure"}, "target": {"deletionPolicy": "Delete"}, "data": one("a"),
    }))
    .await?;
    w.until_ready("es").await?;
    for (name, effect, text) in [
        ("firewall", Effect::Firewall, "ForbiddenByFirewall"),
        ("page", Effect::Html { status: 404 }, "something in between"),
        ("empty", Effect::Html { status: 200 }, "UnreadableAnswer"),
        (
            "redirect",
            Effect::Redirect {
                location: "https://evil.example/".into(),
            },
            "an answer without a redirect",
        ),
    ] {
        azure.add_fault(
            Fault::new(effect)
                .on("keyvault", "GetSecret")
                .of_vault(&vault),
        );
        w.again("ExternalSecret", "es", name).await?;
        w.until_message("es", text).await?;
        assert_eq!(w.secret_data("es").await?["v"], "value", "{name}");
        azure.clear_faults_of(&vault);
    }

    // Deleted is deleted, and recovered is there again.
    azure.delete_secret(&vault, "a")?;
    w.again("ExternalSecret", "es", "deleted").await?;
    eventually("the Secret's end", || async {
        Ok(w.secret("es").await?.is_none().then_some(()))
    })
    .await?;
    Ok(())
}

/// A tenant's store uses its own service accounts only, and sends the operator's token nowhere.
async fn azure_tenants(world: World) -> Result<()> {
    let w = &world;
    w.azure_ready("reader").await?;
    let mut spec_of = w.azure_store("external-secrets");
    spec_of["provider"]["azurekv"]["serviceAccountRef"]["namespace"] = json!("external-secrets");
    w.store("other-namespace", spec_of).await?;
    w.until_store_says(
        "other-namespace",
        "namespace should either be empty or match",
    )
    .await?;
    for kind in ["WorkloadIdentity", "ManagedIdentity"] {
        let name = format!("own-{}", kind.to_lowercase());
        let auth = json!({"authType": kind, "customCloudConfig": {
            "activeDirectoryEndpoint": "https://evil.example", "keyVaultDNSSuffix": "vault.azure.net",
        }});
        w.store(&name, w.azure_spec(&auth)).await?;
        w.until_store_says(&name, "the operator's token is not sent there")
            .await?;
    }
    Ok(())
}

/// A hundred objects behind one identity, there before the operator: one login, one call each.
async fn azure_one_login_for_many(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    let class = format!("many-{}", w.ns);
    w.azure_ready("reader").await?;
    let mut store = w.azure_store("reader");
    store["controller"] = json!(class);
    w.store("many", store).await?;
    azure.set_secret(&vault, "shared", "value")?;
    for i in 0..100 {
        azure.set_secret(&vault, &format!("s{i}"), &format!("v{i}"))?;
        let data = json!([
            {"secretKey": "own", "remoteRef": {"key": format!("s{i}")}},
            {"secretKey": "shared", "remoteRef": {"key": "shared"}},
        ]);
        w.external_secret(&format!("es{i}"), spec("many", data))
            .await?;
    }
    let logins = w.azure_calls("entra", "Token");
    let reads = w.azure_calls("keyvault", "GetSecret");
    let operator = w.operator_of_class(&class).await?;
    for i in 0..100 {
        w.until_ready(&format!("es{i}")).await?;
    }
    operator.stop().await?;
    let logins = w.azure_calls("entra", "Token") - logins;
    let reads = w.azure_calls("keyvault", "GetSecret") - reads;
    assert!(
        (1..=2).contains(&logins),
        "one login for all, and one if the ring's own operator renews its: {logins}"
    );
    // Counts, not times, yet a busy machine feeds the planner slowly: far from two hundred is the claim.
    assert!(
        (101..=170).contains(&reads),
        "equal reads share a call: {reads}"
    );
    assert_eq!(w.secret_data("es42").await?["own"], "v42");
    Ok(())
}

/// A token that has ended by Entra's clock is named as such.
async fn azure_expired_token(world: World) -> Result<()> {
    let w = &world;
    let azure = w.azure();
    w.azure_ready("reader").await?;
    azure.set_secret(&w.key_vault(), "a", "value")?;
    azure.skew_entra(2 * 3600);
    w.store("late", w.azure_store("reader")).await?;
    let fresh = azure.create_managed_identity("fresh");
    w.trust_account(&fresh, "late")?;
    w.azure_account("late", &fresh).await?;
    w.store("expired", w.azure_store("late")).await?;
    let message = w.until_store_says("expired", "AADSTS700024").await?;
    azure.skew_entra(0);
    assert!(message.contains("[Z7]"), "{message}");
    w.allow_reading(&fresh)?;
    w.again("SecretStore", "expired", "in time").await?;
    w.external_secret("es", spec("expired", one("a"))).await?;
    w.until_ready("es").await?;
    Ok(())
}

/// No value, assertion or access token appears anywhere.
async fn azure_secrecy(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    let identity = w.azure_ready("reader").await?;
    let canary = "canary-of-azure-0123456789";
    azure.set_secret(&vault, "a", canary)?;
    azure.set_secret(&vault, "b", &format!("{{\"k\":\"{canary}\"}}"))?;
    w.external_secret("es", spec("azure", one("a"))).await?;
    w.until_ready("es").await?;
    w.external_secret(
        "bad",
        spec(
            "azure",
            json!([{"secretKey": "v", "remoteRef": {"key": "b", "property": "none"}}]),
        ),
    )
    .await?;
    w.until_failed("bad").await?;
    azure.revoke(&vault, &identity.object_id)?;
    w.again("ExternalSecret", "es", "denied").await?;
    w.until_message("es", "ForbiddenByPolicy").await?;
    let mut secrets = w.tokens_minted();
    secrets.push(canary.to_owned());
    for (place, text) in w.everything_said().await? {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} holds a secret");
        }
        // Every token here is a JWT.
        assert!(!text.contains("eyJ"), "{place} holds a token");
    }
    Ok(())
}

/// Throttling slows the vault that throttles, and no other.
async fn azure_throttled(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    let identity = w.azure_ready("reader").await?;
    azure.set_secret(&vault, "a", "value")?;
    let other = format!("{vault}-other");
    azure.create_vault(&other, Access::Policies);
    azure.set_access_policy(&other, &identity.object_id, [&["get"], &[], &[]])?;
    azure.set_secret(&other, "a", "other")?;
    let mut quick = w.azure_store("reader");
    quick["provider"]["azurekv"]["vaultUrl"] = json!(format!("https://{other}.vault.azure.net"));
    w.store("other", quick).await?;
    for store in ["azure", "other"] {
        w.api
            .until("SecretStore", &w.ns, store, "Ready", |s| {
                keyless_scenarios::api::ready(s).0 == "True"
            })
            .await?;
    }
    azure.add_fault(
        Fault::new(Effect::Throttle { retry_after: 5 })
            .on("keyvault", "GetSecret")
            .of_vault(&vault)
            .times(1),
    );
    let begin = Instant::now();
    w.external_secret("slow", spec("azure", one("a"))).await?;
    w.external_secret("quick", spec("other", one("a"))).await?;
    w.until_ready("quick").await?;
    w.until_ready("slow").await?;
    assert!(
        begin.elapsed() >= Duration::from_secs(5),
        "the vault's wish is kept"
    );
    let events = w.api.list("Event", &w.ns).await?;
    let failed = events
        .iter()
        .any(|e| e["involvedObject"]["name"] == "slow" && e["type"] == "Warning");
    assert!(!failed, "a throttled call is repeated, not failed");
    Ok(())
}
