//! Webhook stores: what the endpoint is asked, what its answers mean, what is out of reach.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    webhook_reads_through_templates,
    webhook_says_what_is_wrong,
    webhook_reaches_no_metadata_service
);

/// Request lines and headers that an endpoint saw.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// An endpoint that answers by path; it ends with the process.
fn endpoint() -> Result<(String, Seen)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let seen = Seen::default();
    let saw = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut lines = BufReader::new(&stream).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.is_empty() {
                    break;
                }
                head.push(line);
            }
            let path = head.first().cloned().unwrap_or_default();
            let (status, body) = match path.split(' ').nth(1).unwrap_or_default() {
                path if path.starts_with("/one") => {
                    ("200 OK", r#"{"data":{"value":"v1","n":5,"o":{"a":"x"}}}"#)
                }
                "/broken" => ("500 Internal Server Error", "canary"),
                "/away" => ("302 Found", ""),
                "/text" => ("200 OK", "canary"),
                _ => ("404 Not Found", ""),
            };
            saw.lock().unwrap().push(head);
            let location = "location: http://127.0.0.1:1/\r\n";
            let answer = format!(
                "HTTP/1.1 {status}\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    Ok((url, seen))
}

async fn secret(w: &World, name: &str, labels: Value) -> Result<()> {
    w.api
        .create(&json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": w.ns, "labels": labels},
            "stringData": {"tok": "T0ken"},
        }))
        .await?;
    Ok(())
}

fn reads(store: &str, reference: Value) -> Value {
    json!({
        "secretStoreRef": {"name": store},
        "data": [{"secretKey": "a", "remoteRef": reference}],
    })
}

async fn webhook_reads_through_templates(world: World) -> Result<()> {
    let w = &world;
    let (url, seen) = endpoint()?;
    secret(w, "marked", json!({"external-secrets.io/type": "webhook"})).await?;
    let spec = json!({"provider": {"webhook": {
        "url": format!("{url}/{{{{ .remoteRef.key }}}}?v={{{{ .remoteRef.version }}}}"),
        "headers": {"X-Token": "{{ .auth.tok }}", "X-Ns": "{{ .remoteRef.namespace }}"},
        "result": {"jsonPath": "$.data.{{ .remoteRef.property }}"},
        "secrets": [{"name": "auth", "secretRef": {"name": "marked"}}],
    }}});
    w.store("hook", spec).await?;
    let one = json!({"key": "one", "property": "value", "version": "7"});
    w.external_secret("app", reads("hook", one)).await?;
    w.until_ready("app").await?;
    assert_eq!(w.secret_data("app").await?["a"], "v1");
    let map = json!({"secretStoreRef": {"name": "hook"}, "dataFrom": [{"extract": {"key": "one", "property": "o"}}]});
    w.external_secret("map", map).await?;
    w.until_ready("map").await?;
    assert_eq!(w.secret_data("map").await?["a"], "x");
    let seen = seen.lock().unwrap().clone();
    let asked = |head: &&Vec<String>| {
        let line = head.first();
        line.is_some_and(|line| line.starts_with("GET /one?v=7 "))
    };
    let read = seen.iter().find(asked);
    let read = read
        .expect("the endpoint was asked")
        .join("\n")
        .to_lowercase();
    assert!(read.contains("x-token: t0ken"), "{read}");
    assert!(read.contains(&format!("x-ns: {}", w.ns)), "{read}");
    Ok(())
}

async fn webhook_says_what_is_wrong(world: World) -> Result<()> {
    let w = &world;
    let (url, _) = endpoint()?;
    let store = |path: Value| {
        json!({"provider": {"webhook": {
            "url": format!("{url}/{{{{ .remoteRef.key }}}}"), "result": {"jsonPath": path},
        }}})
    };
    w.store("hook", store(json!("$.v"))).await?;
    for (name, key, part) in [
        ("five", "broken", "HTTP 500"),
        ("three", "away", "redirects are not followed"),
        ("two", "text", "is not JSON"),
        ("none", "nope", "does not exist"),
        ("path", "one", "$.v does not exist"),
    ] {
        w.external_secret(name, reads("hook", json!({"key": key})))
            .await?;
        let message = w.until_message(name, part).await?;
        assert!(!message.contains("canary"), "{message}");
    }
    secret(w, "unmarked", json!({})).await?;
    let mut spec = store(json!("$.v"));
    spec["provider"]["webhook"]["secrets"] =
        json!([{"name": "auth", "secretRef": {"name": "unmarked"}}]);
    w.store("unmarked", spec).await?;
    w.external_secret("mark", reads("unmarked", json!({"key": "one"})))
        .await?;
    w.until_message("mark", "external-secrets.io/type=webhook")
        .await?;
    // A lost secret of the endpoint is absence.
    let mut gone = reads("hook", json!({"key": "nope"}));
    gone["target"] = json!({"deletionPolicy": "Delete"});
    w.external_secret("gone", gone).await?;
    w.until_reason("gone", "SecretDeleted").await?;
    Ok(())
}

async fn webhook_reaches_no_metadata_service(world: World) -> Result<()> {
    let w = &world;
    for (name, host) in [("four", "169.254.169.254"), ("six", "[fd00:ec2::254]")] {
        let spec = json!({"provider": {"webhook": {
            "url": format!("http://{host}/latest/{{{{ .remoteRef.key }}}}"), "result": {},
        }}});
        w.store(name, spec).await?;
        let refused = |s: &Value| {
            let (status, _, message) = keyless_scenarios::api::ready(s);
            status == "False" && message.contains("out of reach")
        };
        w.api
            .until("SecretStore", &w.ns, name, "refused", refused)
            .await?;
    }
    Ok(())
}
