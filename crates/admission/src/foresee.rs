//! What the rules would do to a pod that is already there, if it were created now.
//!
//! Owns: telling a pod that has its token from one that lacks it. Refuses: which pods a webhook
//! is asked about, and looking anything up.

use crate::cloud::{Cloud, Injectors, adds_volume};
use crate::inject::{Subject, Verdict, azure};

/// What would come of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Whether it would get a volume with a token that it has not.
    pub lacks: bool,
    /// Why it would be refused.
    pub denied: Option<String>,
    /// What whoever created it would be told.
    pub warnings: Vec<String>,
}

/// What the rules of `cloud` would do to `subject`.
#[must_use]
pub fn foresee(injectors: &Injectors, cloud: Cloud, subject: &Subject<'_>) -> Foreseen {
    // The volume is named after what the pod was called before it had a name.
    if cloud == Cloud::Azure && azure::has_token_volume(subject.pod) {
        return Foreseen::default();
    }
    match injectors.inject(cloud, subject, 0) {
        Verdict::Allowed(injection) => Foreseen {
            lacks: adds_volume(&injection.patch),
            denied: None,
            warnings: injection.warnings,
        },
        Verdict::Denied { reason } => Foreseen {
            denied: Some(reason),
            ..Foreseen::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::inject::{aws, google};

    #[test]
    fn a_pod_lacks_what_it_would_get() {
        let injectors = Injectors {
            aws: Some(aws::Settings::default()),
            azure: Some(azure::Settings::default()),
            google: Some(google::Settings::default()),
        };
        let account = BTreeMap::from([(
            "eks.amazonaws.com/role-arn".to_owned(),
            "arn:aws:iam::111122223333:role/web".to_owned(),
        )]);
        let bare = json!({"metadata": {"name": "web"}, "spec": {"serviceAccountName": "web", "containers": [{"name": "a"}]}});
        let look = |cloud, pod| {
            let subject = Subject {
                pod,
                namespace: "shop",
                account: Some(&account),
            };
            foresee(&injectors, cloud, &subject)
        };
        assert!(look(Cloud::Aws, &bare).lacks);
        assert_eq!(look(Cloud::Google, &bare), Foreseen::default());
        let patch = match injectors.inject(
            Cloud::Aws,
            &Subject {
                pod: &bare,
                namespace: "shop",
                account: Some(&account),
            },
            0,
        ) {
            Verdict::Allowed(injection) => injection.patch,
            denied @ Verdict::Denied { .. } => panic!("{denied:?}"),
        };
        let injected = crate::patch::apply(&bare, &patch);
        assert_eq!(look(Cloud::Aws, &injected), Foreseen::default());
        // Another pod's name gives the volume another name: the pod has its token all the same.
        let azure = json!({"metadata": {"name": "web-1"}, "spec": {"serviceAccountName": "web", "containers": [],
            "volumes": [{"name": "azure-workload-identity-reserved-0a1b"}]}});
        assert_eq!(look(Cloud::Azure, &azure), Foreseen::default());
        let wrong = json!({"metadata": {"annotations": {"azure.workload.identity/service-account-token-expiration": "1"}},
            "spec": {"serviceAccountName": "web", "containers": []}});
        assert!(look(Cloud::Azure, &wrong).denied.is_some());
    }
}
