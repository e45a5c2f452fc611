//! A cluster that ESO 2.9 has served changes hands: what it left is taken as it is, maintained
//! from then on, and could be handed back.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_controller::Effect;
use keyless_scenarios::World;
use keyless_secret::hash;
use serde_json::{Value, json};

scenarios!(
    switching_writes_nothing,
    stale_keys_go_and_foreign_ones_stay,
    it_could_be_handed_back,
    policies_change_after_the_switch,
    deletion_after_the_switch,
    left_by_an_old_eso,
    a_clock_ahead_is_not_believed
);

const FINALIZER: &str = "externalsecrets.external-secrets.io/externalsecret-cleanup";
/// A name whose field manager would be longer than 63 characters: ESO hashes it.
const LONG: &str = "payments-database-credentials-production";
/// `externalsecrets.external-secrets.io/sha3/` and the SHA3-224 of [`LONG`].
const LONG_MANAGER: &str = "externalsecrets.external-secrets.io/sha3/e1b27bb5eb27ffc42d17ac7e1b701945cda49ba6bc98aca48c546e61";

fn manager(name: &str) -> String {
    if name == LONG {
        return LONG_MANAGER.into();
    }
    format!("externalsecrets.external-secrets.io/{name}")
}

/// An ExternalSecret as ESO would have left it.
#[derive(Clone, Copy)]
struct Left<'a> {
    name: &'a str,
    policy: &'a str,
    interval: &'a str,
    /// How long ago it was refreshed, in seconds.
    age: i64,
    immutable: bool,
    /// ESO 0.15: MD5 for every hash, and the API version of its time.
    old: bool,
}

const PLAIN: Left<'_> = Left {
    name: "owner",
    policy: "Owner",
    interval: "24h",
    age: 60,
    immutable: false,
    old: false,
};

/// Two keys of the store `store`, or one of them.
fn data(keys: &[&str]) -> Value {
    let entry = |key: &&str| json!({"secretKey": key, "remoteRef": {"key": key}});
    keys.iter().map(entry).collect()
}

fn encoded(values: &BTreeMap<String, keyless_secret::SecretBytes>) -> Value {
    let encode = |(k, v): (&String, &keyless_secret::SecretBytes)| {
        (k.clone(), json!(STANDARD.encode(v.expose())))
    };
    Value::Object(values.iter().map(encode).collect())
}

fn ago(seconds: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now - seconds)
        .unwrap()
        .to_string()
}

