//! Answers recorded from the clouds' own webhooks, where a folder of them is at hand: each case
//! is a pod (`NAME.in.json`), the world (`NAME.sa.json`) and the answer (`NAME.out.json`).
//! `KEYLESS_WEBHOOK_RECORDINGS` names the folder; without it there is nothing to compare.

use std::path::Path;

use super::super::azure::{TokenEndpoint, authority};
use super::super::{aws, azure, google};
use super::*;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Sorted by name where entries have one, without what means nothing.
fn meaning(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map
                .iter()
                .filter(|(key, _)| *key != "creationTimestamp" && *key != "status");
            let kept = kept.map(|(key, value)| (key.clone(), meaning(value)));
            let empty = |value: &Value| {
                value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            Value::Object(
                kept.filter(|(key, value)| !empty(value) || key == "emptyDir")
                    .collect(),
            )
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(meaning).collect();
            let sorted = list
                .iter()
                .all(|entry| entry.get("name").is_some() && entry.get("image").is_none());
            if sorted {
                list.sort_by_key(|entry| entry["name"].to_string());
            }
            Value::Array(list)
        }
        other => other.clone(),
    }
}

fn flags(world: &Value) -> BTreeMap<String, String> {
    let flags = world["webhook"]["flags"].as_array();
    let flag = |flag: &Value| {
        let flag = flag.as_str().unwrap().trim_start_matches('-').to_owned();
        let (name, value) = flag.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    };
    flags.into_iter().flatten().map(flag).collect()
}

