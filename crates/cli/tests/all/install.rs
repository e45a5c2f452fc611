//! An installation from nothing: Helm, the API server, the operator with the rights that the chart
//! gives it, the clouds.

use std::collections::BTreeSet;

use keyless_sandbox::azure::Identity;
use serde_json::{Value, json};

use crate::support::audit::{self, Right};
use crate::support::cluster::Cluster;
use crate::support::helm::{Helm, documents};
use crate::support::operator::Operator;
use crate::support::{until, workspace};

#[path = "install/clouds.rs"]
mod clouds;
#[path = "install/injection.rs"]
mod injection;
#[path = "install/least.rs"]
mod least;
#[path = "install/use_everything.rs"]
mod use_everything;

const NAMESPACE: &str = "external-secrets";
const RELEASE: &str = "external-secrets";
const USER: &str = "system:serviceaccount:external-secrets:external-secrets";

/// A release on a cluster.
pub struct Installed {
    pub cluster: Cluster,
    pub helm: Helm,
    /// What Azure's annotation names.
    identity: Identity,
}

impl Installed {
    /// A cluster with nothing in it.
    pub fn begin() -> Option<Self> {
        let helm = Helm::get()?;
        let cluster = Cluster::start()?;
        let helm = helm.on(&cluster.plane.kubeconfig);
        let identity = cluster.sandbox.azure.create_managed_identity(RELEASE);
        Some(Self {
            cluster,
            helm,
            identity,
        })
    }

    /// `helm VERB external-secrets CHART` with these values.
    pub fn helm(&self, verb: &str, more: &[&str]) -> String {
        let chart = workspace("charts/keyless");
        let all = [
            verb,
            RELEASE,
            chart.to_str().unwrap(),
            "--namespace",
            NAMESPACE,
        ];
        let all: Vec<&str> = all.iter().chain(more).copied().collect();
        self.helm
            .run(&all)
            .unwrap_or_else(|error| panic!("helm {all:?}: {error}"))
    }

    /// Every object of the release passes a dry run at the server.
    fn dry_run(&self, more: &[&str]) {
        let chart = workspace("charts/keyless");
        let all = [
            "template",
            RELEASE,
            chart.to_str().unwrap(),
            "--namespace",
            NAMESPACE,
        ];
        let all: Vec<&str> = all.iter().chain(more).copied().collect();
        let text = self.helm.run(&all).unwrap();
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-f",
            "-",
        ];
        let told = self.cluster.try_kubectl(&apply, &text).unwrap();
        let objects = documents(&text).len();
        assert_eq!(told.lines().count(), objects, "{told}");
    }

    /// The Deployment's arguments and service account, as the API server has them.
    fn pod(&self, deployment: &str) -> (Vec<String>, String) {
        let deployment = self.cluster.get("deployment", NAMESPACE, deployment);
        let deployment = deployment.unwrap();
        let spec = &deployment["spec"]["template"]["spec"];
        let args = spec["containers"][0]["args"].as_array().unwrap().iter();
        let args = args.map(|a| a.as_str().unwrap().to_owned()).collect();
        (
            args,
            spec["serviceAccountName"].as_str().unwrap().to_owned(),
        )
    }

    /// The operator of the Deployment: its arguments, its service account's rights, and the
    /// environment that the clouds' webhooks give its pod.
    pub fn operator(&self, log: &str) -> Operator {
        let (args, account) = self.pod(RELEASE);
        assert_eq!(account, "external-secrets");
        let kubeconfig = self.cluster.kubeconfig_of(NAMESPACE, &account);
        let log = self.cluster.folder.path().join(log);
        let mut environment = self.environment(&account);
        environment.push(("POD_NAMESPACE".into(), NAMESPACE.into()));
        let mut operator = Operator::start(&args, &kubeconfig, &environment, log);
        operator.until_ready();
        operator
    }

    fn environment(&self, account: &str) -> Vec<(String, String)> {
        let cluster = &self.cluster;
        let sandbox = &cluster.sandbox;
        let aws = cluster.project(NAMESPACE, account, "sts.amazonaws.com", "aws-token");
        let azure = cluster.project(
            NAMESPACE,
            account,
            "api://AzureADTokenExchange",
            "azure-token",
        );
        let role = format!(
            "arn:aws:iam::{}:role/external-secrets",
            sandbox.aws.account()
        );
        let authority = sandbox.authority_file().unwrap().display().to_string();
        let environment = sandbox.operator_environment(&aws, &role).into_iter();
        environment
            .chain(sandbox.azure_environment(&azure, &self.identity.client_id))
            .chain(sandbox.gcp_environment())
            .chain([sandbox.resolve(), ("SSL_CERT_FILE".to_owned(), authority)])
            .collect()
    }

    /// A document of the examples with its placeholders filled.
    fn filled(&self, path: &str) -> String {
        let sandbox = &self.cluster.sandbox;
        let issuer = sandbox.issuer.url().trim_start_matches("https://");
        let text = std::fs::read_to_string(workspace(path)).unwrap();
        text.replace("ACCOUNT_ID", sandbox.aws.account())
            .replace("OIDC_PROVIDER_ID", issuer)
            .replace("REGION", sandbox.aws.region())
    }

    pub fn apply_file(&self, path: &str) {
        let text = std::fs::read_to_string(workspace(path)).unwrap();
        self.cluster.apply(&text);
    }

    /// Waits until the Secret holds this value.
    pub fn until_secret(&self, namespace: &str, name: &str, key: &str, value: &str) {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let wanted = json!(STANDARD.encode(value));
        until(&format!("Secret {namespace}/{name} with {value}"), || {
            let secret = self.cluster.get("secret", namespace, name)?;
            (secret["data"][key] == wanted).then_some(())
        });
    }

    /// The roles that the release gives the operator.
    fn roles(&self) -> Vec<Value> {
        let list = |kind: &str| {
            let text = self.cluster.kubectl(&[
                "get",
                kind,
                "--all-namespaces",
                "-o",
                "json",
                "--selector=app.kubernetes.io/managed-by=Helm",
            ]);
            let list: Value = serde_json::from_str(&text).unwrap();
            list["items"].as_array().unwrap().clone()
        };
        // Only those that are bound to it; others are for people.
        let mut bound = BTreeSet::new();
        for binding in list("clusterrolebindings")
            .iter()
            .chain(&list("rolebindings"))
        {
            if binding["subjects"].to_string().contains("external-secrets") {
                bound.insert(binding["roleRef"]["name"].as_str().unwrap().to_owned());
            }
        }
        let roles = list("clusterroles").into_iter().chain(list("roles"));
        roles
            .filter(|r| bound.contains(r["metadata"]["name"].as_str().unwrap()))
            .collect()
    }
}