impl Left<'_> {
    /// Creates ExternalSecret and Secret as ESO leaves them: the same writes by the same field
    /// managers in the same order.
    async fn create(&self, w: &World) -> Result<()> {
        let mut target = json!({"creationPolicy": self.policy, "deletionPolicy": "Retain"});
        if self.immutable {
            target["immutable"] = json!(true);
        }
        let mut object = w.object(
            self.name,
            json!({"refreshInterval": self.interval, "secretStoreRef": {"name": "store", "kind": "SecretStore"},
                "target": target, "data": data(&["a", "b"])}),
        );
        object["metadata"]["labels"] = json!({"team": "blue"});
        object["metadata"]["annotations"] = json!({"note": "kept",
            "kubectl.kubernetes.io/last-applied-configuration": "{\"kind\":\"ExternalSecret\"}\n"});
        w.api
            .create_as("kubectl-client-side-apply", &object)
            .await?;
        let object = w
            .change(self.name, json!({"metadata": {"finalizers": [FINALIZER]}}))
            .await?;
        self.secret(w, &object).await?;
        self.status(w, object).await
    }

    async fn secret(&self, w: &World, object: &Value) -> Result<()> {
        let manager = manager(self.name);
        let mut values: BTreeMap<String, keyless_secret::SecretBytes> = [("a", "1"), ("b", "2")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": self.name, "namespace": w.ns}});
        let merge = self.policy == "Merge";
        if merge {
            secret["data"] = json!({"theirs": "eA=="});
            secret["metadata"]["labels"] = json!({"foreign": "label"});
            secret = w.api.create_as("kubectl-create", &secret).await?;
            values.insert("theirs".into(), "x".into());
        }
        let metadata = &mut secret["metadata"];
        metadata["labels"]["team"] = json!("blue");
        metadata["labels"]["reconcile.external-secrets.io/managed"] = json!("true");
        for (key, value) in object["metadata"]["annotations"].as_object().unwrap() {
            metadata["annotations"][key] = value.clone();
        }
        let hash = if self.old {
            "d41d8cd98f00b204e9800998ecf8427e".to_owned()
        } else {
            hash::data_hash(&values)
        };
        metadata["annotations"]["reconcile.external-secrets.io/data-hash"] = json!(hash);
        if self.policy == "Owner" {
            let creator = if self.old {
                "5e543256c480ac577d30f76f9120eb74".to_owned()
            } else {
                hash::created_by(&w.ns, self.name)
            };
            metadata["labels"]["reconcile.external-secrets.io/created-by"] = json!(creator);
            let version = if self.old { "v1beta1" } else { "v1" };
            metadata["ownerReferences"] = json!([{
                "apiVersion": format!("external-secrets.io/{version}"), "kind": "ExternalSecret",
                "name": self.name, "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
            }]);
        }
        secret["data"] = encoded(&values);
        if self.immutable {
            secret["immutable"] = json!(true);
        }
        if merge {
            w.api.replace_as(&manager, "", &secret).await?;
        } else {
            w.api.create_as(&manager, &secret).await?;
        }
        Ok(())
    }

    async fn status(&self, w: &World, mut object: Value) -> Result<()> {
        let texts = |field: &str| {
            serde_json::from_value::<BTreeMap<String, String>>(object["metadata"][field].clone())
        };
        let synced = hash::synced_resource_version(
            object["metadata"]["generation"].as_i64().unwrap(),
            &texts("labels")?,
            &texts("annotations")?,
        );
        let synced = if self.old {
            "1-aec070645fe53ee3b3763059376134f0".to_owned()
        } else {
            synced
        };
        object["status"] = json!({
            "binding": {"name": self.name},
            "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced",
                "message": "secret synced", "lastTransitionTime": ago(86_400)}],
            "refreshTime": ago(self.age),
            "syncedResourceVersion": synced,
        });
        w.api
            .replace_as("external-secrets", "/status", &object)
            .await?;
        Ok(())
    }
}

/// The store `store` as ESO leaves a valid one, for operators of `class`.
async fn left_store(w: &World, class: &str) -> Result<()> {
    w.store_of_class(
        "store",
        class,
        json!([{"key": "a", "value": "1"}, {"key": "b", "value": "2"}, {"key": "c", "value": "3"}]),
    )
    .await?;
    // The ring's own operator knows by then that the store is another's, and stays away.
    w.settle().await?;
    let mut store = w.api.get("SecretStore", &w.ns, "store").await?.unwrap();
    store["status"] = json!({"capabilities": "ReadWrite",
        "conditions": [{"type": "Ready", "status": "True", "reason": "Valid",
            "message": "store validated", "lastTransitionTime": ago(86_400)}]});
    w.api
        .replace_as("external-secrets", "/status", &store)
        .await?;
    Ok(())
}

/// Waits until an operator of `class` has come as far as to an object made after all others.
async fn until_served(w: &World) -> Result<()> {
    w.external_secret(
        "fresh",
        json!({"secretStoreRef": {"name": "store"}, "data": data(&["a"])}),
    )
    .await?;
    w.until_ready("fresh").await?;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    Ok(())
}

async fn version(w: &World, kind: &str, name: &str) -> Result<Value> {
    let object = w.api.get(kind, &w.ns, name).await?;
    let object = object.with_context(|| format!("{kind} {name} is gone"))?;
    Ok(object["metadata"]["resourceVersion"].clone())
}

