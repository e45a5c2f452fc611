//! The real OpenTofu or Terraform as a judge of what is rendered: its formatter finds nothing to
//! change, so that a file passes the checks of a repository that formats everything, and the real
//! provider's schema takes every resource.
//!
//! `KEYLESS_TERRAFORM` names the program, else `tofu` or `terraform` on the path is taken;
//! `KEYLESS_TERRAFORM_PLUGINS` is a folder of unpacked providers, laid out as a mirror of files.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

/// Random plans for each cloud.
const PLANS: usize = 48;

/// `KEYLESS_TERRAFORM`, else `tofu` or `terraform` on the path.
fn program() -> Option<OsString> {
    let named = std::env::var_os("KEYLESS_TERRAFORM");
    let works = |program: &OsString| {
        let output = Command::new(program).arg("version").output();
        output.is_ok_and(|o| o.status.success())
    };
    let known = ["tofu", "terraform"].map(OsString::from);
    named.into_iter().chain(known).find(works)
}

fn aws() -> impl Strategy<Value = (Cloud, Vec<Access>, Options)> {
    let role = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/a/b/reader")).unwrap();
    let last = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/last")).unwrap();
    let accesses = prop::collection::vec(aws_access(), 1..4);
    (
        accesses,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(accesses, named, chained, pod, key)| {
            let mut options = options();
            options.aws.pod_identity = pod.then(|| "blue".to_owned());
            if key {
                options.aws.keys = vec![format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/0000")];
            }
            let cloud = Cloud::Aws {
                role: named.then(|| role.clone()),
                chain: chained.then(|| last.clone()).into_iter().collect(),
            };
            (cloud, accesses, options)
        })
}

pub(super) fn azure() -> impl Strategy<Value = (Cloud, Vec<Access>, Options)> {
    let names = prop::collection::vec("[a-z][a-z0-9-]{0,8}", 1..4);
    (names, any::<bool>(), any::<bool>()).prop_map(|(names, policies, client)| {
        let mut options = options();
        options.azure.access_policies = policies;
        let accesses = names.into_iter().map(|name| Access {
            place: Place::KeyVault {
                url: "https://blue.vault.azure.net".into(),
            },
            verb: Verb::Read,
            scope: Scope::Name(name),
        });
        let cloud = Cloud::Azure {
            client: client.then(|| "00000000-0000-0000-0000-000000000001".to_owned()),
            tenant: None,
        };
        (cloud, accesses.collect(), options)
    })
}

pub(super) fn google() -> impl Strategy<Value = (Cloud, Vec<Access>, Options)> {
    let names = prop::collection::vec("[a-z][a-z0-9_-]{0,8}", 1..4);
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (names, switches, 0..3).prop_map(|(names, (gke, known, impersonates, regional), scope)| {
        let mut options = options();
        if !known {
            options.google.number = None;
        }
        let accesses = names.into_iter().map(|name| Access {
            place: Place::SecretManager {
                project: None,
                location: regional.then(|| "europe-west1".to_owned()),
            },
            verb: if scope == 0 { Verb::Read } else { Verb::Search },
            scope: match scope {
                0 => Scope::Name(name),
                1 => Scope::Below(name),
                _ => Scope::Everything,
            },
        });
        let by = if gke {
            GoogleLogin::Gke { project: None }
        } else {
            GoogleLogin::Pool(None)
        };
        let cloud = Cloud::Google {
            by,
            impersonates: impersonates
                .then(|| "reader@blue-project.iam.gserviceaccount.com".to_owned()),
        };
        (cloud, accesses.collect(), options)
    })
}

pub(super) fn vault() -> impl Strategy<Value = (Cloud, Vec<Access>, Options)> {
    let names = prop::collection::vec("[a-z][a-z0-9_/${-]{0,8}", 1..4);
    (names, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(names, jwt, versioned, namespace)| {
            let namespace = namespace.then(|| "team".to_owned());
            let accesses = names.into_iter().map(|name| Access {
                place: Place::Kv {
                    mount: "kv".into(),
                    versioned,
                    namespace: namespace.clone(),
                },
                verb: Verb::Read,
                scope: Scope::Name(name),
            });
            let cloud = Cloud::Vault {
                server: "https://vault.example.com".into(),
                namespace: namespace.clone(),
                method: if jwt {
                    VaultMethod::Jwt
                } else {
                    VaultMethod::Kubernetes
                },
                mount: "login".into(),
                role: "reader".into(),
            };
            (cloud, accesses.collect(), options())
        },
    )
}

pub(super) type Case = BoxedStrategy<(Cloud, Vec<Access>, Options)>;

/// Random plans of one cloud, rendered.
pub(super) fn rendered(target: Target, case: Case, import: bool) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let whole = (case, issuer(), account());
    let mut written = Vec::new();
    for _ in 0..PLANS {
        let tree = whole.new_tree(&mut runner).unwrap();
        let ((cloud, accesses, options), issuer, account) = tree.current();
        let audience = match target {
            Target::Azure => "api://AzureADTokenExchange",
            _ => "vault",
        };
        let plan = Plan {
            issuer: Some(issuer),
            identities: vec![identity(cloud, account, audience, accesses)],
            notes: Vec::new(),
        };
        let settings = Settings {
            options: &options,
            import,
        };
        // What is refused is the other tests' affair.
        written.extend(render(&plan, target, Form::Hcl, &settings));
    }
    assert!(written.len() > PLANS / 4, "{target:?}: {}", written.len());
    written
}

