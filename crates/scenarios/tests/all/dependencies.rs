//! What an ExternalSecret or a store depends on besides itself: a change wakes whom it concerns
//! at once, and nobody else. Refresh intervals and store intervals are longer than any test
//! waits, so that nothing here can happen by itself.

use std::time::{Duration, Instant};

use anyhow::Result;
use keyless_scenarios::World;
use keyless_scenarios::api::ready;
use serde_json::{Value, json};

scenarios!(alone:
    watches_start_and_stop,
    a_burst_is_bounded,
    a_changed_service_account_validates_its_store,
);
scenarios!(
    config_map_of_a_template,
    secret_of_a_template,
    template_that_appears,
    stored_key,
    key_kept_in_a_managed_secret,
    service_account_of_each_consumer,
    merge_target_that_appears,
    foreign_secret_that_goes,
    relabelled_namespace,
    forbidden_watch
);

const DAY: &str = "24h";

/// Looks that may follow a look that writes: a real API server may send the event of a write
/// before its answer, and then the object is looked at once more and found in order.
const ECHO: u64 = 1;

fn object(kind: &str, w: &World, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": w.ns}})
}

async fn config_map(w: &World, name: &str, template: &str) -> Result<()> {
    let mut object = object("ConfigMap", w, name);
    object["data"] = json!({"t": template});
    w.api.create(&object).await?;
    Ok(())
}

async fn secret(w: &World, name: &str, data: Value) -> Result<()> {
    let mut object = object("Secret", w, name);
    object["stringData"] = data;
    w.api.create(&object).await?;
    Ok(())
}

/// Reads key k of the fake store `store`, rendered by a template out of an object of `field`.
fn templated(field: &str, name: &str) -> Value {
    json!({"refreshInterval": DAY, "secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}],
        "target": {"template": {"templateFrom": [{field: {"name": name, "items": [{"key": "t"}]}}]}}})
}

fn plain(store: &str, key: &str) -> Value {
    json!({"refreshInterval": DAY, "secretStoreRef": {"name": store}, "data": [{"secretKey": "a", "remoteRef": {"key": key}}]})
}

fn shows(key: &'static str, value: &'static str) -> impl Fn(&Value) -> bool {
    move |secret| {
        keyless_scenarios::data(secret)
            .get(key)
            .is_some_and(|v| v == value)
    }
}

fn store_is(status: &'static str) -> impl Fn(&Value) -> bool {
    move |store| ready(store).0 == status
}

/// An ExternalSecret that depends on nothing else, and how often it was looked at so far.
struct Bystander<'a> {
    world: &'a World,
    version: Value,
    reconciles: u64,
}

impl<'a> Bystander<'a> {
    async fn new(world: &'a World) -> Result<Self> {
        world
            .fake_store("bystander", json!([{"key": "k", "value": "v"}]))
            .await?;
        world
            .external_secret("bystander", plain("bystander", "k"))
            .await?;
        let version = world.until_ready("bystander").await?["metadata"]["resourceVersion"].clone();
        // One that is Ready may still be at work for a moment.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let reconciles = world.reconciles("bystander").await?;
        Ok(Self {
            world,
            version,
            reconciles,
        })
    }

    async fn was_left_alone(&self) -> Result<()> {
        let w = self.world;
        assert_eq!(w.reconciles("bystander").await?, self.reconciles);
        let now = w
            .api
            .get("ExternalSecret", &w.ns, "bystander")
            .await?
            .unwrap();
        assert_eq!(now["metadata"]["resourceVersion"], self.version);
        Ok(())
    }
}

/// Renders again at once, once, and nobody else is looked at; the start of the watch wakes nobody.
async fn config_map_of_a_template(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    config_map(w, "c", "b: one {{ .a }}").await?;
    config_map(w, "unrelated", "x").await?;
    w.external_secret("app", templated("configMap", "c"))
        .await?;
    w.until_ready("app").await?;
    let bystander = Bystander::new(w).await?;
    w.until_watched("configmaps", true).await?;
    let before = w.reconciles("app").await?;
    w.api
        .patch(
            "ConfigMap",
            &w.ns,
            "unrelated",
            &json!({"data": {"t": "y"}}),
        )
        .await?;
    w.settle().await?;
    assert_eq!(
        w.reconciles("app").await?,
        before,
        "neither the list nor another ConfigMap"
    );
    w.api
        .patch(
            "ConfigMap",
            &w.ns,
            "c",
            &json!({"data": {"t": "b: two {{ .a }}"}}),
        )
        .await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "app",
            "rendered again",
            shows("t", "b: two v"),
        )
        .await?;
    w.settle().await?;
    let looks = w.reconciles("app").await? - before;
    assert!((1..=1 + ECHO).contains(&looks), "{looks}");
    bystander.was_left_alone().await
}