/// Nothing is written when the operator is switched, but the status that is due.
async fn switching_writes_nothing(world: World) -> Result<()> {
    let w = &world;
    let class = format!("switch-{}", w.ns);
    left_store(w, &class).await?;
    let at_rest = [
        PLAIN,
        Left {
            name: LONG,
            ..PLAIN
        },
        Left {
            name: "orphan",
            policy: "Orphan",
            ..PLAIN
        },
        Left {
            name: "merge",
            policy: "Merge",
            ..PLAIN
        },
        Left {
            name: "create-or-merge",
            policy: "CreateOrMerge",
            ..PLAIN
        },
        Left {
            name: "immutable",
            immutable: true,
            ..PLAIN
        },
        Left {
            name: "once",
            interval: "0",
            ..PLAIN
        },
    ];
    // Refreshed ten minutes ago, and again every two seconds from now on.
    let due = Left {
        name: "due",
        interval: "2s",
        age: 600,
        ..PLAIN
    };
    let mut before = BTreeMap::new();
    for left in at_rest.iter().chain([&due]) {
        left.create(w).await?;
        for kind in ["Secret", "ExternalSecret"] {
            before.insert((kind, left.name), version(w, kind, left.name).await?);
        }
    }
    let (operator, seen) = w.watched_operator(&class).await?;
    until_served(w).await?;
    let refreshed =
        |o: &Value| o["metadata"]["resourceVersion"] != before[&("ExternalSecret", "due")];
    w.api
        .until("ExternalSecret", &w.ns, "due", "refreshed", refreshed)
        .await?;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    operator.stop().await?;
    for ((kind, name), old) in &before {
        if (*kind, *name) != ("ExternalSecret", "due") {
            assert_eq!(
                &version(w, kind, name).await?,
                old,
                "{kind} {name} was written"
            );
        }
    }
    assert_eq!(seen.status_writes("due"), 1, "{:?}", seen.all());
    let about = |effect: &Effect| match effect {
        Effect::CreateSecret(key)
        | Effect::UpdateSecret(key)
        | Effect::DeleteSecret(key)
        | Effect::WriteStatus(key)
        | Effect::WriteStoreStatus(key)
        | Effect::RemoveFinalizer(key)
        | Effect::CreateEvent(key) => key.name.to_string(),
        #[allow(unreachable_patterns, reason = "effects that later kinds bring")]
        _ => "another effect".to_owned(),
    };
    let others: Vec<_> = seen
        .all()
        .into_iter()
        .filter(|effect| !["fresh", "due"].contains(&&*about(effect)))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    Ok(())
}

/// A key taken out of the ExternalSecret goes from the Secret; what others put there stays.
async fn stale_keys_go_and_foreign_ones_stay(world: World) -> Result<()> {
    let w = &world;
    let class = format!("stale-{}", w.ns);
    left_store(w, &class).await?;
    let all = [
        PLAIN,
        Left {
            name: LONG,
            ..PLAIN
        },
        Left {
            name: "merge",
            policy: "Merge",
            ..PLAIN
        },
        Left {
            name: "create-or-merge",
            policy: "CreateOrMerge",
            ..PLAIN
        },
    ];
    for left in &all {
        left.create(w).await?;
    }
    let operator = w.operator_of_class(&class).await?;
    for left in &all {
        w.change(
            left.name,
            json!({"metadata": {"labels": {"team": null, "cost": "42"}, "annotations": {"note": null}},
                "spec": {"data": data(&["a", "c"])}}),
        )
        .await?;
    }
    for left in &all {
        let has_c = |s: &Value| s["data"].get("c").is_some();
        let secret = w
            .api
            .until("Secret", &w.ns, left.name, "rewritten", has_c)
            .await?;
        let values = keyless_scenarios::data(&secret);
        let mut want: BTreeMap<String, String> = [("a", "1"), ("c", "3")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        let labels = &secret["metadata"]["labels"];
        if left.policy == "Merge" {
            want.insert("theirs".into(), "x".into());
            assert_eq!(labels["foreign"], "label");
        }
        assert_eq!(values, want, "{}", left.name);
        assert_eq!(labels["cost"], "42", "{}", left.name);
        assert!(labels.get("team").is_none(), "{}: {labels}", left.name);
        assert!(secret["metadata"]["annotations"].get("note").is_none());
    }
    operator.stop().await
}

/// The data keys that each field manager has by an Update, of a Secret.
fn managed(secret: &Value) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in secret["metadata"]["managedFields"].as_array().unwrap() {
        assert_eq!(entry["operation"], "Update", "{entry}");
        let keys = entry["fieldsV1"]["f:data"].as_object();
        let keys = keys
            .into_iter()
            .flatten()
            .filter_map(|(k, _)| k.strip_prefix("f:"));
        let manager = entry["manager"].as_str().unwrap_or_default().to_owned();
        out.entry(manager)
            .or_default()
            .extend(keys.map(str::to_owned));
    }
    out
}

