//! The admission server of a release, with its own rights.

use super::{Installed, NAMESPACE};
use crate::support::audit;
use crate::support::operator::Operator;
use crate::support::until;

/// It makes its certificate, tells the API server of the authority, and is denied nothing.
#[test]
fn the_admission_server_works_with_the_rights_of_its_own() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    let cluster = &installed.cluster;
    let set = "--set=injection.enabled=true,injection.clouds={aws,google},createOperator=false";
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    installed.dry_run(&[set]);
    installed.helm("install", &[set]);
    let (arguments, account) = installed.pod("keyless-webhook");
    assert_eq!(account, "keyless-webhook");
    let kubeconfig = cluster.kubeconfig_of(NAMESPACE, &account);
    let log = cluster.folder.path().join("webhook.log");
    let environment = [("POD_NAMESPACE".to_owned(), NAMESPACE.to_owned())];
    let mut server = Operator::start(&arguments, &kubeconfig, &environment, log);
    server.until_ready();
    let kind = "mutatingwebhookconfiguration";
    let authorities = || {
        let hooks = cluster.get(kind, "", "keyless-injection")?["webhooks"].clone();
        let hooks = hooks.as_array()?.iter();
        let filled = hooks.map(|h| h["clientConfig"]["caBundle"].as_str().map(str::to_owned));
        filled.collect::<Option<Vec<String>>>()
    };
    let made = until("the authority of both webhooks", authorities);
    // An upgrade of the release takes neither away.
    installed.helm("upgrade", &[set, "--set=injection.replicaCount=3"]);
    assert_eq!(authorities(), Some(made));
    let secret = cluster.get("secret", NAMESPACE, "keyless-webhook").unwrap();
    assert!(!secret["data"].as_object().unwrap().is_empty());
    server.stop();
    let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
    let asked = audit::asked(cluster.audit_log(), &user);
    assert!(asked.denied.is_empty(), "denied: {:#?}", asked.denied);
}
