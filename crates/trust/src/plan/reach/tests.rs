use serde_json::Value;

use super::*;

fn of(yaml: &str) -> Reach {
    let mut inventory = Inventory::default();
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    for document in documents {
        inventory.add(&document, "default").unwrap();
    }
    reach(&inventory)
}

fn lines(namespaces: &Namespaces) -> Vec<String> {
    let line = |(namespace, objects): (&String, &BTreeSet<String>)| {
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        format!("{namespace}: {}", objects.join(", "))
    };
    namespaces.iter().map(line).collect()
}

const STORES: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: everyone}
spec:
  provider:
    vault:
      server: https://vault.example.com
      auth: {kubernetes: {mountPath: kubernetes, role: r, serviceAccountRef: {name: reader}}}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: central}
spec:
  provider:
    vault:
      server: https://vault.example.com
      caProvider: {type: ConfigMap, name: roots, key: ca.crt, namespace: trust}
      auth: {tokenSecretRef: {name: token, key: t, namespace: vault-system}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: own, namespace: billing}
spec:
  provider:
    aws: {service: SecretsManager, region: eu-central-1, auth: {jwt: {serviceAccountRef: {name: web}}}}
---
";

#[test]
fn rights_are_needed_where_objects_write_and_stores_read() {
    let reach = of(&format!(
        "{STORES}
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: a, namespace: shop}}
spec:
  secretStoreRef: {{name: everyone, kind: ClusterSecretStore}}
  data: [{{secretKey: a, remoteRef: {{key: k}}}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: b, namespace: news}}
spec:
  target: {{manifest: {{apiVersion: v1, kind: ConfigMap}}}}
  data:
    - secretKey: a
      sourceRef: {{storeRef: {{name: everyone, kind: ClusterSecretStore}}}}
      remoteRef: {{key: k}}
"
    ));
    assert_eq!(
        lines(&reach.secrets),
        [
            "billing: SecretStore billing/own",
            "news: ClusterSecretStore everyone, ExternalSecret news/b",
            "shop: ClusterSecretStore everyone, ExternalSecret shop/a",
            "trust: ClusterSecretStore central",
            "vault-system: ClusterSecretStore central",
        ]
    );
    assert_eq!(
        lines(&reach.tokens),
        [
            "billing: SecretStore billing/own",
            "news: ClusterSecretStore everyone",
            "shop: ClusterSecretStore everyone",
        ]
    );
    assert!(reach.cluster_stores && !reach.cluster_external_secrets);
    assert_eq!(
        lines(&reach.targets),
        ["ConfigMap.v1: ExternalSecret news/b"]
    );
    assert!(reach.notes.is_empty(), "{:?}", reach.notes);
}

/// A selector finds namespaces among those that are known; that others may come is said.
#[test]
fn a_cluster_external_secret_reaches_the_namespaces_that_it_selects() {
    let text = |namespaces: &str| {
        format!(
            "{STORES}
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {{name: all}}
spec:
  namespaceSelectors: [{{matchLabels: {{team: web}}}}]
  externalSecretSpec:
    secretStoreRef: {{name: central, kind: ClusterSecretStore}}
    data: [{{secretKey: a, remoteRef: {{key: k}}}}]
{namespaces}"
        )
    };
    let reach = of(&text(
        "---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: web}}
---
apiVersion: v1
kind: Namespace
metadata: {name: news, labels: {team: press}}
",
    ));
    assert!(reach.cluster_external_secrets);
    assert!(reach.secrets.contains_key("shop"));
    assert!(!reach.secrets.contains_key("news"));
    let nobody = of(&text(""));
    assert!(!nobody.secrets.contains_key("shop"));
    assert_eq!(nobody.notes.len(), 1, "{:?}", nobody.notes);
}
