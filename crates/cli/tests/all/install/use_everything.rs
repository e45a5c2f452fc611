//! Objects that make the operator use each of its rights once.

use super::Installed;
use crate::support::until;

const STORES: &str = "
apiVersion: v1
kind: ServiceAccount
metadata:
  name: reader
  namespace: default
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::ACCOUNT_ID:role/reader'}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: by-token, namespace: default}
spec:
  provider:
    aws:
      region: eu-central-1
      service: ParameterStore
      auth: {jwt: {serviceAccountRef: {name: reader}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: default}
spec: {provider: {fake: {data: [{key: k, value: first}]}}}
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: fake}
spec: {provider: {fake: {data: [{key: k, value: v}]}}}
";

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: template, namespace: default}
data: {greeting: 'hello {{ .a }}'}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: shaped
  namespace: default
  finalizers: [externalsecrets.external-secrets.io/externalsecret-cleanup]
spec:
  secretStoreRef: {name: fake}
  target:
    name: shaped
    template: {templateFrom: [{configMap: {name: template, items: [{key: greeting}]}}]}
  data: [{secretKey: a, remoteRef: {key: k}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: by-token, namespace: default}
spec:
  secretStoreRef: {name: by-token}
  data: [{secretKey: a, remoteRef: {key: /path/to/key}}]
---
apiVersion: v1
kind: Namespace
metadata: {name: chosen, labels: {chosen: 'yes'}}
---
apiVersion: v1
kind: Namespace
metadata:
  name: once-chosen
  finalizers: [externalsecrets.external-secrets.io/ces-everywhere]
---
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata:
  name: everywhere
  finalizers: [externalsecrets.external-secrets.io/clusterexternalsecret-cleanup]
spec:
  namespaceSelectors: [{matchLabels: {chosen: 'yes'}}]
  externalSecretSpec:
    secretStoreRef: {name: fake, kind: ClusterSecretStore}
    data: [{secretKey: a, remoteRef: {key: k}}]
";

/// Stores, one of which logs in as a service account.
pub fn stores(installed: &Installed) {
    let account = installed.cluster.sandbox.aws.account();
    let stores = STORES.replace("ACCOUNT_ID", account);
    installed.cluster.apply(&stores);
}

/// Creates, changes and removes until every right has been used.
pub fn exercise(installed: &Installed) {
    let cluster = &installed.cluster;
    let patch = |kind: &str, name: &str, patch: &str| {
        cluster.kubectl(&[
            "patch",
            kind,
            name,
            "-n",
            "default",
            "--type=merge",
            "-p",
            patch,
        ]);
    };
    cluster.apply(OBJECTS);
    installed.until_secret("default", "shaped", "greeting", "hello first");
    installed.until_secret("chosen", "everywhere", "a", "v");

    // Another value: the Secret is changed.
    patch(
        "secretstore",
        "fake",
        r#"{"spec":{"provider":{"fake":{"data":[{"key":"k","value":"second"}]}}}}"#,
    );
    installed.until_secret("default", "shaped", "greeting", "hello second");
    // Another name: the old Secret is deleted.
    patch(
        "externalsecret",
        "shaped",
        r#"{"spec":{"target":{"name":"renamed"}}}"#,
    );
    installed.until_secret("default", "renamed", "greeting", "hello second");
    until("the old Secret going", || {
        cluster
            .get("secret", "default", "shaped")
            .is_none()
            .then_some(())
    });
    // Another spec for all: its ExternalSecrets are changed; then none is wanted any more.
    let change = r#"{"spec":{"externalSecretSpec":{"refreshInterval":"2h"}}}"#;
    cluster.kubectl(&[
        "patch",
        "clusterexternalsecret",
        "everywhere",
        "--type=merge",
        "-p",
        change,
    ]);
    until("the change in the namespace", || {
        let object = cluster.get("externalsecret", "chosen", "everywhere")?;
        (object["spec"]["refreshInterval"] == "2h").then_some(())
    });
    cluster.kubectl(&["label", "namespace", "chosen", "chosen-"]);
    until("what is not chosen any more going", || {
        cluster
            .get("externalsecret", "chosen", "everywhere")
            .is_none()
            .then_some(())
    });
    // Finalizers that ESO left are taken off: of the namespace that is not chosen, and of what is
    // deleted.
    until("the namespace being free", || {
        let namespace = cluster.get("namespace", "", "once-chosen")?;
        let list = namespace["metadata"]["finalizers"].as_array();
        list.is_none_or(Vec::is_empty).then_some(())
    });
    cluster.kubectl(&["delete", "clusterexternalsecret", "everywhere"]);
    cluster.kubectl(&["delete", "externalsecret", "shaped", "-n", "default"]);
    // By another account's token.
    installed.until_secret("default", "by-token", "a", "from AWS");
}
