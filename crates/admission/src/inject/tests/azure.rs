//! Rules of the Azure webhook, one by one.

use super::super::azure::{Settings, TokenEndpoint, authority, inject};
use super::*;

const CLIENT: (&str, &str) = ("azure.workload.identity/client-id", "c");
const APP: &str = "/spec/containers/0";

fn settings() -> Settings {
    Settings {
        tenant_id: "t".into(),
        ..Settings::default()
    }
}

fn run(settings: &Settings, pod: &Value, account: &[(&str, &str)]) -> Value {
    let account = annotations(account);
    hold(pod, |pod| inject(settings, &subject(pod, Some(&account))))
}

fn refuse(pod: &Value, account: &[(&str, &str)]) -> String {
    let account = annotations(account);
    denied(inject(&settings(), &subject(pod, Some(&account))))
}

fn annotated(pairs: &[(&str, &str)]) -> Value {
    with(
        pod(),
        &json!({"metadata": {"annotations": annotations(pairs)}}),
    )
}

/// The one volume that is ours.
fn volume(pod: &Value) -> &Value {
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    volumes
        .iter()
        .find(|v| v["name"].as_str().unwrap().starts_with("azure-workload"))
        .unwrap()
}

#[test]
fn an_account_gives_variables_mount_and_volume() {
    let out = run(&settings(), &pod(), &[CLIENT]);
    for (name, value) in [
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_TENANT_ID", "t"),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/secrets/azure/wi/token/azure-identity-token",
        ),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ] {
        assert_eq!(variable(&out, APP, name), Some(value));
    }
    // SHA-256 of "cart-0".
    let name = "azure-workload-identity-reserved-be06c6593b791612e10418be51f881";
    assert_eq!(volume(&out)["name"], name);
    assert_eq!(mounts(&out, APP), [name]);
    assert_eq!(
        *token(&out, name),
        json!({"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": "token/azure-identity-token"})
    );
}

#[test]
fn what_is_empty_is_not_written() {
    let out = run(&Settings::default(), &pod(), &[]);
    assert_eq!(variable(&out, APP, "AZURE_CLIENT_ID"), None);
    assert_eq!(variable(&out, APP, "AZURE_TENANT_ID"), None);
    let out = run(
        &settings(),
        &pod(),
        &[("azure.workload.identity/tenant-id", "")],
    );
    assert_eq!(variable(&out, APP, "AZURE_TENANT_ID"), None);
    let out = run(
        &settings(),
        &pod(),
        &[("azure.workload.identity/tenant-id", "own")],
    );
    assert_eq!(variable(&out, APP, "AZURE_TENANT_ID"), Some("own"));
}

#[test]
fn a_missing_account_is_refused() {
    let reason = denied(inject(&settings(), &subject(&pod(), None)));
    assert_eq!(reason, r#"serviceaccounts "buyer" not found"#);
    let unnamed = with(pod(), &json!({"spec": {"serviceAccountName": null}}));
    let reason = denied(inject(&settings(), &subject(&unnamed, None)));
    assert_eq!(reason, r#"serviceaccounts "default" not found"#);
}

#[test]
fn lives_of_tokens() {
    let key = "azure.workload.identity/service-account-token-expiration";
    let seconds = |pod: &Value, account: &[(&str, &str)]| {
        let out = run(&settings(), pod, account);
        volume(&out)["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"].clone()
    };
    assert_eq!(seconds(&pod(), &[(key, "7200")]), 7200);
    assert_eq!(
        seconds(&annotated(&[(key, "86400")]), &[(key, "7200")]),
        86_400
    );
    assert_eq!(seconds(&annotated(&[(key, "")]), &[(key, "7200")]), 7200);
    assert_eq!(
        refuse(&annotated(&[(key, "3599")]), &[]),
        "token expiration 3599 not valid. Expected value to be between 3600 and 86400"
    );
    assert_eq!(
        refuse(&pod(), &[(key, "1h")]),
        r#"strconv.ParseInt: parsing "1h": invalid syntax"#
    );
}

#[test]
fn containers_to_skip_are_divided_by_semicolons() {
    let three = with(
        annotated(&[("azure.workload.identity/skip-containers", " a ;b,c")]),
        &json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "b,c"}]}}),
    );
    let out = run(&settings(), &three, &[CLIENT]);
    let mounted = |index: usize| !mounts(&out, &format!("/spec/containers/{index}")).is_empty();
    assert_eq!([mounted(0), mounted(1), mounted(2)], [false, true, false]);
}