/// Whether it ends well, and what it says.
fn run(program: &OsString, folder: &Path, config: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("TF_CLI_CONFIG_FILE", config)
        .env("CHECKPOINT_DISABLE", "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{out}{err}"))
}

/// The folders below a folder.
fn below(folder: PathBuf) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_formatter_finds_nothing_to_change() {
    let Some(program) = program() else {
        eprintln!(
            "SKIPPED: no tofu and no terraform on the path and KEYLESS_TERRAFORM is not set: nobody judges the form of rendered HCL"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (target, case) in [
        (Target::Aws, aws().boxed()),
        (Target::Azure, azure().boxed()),
        (Target::Google, google().boxed()),
        (Target::Vault, vault().boxed()),
    ] {
        for import in [false, true] {
            let texts = rendered(target, case.clone(), import);
            for (n, text) in texts.iter().enumerate() {
                let name = format!("{}-{import}-{n}.tf", target.as_str());
                std::fs::write(folder.path().join(name), text).unwrap();
            }
        }
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for file in below(examples.join("with-mistakes"))
        .into_iter()
        .chain(below(examples.join("vault")))
    {
        if file.extension().is_some_and(|e| e == "tf" || e == "hcl") {
            let name = file.file_stem().unwrap().to_str().unwrap();
            std::fs::copy(&file, folder.path().join(format!("example-{name}.tf"))).unwrap();
        }
    }
    let none = folder.path().join("none");
    std::fs::write(&none, "").unwrap();
    let check = ["fmt", "-check", "-diff", "-no-color"];
    let (same, said) = run(&program, folder.path(), &none, &check);
    assert!(same, "{said}");
    // The judge can see at all.
    std::fs::write(folder.path().join("control.tf"), "locals {\na=1\n}\n").unwrap();
    let (same, said) = run(&program, folder.path(), &none, &check);
    assert!(!same && said.contains("control.tf"), "{said}");
}

/// Every shape for AWS against the schema and the checks of the provider itself, in a version that
/// the rendered range includes.
#[test]
fn the_provider_takes_every_shape_for_aws() {
    let plugins = std::env::var_os("KEYLESS_TERRAFORM_PLUGINS").map(PathBuf::from);
    let (Some(program), Some(plugins)) = (program(), plugins) else {
        eprintln!(
            "SKIPPED: no tofu and no terraform, or KEYLESS_TERRAFORM_PLUGINS is not set: no provider judges rendered HCL"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.tfrc");
    let text = format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = {}\n  }}\n}}\n",
        crate::hcl::write::quote(&plugins.display().to_string())
    );
    std::fs::write(&config, text).unwrap();
    // Each is a module of one whole, so that the provider starts once. Imports are for the root.
    let shapes = rendered(Target::Aws, aws().boxed(), false);
    let mut root = String::new();
    for (n, text) in shapes.iter().enumerate() {
        let module = folder.path().join(format!("m{n}"));
        std::fs::create_dir(&module).unwrap();
        std::fs::write(module.join("main.tf"), text).unwrap();
        let _ = writeln!(root, "module \"m{n}\" {{\n  source = \"./m{n}\"\n}}");
    }
    let imported = rendered(Target::Aws, aws().boxed(), true);
    root.push_str(imported.iter().max_by_key(|text| text.len()).unwrap());
    std::fs::write(folder.path().join("main.tf"), root).unwrap();
    let run = |arguments: &[&str]| run(&program, folder.path(), &config, arguments);
    let (good, said) = run(&["init", "-input=false", "-no-color"]);
    assert!(good, "{said}");
    let (good, said) = run(&["validate", "-no-color"]);
    assert!(good && !said.contains("Warning"), "{said}");
}
