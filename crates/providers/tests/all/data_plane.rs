//! The same reads, searches and writes at the sandbox's AWS and at moto's: the second is nobody's
//! idea of strict, but it was written by others.
//!
//! moto lives in a virtual environment under `$KEYLESS_CACHE/moto` (or `~/.cache/keyless/moto`)
//! that the first run makes. Without Python or a package index the test says so and passes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::primitives::Blob;
use keyless_providers::{Find, Provider, Push, Pushed, Ref, Remote};
use keyless_sandbox::{Sandbox, SandboxOptions};
use serde_json::json;

use crate::place::{Place, parameters_client, secrets_client};
use crate::stores::key;

const PACKAGE: &str = "moto[server]==5.2.5";

/// Ends with its standard input.
struct Moto {
    child: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {text}"))
}

fn moto() -> Result<Moto, String> {
    let cache = std::env::var_os("KEYLESS_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyless")))
        .ok_or("neither KEYLESS_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    let folder = cache.join("moto");
    let interpreter = folder.join("bin/python");
    let ready = folder.join(format!("{PACKAGE}.ready"));
    // Several test processes may come here at once; the lock ends with the file.
    let lock = File::create(cache.join("moto.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if !ready.exists() {
        if !interpreter.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        let quiet = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        run(Command::new(&interpreter).args(quiet).arg(PACKAGE))?;
        std::fs::write(&ready, "").map_err(|e| e.to_string())?;
    }
    let program = "import sys\n\
        from moto.server import ThreadedMotoServer\n\
        server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)\n\
        server.start()\n\
        print('%s:%s' % server.get_host_and_port(), flush=True)\n\
        sys.stdin.read()\n\
        server.stop()\n";
    let mut child = Command::new(&interpreter)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut address = String::new();
    let out = child.stdout.take().ok_or("no output")?;
    BufReader::new(out)
        .read_line(&mut address)
        .map_err(|e| e.to_string())?;
    let url = format!("http://{}", address.trim());
    Ok(Moto { child, url })
}

#[tokio::test(flavor = "multi_thread")]
async fn at_moto() {
    let moto = match tokio::task::spawn_blocking(moto).await.unwrap() {
        Ok(moto) => moto,
        Err(reason) => {
            eprintln!("SKIPPED: the data planes were not tried against moto: {reason}");
            return;
        }
    };
    secrets(&moto.url, "AKIAIOSFODNN7EXAMPLE", "secret").await;
    parameters(&moto.url, "AKIAIOSFODNN7EXAMPLE", "secret").await;
    drop(tokio::task::spawn_blocking(move || drop(moto)).await);
}

#[tokio::test]
async fn at_the_sandbox() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let key = sandbox.aws.admin_key();
    secrets(&sandbox.aws_url(), &key.id, &key.secret).await;
    parameters(&sandbox.aws_url(), &key.id, &key.secret).await;
}

async fn text(provider: &Arc<dyn Provider>, reference: Ref) -> String {
    let mut read = provider.read(&[reference], Duration::ZERO).await;
    String::from_utf8(read.remove(0).unwrap().expose().to_vec()).unwrap()
}

fn version(name: &str, version: &str) -> Ref {
    Ref {
        version: Some(version.into()),
        ..key(name)
    }
}

fn property(name: &str, property: &str) -> Ref {
    Ref {
        property: Some(property.into()),
        ..key(name)
    }
}

fn tags(name: &str) -> Ref {
    Ref {
        metadata: true,
        ..key(name)
    }
}

async fn names(provider: &Arc<dyn Provider>, find: Find) -> Vec<String> {
    let found = provider.find(&find, Duration::ZERO).await.unwrap();
    found.into_keys().collect()
}

fn by_name(path: Option<&str>, name: &str) -> Find {
    Find {
        path: path.map(Into::into),
        name: Some(name.into()),
        ..Find::default()
    }
}

fn by_tags(tags: &[(&str, &str)]) -> Find {
    let tags = tags.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Find {
        tags: tags.collect::<BTreeMap<String, String>>(),
        ..Find::default()
    }
}

fn value(key: &str, property: Option<&str>, value: &str) -> Push {
    Push {
        remote: Remote {
            key: key.into(),
            property: property.map(Into::into),
        },
        value: value.into(),
        metadata: None,
    }
}

/// What is pushed, changed, left alone, shared with others and deleted: the same for both services.
async fn writes(provider: &Arc<dyn Provider>, foreign: &str) {
    for (push, outcome) in [
        (value("/pushed", None, "v1"), Pushed::Created),
        (value("/pushed", None, "v1"), Pushed::Unchanged),
        (value("/pushed", None, "v2"), Pushed::Updated),
        (value("/json", Some("a"), "1"), Pushed::Created),
        (value("/json", Some("b.c"), "2"), Pushed::Updated),
        (value("/json", Some("b.c"), "2"), Pushed::Unchanged),
    ] {
        assert_eq!(provider.push(&push).await.unwrap(), outcome, "{push:?}");
    }
    assert_eq!(text(provider, key("/pushed")).await, "v2");
    assert_eq!(
        text(provider, key("/json")).await,
        r#"{"a":"1","b":{"c":"2"}}"#
    );
    let refused = provider.push(&value(foreign, None, "x")).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("secret not managed by external-secrets")
    );
    let whole = value("/pushed", None, "").remote;
    let part = value("/json", Some("a"), "").remote;
    assert!(provider.exists(&whole).await.unwrap() && provider.exists(&part).await.unwrap());
    assert!(provider.delete(&part).await.unwrap());
    assert!(!provider.exists(&part).await.unwrap());
    assert_eq!(text(provider, key("/json")).await, r#"{"b":{"c":"2"}}"#);
    assert!(provider.delete(&whole).await.unwrap());
    assert!(!provider.exists(&whole).await.unwrap());
    assert!(!provider.delete(&whole).await.unwrap());
}