/// No namespace: the service account is that of whoever reads.
const OF_EACH_READER: &str = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: of-each-reader}
spec:
  provider:
    aws:
      region: eu-central-1
      service: ParameterStore
      auth: {jwt: {serviceAccountRef: {name: reader}}}
";

/// Rights that no request shows: each with the reason for having it all the same.
fn unseen((group, resource, verb): &Right) -> Option<&'static str> {
    match (group.as_str(), resource.as_str(), verb.as_str()) {
        (_, _, "list") => Some("for API servers without streaming lists"),
        ("external-secrets.io", part, "update") if part.ends_with("/finalizers") => Some(
            "asked by OwnerReferencesPermissionEnforcement, which is on here: without the right, creation is refused",
        ),
        _ => None,
    }
}

/// The blog's road on AWS and then on Azure, with an upgrade between and a way back; and the audit:
/// nothing that the operator does is denied, and nothing that it may do goes unused.
#[test]
fn from_nothing_to_a_synced_secret_and_back() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    let (cluster, sandbox) = (&installed.cluster, &installed.cluster.sandbox);
    let aws = format!(
        "--values={}",
        workspace("examples/aws-parameter-store/values.yaml").display()
    );
    let azure = format!(
        "--values={}",
        workspace("examples/azure-key-vault/values.yaml").display()
    );
    let common = format!(
        "--values={}",
        workspace("crates/cli/tests/all/values/every-common-key.yaml").display()
    );

    // What eksctl does.
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    cluster.kubectl(&[
        "create",
        "serviceaccount",
        "external-secrets",
        "-n",
        NAMESPACE,
    ]);
    for values in [&aws, &azure, &common] {
        installed.dry_run(&[values]);
    }
    installed.helm("install", &[&aws]);
    let (_, account) = installed.pod(RELEASE);
    assert_eq!(
        account, "external-secrets",
        "the account that eksctl made is taken"
    );

    sandbox
        .aws
        .put_secure_parameter("/path/to/key", "from AWS", None)
        .unwrap();
    sandbox
        .aws
        .create_oidc_provider(sandbox.issuer.url(), &["sts.amazonaws.com"])
        .unwrap();
    let trust = installed.filled("examples/aws-parameter-store/trust-policy.json");
    sandbox.aws.create_role("external-secrets", &trust).unwrap();
    let permissions = installed.filled("examples/aws-parameter-store/permission-policy.json");
    sandbox
        .aws
        .put_role_policy("external-secrets", "external-secrets", &permissions)
        .unwrap();
    let operator = installed.operator("aws.log");
    installed.apply_file("examples/aws-parameter-store/cluster-secret-store.yaml");
    installed.apply_file("examples/aws-parameter-store/external-secret.yaml");
    installed.until_secret("default", "hello", "SOME_ENV_VAR", "from AWS");
    let metrics = operator.metrics();
    for series in [
        "externalsecret_status_condition{name=\"hello\",namespace=\"default\",condition=\"Ready\",status=\"True\"} 1",
        "externalsecret_sync_calls_total{name=\"hello\",namespace=\"default\"}",
        "clustersecretstore_status_condition{name=\"aws-parameter-store\",namespace=\"\",condition=\"Ready\",status=\"True\"} 1",
        "externalsecret_provider_api_calls_count{provider=\"AWS/ParameterStore\",call=\"GetParameter",
        "controller_runtime_reconcile_total{controller=\"externalsecret\",result=\"requeue_after\"}",
    ] {
        assert!(metrics.contains(series), "{series} in\n{metrics}");
    }

    operator.stop();

    // Stores that name a service account: an upgrade sees them and grants tokens where they are.
    let of_reader = trust.replace(USER, "system:serviceaccount:default:reader");
    sandbox.aws.create_role("reader", &of_reader).unwrap();
    sandbox
        .aws
        .put_role_policy("reader", "reader", &permissions)
        .unwrap();
    use_everything::stores(&installed);
    installed.helm("upgrade", &[&aws]);
    let role = cluster.get("role", "default", "external-secrets-tokens");
    assert!(
        role.is_some(),
        "tokens may be created where a store needs them"
    );
    let operator = installed.operator("everything.log");
    use_everything::exercise(&installed);
    operator.stop();

    // The same release, with leader election and everything that users set.
    installed.helm(
        "upgrade",
        &[&aws, &common, "--set=serviceAccount.create=false"],
    );
    let operator = installed.operator("common.log");
    until("a leader", || {
        let lease = cluster.get("lease", NAMESPACE, "external-secrets-controller")?;
        lease["spec"]["holderIdentity"]
            .as_str()
            .filter(|h| !h.is_empty())
            .map(str::to_owned)
    });
    let log = operator.log();
    let ignored: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("accepted without effect"))
        .collect();
    assert_eq!(ignored.len(), 1, "{log}");
    assert!(ignored[0].contains("--client-qps"), "{ignored:?}");
    operator.stop();
    installed.helm("upgrade", &[&aws, "--set=leaderElect=true,replicaCount=2"]);

    let asked = audit::asked(cluster.audit_log(), USER);
    assert!(asked.denied.is_empty(), "denied: {:#?}", asked.denied);
    let granted = audit::granted(installed.roles().iter());
    let idle: Vec<&Right> = granted.difference(&asked.used).collect();
    let unexplained: Vec<&&Right> = idle.iter().filter(|r| unseen(r).is_none()).collect();
    for (group, resource, verb) in &asked.used {
        println!("used: {verb} {resource} {group}");
    }
    for right in &idle {
        let (group, resource, verb) = right;
        let why = unseen(right).unwrap_or("?");
        println!("not seen in use: {verb} {resource} {group}: {why}");
    }
    assert!(
        unexplained.is_empty(),
        "granted and never used: {unexplained:#?}"
    );

    // Back to nothing: definitions and Secrets stay.
    installed
        .helm
        .run(&["uninstall", RELEASE, "--namespace", NAMESPACE])
        .unwrap();
    assert!(cluster.get("deployment", NAMESPACE, RELEASE).is_none());
    assert!(
        cluster
            .get("crd", "", "externalsecrets.external-secrets.io")
            .is_some()
    );
    assert!(cluster.get("externalsecret", "default", "hello").is_some());
    installed.until_secret("default", "hello", "SOME_ENV_VAR", "from AWS");

    // The other clouds, on the definitions that were kept.
    cluster.kubectl(&[
        "delete",
        "serviceaccount",
        "external-secrets",
        "-n",
        NAMESPACE,
    ]);
    installed.helm("install", &[&azure]);
    let operator = installed.operator("others.log");
    clouds::azure(&installed);
    clouds::google(&installed);
    clouds::secrets_manager(&installed);
    clouds::vault(&installed);
    operator.stop();
    let asked = audit::asked(cluster.audit_log(), USER);
    assert!(asked.denied.is_empty(), "denied: {:#?}", asked.denied);

    // A store that logs in as a service account of each reader: Helm finds it, and what it needs is
    // tokens everywhere, which only the profile `compatible` gives.
    cluster.apply(OF_EACH_READER);
    let everywhere = || {
        let role = cluster.get("clusterrole", "", "external-secrets-controller");
        let rules = role.unwrap()["rules"].to_string();
        rules.contains("serviceaccounts/token")
    };
    assert!(!everywhere());
    installed.helm("upgrade", &[&azure]);
    assert!(everywhere());
    let least = "--set=rbac.profile=least,rbac.namespaces={default}";
    installed.helm("upgrade", &[&azure, least]);
    assert!(!everywhere());
}
