//! `keyless issuer` as a program: files, exit codes, JSON.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn codes(&self) -> Vec<String> {
        let document: Value =
            serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out));
        let findings = document["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .map(|f| f["code"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn issuer(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_keyless"))
        .current_dir(folder)
        .arg("issuer")
        .args(arguments)
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn from_a_key_to_published_documents() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = issuer(folder, &["keygen", "--private-key", "sa.key", "-o", "json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let kid = serde_json::from_str::<Value>(&made.out).unwrap()["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    let mode = std::fs::metadata(folder.join("sa.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!made.out.contains("BEGIN") && !made.err.contains("BEGIN"));
    // A key is never overwritten.
    let again = issuer(folder, &["keygen", "--private-key", "sa.key"]);
    assert_eq!(again.code, 2, "{}", again.err);

    std::fs::write(folder.join("none.json"), r#"{"keys":[]}"#).unwrap();
    let publish = |owner: &str| {
        issuer(
            folder,
            &[
                "publish",
                "--to",
                "site",
                "--jwks",
                "none.json",
                "--announce",
                "sa.pub",
                "--issuer",
                "https://issuer.invalid/c",
                "--owner",
                owner,
                "-o",
                "json",
            ],
        )
    };
    let first = publish("one");
    assert_eq!(first.code, 0, "{}", first.err);
    let keys = std::fs::read_to_string(folder.join("site/openid/v1/jwks")).unwrap();
    assert!(keys.contains(&kid) && !keys.contains("\"d\""), "{keys}");
    let second = publish("one");
    assert_eq!(
        serde_json::from_str::<Value>(&second.out).unwrap()["written"],
        serde_json::json!([])
    );
    let other = publish("two");
    assert_eq!((other.code, other.codes()), (1, vec!["K20".to_owned()]));
}

#[test]
fn what_cannot_be_reached_is_a_finding_and_so_is_a_token_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let ran = issuer(
        folder.path(),
        &[
            "verify",
            "https://issuer.invalid/c",
            "--token",
            "missing",
            "-o",
            "json",
        ],
    );
    assert_eq!(ran.code, 1, "{}", ran.err);
    let codes = ran.codes();
    assert!(
        codes.contains(&"P15".to_owned()) && codes.contains(&"K17".to_owned()),
        "{codes:?}"
    );
}

#[test]
fn targets_that_do_not_exist_are_wrong_use_or_cannot_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("none.json"), r#"{"keys":[]}"#).unwrap();
    let ran = issuer(
        folder.path(),
        &[
            "publish",
            "--to",
            "ftp://x",
            "--jwks",
            "none.json",
            "--issuer",
            "https://issuer.invalid",
            "--owner",
            "o",
        ],
    );
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("no kind of target"), "{}", ran.err);
}
