//! Chains, each broken in one place.

use anyhow::Result;
use keyless_sandbox::azure::{Access, Identity};
use keyless_sandbox::gcp::OidcProvider;
use serde_json::{Value, json};

use crate::sandbox::stage::{AZURE_AUDIENCE, Stage, issuer_host};

/// A chain in a namespace of its own.
pub struct Break {
    /// Namespace.
    pub name: &'static str,
    /// Annotations of service account `web`; none: there is no such account.
    pub annotations: Option<Value>,
    /// Spec of the store; none: there is no store.
    pub store: Option<Value>,
    /// Whether it is a ClusterSecretStore.
    pub cluster: bool,
    /// What is read.
    pub remote: Value,
    /// The code to be told.
    pub code: &'static str,
    /// The link that the doctor is to name.
    pub link: &'static str,
}

impl Break {
    fn new(name: &'static str, code: &'static str, link: &'static str) -> Self {
        Self {
            name,
            annotations: Some(json!({})),
            store: None,
            cluster: false,
            remote: json!({"key": "/path/to/key"}),
            code,
            link,
        }
    }

    fn store(mut self, store: Value) -> Self {
        self.store = Some(store);
        self
    }

    fn annotations(mut self, annotations: Value) -> Self {
        self.annotations = Some(annotations);
        self
    }

    fn remote(mut self, key: &str) -> Self {
        self.remote = json!({ "key": key });
        self
    }
}

fn subject(ns: &str) -> String {
    format!("system:serviceaccount:{ns}:web")
}

/// All of them.
pub async fn all(stage: &Stage) -> Result<Vec<Break>> {
    let mut all = Vec::new();
    cluster(&mut all);
    aws(stage, &mut all)?;
    azure(stage, &mut all)?;
    google(stage, &mut all)?;
    vault(stage, &mut all).await?;
    Ok(all)
}

fn aws_store() -> Value {
    aws_store_in("eu-central-1")
}

fn aws_store_in(region: &str) -> Value {
    json!({"provider": {"aws": {"service": "ParameterStore", "region": region,
        "auth": {"jwt": {"serviceAccountRef": {"name": "web"}}}}}})
}

fn cluster(all: &mut Vec<Break>) {
    all.push(Break::new("no-store", "O6", "store"));
    let mut cluster = aws_store();
    cluster["conditions"] = json!([{"namespaces": ["somewhere-else"]}]);
    let mut denied = Break::new("not-admitted", "O7", "store").store(cluster);
    denied.cluster = true;
    all.push(denied);
    let mut nobody = Break::new("no-account", "K19", "token").store(aws_store());
    nobody.annotations = None;
    all.push(nobody);
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"});
    let here = Break::new("no-region", "A12", "store").annotations(role);
    all.push(here.store(aws_store_in("no region")));
}

fn aws(stage: &Stage, all: &mut Vec<Break>) -> Result<()> {
    let aws = &stage.sandbox.aws;
    let account = aws.account();
    let host = issuer_host(&stage.sandbox);
    let role = |name: &str| format!("arn:aws:iam::{account}:role/{name}");
    let named = |arn: &str| json!({"eks.amazonaws.com/role-arn": arn});
    // A role that lets `subject` in.
    let make = |name: &str, subject: &str, action: &str| {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": action,
            "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{host}")},
            "Condition": {"StringEquals": {format!("{host}:aud"): "sts.amazonaws.com", format!("{host}:sub"): subject}},
        }]});
        aws.create_role(name, &trust.to_string())
    };
    let allow = |name: &str, effect: &str| {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": effect, "Action": "ssm:GetParameter*", "Resource": "*"}]});
        aws.put_role_policy(name, "read", &policy.to_string())
    };
    let mut push = |it: Break, annotations: Value| {
        all.push(it.annotations(annotations).store(aws_store()));
    };
    let elsewhere = named("arn:aws:iam::444455556666:role/web");
    push(
        Break::new("aws-no-provider", "A1", "trust-object"),
        elsewhere,
    );
    let mut other = named(&role("aws-audience"));
    other["eks.amazonaws.com/audience"] = json!("somebody-else");
    push(Break::new("aws-audience", "A2", "trust-object"), other);
    make(
        "aws-subject",
        &subject("somewhere-else"),
        "sts:AssumeRoleWithWebIdentity",
    )?;
    push(
        Break::new("aws-subject", "A3", "identity"),
        named(&role("aws-subject")),
    );
    push(
        Break::new("aws-no-role", "A3", "identity"),
        named(&role("no-such-role")),
    );
    make("aws-action", &subject("aws-action"), "sts:AssumeRole")?;
    push(
        Break::new("aws-action", "A3", "identity"),
        named(&role("aws-action")),
    );
    push(Break::new("aws-not-annotated", "O1", "manifest"), json!({}));
    let mistyped = json!({"eks.amazon.com/role-arn": role("web")});
    push(Break::new("aws-mistyped", "L14", "manifest"), mistyped);
    push(
        Break::new("aws-no-arn", "A4", "manifest"),
        named("arn:aws:iam::1:role/web"),
    );
    push(
        Break::new("aws-partition", "A4", "identity"),
        named(&format!("arn:aws-cn:iam::{account}:role/web")),
    );
    for (name, code, link) in [
        ("aws-no-permission", "A18", "permission"),
        ("aws-denied", "A18", "permission"),
        ("aws-no-secret", "A21", "secret"),
    ] {
        make(name, &subject(name), "sts:AssumeRoleWithWebIdentity")?;
        push(
            Break::new(name, code, link).remote("/no/such"),
            named(&role(name)),
        );
    }
    allow("aws-denied", "Deny")?;
    allow("aws-no-secret", "Allow")?;
    Ok(())
}

