//! What holds for every pod: the patch applies, a second look changes nothing, what was there
//! stays, and nothing panics.

use proptest::prelude::*;

use super::super::{aws, azure, google};
use super::*;

/// Members of `before` that `after` lacks or has otherwise, the few places aside that the
/// clouds' own webhooks overwrite.
fn lost(before: &Value, after: &Value, path: &str, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                match after.get(key) {
                    Some(now) => lost(value, now, &format!("{path}/{key}"), out),
                    None => out.push(format!("{path}/{key}")),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let named = |entry: &Value| entry["name"].as_str().map(str::to_owned);
            for (index, entry) in before.iter().enumerate() {
                let same = |other: &&Value| match named(entry) {
                    Some(name) => named(other) == Some(name),
                    None => *other == entry,
                };
                // Order among what was there is kept, so the n-th of a name stays the n-th.
                let nth = before[..index].iter().filter(|e| same(e)).count();
                match after.iter().filter(same).nth(nth) {
                    Some(now) => lost(entry, now, &format!("{path}[{index}]"), out),
                    None => out.push(format!("{path}[{index}]")),
                }
            }
        }
        (Value::Null, _) => {}
        (before, after) if before == after => {}
        _ => out.push(path.to_owned()),
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("app".to_owned()),
        Just("AWS_REGION".to_owned()),
        Just("AWS_ROLE_ARN".to_owned()),
        Just("AZURE_CLIENT_ID".to_owned()),
        Just("CLOUDSDK_CORE_PROJECT".to_owned()),
        Just("own".to_owned()),
        "[a-z]{1,3}",
    ]
}

fn container() -> impl Strategy<Value = Value> {
    let env = prop_oneof![
        Just(Value::Null),
        prop::collection::vec(
            name().prop_map(|n| json!({"name": n, "value": "v", "future": 1})),
            0..4
        )
        .prop_map(Value::Array),
    ];
    let path = prop_oneof![
        Just("/var/run/secrets/eks.amazonaws.com/serviceaccount"),
        Just("/var/run/secrets/azure/wi"),
        Just("/elsewhere"),
    ];
    let mounts = prop::collection::vec(
        (name(), path).prop_map(|(n, p)| json!({"name": n, "mountPath": p})),
        0..3,
    );
    (name(), env, mounts).prop_map(|(name, env, mounts)| {
        json!({"name": name, "image": "i", "env": env, "volumeMounts": mounts, "newerThanUs": {"a": [1]}})
    })
}

fn pods() -> impl Strategy<Value = Value> {
    let containers = || prop::collection::vec(container(), 0..3);
    let volumes = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        prop::collection::vec(
            name().prop_map(|n| json!({"name": n, "emptyDir": {}})),
            0..3
        )
        .prop_map(Value::Array),
    ];
    let labels = prop_oneof![Just(Value::Null), Just(json!({"x": "y"}))];
    (containers(), containers(), volumes, labels, any::<bool>()).prop_map(
        |(containers, init, volumes, labels, windows)| {
            let mut pod = json!({
                "apiVersion": "v1", "kind": "Pod", "alien": true,
                "metadata": {"generateName": "cart-", "labels": labels},
                "spec": {
                    "serviceAccountName": "buyer", "containers": containers,
                    "initContainers": init, "volumes": volumes,
                },
            });
            if windows {
                pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
            }
            pod
        },
    )
}

fn check(pod: &Value, inject: impl Fn(&Value) -> Verdict) -> Result<(), TestCaseError> {
    let injection = allowed(inject(pod));
    let after = apply(pod, &injection.patch);
    let again = allowed(inject(&after));
    prop_assert_eq!(&again.patch, &[], "a second look changes the pod");
    let mut gone = Vec::new();
    lost(pod, &after, "", &mut gone);
    prop_assert_eq!(gone, Vec::<String>::new());
    // Each mount path once: the API server refuses a pod otherwise.
    for list in ["containers", "initContainers"] {
        let lists = [pod, &after].map(|p| p["spec"][list].as_array().cloned().unwrap_or_default());
        for container in &lists[1] {
            let paths = |c: &Value| -> Vec<String> {
                let mounts = c["volumeMounts"].as_array().cloned().unwrap_or_default();
                mounts.iter().map(|m| m["mountPath"].to_string()).collect()
            };
            let unique = |paths: &[String]| {
                paths
                    .iter()
                    .collect::<std::collections::BTreeSet<_>>()
                    .len()
                    == paths.len()
            };
            let was_fine = lists[0]
                .iter()
                .filter(|c| c["name"] == container["name"])
                .all(|c| unique(&paths(c)));
            prop_assert!(!was_fine || unique(&paths(container)), "{}", container);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn of_aws(pod in pods(), region in any::<bool>(), random: u64) {
        let settings = aws::Settings {
            region: region.then(|| "us-west-2".into()),
            sts_regional_endpoint: region,
            ..aws::Settings::default()
        };
        let account = annotations(&[("eks.amazonaws.com/role-arn", "arn:aws:iam::111122223333:role/r")]);
        check(&pod, |pod| aws::inject(&settings, &subject(pod, Some(&account)), random))?;
    }

    #[test]
    fn of_azure(pod in pods(), proxy in any::<bool>()) {
        let mut pod = pod;
        if proxy {
            pod["metadata"]["annotations"] = json!({"azure.workload.identity/inject-proxy-sidecar": ""});
        }
        let account = annotations(&[("azure.workload.identity/client-id", "c")]);
        check(&pod, |pod| azure::inject(&azure::Settings::default(), &subject(pod, Some(&account))))?;
    }

    #[test]
    fn of_google(pod in pods(), direct in any::<bool>()) {
        let mode = if direct { "direct" } else { "gcloud" };
        let account = annotations(&[
            ("cloud.google.com/workload-identity-provider", "projects/1/locations/l/workloadIdentityPools/a/providers/b"),
            ("cloud.google.com/service-account-email", "a@p.iam.gserviceaccount.com"),
            ("cloud.google.com/injection-mode", mode),
        ]);
        check(&pod, |pod| google::inject(&google::Settings::default(), &subject(pod, Some(&account))))?;
    }

    #[test]
    fn anything_at_all_leads_to_a_verdict(text in "[\\[\\]{}\",:a-z0-9]{0,40}", list in "(?s).{0,40}") {
        let value = serde_json::from_str::<Value>(&text).unwrap_or(json!(text));
        let account = annotations(&[("eks.amazonaws.com/role-arn", "arn")]);
        for pod in [
            value.clone(),
            json!({"metadata": value, "spec": {}}),
            json!({"metadata": {"annotations": {"eks.amazonaws.com/skip-containers": list}}, "spec": {"serviceAccountName": "b", "containers": value, "volumes": value}}),
            json!({"metadata": {}, "spec": {"containers": [{"env": value, "volumeMounts": value}], "serviceAccountName": value}}),
        ] {
            let of = subject(&pod, Some(&account));
            let _ = aws::inject(&aws::Settings::default(), &of, 0);
            let _ = azure::inject(&azure::Settings::default(), &of);
            let _ = google::inject(&google::Settings::default(), &of);
        }
    }
}
