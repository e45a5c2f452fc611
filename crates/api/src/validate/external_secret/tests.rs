//! Acceptance and refusal, sample by sample, in the words that users know.

use serde_json::{Value, json};

use super::{validate, validate_cluster_external_secret};
use crate::decode;

const NOT_OWNED: &str = "spec.target: deletionPolicy=Delete must not be used when the controller doesn't own the secret. Please set creationPolicy=Owner";
const SEVERAL: &str =
    "spec.dataFrom[0]: extract, find, or generatorRef cannot be set at the same time";

/// One sample: its name, the spec, and every complaint about it.
type Sample<'a> = (&'a str, Value, &'a [&'a str]);

fn judge(sample: Sample<'_>) {
    let (name, spec, complaints) = sample;
    let found = validate(&decode(&spec).unwrap());
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, complaints, "{name}");
}

/// A spec with one entry in `data` and the given parts.
fn with(part: Value) -> Value {
    let mut spec = json!({"data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]});
    for (key, value) in part.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

fn policies(creation: &str, deletion: &str) -> Value {
    with(json!({"target": {"creationPolicy": creation, "deletionPolicy": deletion}}))
}

#[test]
fn policies_that_contradict_each_other() {
    let merge_none = "spec.target: deletionPolicy=Merge must not be used with creationPolicy=None. There is no Secret to merge with";
    let samples: [Sample<'_>; 10] = [
        ("nothing set", with(json!({})), &[]),
        ("delete owned", policies("Owner", "Delete"), &[]),
        (
            "delete by default owned",
            with(json!({"target": {"deletionPolicy": "Delete"}})),
            &[],
        ),
        ("delete orphan", policies("Orphan", "Delete"), &[]),
        ("delete merged", policies("Merge", "Delete"), &[NOT_OWNED]),
        ("delete nothing", policies("None", "Delete"), &[NOT_OWNED]),
        (
            "delete created or merged",
            policies("CreateOrMerge", "Delete"),
            &[NOT_OWNED],
        ),
        (
            "merge into nothing",
            policies("None", "Merge"),
            &[merge_none],
        ),
        ("merge merged", policies("Merge", "Merge"), &[]),
        ("retain nothing", policies("None", "Retain"), &[]),
    ];
    samples.into_iter().for_each(judge);
}

#[test]
fn sources_that_are_missing_or_too_many() {
    let from = |entry: Value| json!({"dataFrom": [entry]});
    let find = || json!({"name": {"regexp": "x"}});
    let generator = || json!({"generatorRef": {"kind": "Fake", "name": "g"}});
    let store = || json!({"storeRef": {"name": "s"}});
    let nothing = "spec: either data or dataFrom should be specified";
    let samples: [Sample<'_>; 12] = [
        ("nothing", json!({}), &[nothing]),
        (
            "empty lists",
            json!({"data": [], "dataFrom": []}),
            &[nothing],
        ),
        ("nulls", json!({"data": null, "dataFrom": null}), &[nothing]),
        ("extract", from(json!({"extract": {"key": "k"}})), &[]),
        (
            "extract and find",
            from(json!({"extract": {"key": "k"}, "find": find()})),
            &[SEVERAL],
        ),
        (
            "find and generator",
            from(json!({"find": find(), "sourceRef": generator()})),
            &[SEVERAL],
        ),
        (
            "extract and generator",
            from(json!({"extract": {"key": "k"}, "sourceRef": generator()})),
            &[SEVERAL],
        ),
        (
            "extract from a store",
            from(json!({"extract": {"key": "k"}, "sourceRef": store()})),
            &[],
        ),
        ("store alone", from(json!({"sourceRef": store()})), &[]),
        (
            "generator alone",
            from(json!({"sourceRef": generator()})),
            &[],
        ),
        (
            "empty entry",
            from(json!({})),
            &["spec.dataFrom[0]: either extract, find, or sourceRef must be set to dataFrom"],
        ),
        (
            "empty source",
            from(json!({"sourceRef": {}})),
            &[
                "spec.dataFrom[0].sourceRef: generatorRef or storeRef must be set when using sourceRef in dataFrom",
            ],
        ),
    ];
    samples.into_iter().for_each(judge);
}

#[test]
fn keys_that_come_twice() {
    let twice = |deletion: &str| {
        let entry = |key: &str| json!({"secretKey": "a", "remoteRef": {"key": key}});
        json!({"target": {"deletionPolicy": deletion}, "data": [entry("k1"), entry("k2"), entry("k3")]})
    };
    let complaints = [
        "spec.data[1].secretKey: duplicate secretKey found: a",
        "spec.data[2].secretKey: duplicate secretKey found: a",
    ];
    judge(("retain", twice("Retain"), &complaints));
    judge(("delete", twice("Delete"), &[]));
    judge(("merge", twice("Merge"), &[]));
}

#[test]
fn templates_that_would_forge_credentials_or_metadata() {
    let template = |template: Value| with(json!({"target": {"template": template}}));
    let to =
        |target: &str| template(json!({"templateFrom": [{"literal": "a: b", "target": target}]}));
    let token = "kubernetes.io/service-account-token";
    let samples: [Sample<'_>; 8] = [
        (
            "bootstrap",
            template(json!({"type": "bootstrap.kubernetes.io/token"})),
            &[
                r#"spec.target.template: template.type="bootstrap.kubernetes.io/token" is not allowed"#,
            ],
        ),
        ("token", template(json!({"type": token})), &[]),
        (
            "token with annotation",
            template(
                json!({"type": token, "metadata": {"annotations": {"kubernetes.io/service-account.name": "x"}}}),
            ),
            &[
                r#"spec.target.template: template.type="kubernetes.io/service-account-token" with annotation "kubernetes.io/service-account.name" is not allowed"#,
            ],
        ),
        (
            "token with target",
            template(
                json!({"type": token, "templateFrom": [{"literal": "a: b", "target": "annotations"}]}),
            ),
            &[
                r#"spec.target.template: template.type="kubernetes.io/service-account-token" with templateFrom target="Annotations" is not allowed"#,
            ],
        ),
        ("lower case", to("labels"), &[]),
        (
            "no target",
            template(json!({"templateFrom": [{"literal": "a: b"}, {"literal": "", "target": ""}]})),
            &[],
        ),
        (
            "type",
            to("type"),
            &[
                r#"spec.target.template.templateFrom[0].target: templateFrom target="type" is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels""#,
            ],
        ),
        (
            "owners",
            to("metadata.ownerReferences"),
            &[
                r#"spec.target.template.templateFrom[0].target: templateFrom target="metadata.ownerReferences" is not allowed when targeting a Secret, must be one of "Data", "Annotations" or "Labels""#,
            ],
        ),
    ];
    samples.into_iter().for_each(judge);
    let aimed = |kind: &str| {
        with(json!({"target": {
            "manifest": {"apiVersion": "v1", "kind": kind},
            "template": {"templateFrom": [{"literal": "a: b", "target": "spec.a"}]},
        }}))
    };
    judge(("another kind takes a path", aimed("ConfigMap"), &[]));
    assert_eq!(validate(&decode(&aimed("Secret")).unwrap()).len(), 1);
}

#[test]
fn durations_that_are_none() {
    let window = |duration: &str| {
        with(json!({"syncWindows": {"kind": "allow", "windows": [
            {"schedule": "@daily", "duration": "1h"}, {"schedule": "@daily", "duration": duration}]}}))
    };
    let samples: [Sample<'_>; 6] = [
        (
            "word",
            with(json!({"refreshInterval": "soon"})),
            &[r#"spec.refreshInterval: time: invalid duration "soon""#],
        ),
        (
            "days",
            with(json!({"refreshInterval": "1d"})),
            &[r#"spec.refreshInterval: time: unknown unit "d" in duration "1d""#],
        ),
        (
            "number",
            with(json!({"refreshInterval": "30"})),
            &[r#"spec.refreshInterval: time: missing unit in duration "30""#],
        ),
        ("zero", with(json!({"refreshInterval": "0"})), &[]),
        (
            "window in days",
            window("1d"),
            &[r#"spec.syncWindows.windows[1].duration: time: unknown unit "d" in duration "1d""#],
        ),
        ("window in hours", window("2h"), &[]),
    ];
    samples.into_iter().for_each(judge);
}

#[test]
fn values_of_another_schema_are_named() {
    judge((
        "unknown values",
        with(json!({
            "refreshPolicy": "Never",
            "secretStoreRef": {"kind": "Store"},
            "target": {"template": {"engineVersion": "v1"}},
        })),
        &[
            r#"spec.refreshPolicy: Unsupported value: "Never": supported values: "CreatedOnce", "Periodic", "OnChange""#,
            r#"spec.secretStoreRef.kind: Unsupported value: "Store": supported values: "SecretStore", "ClusterSecretStore""#,
            r#"spec.target.template.engineVersion: Unsupported value: "v1": supported values: "v2""#,
        ],
    ));
}

#[test]
fn what_the_operator_refuses_later_is_admitted() {
    judge((
        "pattern",
        json!({"dataFrom": [{"find": {"name": {"regexp": "("}}}]}),
        &[],
    ));
    judge((
        "template",
        with(json!({"target": {"template": {"data": {"x": "{{ .a "}}}})),
        &[],
    ));
    judge((
        "several complaints",
        json!({"refreshInterval": "x", "target": {"creationPolicy": "None", "deletionPolicy": "Delete"}}),
        &[
            r#"spec.refreshInterval: time: invalid duration "x""#,
            NOT_OWNED,
            "spec: either data or dataFrom should be specified",
        ],
    ));
}

#[test]
fn a_cluster_external_secret_is_judged_with_what_it_creates() {
    let spec = json!({"externalSecretSpec": {}, "refreshTime": "1d"});
    let found = validate_cluster_external_secret(&decode(&spec).unwrap());
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "spec.externalSecretSpec: either data or dataFrom should be specified",
            r#"spec.refreshTime: time: unknown unit "d" in duration "1d""#,
        ]
    );
}
