//! Ways in which a chain breaks, by the codes of the catalogue, as far as no other scenario
//! produces them by the way. The register of all is `crates/trust/src/catalogue/evidence.yaml`.

use anyhow::{Context as _, Result};
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use keyless_trust::lint::{Expect, File, lint};
use serde_json::{Value, json};

#[path = "catalogue/aws.rs"]
mod aws;
#[path = "catalogue/azure.rs"]
mod azure;
#[path = "catalogue/cluster.rs"]
mod cluster;
#[path = "catalogue/google.rs"]
mod google;
#[path = "catalogue/pods.rs"]
mod pods;
#[path = "catalogue/vault.rs"]
mod vault;

/// One value out of one store, again and again.
fn one(store: &str, key: &str) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": [{"secretKey": "v", "remoteRef": {"key": key}}]})
}

/// Waits until the store is not Ready and says `code`.
async fn store_says(w: &World, store: &str, code: &str) -> Result<String> {
    w.until_store_says(store, &format!("[{code}]")).await
}

/// Waits until the ExternalSecret is not Ready and says `code`.
async fn says(w: &World, name: &str, code: &str) -> Result<String> {
    w.until_message(name, &format!("[{code}]")).await
}

/// What the linter finds in a document that describes an object of a cloud. The sandbox's issuer is
/// a loopback address, which alone would be a mistake: it is given a name.
fn linted(w: &World, document: &Value, expect: &Expect) -> Vec<&'static str> {
    let url = w.issuer_url();
    let host = url.trim_start_matches("https://");
    let text = document.to_string().replace(host, "oidc.example.com");
    let expect = &Expect {
        issuer: expect
            .issuer
            .as_ref()
            .map(|i| i.replace(host, "oidc.example.com")),
        ..expect.clone()
    };
    let file = File {
        name: "described.json",
        text: &text,
    };
    let report = lint(&[file], expect);
    report.findings.iter().map(|f| f.code).collect()
}

/// The doctor names `code` for the ExternalSecret, as soon as what it saw is no longer new.
async fn doctor_says(w: &World, name: &str, code: &str) -> Result<()> {
    let seen = std::cell::RefCell::new(None);
    let what = format!("{code} for {name}");
    let named = eventually(&what, || async {
        let diagnosis = w.diagnose(name).await?;
        let right = diagnosis.broken.as_ref().is_some_and(|b| b.code == code);
        *seen.borrow_mut() = diagnosis.broken;
        Ok(right.then_some(()))
    });
    let named = named.await;
    named.with_context(|| format!("the doctor found {:?}", seen.borrow()))
}