#[test]
fn what_a_container_says_itself_is_kept() {
    let own = with(
        pod(),
        &json!({"spec": {"containers": [{"name": "app", "env": [
            {"name": "AZURE_CLIENT_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ]}]}}),
    );
    let out = run(&settings(), &own, &[CLIENT]);
    assert_eq!(variable(&out, APP, "AZURE_CLIENT_ID"), Some(""));
    assert_eq!(
        out.pointer(APP).unwrap()["env"].as_array().unwrap().len(),
        4
    );
    assert_eq!(mounts(&out, APP).len(), 1);
}

#[test]
fn the_proxy_stands_first_and_its_redirection_last() {
    let asked = with(
        annotated(&[
            ("azure.workload.identity/inject-proxy-sidecar", "false"),
            ("azure.workload.identity/proxy-sidecar-port", "9000"),
        ]),
        &json!({"spec": {"initContainers": [{"name": "own"}]}}),
    );
    let out = run(&settings(), &asked, &[CLIENT]);
    let names = |list: &str| -> Vec<String> {
        let list = out["spec"][list].as_array().unwrap();
        list.iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("initContainers"),
        ["azwi-proxy", "own", "azwi-proxy-init"]
    );
    assert_eq!(
        variable(&out, "/spec/initContainers/2", "PROXY_PORT"),
        Some("9000")
    );
    assert_eq!(
        variable(&out, "/spec/initContainers/0", "AZURE_CLIENT_ID"),
        Some("c")
    );
    let old = Settings {
        native_sidecar: false,
        ..settings()
    };
    let out = run(&old, &asked, &[CLIENT]);
    assert_eq!(out["spec"]["containers"][0]["name"], "azwi-proxy");
    assert_eq!(out["spec"]["containers"][0].get("restartPolicy"), None);
}

#[test]
fn wrong_proxies_are_refused() {
    let proxy = ("azure.workload.identity/inject-proxy-sidecar", "true");
    let port = |text| annotated(&[proxy, ("azure.workload.identity/proxy-sidecar-port", text)]);
    assert_eq!(
        refuse(&port("http"), &[]),
        r#"failed to parse proxy sidecar port: strconv.ParseInt: parsing "http": invalid syntax"#
    );
    let host = with(annotated(&[proxy]), &json!({"spec": {"hostNetwork": true}}));
    assert_eq!(
        refuse(&host, &[]),
        "hostNetwork is set to true, cannot inject proxy sidecar"
    );
}

#[test]
fn an_identity_binding_has_its_own_audience_and_authority() {
    let settings = Settings {
        token_endpoint: Some(TokenEndpoint {
            annotation_suffix: "identity-binding".into(),
            audience: "api://AKSIdentityBinding".into(),
            proxy: "https://proxy.example".into(),
            ca_config_map: "kube-root-ca.crt".into(),
            ca_signer: "example.com/signer".into(),
            ca_selector: Some(json!({"matchLabels": {"a": "b"}})),
            ..TokenEndpoint::default()
        }),
        ..settings()
    };
    let asked = |value| annotated(&[("azure.workload.identity/use-identity-binding", value)]);
    let out = run(&settings, &asked("TRUE"), &[CLIENT]);
    let sources = &volume(&out)["projected"]["sources"];
    assert_eq!(
        sources[0]["serviceAccountToken"]["audience"],
        "api://AKSIdentityBinding"
    );
    assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
    assert_eq!(
        sources[2]["clusterTrustBundle"]["labelSelector"],
        json!({"matchLabels": {"a": "b"}})
    );
    assert_eq!(
        variable(&out, APP, "AZURE_KUBERNETES_TOKEN_PROXY"),
        Some("https://proxy.example")
    );
    assert_eq!(variable(&out, APP, "AZURE_KUBERNETES_SNI_NAME"), None);
    assert_eq!(
        variable(&out, APP, "AZURE_KUBERNETES_CA_FILE"),
        Some("/var/run/secrets/azure/wi/ca-cert/ca.crt")
    );
    let out = run(&settings, &asked("yes"), &[CLIENT]);
    assert_eq!(
        volume(&out)["projected"]["sources"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn authorities_of_the_clouds() {
    for (name, host) in [
        ("", "https://login.microsoftonline.com/"),
        ("AzureChinaCloud", "https://login.chinacloudapi.cn/"),
        (
            "azureusgovernmentcloud",
            "https://login.microsoftonline.us/",
        ),
    ] {
        assert_eq!(authority(name), Ok(host));
    }
    assert!(
        authority("Azure")
            .unwrap_err()
            .to_string()
            .contains("AzurePublicCloud")
    );
}
