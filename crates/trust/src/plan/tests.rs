use serde_json::{Value, json};

use super::*;

fn inventory(yaml: &str) -> Inventory {
    let mut inventory = Inventory::default();
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    for document in documents {
        inventory.add(&document, "default").unwrap();
    }
    inventory
}

fn lines(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    for identity in &plan.identities {
        out.push(format!(
            "{}: {}/{} aud {} -> {}",
            identity.name,
            identity.account.namespace,
            identity.account.name,
            identity.audience,
            identity.becomes()
        ));
        for grant in &identity.grants {
            let because: Vec<String> = grant.because.iter().map(ToString::to_string).collect();
            out.push(format!(
                "  {} {} in {} <- {}",
                grant.access.verb.as_str(),
                grant.access.scope,
                grant.access.place,
                because.join("; ")
            ));
        }
    }
    out.extend(
        plan.notes
            .iter()
            .map(|n| format!("{} {}: {}", n.code, n.object, n.text)),
    );
    out
}

const AWS: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: parameters}
spec: {provider: {aws: {service: ParameterStore, region: eu-central-1}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: own, namespace: shop}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      prefix: shop/
      auth: {jwt: {serviceAccountRef: {name: web}}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  namespace: shop
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/apps/web'}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: hello, namespace: shop}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: parameters}
  data:
    - {secretKey: a, remoteRef: {key: /path/to/key}}
    - {secretKey: b, remoteRef: {key: /path/to/key, property: x}}
    - {secretKey: c, remoteRef: {key: database}, sourceRef: {storeRef: {name: own}}}
  dataFrom:
    - find: {path: /app, name: {regexp: '^/app/db-.*$'}}
    - find: {tags: {team: shop}}
";

#[test]
fn each_identity_gets_what_its_objects_read() {
    let plan = plan(&inventory(AWS), &Options::default());
    assert_eq!(
        lines(&plan),
        [
            "external-secrets: external-secrets/external-secrets aud sts.amazonaws.com -> a role, external-secrets",
            "  read /path/to/key in Parameter Store eu-central-1 <- ExternalSecret shop/hello spec.data[0]; ExternalSecret shop/hello spec.data[1]",
            "  read /app/db-* in Parameter Store eu-central-1 <- ExternalSecret shop/hello spec.dataFrom[0].find",
            "  read everything in Parameter Store eu-central-1 <- ExternalSecret shop/hello spec.dataFrom[1].find",
            "  list /app* in Parameter Store eu-central-1 <- ExternalSecret shop/hello spec.dataFrom[0].find",
            "  list by tags everything in Parameter Store eu-central-1 <- ExternalSecret shop/hello spec.dataFrom[1].find",
            "web: shop/web aud sts.amazonaws.com -> role arn:aws:iam::111122223333:role/apps/web",
            "  read shop/database in Secrets Manager eu-central-1 <- ExternalSecret shop/hello spec.data[2]",
            "K19 ServiceAccount external-secrets/external-secrets: it is not among the objects: its annotations are not known",
        ]
    );
}

#[test]
fn stores_of_all_clouds() {
    let yaml = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: azure, namespace: a}
spec: {provider: {azurekv: {authType: WorkloadIdentity, vaultUrl: 'https://v.vault.azure.net/', serviceAccountRef: {name: web}}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: stored, namespace: a}
spec: {provider: {azurekv: {vaultUrl: 'https://v.vault.azure.net/', tenantId: x}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: gke, namespace: a}
spec: {provider: {gcpsm: {projectID: blue, auth: {workloadIdentity: {serviceAccountRef: {name: web}, clusterProjectID: clusters}}}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: pool, namespace: a}
spec:
  provider:
    gcpsm:
      projectID: blue
      auth:
        workloadIdentityFederation:
          audience: //iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-a/providers/prov-a
          serviceAccountRef: {name: web, audiences: [vault]}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: a}
spec:
  provider:
    vault:
      server: https://vault.example.com
      path: kv
      auth: {jwt: {path: cluster, role: app, kubernetesServiceAccountToken: {serviceAccountRef: {name: web}}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: a}
spec: {provider: {fake: {data: []}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: e, namespace: a}
spec:
  data:
    - {secretKey: a, remoteRef: {key: cert/tls}, sourceRef: {storeRef: {name: azure}}}
    - {secretKey: b, remoteRef: {key: x}, sourceRef: {storeRef: {name: stored}}}
    - {secretKey: c, remoteRef: {key: yy}, sourceRef: {storeRef: {name: gke}}}
    - {secretKey: d, remoteRef: {key: zz}, sourceRef: {storeRef: {name: pool}}}
    - {secretKey: e, remoteRef: {key: kv/data/app/db}, sourceRef: {storeRef: {name: vault}}}
    - {secretKey: f, remoteRef: {key: q}, sourceRef: {storeRef: {name: fake}}}
    - {secretKey: g, remoteRef: {key: q}, sourceRef: {storeRef: {name: none}}}
    - {secretKey: h, remoteRef: {key: q}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: a, annotations: {azure.workload.identity/client-id: c1, azure.workload.identity/tenant-id: t1, iam.gke.io/gcp-service-account: ''}}
";
    let plan = plan(&inventory(yaml), &Options::default());
    assert_eq!(
        lines(&plan),
        [
            "a-web: a/web aud api://AzureADTokenExchange -> client c1 in tenant t1",
            "  read certificate tls in Key Vault https://v.vault.azure.net <- ExternalSecret a/e spec.data[0]",
            "a-web: a/web aud clusters.svc.id.goog -> its principal in Google's pool of the project",
            "  read yy in Secret Manager, project blue <- ExternalSecret a/e spec.data[2]",
            "a-web-2: a/web aud vault -> its principal in the workload identity pool",
            "  read zz in Secret Manager, project blue <- ExternalSecret a/e spec.data[3]",
            "app: a/web aud vault -> role app of auth/cluster at https://vault.example.com",
            "  read app/db in engine kv <- ExternalSecret a/e spec.data[4]",
            " ExternalSecret a/e: spec.data[7]: no store is named",
            " SecretStore a/fake: provider fake needs no trust of a cloud",
            " SecretStore a/stored: it uses a stored secret or certificate",
            "O6 ExternalSecret a/e: spec.data[6]: SecretStore none is not among the objects",
        ]
    );
}

#[test]
fn cluster_wide_objects_are_planned_in_each_namespace() {
    let yaml = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: s}
spec:
  conditions: [{namespaces: [a]}]
  provider: {aws: {service: ParameterStore, region: eu-west-1, auth: {jwt: {serviceAccountRef: {name: web}}}}}
---
apiVersion: external-secrets.io/v1
kind: ClusterExternalSecret
metadata: {name: c}
spec:
  namespaceSelectors: [{matchLabels: {team: x}}]
  externalSecretSpec:
    secretStoreRef: {kind: ClusterSecretStore, name: s}
    data: [{secretKey: k, remoteRef: {key: /k}}]
---
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: x}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {team: x}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: c}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: a}}
";
    let plan = plan(&inventory(yaml), &Options::default());
    assert_eq!(
        lines(&plan),
        [
            "a-web: a/web aud sts.amazonaws.com -> a role, a-web",
            "  read /k in Parameter Store eu-west-1 <- ClusterExternalSecret c spec.externalSecretSpec.data[0]",
            "O7 ClusterExternalSecret c: spec.externalSecretSpec.data[0]: ClusterSecretStore s does not admit namespace b",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut inventory = Inventory::default();
    let error = inventory.add(
        &json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "s"}, "spec": {"provider": {"aws": {"region": 5}}}}),
        "default",
    );
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("SecretStore s: spec.provider.aws.region"),
        "{text}"
    );
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": false}});
    assert!(inventory.add(&object, "default").is_err());
    assert_eq!(inventory.add(&json!({"kind": "Pod"}), "default"), Ok(false));
    assert_eq!(inventory.add(&json!(5), "default"), Ok(false));
}

#[test]
fn platforms_by_their_issuers() {
    let of = |url| Platform::of(&Issuer::parse(url).unwrap());
    assert_eq!(
        of("https://oidc.eks.eu-west-1.amazonaws.com/id/0123"),
        Platform::Eks {
            region: "eu-west-1".into()
        }
    );
    assert_eq!(
        of("https://westeurope.oic.prod-aks.azure.com/t/g/"),
        Platform::Aks
    );
    assert_eq!(
        of("https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"),
        Platform::Gke {
            project: "p".into()
        }
    );
    assert_eq!(of("https://oidc.example.com"), Platform::SelfManaged);
}

#[test]
fn anchored_searches_are_narrow() {
    for (regexp, prefix) in [
        ("^/app/db-.*$", "/app/db-"),
        ("^a\\.b", "a.b"),
        ("^ab*", "a"),
        ("^ab?c", "a"),
        ("^ab|cd", ""),
        ("ab", ""),
        ("^(a|b)", ""),
        ("^a\\d", "a"),
        ("", ""),
    ] {
        assert_eq!(reads::literal_prefix(regexp), prefix, "{regexp}");
    }
}
