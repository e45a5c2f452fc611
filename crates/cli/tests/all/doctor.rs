//! `keyless doctor` as a program: below its deadline whatever does not answer, and as a plugin of
//! kubectl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What the command promises.
const PROMISED: Duration = Duration::from_secs(10);
/// What a starved machine may need beyond it before a test fails.
const BOUND: Duration = Duration::from_secs(25);

/// A listener that nobody serves: the kernel takes connections, and nothing comes back.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An API server that lists what is there, and is silent when a token is asked for. It ends with
/// the test.
fn half_silent(issuer: &str) -> SocketAddr {
    let (listener, address) = silent();
    let issuer = issuer.to_owned();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(n) if n > 0 => request.extend_from_slice(&part[..n]),
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            let Some(answer) = answer(path, &issuer) else {
                kept.push(stream);
                continue;
            };
            let body = answer.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

fn answer(path: &str, issuer: &str) -> Option<Value> {
    let list = |items: Value| Some(json!({"metadata": {}, "items": items}));
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    match path {
        "/version" => Some(json!({"major": "1", "minor": "34"})),
        "/.well-known/openid-configuration" => Some(json!({ "issuer": issuer })),
        "/apis/external-secrets.io" => Some(json!({"versions": [{"version": "v1"}]})),
        p if p.ends_with("/token") || p.contains("/secrets/") => None,
        p if p.ends_with("/externalsecrets") => list(json!([{"metadata": meta("db"),
            "spec": {"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": "/a"}}]}}])),
        p if p.ends_with("/secretstores") => list(
            json!([{"metadata": meta("aws"), "spec": {"provider": {"aws": {
            "service": "ParameterStore", "region": "eu-central-1", "auth": {"jwt": {"serviceAccountRef": {"name": "web"}}}}}}}]),
        ),
        p if p.ends_with("/serviceaccounts") => {
            let mut account = meta("web");
            account["annotations"] =
                json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"});
            list(json!([{ "metadata": account }]))
        }
        p if p.ends_with("/serviceaccounts/web") => {
            Some(json!({"metadata": {"name": "web", "uid": "1",
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"}}}))
        }
        _ => list(json!([])),
    }
}

fn kubeconfig(folder: &Path, address: SocketAddr) -> String {
    let file = folder.join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: a, cluster: {{server: 'http://{address}'}}}}]\nusers: [{{name: a, user: {{}}}}]\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn timed(name: &str, command: &mut Command) -> (Output, String) {
    let begin = Instant::now();
    let output = command.output().unwrap();
    let took = begin.elapsed();
    eprintln!("{name}: {took:.2?} of {PROMISED:?}");
    assert!(took < BOUND, "{name}: {took:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

fn doctor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyless"));
    command.arg("doctor");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(proxy);
    }
    command
}

#[test]
fn it_ends_below_ten_seconds_whatever_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (_api, api) = silent();
    let config = kubeconfig(folder.path(), api);
    let (output, text) = timed(
        "a silent API server",
        doctor().args(["--kubeconfig", &config]),
    );
    assert_eq!((output.status.code(), text.as_str()), (Some(3), ""));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot reach the cluster"), "{said}");

    // The API server lists; issuer, tokens and the cloud are silent.
    let (_issuer, issuer) = silent();
    let (_cloud, cloud) = silent();
    let server = half_silent("https://oidc.example.com");
    let config = kubeconfig(folder.path(), server);
    let page = folder.path().join("page").display().to_string();
    let mut command = doctor();
    command
        .args([
            "es",
            "db",
            "-n",
            "shop",
            "--exchange",
            "-o",
            "json",
            "--kubeconfig",
            &config,
        ])
        .args([
            "--resolve",
            &format!("oidc.example.com={issuer}"),
            "--html",
            &page,
        ])
        .env("AWS_ENDPOINT_URL", format!("http://{cloud}"));
    let (output, text) = timed("silent issuer, tokens and cloud", &mut command);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let found = &found["diagnoses"][0];
    // What came in time is there, and what did not is named.
    assert_eq!(found["chain"][1]["state"], "holds", "{text}");
    assert_eq!(found["partial"], true, "{text}");
    let unseen = found["unseen"].to_string();
    for what in ["a token of shop/web", "a login as"] {
        assert!(unseen.contains(what), "{unseen}");
    }
    assert!(
        std::fs::read_to_string(&page)
            .unwrap()
            .contains("Partial: ")
    );
    // The issuer from outside is what a cloud would see: silence there is a broken link.
    let code = if found["broken"].is_null() { 3 } else { 1 };
    assert_eq!(output.status.code(), Some(code), "{text}");

    // The key set alone is silent: its host is found by another rule.
    let mut command = doctor();
    command
        .args(["es", "db", "-n", "shop", "--kubeconfig", &config])
        .args(["--resolve", &format!("oidc.example.com={issuer}")]);
    let (_, text) = timed("silent issuer and tokens, as text", &mut command);
    assert!(text.contains("partial: not looked at"), "{text}");
}

/// kubectl finds it by its name, and passes on flags and the exit code.
#[test]
fn kubectl_runs_it_as_a_plugin() {
    let kubectl = std::env::var_os("KEYLESS_TESTBED").map(|dir| Path::new(&dir).join("kubectl"));
    let Some(kubectl) = kubectl.filter(|program| program.exists()) else {
        eprintln!("SKIPPED: kubectl_runs_it_as_a_plugin: KEYLESS_TESTBED has no kubectl");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("kubectl-keyless");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_keyless"), &link).unwrap();
    let plugin = |arguments: &[&str]| {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(&kubectl);
        command
            .args(arguments)
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .env("HOME", folder.path());
        command.output().unwrap()
    };
    let listed = plugin(&["plugin", "list"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("kubectl-keyless"), "{text}");
    let bundle = folder.path().join("facts");
    std::fs::write(&bundle, "{\"about\": \"ExternalSecret a/b\"}").unwrap();
    let bundle = bundle.display().to_string();
    let error = "AADSTS700213: No matching federated identity record found";
    let ran = plugin(&["keyless", "doctor", "--bundle", &bundle, "--error", error]);
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{text}");
    assert!(text.contains("[Z3]"), "{text}");
    // A cluster by kubectl's own habits.
    let server = half_silent("https://127.0.0.1:1");
    let config = kubeconfig(folder.path(), server);
    let ran = plugin(&[
        "keyless",
        "doctor",
        "ss",
        "nobody",
        "-n",
        "shop",
        "--kubeconfig",
        &config,
        "--context",
        "a",
    ]);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no SecretStore nobody"), "{said}");
}