/// A template in a Secret that a user keeps, and then in one that another ExternalSecret writes.
async fn secret_of_a_template(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "v"}, {"key": "t", "value": "b: managed {{ .a }}"}]),
    )
    .await?;
    secret(w, "user", json!({"t": "b: one {{ .a }}"})).await?;
    w.external_secret("app", templated("secret", "user"))
        .await?;
    w.until_ready("app").await?;
    let bystander = Bystander::new(w).await?;
    w.until_watched("secrets", true).await?;
    w.api
        .patch(
            "Secret",
            &w.ns,
            "user",
            &json!({"stringData": {"t": "b: two {{ .a }}"}}),
        )
        .await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "app",
            "rendered again",
            shows("t", "b: two v"),
        )
        .await?;

    let writer = json!({"refreshInterval": DAY, "secretStoreRef": {"name": "store"}, "data": [{"secretKey": "t", "remoteRef": {"key": "t"}}]});
    w.external_secret("writer", writer).await?;
    w.until_ready("writer").await?;
    w.external_secret("other", templated("secret", "writer"))
        .await?;
    w.until_ready("other").await?;
    w.api
        .patch("SecretStore", &w.ns, "store", &json!({"spec": {"provider": {"fake": {"data": [{"key": "k", "value": "v"}, {"key": "t", "value": "b: renewed {{ .a }}"}]}}}}))
        .await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "other",
            "rendered again",
            shows("t", "b: renewed v"),
        )
        .await?;
    bystander.was_left_alone().await
}

/// A template that did not exist when it was needed.
async fn template_that_appears(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", templated("configMap", "late"))
        .await?;
    w.until_failed("app").await?;
    let begin = Instant::now();
    config_map(w, "late", "b: {{ .a }}").await?;
    w.until_ready("app").await?;
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "before any retry: {:?}",
        begin.elapsed()
    );
    Ok(())
}

fn by_key(secret: &str) -> Value {
    json!({"provider": {"aws": {"service": "ParameterStore", "region": "eu-central-1", "auth": {"secretRef": {
        "accessKeyIDSecretRef": {"name": secret, "key": "id"}, "secretAccessKeySecretRef": {"name": secret, "key": "secret"}}}}}})
}

/// A stored key that vanishes or comes back is a verdict on its store; who is in step is not read
/// again.
async fn stored_key(world: World) -> Result<()> {
    let w = &world;
    let (id, key) = w.access_key();
    w.parameter("k", "v").await?;
    secret(w, "keys", json!({"id": id, "secret": key})).await?;
    w.store("aws", by_key("keys")).await?;
    w.external_secret("app", plain("aws", &w.path("k"))).await?;
    let version = w.until_ready("app").await?["metadata"]["resourceVersion"].clone();
    let bystander = Bystander::new(w).await?;
    w.until_watched("secrets", true).await?;
    w.api
        .patch("Secret", &w.ns, "keys", &json!({"data": {"id": null}}))
        .await?;
    w.api
        .until("SecretStore", &w.ns, "aws", "not ready", store_is("False"))
        .await?;
    w.api
        .patch("Secret", &w.ns, "keys", &json!({"stringData": {"id": id}}))
        .await?;
    w.api
        .until("SecretStore", &w.ns, "aws", "ready again", store_is("True"))
        .await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    let now = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_eq!(
        now["metadata"]["resourceVersion"], version,
        "it had all it needs"
    );
    bystander.was_left_alone().await
}

/// The key is itself synced by an ExternalSecret.
async fn key_kept_in_a_managed_secret(world: World) -> Result<()> {
    let w = &world;
    let (id, key) = w.access_key();
    w.parameter("k", "v").await?;
    let entries = |id: &str| json!([{"key": "id", "value": id}, {"key": "secret", "value": key}]);
    w.fake_store("vault", entries(&id)).await?;
    let spec = json!({"refreshInterval": DAY, "secretStoreRef": {"name": "vault"}, "target": {"name": "keys"},
        "data": [{"secretKey": "id", "remoteRef": {"key": "id"}}, {"secretKey": "secret", "remoteRef": {"key": "secret"}}]});
    w.external_secret("keys", spec).await?;
    w.until_ready("keys").await?;
    w.store("aws", by_key("keys")).await?;
    w.external_secret("app", plain("aws", &w.path("k"))).await?;
    w.until_ready("app").await?;
    // A key that the account does not know, and an object that meets it.
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "vault",
            &json!({"spec": {"provider": {"fake": {"data": entries("AKIAUNKNOWN")}}}}),
        )
        .await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "keys",
            "renewed",
            shows("id", "AKIAUNKNOWN"),
        )
        .await?;
    w.settle().await?;
    let force = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "now"}}});
    w.api.patch("ExternalSecret", &w.ns, "app", &force).await?;
    w.until_failed("app").await?;
    let entries = entries(&id);
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "vault",
            &json!({"spec": {"provider": {"fake": {"data": entries}}}}),
        )
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