fn azure(stage: &Stage, all: &mut Vec<Break>) -> Result<()> {
    let azure = &stage.sandbox.azure;
    let issuer = stage.sandbox.issuer.url();
    let annotations = |client: &str| json!({"azure.workload.identity/client-id": client, "azure.workload.identity/tenant-id": azure.tenant()});
    let store = |vault: &str| {
        json!({"provider": {"azurekv": {"vaultUrl": format!("https://{vault}.vault.azure.net"),
        "authType": "WorkloadIdentity", "serviceAccountRef": {"name": "web"}}}})
    };
    azure.create_vault("kv-policies", Access::Policies);
    azure.create_vault("kv-roles", Access::Roles);
    let mut push = |it: Break, client: &str, vault: &str| {
        let it = it.annotations(annotations(client)).store(store(vault));
        all.push(it.remote("no-such"));
    };
    let identity = |name: &str| azure.create_managed_identity(name);
    let trust = |who: &Identity, issuer: &str, subject: &str, audience: &str| {
        azure.add_federated_credential(&who.client_id, "web", issuer, subject, audience)
    };
    let trusted = |name: &str| -> Result<Identity> {
        let who = identity(name);
        trust(&who, issuer, &subject(name), AZURE_AUDIENCE)?;
        Ok(who)
    };
    let at = "trust-object";
    let who = identity("azure-none");
    push(
        Break::new("azure-none", "Z5", at),
        &who.client_id,
        "kv-policies",
    );
    let who = identity("azure-subject");
    trust(&who, issuer, &subject("somewhere-else"), AZURE_AUDIENCE)?;
    push(
        Break::new("azure-subject", "Z3", at),
        &who.client_id,
        "kv-policies",
    );
    let who = identity("azure-issuer");
    trust(
        &who,
        "https://other.example",
        &subject("azure-issuer"),
        AZURE_AUDIENCE,
    )?;
    push(
        Break::new("azure-issuer", "Z1", at),
        &who.client_id,
        "kv-policies",
    );
    let who = identity("azure-audience");
    trust(&who, issuer, &subject("azure-audience"), "api://other")?;
    push(
        Break::new("azure-audience", "Z2", at),
        &who.client_id,
        "kv-policies",
    );
    push(
        Break::new("azure-client", "Z6", "identity"),
        "11111111-2222-3333-4444-555555555555",
        "kv-policies",
    );
    let who = trusted("azure-policy")?;
    push(
        Break::new("azure-policy", "Z19", "permission"),
        &who.client_id,
        "kv-policies",
    );
    let who = trusted("azure-role")?;
    push(
        Break::new("azure-role", "Z20", "permission"),
        &who.client_id,
        "kv-roles",
    );
    let who = trusted("azure-no-secret")?;
    azure.set_access_policy("kv-policies", &who.object_id, [&["get"], &[], &[]])?;
    push(
        Break::new("azure-no-secret", "Z22", "secret"),
        &who.client_id,
        "kv-policies",
    );
    let nobody = Break::new("azure-not-annotated", "O2", "manifest");
    all.push(nobody.store(store("kv-policies")));
    Ok(())
}