fn environment(world: &Value, name: &str) -> String {
    world["webhook"]["env"][name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn for_aws(world: &Value) -> aws::Settings {
    let mut settings = aws::Settings::default();
    let flags = flags(world);
    let set = |name: &str, into: &mut String| {
        if let Some(value) = flags.get(name) {
            into.clone_from(value);
        }
    };
    set("annotation-prefix", &mut settings.annotation_prefix);
    set("token-audience", &mut settings.token_audience);
    set("token-mount-path", &mut settings.token_mount_path);
    let identity = &mut settings.pod_identity;
    set("container-credentials-audience", &mut identity.audience);
    set(
        "container-credentials-token-mount-path",
        &mut identity.mount_path,
    );
    set(
        "container-credentials-token-volume-name",
        &mut identity.volume_name,
    );
    set("container-credentials-token-path", &mut identity.token_path);
    set("container-credentials-full-uri", &mut identity.full_uri);
    if let Some(seconds) = flags.get("token-expiration") {
        settings.token_expiration = seconds.parse().unwrap();
    }
    settings.region = flags.get("aws-default-region").cloned();
    settings.sts_regional_endpoint = flags
        .get("sts-regional-endpoint")
        .is_some_and(|v| v == "true");
    let list = &world["webhook"]["containerCredentialsFile"];
    if list.is_object() {
        settings.pod_identities = aws::pod_identities(&list.to_string()).unwrap();
    }
    if let Some(config) = world["configMaps"][0]["data"]["config"].as_str() {
        settings.associations = aws::associations(config).unwrap();
    }
    settings
}

fn for_azure(world: &Value) -> azure::Settings {
    let of = |name: &str| environment(world, name);
    let flags = flags(world);
    let endpoint = flags
        .get("custom-token-endpoint-annotation-suffix")
        .map(|suffix| TokenEndpoint {
            annotation_suffix: suffix.clone(),
            audience: flags["custom-token-endpoint-audience"].clone(),
            proxy: of("AZURE_KUBERNETES_TOKEN_PROXY"),
            sni_name: of("AZURE_KUBERNETES_SNI_NAME"),
            ca_data: of("AZURE_KUBERNETES_CA_DATA"),
            ca_config_map: of("AZURE_KUBERNETES_CA_CONFIGMAP_NAME"),
            ca_signer: of("AZURE_KUBERNETES_CA_CTB_SIGNER_NAME"),
            ca_selector: serde_json::from_str(&of("AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR")).ok(),
        });
    azure::Settings {
        tenant_id: of("AZURE_TENANT_ID"),
        authority_host: authority(&of("AZURE_ENVIRONMENT")).unwrap().into(),
        token_endpoint: endpoint,
        ..azure::Settings::default()
    }
}

fn for_google(world: &Value) -> google::Settings {
    let mut settings = google::Settings::default();
    let flags = flags(world);
    for (name, value) in &flags {
        match name.as_str() {
            "annotation-prefix" => settings.annotation_prefix.clone_from(value),
            "token-audience" => settings.token_audience.clone_from(value),
            "token-expiration" => {
                settings.token_expiration =
                    value.trim_end_matches('h').parse::<i64>().unwrap() * 3600
            }
            "gcp-default-region" => settings.region.clone_from(value),
            "gcloud-image" => settings.gcloud_image.clone_from(value),
            "token-default-mode" => settings.token_default_mode = value.parse().unwrap(),
            "setup-container-resources" => {
                settings.setup_resources = serde_json::from_str(value).ok()
            }
            other => panic!("flag {other}"),
        }
    }
    settings
}

fn judge(cloud: &str, file: &Path) -> Result<(), String> {
    let part = |kind: &str| {
        read(
            &file
                .with_extension("")
                .with_extension(format!("{kind}.json")),
        )
    };
    let (pod, world, answer) = (part("in"), part("sa"), part("out"));
    if pod.get("spec").is_none() || answer["verdict"] == "better" {
        return Ok(());
    }
    let name = pod["spec"]["serviceAccountName"]
        .as_str()
        .unwrap_or_default();
    let name = if name.is_empty() && cloud == "azure" {
        "default"
    } else {
        name
    };
    let namespace = world["request"]["namespace"].as_str().unwrap();
    let accounts = world["serviceAccounts"].as_array().unwrap();
    let account = accounts
        .iter()
        .find(|a| a["metadata"]["name"] == name && a["metadata"]["namespace"] == namespace);
    let account: Option<BTreeMap<String, String>> = account
        .map(|a| serde_json::from_value(a["metadata"]["annotations"].clone()).unwrap_or_default());
    let subject = Subject {
        pod: &pod,
        namespace,
        account: account.as_ref(),
    };
    let verdict = match cloud {
        "aws" => aws::inject(&for_aws(&world), &subject, 1226),
        "azure" => azure::inject(&for_azure(&world), &subject),
        _ => google::inject(&for_google(&world), &subject),
    };
    match verdict {
        Verdict::Denied { reason } => {
            let theirs = answer["status"]["message"].as_str().unwrap_or_default();
            if answer["allowed"] == false && reason == theirs {
                return Ok(());
            }
            Err(format!("denied with {reason:?}, recorded {theirs:?}"))
        }
        Verdict::Allowed(_) if answer["allowed"] == false => Err("allowed, recorded denied".into()),
        Verdict::Allowed(injection) => {
            let mut after = apply(&pod, &injection.patch);
            let mut theirs = answer["pod"].clone();
            if theirs.is_null() {
                theirs = pod.clone();
            }
            if let Some(metadata) = theirs["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            if let Some(metadata) = after["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            for vary in answer["vary"].as_array().into_iter().flatten() {
                let name = vary["path"].as_str().unwrap().split('/').nth(3).unwrap();
                for pod in [&mut after, &mut theirs] {
                    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
                    let volume = volumes.iter_mut().find(|v| v["name"] == name).unwrap();
                    let seconds = &mut volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"];
                    let number = seconds.as_i64().unwrap();
                    assert!(
                        (vary["min"].as_i64().unwrap()..=vary["max"].as_i64().unwrap())
                            .contains(&number)
                    );
                    *seconds = Value::Null;
                }
            }
            let (ours, theirs) = (meaning(&after), meaning(&theirs));
            if ours == theirs {
                Ok(())
            } else {
                Err(format!("\n  ours   {ours}\n  theirs {theirs}"))
            }
        }
    }
}

#[test]
fn as_the_clouds_webhooks_answered() {
    let Some(folder) = std::env::var_os("KEYLESS_WEBHOOK_RECORDINGS") else {
        return;
    };
    let (mut cases, mut wrong) = (0, Vec::new());
    for cloud in ["aws", "azure", "google"] {
        let folder = Path::new(&folder).join(cloud);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        for file in files
            .iter()
            .filter(|f| f.to_string_lossy().ends_with(".in.json"))
        {
            cases += 1;
            if let Err(difference) = judge(cloud, file) {
                wrong.push(format!(
                    "{cloud}/{}: {difference}",
                    file.file_name().unwrap().to_string_lossy()
                ));
            }
        }
    }
    assert!(cases > 0, "no cases in the folder");
    assert!(
        wrong.is_empty(),
        "{} of {cases}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