async fn secrets(url: &str, id: &str, secret: &str) {
    let client = secrets_client(url, id, secret);
    let create = |name: &str, value: &str, tags: &[(&str, &str)]| {
        let tag = |(k, v): &(&str, &str)| {
            let tag = aws_sdk_secretsmanager::types::Tag::builder();
            tag.key(*k).value(*v).build()
        };
        let tags = tags.iter().map(tag).collect();
        let create = client.create_secret().name(name).secret_string(value);
        create.set_tags(Some(tags)).send()
    };
    let first = create("app/x", "one", &[("team", "a"), ("env", "p")])
        .await
        .unwrap();
    let put = client
        .put_secret_value()
        .secret_id("app/x")
        .secret_string("two");
    put.send().await.unwrap();
    create("app/swapped", "s", &[("team", "p"), ("env", "a")])
        .await
        .unwrap();
    create("app/json", r#"{"a":{"b":1.50},"a.b":"dotted"}"#, &[])
        .await
        .unwrap();
    create("other", "o", &[]).await.unwrap();
    let binary = client
        .create_secret()
        .name("bin")
        .secret_binary(Blob::new(b"\x01b"));
    binary.send().await.unwrap();
    let place = Place::with_keys(url, id, secret);
    // What is only marked is absent at AWS; moto says so in words of its own.
    let at_once = json!({"forceDeleteWithoutRecovery": true});
    let store = json!({"service": "SecretsManager", "secretsManager": at_once});
    let provider = place.open(store).await;
    let arn = first.arn().unwrap();
    let uuid = format!("uuid/{}", first.version_id().unwrap());
    let cases = [
        (key("app/x"), "two"),
        (version("app/x", "AWSPREVIOUS"), "one"),
        (version("app/x", &uuid), "one"),
        (key(arn), "two"),
        (property("app/json", "a.b"), "dotted"),
        (key("bin"), "\u{1}b"),
        (tags("app/x"), r#"{"env":"p","team":"a"}"#),
    ];
    let refs: Vec<Ref> = cases
        .iter()
        .map(|(reference, _)| reference.clone())
        .collect();
    let read = provider.read(&refs, Duration::ZERO).await;
    for ((reference, expected), together) in cases.into_iter().zip(read) {
        assert_eq!(
            together.unwrap().expose_str(),
            Some(expected),
            "{reference:?}"
        );
        assert_eq!(text(&provider, reference).await, expected);
    }
    for absent in [key("gone"), version("app/x", "NOSUCHSTAGE")] {
        let mut read = provider.read(&[absent, key("other")], Duration::ZERO).await;
        assert!(read.remove(0).unwrap_err().is_no_secret());
        assert!(read.remove(0).is_ok());
    }
    assert_eq!(
        names(&provider, by_name(None, "^app/x$|her")).await,
        ["app/x", "other"]
    );
    assert_eq!(
        names(&provider, by_name(Some("app/"), "s")).await,
        ["app/json", "app/swapped"]
    );
    let both = [("team", "a"), ("env", "p")];
    assert_eq!(names(&provider, by_tags(&both)).await, ["app/x"]);
    writes(&provider, "other").await;
}

async fn parameters(url: &str, id: &str, secret: &str) {
    let client = parameters_client(url, id, secret);
    let put = |name: &str, value: &str, tagged: bool| {
        let tag = aws_sdk_ssm::types::Tag::builder();
        let tag = tag.key("team").value("a").build().unwrap();
        let put = client.put_parameter().name(name).value(value);
        let put = put.r#type(aws_sdk_ssm::types::ParameterType::String);
        put.set_tags(tagged.then(|| vec![tag])).send()
    };
    put("/app/x", "one", true).await.unwrap();
    let again = client
        .put_parameter()
        .name("/app/x")
        .value("two")
        .overwrite(true);
    again
        .r#type(aws_sdk_ssm::types::ParameterType::String)
        .send()
        .await
        .unwrap();
    put("/app/json", r#"{"a":{"b":1.50}}"#, false)
        .await
        .unwrap();
    put("/other", "o", false).await.unwrap();
    let place = Place::with_keys(url, id, secret);
    let provider = place.open(json!({"service": "ParameterStore"})).await;
    for (reference, expected) in [
        (key("/app/x"), "two"),
        (version("/app/x", "1"), "one"),
        (property("/app/json", "a.b"), "1.5"),
        (tags("/app/x"), r#"{"team":"a"}"#),
    ] {
        assert_eq!(text(&provider, reference).await, expected);
    }
    let refs = [key("/app/x"), key("/gone"), key("/other")];
    let mut read = provider.read(&refs, Duration::ZERO).await;
    assert_eq!(read.remove(0).unwrap().expose_str(), Some("two"));
    assert!(read.remove(0).unwrap_err().is_no_secret());
    assert_eq!(read.remove(0).unwrap().expose_str(), Some("o"));
    assert_eq!(
        names(&provider, by_name(Some("/app"), "x$")).await,
        ["/app/x"]
    );
    assert_eq!(
        names(&provider, by_tags(&[("team", "a")])).await,
        ["/app/x"]
    );
    writes(&provider, "/other").await;
}