async fn annotate(w: &World, account: &str, role: Value) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": role}}});
    w.api
        .patch("ServiceAccount", &w.ns, account, &patch)
        .await?;
    Ok(())
}

/// The annotation decides the role: the store says at once what the new one leads to. A label
/// decides nothing.
async fn a_changed_service_account_validates_its_store(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "v").await?;
    w.aws_ready("reader").await?;
    w.external_secret("app", plain("aws", &w.path("k"))).await?;
    w.until_ready("app").await?;
    w.until_watched("serviceaccounts", true).await?;
    let bystander = Bystander::new(w).await?;
    let calls = w.aws_calls();
    w.api
        .patch(
            "ServiceAccount",
            &w.ns,
            "reader",
            &json!({"metadata": {"labels": {"x": "y"}}}),
        )
        .await?;
    w.settle().await?;
    assert_eq!(w.aws_calls().since(&calls).of(""), 0, "a label is no login");
    annotate(w, "reader", json!(w.role_arn("nobody"))).await?;
    w.api
        .until("SecretStore", &w.ns, "aws", "refused", store_is("False"))
        .await?;
    annotate(w, "reader", json!(w.role_arn("reader"))).await?;
    w.api
        .until("SecretStore", &w.ns, "aws", "ready again", store_is("True"))
        .await?;
    w.settle().await?;
    assert_eq!(
        w.aws_calls().since(&calls).of("ssm:GetParameter"),
        0,
        "no value was read for it"
    );
    bystander.was_left_alone().await
}

/// A ClusterSecretStore that logs in as each consumer's own service account.
async fn service_account_of_each_consumer(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "v").await?;
    w.aws_role("mine", &w.subject("mine"), &w.path("*")).await?;
    w.service_account("mine", json!({})).await?;
    let name = format!("{}-each", w.ns);
    w.cluster_store(&name, w.aws_store("mine")).await?;
    let mut spec = plain(&name, &w.path("k"));
    spec["secretStoreRef"]["kind"] = json!("ClusterSecretStore");
    w.external_secret("app", spec).await?;
    w.until_message("app", "IAM role must be associated")
        .await?;
    w.until_watched("serviceaccounts", true).await?;
    let bystander = Bystander::new(w).await?;
    let begin = Instant::now();
    annotate(w, "mine", json!(w.role_arn("mine"))).await?;
    w.until_ready("app").await?;
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
    bystander.was_left_alone().await
}

/// `creationPolicy: Merge` waits for its target, and for nothing longer.
async fn merge_target_that_appears(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let mut spec = plain("store", "k");
    spec["target"] = json!({"name": "target", "creationPolicy": "Merge"});
    w.external_secret("app", spec).await?;
    w.until_reason("app", "SecretMissing").await?;
    let bystander = Bystander::new(w).await?;
    secret(w, "target", json!({"own": "kept"})).await?;
    w.until_reason("app", "SecretSynced").await?;
    let data = w.secret_data("target").await?;
    assert_eq!((&*data["a"], &*data["own"]), ("v", "kept"));
    bystander.was_left_alone().await
}