fn google(stage: &Stage, all: &mut Vec<Break>) -> Result<()> {
    let gcp = &stage.sandbox.gcp;
    let project = "gp-agreement";
    gcp.create_project(project, "123456789012");
    gcp.create_pool(project, "pool")?;
    let provider = |id: &str, change: &dyn Fn(&mut OidcProvider)| -> Result<String> {
        let mut provider = OidcProvider {
            issuer: stage.sandbox.issuer.url().to_owned(),
            ..OidcProvider::default()
        };
        change(&mut provider);
        gcp.create_oidc_provider(project, "pool", id, &provider)?;
        Ok(gcp.provider_audience(project, "pool", id)?)
    };
    let mut push = |it: Break, audience: &str, account: Option<&str>| {
        let mut federation = json!({"audience": audience, "serviceAccountRef": {"name": "web"}});
        if let Some(account) = account {
            federation["gcpServiceAccountEmail"] = json!(account);
        }
        let store = json!({"provider": {"gcpsm": {"projectID": project,
            "auth": {"workloadIdentityFederation": federation}}}});
        all.push(it.store(store).remote("no-such"));
    };
    let at = "trust-object";
    let full = provider("sound", &|_| {})?;
    let by_id = full.replace("123456789012", project);
    push(Break::new("google-project-id", "G1", at), &by_id, None);
    push(
        Break::new("google-malformed", "G2", at),
        "//iam.googleapis.com/pool",
        None,
    );
    let absent = full.replace("providers/sound", "providers/absent");
    push(Break::new("google-no-provider", "G1", at), &absent, None);
    let other = provider("audience", &|p| p.audiences = vec!["other".into()])?;
    push(Break::new("google-audience", "G3", at), &other, None);
    let other = provider("issuer", &|p| p.issuer = "https://other.example".into())?;
    push(Break::new("google-issuer", "G5", at), &other, None);
    let other = provider("condition", &|p| {
        p.condition = Some("assertion.sub == 'nobody'".into());
    })?;
    push(Break::new("google-condition", "G7", at), &other, None);
    push(
        Break::new("google-no-role", "G12", "permission"),
        &full,
        None,
    );
    let email = gcp.create_service_account(project, "web")?;
    push(
        Break::new("google-impersonation", "G9", "identity"),
        &full,
        Some(&email),
    );
    let member = gcp.pool_principal(project, "pool", &subject("google-no-secret"))?;
    gcp.bind_on_project(project, "roles/secretmanager.secretAccessor", &member, None)?;
    push(Break::new("google-no-secret", "G13", "secret"), &full, None);
    Ok(())
}

async fn vault(stage: &Stage, all: &mut Vec<Break>) -> Result<()> {
    use base64::Engine as _;
    let sandbox = &stage.sandbox;
    let vault = &sandbox.vault;
    let ca = base64::engine::general_purpose::STANDARD.encode(sandbox.tls.ca_pem());
    let mount = |name: &str| format!("jwt-{name}");
    vault
        .allow("agreement", &["secret/data/*"], &["read"])
        .await?;
    for (name, code, link, config, role) in [
        (
            "vault-subject",
            "V2",
            "trust-object",
            json!({}),
            json!({"bound_subject": subject("somewhere-else")}),
        ),
        (
            "vault-audience",
            "V3",
            "trust-object",
            json!({}),
            json!({"bound_audiences": ["other"]}),
        ),
        (
            "vault-issuer",
            "V4",
            "trust-object",
            json!({"bound_issuer": "https://other.example"}),
            json!({}),
        ),
        (
            "vault-no-policy",
            "V8",
            "permission",
            json!({}),
            json!({"token_policies": ["none"]}),
        ),
    ] {
        let path = mount(name);
        vault.enable_auth(&path, "jwt").await?;
        let mut whole = json!({"oidc_discovery_url": sandbox.issuer.url()});
        merge(&mut whole, config);
        vault.write(&format!("auth/{path}/config"), whole).await?;
        let mut whole = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_subject": subject(name), "token_policies": ["agreement"], "token_ttl": "1h"});
        merge(&mut whole, role);
        vault.write(&format!("auth/{path}/role/app"), whole).await?;
        let store = json!({"provider": {"vault": {"server": sandbox.vault_url(), "path": "secret", "caBundle": ca,
            "auth": {"jwt": {"path": path, "role": "app",
                "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "web"}}}}}}});
        all.push(Break::new(name, code, link).store(store).remote("no/such"));
    }
    Ok(())
}

fn merge(whole: &mut Value, changes: Value) {
    if let (Some(whole), Value::Object(changes)) = (whole.as_object_mut(), changes) {
        whole.extend(changes);
    }
}