/// After changes by keyless everything that ESO looks at is as ESO would have written it.
async fn it_could_be_handed_back(world: World) -> Result<()> {
    let w = &world;
    let class = format!("back-{}", w.ns);
    left_store(w, &class).await?;
    let all = [
        PLAIN,
        Left {
            name: LONG,
            ..PLAIN
        },
        Left {
            name: "merge",
            policy: "Merge",
            ..PLAIN
        },
    ];
    for left in &all {
        left.create(w).await?;
    }
    let operator = w.operator_of_class(&class).await?;
    for left in &all {
        w.change(left.name, json!({"spec": {"data": data(&["a", "c"])}}))
            .await?;
    }
    for left in &all {
        let has_c = |s: &Value| s["data"].get("c").is_some();
        let secret = w
            .api
            .until("Secret", &w.ns, left.name, "rewritten", has_c)
            .await?;
        let own = manager(left.name);
        let managed = managed(&secret);
        assert_eq!(managed[&own], ["a", "c"], "{managed:?}");
        for (other, keys) in managed.iter().filter(|(name, _)| **name != own) {
            assert!(
                !keys.contains(&"a".into()) && !keys.contains(&"c".into()),
                "{other}: {keys:?}"
            );
        }
        let values: BTreeMap<String, keyless_secret::SecretBytes> =
            keyless_scenarios::data(&secret)
                .into_iter()
                .map(|(k, v)| (k, v.as_str().into()))
                .collect();
        let meta = &secret["metadata"];
        assert_eq!(
            meta["annotations"]["reconcile.external-secrets.io/data-hash"],
            json!(hash::data_hash(&values))
        );
        assert_eq!(
            meta["labels"]["reconcile.external-secrets.io/managed"],
            "true"
        );
        let created_by = meta["labels"].get("reconcile.external-secrets.io/created-by");
        let owner = left.policy == "Owner";
        assert_eq!(created_by.is_some(), owner);
        assert_eq!(meta.get("ownerReferences").is_some(), owner);
        let object = w
            .api
            .until("ExternalSecret", &w.ns, left.name, "synced", |o| {
                let synced = o["status"]["syncedResourceVersion"]
                    .as_str()
                    .unwrap_or_default();
                synced.starts_with(&format!("{}-", o["metadata"]["generation"]))
            });
        let object = object.await?;
        assert_eq!(
            object["metadata"]["finalizers"],
            json!([FINALIZER]),
            "ESO's own stays"
        );
        assert_eq!(object["status"]["binding"]["name"], left.name);
        assert_eq!(
            object["status"]["conditions"].as_array().map(Vec::len),
            Some(1)
        );
    }
    operator.stop().await
}

/// Owner, then Merge, then Orphan, then Owner again.
async fn policies_change_after_the_switch(world: World) -> Result<()> {
    let w = &world;
    let class = format!("policy-{}", w.ns);
    left_store(w, &class).await?;
    PLAIN.create(w).await?;
    let operator = w.operator_of_class(&class).await?;
    let turn = |policy: &'static str| async move {
        w.change(
            "owner",
            json!({"spec": {"target": {"creationPolicy": policy}}}),
        )
        .await?;
        let owned =
            |s: &Value| s["metadata"].get("ownerReferences").is_some() == (policy == "Owner");
        let secret = w.api.until("Secret", &w.ns, "owner", policy, owned).await?;
        let label = secret["metadata"]["labels"].get("reconcile.external-secrets.io/created-by");
        assert_eq!(label.is_some(), policy == "Owner", "{policy}");
        anyhow::Ok(secret)
    };
    turn("Merge").await?;
    w.api
        .patch(
            "Secret",
            &w.ns,
            "owner",
            &json!({"data": {"theirs": "eA=="}}),
        )
        .await?;
    let whole = |s: &Value| {
        let data = keyless_scenarios::data(s);
        let values: BTreeMap<String, keyless_secret::SecretBytes> = data
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().into()))
            .collect();
        data.len() == 3
            && s["metadata"]["annotations"]["reconcile.external-secrets.io/data-hash"]
                == json!(hash::data_hash(&values))
    };
    w.api
        .until(
            "Secret",
            &w.ns,
            "owner",
            "merged with the foreign key",
            whole,
        )
        .await?;
    w.change(
        "owner",
        json!({"spec": {"target": {"creationPolicy": "Orphan"}}}),
    )
    .await?;
    w.api
        .until("Secret", &w.ns, "owner", "Orphan's alone", |s| {
            s["data"].get("theirs").is_none()
        })
        .await?;
    turn("Owner").await?;
    assert_eq!(
        w.secret_data("owner").await?,
        [("a", "1"), ("b", "2")]
            .map(|(k, v)| (k.into(), v.into()))
            .into()
    );
    operator.stop().await
}

