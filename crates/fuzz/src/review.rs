//! The harness of the admission server's way from bytes to bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_admission::apply;
use keyless_admission::cloud::{Accounts, Injectors, Route};
use keyless_admission::inject::{aws, azure, google};
use keyless_admission::review::Request;

fn injectors() -> Injectors {
    Injectors {
        aws: Some(aws::Settings::default()),
        azure: Some(azure::Settings::default()),
        google: Some(google::Settings::default()),
    }
}

/// Service account `buyer` asks for a token of every cloud.
fn accounts() -> Accounts {
    let annotations: BTreeMap<String, String> = [
        ("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/r"),
        ("azure.workload.identity/client-id", "client"),
        (
            "cloud.google.com/workload-identity-provider",
            "projects/1/locations/l/workloadIdentityPools/a/providers/b",
        ),
        (
            "cloud.google.com/service-account-email",
            "a@p.iam.gserviceaccount.com",
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    Accounts::from([("buyer".to_owned(), Some(Arc::new(annotations)))])
}

/// Whatever is sent is answered, an answer is JSON of the review's own version, a refusal changes
/// nothing, and what was injected is left alone at a second look.
pub fn run(input: &[u8]) {
    let Ok(mut request) = Request::read(input) else {
        return;
    };
    let (injectors, known) = (injectors(), accounts());
    for path in ["/inject", "/mutate", "/mutate-v1-pod"] {
        let Some(route) = Route::of(path, &injectors) else {
            panic!("{path} is not served");
        };
        let _ = keyless_admission::answer::accounts(&injectors, &route, &request);
        let answer = |request: &Request| {
            keyless_admission::answer::answer(&injectors, &route, request, &known, 7).answer
        };
        let once = answer(&request);
        let text = once.render(&request);
        let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
        let read = read.unwrap_or_default();
        let uid = read.pointer("/response/uid").and_then(|uid| uid.as_str());
        assert_eq!(uid, Some(&*request.uid), "{text}");
        assert!(once.refusal.is_none() || once.patch.is_empty(), "{text}");
        if !once.patch.is_empty() && well_formed(&request.object) {
            request.object = apply(&request.object, &once.patch);
            let again = answer(&request);
            assert_eq!(again.patch, [], "a second look changes the pod");
        }
    }
}

/// Whether names are unique, as an API server sees to: of two containers of one name only the
/// first can be told from the other.
fn well_formed(pod: &serde_json::Value) -> bool {
    let unique = |list: &str| {
        let list = pod.pointer(&format!("/spec/{list}"));
        let names = list.and_then(|list| list.as_array()).into_iter().flatten();
        let names = names.filter_map(|e| e.get("name")?.as_str());
        let names: Vec<&str> = names.collect();
        let set: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        set.len() == names.len()
    };
    ["containers", "initContainers", "volumes"]
        .iter()
        .all(|list| unique(list))
}