/// A Secret that belongs to someone else is left alone until it is gone.
async fn foreign_secret_that_goes(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    config_map(w, "owner", "x").await?;
    let owner = w.api.get("ConfigMap", &w.ns, "owner").await?.unwrap();
    let mut foreign = object("Secret", w, "app");
    foreign["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "controller": true}]);
    w.api.create(&foreign).await?;
    w.external_secret("app", plain("store", "k")).await?;
    w.until_failed("app").await?;
    let bystander = Bystander::new(w).await?;
    w.until_watched("secrets", true).await?;
    w.settle().await?;
    let before = w.reconciles("app").await?;
    w.api
        .patch(
            "Secret",
            &w.ns,
            "app",
            &json!({"metadata": {"labels": {"x": "y"}}}),
        )
        .await?;
    w.settle().await?;
    assert_eq!(
        w.reconciles("app").await?,
        before,
        "it still belongs to someone else"
    );
    w.api.delete("Secret", &w.ns, "app").await?;
    w.until_ready("app").await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    bystander.was_left_alone().await
}

/// A label that lets a ClusterSecretStore's condition hold, or not any more.
async fn relabelled_namespace(world: World) -> Result<()> {
    let w = &world;
    let name = format!("{}-only", w.ns);
    let condition =
        json!([{"namespaceSelector": {"matchLabels": {"admitted": "yes", "scenario": w.ns}}}]);
    w.cluster_store(&name, json!({"conditions": condition, "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}})).await?;
    let mut spec = plain(&name, "k");
    spec["secretStoreRef"]["kind"] = json!("ClusterSecretStore");
    w.external_secret("app", spec).await?;
    w.until_message("app", "denied by spec.condition").await?;
    let bystander = Bystander::new(w).await?;
    let label = |value: Value| json!({"metadata": {"labels": {"admitted": value}}});
    w.api
        .patch("Namespace", "", &w.ns, &label(json!("yes")))
        .await?;
    w.until_ready("app").await?;
    w.api
        .patch("Namespace", "", &w.ns, &label(Value::Null))
        .await?;
    w.until_message("app", "denied by spec.condition").await?;
    assert_eq!(
        w.secret_data("app").await?["a"],
        "v",
        "the last good value stays"
    );
    bystander.was_left_alone().await
}

/// Each watch runs while something depends on its kind, and costs nothing otherwise.
async fn watches_start_and_stop(world: World) -> Result<()> {
    let w = &world;
    w.until_watched("configmaps", false).await?;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("plain", plain("store", "k")).await?;
    w.until_ready("plain").await?;
    w.settle().await?;
    w.until_watched("configmaps", false).await?;
    config_map(w, "c", "b: {{ .a }}").await?;
    for name in ["one", "two"] {
        w.external_secret(name, templated("configMap", "c")).await?;
        w.until_ready(name).await?;
    }
    w.until_watched("configmaps", true).await?;
    assert_eq!(
        w.metric("keyless_dependencies", "").await?,
        Some(1.0),
        "of all ConfigMaps one"
    );
    w.api.delete("ExternalSecret", &w.ns, "one").await?;
    w.settle().await?;
    w.until_watched("configmaps", true).await?;
    w.api.delete("ExternalSecret", &w.ns, "two").await?;
    w.until_watched("configmaps", false).await?;
    assert_eq!(w.metric("keyless_dependencies", "").await?, Some(0.0));
    Ok(())
}

/// A tool that rewrites a ConfigMap all the time: one look at once, then one each five seconds,
/// and the last state is never missed.
async fn a_burst_is_bounded(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    config_map(w, "c", "b: {{ .a }}").await?;
    w.external_secret("app", templated("configMap", "c"))
        .await?;
    w.until_ready("app").await?;
    w.until_watched("configmaps", true).await?;
    w.settle().await?;
    let before = w.reconciles("app").await?;
    let begin = Instant::now();
    for n in 0..30 {
        let text = format!("b: {n} {{{{ .a }}}}");
        w.api
            .patch("ConfigMap", &w.ns, "c", &json!({"data": {"t": text}}))
            .await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    w.api
        .until(
            "Secret",
            &w.ns,
            "app",
            "rendered last",
            shows("t", "b: 29 v"),
        )
        .await?;
    let bound = (1 + begin.elapsed().as_secs() / 5) * (1 + ECHO);
    let looks = w.reconciles("app").await? - before;
    assert!(
        (1..=bound).contains(&looks),
        "{looks} looks in {:?}",
        begin.elapsed()
    );
    Ok(())
}

/// Without the right to watch, everything else goes on, and the next refresh notices.
async fn forbidden_watch(world: World) -> Result<()> {
    let w = &world;
    let (operator, metrics) = w.operator_without_config_map_watch("limited").await?;
    w.store_of_class("store", "limited", json!([{"key": "k", "value": "v"}]))
        .await?;
    config_map(w, "c", "b: one {{ .a }}").await?;
    let mut spec = templated("configMap", "c");
    spec["refreshInterval"] = json!("2s");
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    let label = "resource=\"configmaps\"";
    metrics
        .until("keyless_dependency_watch_forbidden", label, 1.0)
        .await?;
    metrics
        .until("keyless_dependency_watch_up", label, 0.0)
        .await?;
    w.api
        .patch(
            "ConfigMap",
            &w.ns,
            "c",
            &json!({"data": {"t": "b: two {{ .a }}"}}),
        )
        .await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "app",
            "rendered again",
            shows("t", "b: two v"),
        )
        .await?;
    operator.stop().await
}