/// ESO's finalizer is taken off at the deletion, and the owned Secret goes with its owner.
async fn deletion_after_the_switch(world: World) -> Result<()> {
    let w = &world;
    let class = format!("delete-{}", w.ns);
    left_store(w, &class).await?;
    PLAIN.create(w).await?;
    Left {
        name: "orphan",
        policy: "Orphan",
        ..PLAIN
    }
    .create(w)
    .await?;
    let operator = w.operator_of_class(&class).await?;
    for name in ["owner", "orphan"] {
        w.api.delete("ExternalSecret", &w.ns, name).await?;
        w.api
            .until("ExternalSecret", &w.ns, name, "gone", Value::is_null)
            .await?;
    }
    w.api
        .until("Secret", &w.ns, "owner", "gone", Value::is_null)
        .await?;
    assert!(
        w.secret("orphan").await?.is_some(),
        "Orphan leaves it behind"
    );
    operator.stop().await
}

/// ESO 0.15 hashed with MD5: as after an upgrade of ESO itself, the Secret is rewritten once, its
/// values untouched.
async fn left_by_an_old_eso(world: World) -> Result<()> {
    let w = &world;
    let class = format!("old-{}", w.ns);
    left_store(w, &class).await?;
    Left { old: true, ..PLAIN }.create(w).await?;
    let before = w.secret("owner").await?.unwrap();
    let (operator, seen) = w.watched_operator(&class).await?;
    until_served(w).await?;
    let modern = |s: &Value| {
        s["metadata"]["annotations"]["reconcile.external-secrets.io/data-hash"]
            == json!(hash::data_hash(
                &[("a", "1"), ("b", "2")]
                    .map(|(k, v)| (k.into(), v.into()))
                    .into()
            ))
    };
    let after = w
        .api
        .until("Secret", &w.ns, "owner", "hashed anew", modern)
        .await?;
    assert_eq!(after["data"], before["data"]);
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(
        after["metadata"]["labels"]["reconcile.external-secrets.io/created-by"],
        json!(hash::created_by(&w.ns, "owner"))
    );
    assert_eq!(
        after["metadata"]["ownerReferences"][0]["apiVersion"],
        "external-secrets.io/v1"
    );
    assert_eq!(
        after["metadata"]["ownerReferences"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    operator.stop().await?;
    assert_eq!(seen.secret_writes("owner"), 1, "{:?}", seen.all());
    assert_eq!(seen.status_writes("owner"), 1, "{:?}", seen.all());
    Ok(())
}

/// A refreshTime in the future was written by a clock that went wrong: the value is read now.
async fn a_clock_ahead_is_not_believed(world: World) -> Result<()> {
    let w = &world;
    let class = format!("clock-{}", w.ns);
    left_store(w, &class).await?;
    Left {
        // What is overdue at a start is spread over a quarter of this.
        interval: "60s",
        age: -86_400,
        ..PLAIN
    }
    .create(w)
    .await?;
    let before = version(w, "Secret", "owner").await?;
    let ahead = w.api.get("ExternalSecret", &w.ns, "owner").await?.unwrap();
    let operator = w.operator_of_class(&class).await?;
    w.api
        .until("ExternalSecret", &w.ns, "owner", "refreshed", |o| {
            o["status"]["refreshTime"].as_str() < ahead["status"]["refreshTime"].as_str()
        })
        .await?;
    assert_eq!(version(w, "Secret", "owner").await?, before);
    operator.stop().await
}
