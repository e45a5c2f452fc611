//! Rules of the Google webhook, one by one.

use super::super::google::{Settings, inject};
use super::*;

const PROVIDER: (&str, &str) = (
    "cloud.google.com/workload-identity-provider",
    "projects/1/locations/global/workloadIdentityPools/pool/providers/prov",
);
const EMAIL: (&str, &str) = (
    "cloud.google.com/service-account-email",
    "buyer@shop-prod.iam.gserviceaccount.com",
);
const DIRECT: (&str, &str) = ("cloud.google.com/injection-mode", "Direct");
const APP: &str = "/spec/containers/0";

fn run(settings: &Settings, pod: &Value, account: &[(&str, &str)]) -> Value {
    let account = annotations(account);
    hold(pod, |pod| inject(settings, &subject(pod, Some(&account))))
}

fn refuse(pod: &Value, account: &[(&str, &str)]) -> String {
    let account = annotations(account);
    denied(inject(&Settings::default(), &subject(pod, Some(&account))))
}

fn annotated(key: &str, value: &str) -> Value {
    with(pod(), &json!({"metadata": {"annotations": {key: value}}}))
}

#[test]
fn gcloud_is_set_up_by_an_init_container() {
    let own = with(
        pod(),
        &json!({"spec": {"initContainers": [{"name": "own"}]}}),
    );
    let out = run(&Settings::default(), &own, &[PROVIDER, EMAIL]);
    let init = out["spec"]["initContainers"].as_array().unwrap();
    assert_eq!(
        (init[0]["name"].as_str(), init[1]["name"].as_str()),
        (Some("gcloud-setup"), Some("own"))
    );
    assert_eq!(init[0].get("resources"), None);
    for container in ["/spec/initContainers/1", APP] {
        assert_eq!(
            variable(&out, container, "CLOUDSDK_CONFIG"),
            Some("/var/run/secrets/gcloud/config")
        );
        assert_eq!(
            variable(&out, container, "CLOUDSDK_CORE_PROJECT"),
            Some("shop-prod")
        );
        assert_eq!(
            variable(&out, container, "CLOUDSDK_COMPUTE_REGION"),
            Some("")
        );
        assert_eq!(mounts(&out, container), ["gcp-iam-token", "gcloud-config"]);
    }
    assert_eq!(
        *token(&out, "gcp-iam-token"),
        json!({"audience": "sts.googleapis.com", "expirationSeconds": 86_400, "path": "token"})
    );
    let written = &out["metadata"]["annotations"];
    assert_eq!(written["cloud.google.com/audience"], "sts.googleapis.com");
    assert_eq!(written["cloud.google.com/token-expiration"], "86400");
    assert_eq!(
        written["cloud.google.com/workload-identity-provider"],
        PROVIDER.1
    );
}

#[test]
fn directly_the_configuration_lies_in_an_annotation() {
    let out = run(&Settings::default(), &pod(), &[PROVIDER, EMAIL, DIRECT]);
    assert_eq!(out["spec"].get("initContainers"), None);
    assert_eq!(
        mounts(&out, APP),
        ["gcp-iam-token", "external-credential-config"]
    );
    assert_eq!(variable(&out, APP, "CLOUDSDK_CONFIG"), None);
    let written = &out["metadata"]["annotations"]["cloud.google.com/external-credentials-json"];
    let parsed: Value = serde_json::from_str(written.as_str().unwrap()).unwrap();
    assert_eq!(
        parsed["audience"],
        format!("//iam.googleapis.com/{}", PROVIDER.1)
    );
    assert_eq!(parsed["credential_source"]["format"]["type"], "text");
}

#[test]
fn own_variables_and_volumes_of_these_names_give_way() {
    let own = with(
        pod(),
        &json!({"spec": {
            "volumes": [{"name": "gcp-iam-token", "emptyDir": {}}],
            "containers": [{"name": "app", "env": [
                {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/own"},
                {"name": "CLOUDSDK_CORE_PROJECT", "value": "own"},
            ]}],
        }}),
    );
    let out = run(&Settings::default(), &own, &[PROVIDER, EMAIL, DIRECT]);
    assert_eq!(
        variable(&out, APP, "GOOGLE_APPLICATION_CREDENTIALS"),
        Some("/var/run/secrets/workload-identity/federation.json")
    );
    assert_eq!(variable(&out, APP, "CLOUDSDK_CORE_PROJECT"), Some("own"));
    assert_eq!(out["spec"]["volumes"][0].get("emptyDir"), None);
}

#[test]
fn who_asks_for_nothing_gets_nothing() {
    assert_eq!(run(&Settings::default(), &pod(), &[]), pod());
    let verdict = inject(&Settings::default(), &subject(&pod(), None));
    assert_eq!(verdict, Verdict::untouched());
}

#[test]
fn wrong_annotations_are_refused() {
    assert_eq!(
        refuse(&pod(), &[PROVIDER]),
        "cloud.google.com/workload-identity-provider, cloud.google.com/service-account-email must set at a time"
    );
    assert!(
        refuse(&pod(), &[EMAIL, (PROVIDER.0, "pool")])
            .contains("must be form of projects/{ProjectNumber}")
    );
    assert_eq!(
        refuse(&pod(), &[("cloud.google.com/token-expiration", "1h")]),
        r#"cloud.google.com/token-expiration must be positive integer string: strconv.ParseInt: parsing "1h": invalid syntax"#
    );
    assert_eq!(
        refuse(&pod(), &[("cloud.google.com/injection-mode", "")]),
        "cloud.google.com/injection-mode mode must be 'direct', 'gcloud' or unset"
    );
    let wrong = annotated("cloud.google.com/token-expiration", "x");
    assert!(refuse(&wrong, &[PROVIDER, EMAIL]).contains(r#"parsing "x""#));
}

#[test]
fn lives_and_audiences() {
    let life = "cloud.google.com/token-expiration";
    let out = run(
        &Settings::default(),
        &annotated(life, "60"),
        &[PROVIDER, EMAIL, (life, "9000")],
    );
    assert_eq!(token(&out, "gcp-iam-token")["expirationSeconds"], 3600);
    assert_eq!(out["metadata"]["annotations"][life], "3600");
    let account = annotations(&[PROVIDER, EMAIL, ("cloud.google.com/audience", "")]);
    let injection = allowed(inject(
        &Settings::default(),
        &subject(&pod(), Some(&account)),
    ));
    assert!(
        injection.warnings[0].contains("cloud.google.com/audience"),
        "{:?}",
        injection.warnings
    );
    let out = apply(&pod(), &injection.patch);
    assert_eq!(
        token(&out, "gcp-iam-token")["audience"],
        "sts.googleapis.com"
    );
}

#[test]
fn the_user_of_the_init_container_and_the_flags() {
    let settings = Settings {
        region: "europe-west3".into(),
        setup_resources: Some(json!({"requests": {"cpu": "100m"}})),
        ..Settings::default()
    };
    let out = run(
        &settings,
        &pod(),
        &[
            PROVIDER,
            EMAIL,
            ("cloud.google.com/gcloud-run-as-user", "1000"),
        ],
    );
    let setup = &out["spec"]["initContainers"][0];
    assert_eq!(setup["securityContext"]["runAsUser"], 1000);
    assert_eq!(setup["resources"], json!({"requests": {"cpu": "100m"}}));
    assert_eq!(
        variable(&out, APP, "CLOUDSDK_COMPUTE_REGION"),
        Some("europe-west3")
    );
}
