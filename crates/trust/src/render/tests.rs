mod schema;
mod terraform;

use std::collections::BTreeSet;
use std::process::Command;

use keyless_fault::ObjectRef;
use proptest::prelude::*;

use super::*;
use crate::aws::{Arn, Context, Policy, PolicyKind, Request, evaluate, federation};
use crate::azure::{self, FederatedCredential};
use crate::gcp::{Caller, Member, OidcProvider, PoolProvider};
use crate::hcl::Module;
use crate::lint::{Expect, File, lint};
use crate::plan::{Access, GoogleLogin, Grant, Place, Scope, VaultMethod, Verb, Why};
use crate::token::Claims;
use crate::trust::{Issuer, ServiceAccount};

mod google;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-central-1";

fn options() -> Options {
    let mut options = Options::default();
    options.aws.account = Some(ACCOUNT.into());
    options.azure.resource_group = Some("secrets".into());
    options.azure.location = Some("westeurope".into());
    options.google.project = Some("blue-project".into());
    options.google.number = Some("123".into());
    options
}

fn settings(options: &Options) -> Settings<'_> {
    Settings {
        options,
        import: false,
    }
}

fn claims(iss: &str, sub: &str, aud: &str) -> Claims {
    Claims {
        iss: iss.into(),
        sub: sub.into(),
        aud: vec![aud.into()],
        azp: None,
        amr: Vec::new(),
        exp: 3600,
        iat: 0,
        nbf: None,
        jti: None,
    }
}

/// Almost the same.
fn another(text: &impl std::fmt::Display) -> String {
    format!("{text}x")
}

/// What a script calls, by a real shell; checks whether something exists fail.
fn calls(script: &str) -> Vec<Vec<String>> {
    let stubs = "log() { printf '%s\\037' \"$@\" >&3; printf '\\036' >&3; }\n\
        aws() { case \"$2\" in get-*) return 1;; esac; log aws \"$@\"; }\n\
        az() { log az \"$@\"; case \"$*\" in *keyvault*show*) echo the-id true;; *credential*list*) ;; *show*|*list*) echo the-id c t;; esac; }\n\
        gcloud() { case \"$*\" in *describe*Number*) echo 123;; *describe*) return 1;; esac; log gcloud \"$@\"; }\n\
        bao() { case \"$1\" in read) return 1;; esac; if [ \"$1\" = auth ]; then log bao \"$@\"; else log bao \"$@\" \"$(cat)\"; fi; }\n";
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let file = folder.path().join("script");
    std::fs::write(&file, format!("{stubs}{script}")).unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(". \"$1\" 3>\"$2\"")
        .args(["sh".as_ref(), file.as_os_str(), log.as_os_str()])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}\n{script}");
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text.split('\u{1e}').filter(|l| !l.is_empty());
    lines
        .map(|l| {
            let words = l.strip_suffix('\u{1f}').unwrap_or(l);
            words.split('\u{1f}').map(str::to_owned).collect()
        })
        .collect()
}

fn after<'a>(call: &'a [String], flag: &str) -> Option<&'a str> {
    let at = call.iter().position(|w| w == flag)?;
    call.get(at + 1).map(String::as_str)
}

fn module(text: &str) -> Module {
    let mut module = Module::new();
    module
        .add(0, text)
        .unwrap_or_else(|e| panic!("{e}\n{text}"));
    module.know("data.aws_partition.current.partition", "aws");
    module.know("data.aws_caller_identity.current.account_id", ACCOUNT);
    module.know("data.google_project.current.number", "123");
    module
}

/// Nothing is wrong with what is written.
fn clean(name: &str, text: &str) {
    let report = lint(&[File { name, text }], &Expect::default());
    assert!(report.findings.is_empty(), "{:#?}\n{text}", report.findings);
}

fn identity(
    cloud: Cloud,
    account: ServiceAccount,
    audience: &str,
    accesses: Vec<Access>,
) -> Identity {
    let because = vec![Why {
        object: ObjectRef::new("ExternalSecret", &*account.namespace, "e"),
        field: "spec.data[0]\nnext".into(),
    }];
    Identity {
        name: format!("{}-{}", account.namespace, account.name),
        account,
        audience: audience.into(),
        cloud,
        grants: accesses
            .into_iter()
            .map(|access| Grant {
                access,
                because: because.clone(),
            })
            .collect(),
        stores: BTreeSet::new(),
    }
}

/// Names as clusters have them, and as nobody should.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z][a-z0-9-]{0,20}",
        1 => "[a-z](\\$\\{x\\}|'|\"|\\\\|\\$\\(id\\)|`|%\\{|;|&|#|€| ){1,4}[a-z]",
    ]
}

fn account() -> impl Strategy<Value = ServiceAccount> {
    (name(), name()).prop_map(|(namespace, name)| ServiceAccount { namespace, name })
}

fn issuer() -> impl Strategy<Value = Issuer> {
    "https://[a-z]{1,8}\\.example(\\.com)?(/[a-zA-Z0-9._~-]{1,10}){0,2}/?"
        .prop_map(|url| Issuer::parse(&url).unwrap())
}

fn scope() -> impl Strategy<Value = Scope> {
    let text = prop_oneof![3 => "/?[a-z]{1,5}(/[a-z0-9_.-]{1,5}){0,2}", 1 => "[a-z](\\*|\\?|\\$\\{a\\}|'|\"|\\$){1,3}"];
    prop_oneof![
        4 => text.clone().prop_map(Scope::Name),
        1 => text.prop_map(Scope::Below),
        1 => Just(Scope::Everything),
    ]
}

fn aws_access() -> impl Strategy<Value = Access> {
    let place = prop_oneof![
        Just(Place::ParameterStore {
            region: REGION.into()
        }),
        Just(Place::SecretsManager {
            region: REGION.into()
        }),
    ];
    (place, scope()).prop_map(|(place, scope)| Access {
        place,
        verb: Verb::Read,
        scope,
    })
}

/// One thing that an access lets in, and one that it does not.
fn aws_requests(access: &Access) -> (String, String, Option<String>) {
    let (service, kind, action) = match access.place {
        Place::ParameterStore { .. } => ("ssm", "parameter/", "ssm:GetParameter"),
        _ => ("secretsmanager", "secret:", "secretsmanager:GetSecretValue"),
    };
    let tail = if kind == "secret:" { "-AbCdEf" } else { "" };
    let bare = |name: &str| {
        let name = if kind == "parameter/" {
            name.strip_prefix('/').unwrap_or(name)
        } else {
            name
        };
        name.to_owned()
    };
    let arn = |name: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{name}{tail}");
    match &access.scope {
        Scope::Name(name) => (
            action.into(),
            arn(&bare(name)),
            Some(arn(&format!("{}x", bare(name)))),
        ),
        Scope::Below(name) => (
            action.into(),
            arn(&format!("{}/more", bare(name))),
            Some(arn("~other")),
        ),
        Scope::Everything => (action.into(), arn("anything"), None),
    }
}

fn decided(policy: &Policy, action: &str, resource: &str) -> bool {
    let request = Request {
        caller: None,
        action,
        resource: Some(resource),
        context: &Context::new(),
    };
    evaluate(&[policy], &request).is_allowed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What is rendered for AWS, read back and evaluated, gives the planned answer: in both forms,
    /// for the token that is meant and for those that are not.
    #[test]
    fn aws_round_trip(issuer in issuer(), audience in "[a-z.]{1,12}",
        who in prop::collection::btree_set(account(), 1..4),
        accesses in prop::collection::vec(aws_access(), 1..4)) {
        let options = options();
        let identities: Vec<Identity> = who.iter().enumerate().map(|(n, account)| {
            let role = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/x/r{n}")).unwrap();
            let cloud = Cloud::Aws { role: Some(role), chain: Vec::new() };
            identity(cloud, account.clone(), &audience, accesses.clone())
        }).collect();
        let plan = Plan { issuer: Some(issuer.clone()), identities, notes: Vec::new() };
        let text = render(&plan, Target::Aws, Form::Hcl, &settings(&options)).unwrap();
        let module = module(&text);
        if who.iter().all(plain) {
            clean("main.tf", &text);
        }
        let missing: Vec<_> = module.references().into_iter().filter(|r| !module.declares(r)).collect();
        prop_assert!(missing.is_empty(), "{missing:?}");
        let script = render(&plan, Target::Aws, Form::Shell, &settings(&options)).unwrap();
        let calls = calls(&script);
        let provider = module.resources("aws_iam_openid_connect_provider").next().unwrap();
        prop_assert_eq!(module.text(provider, "url").unwrap(), issuer.as_str());
        let created = calls.iter().find(|c| c.get(2).is_some_and(|v| v == "create-open-id-connect-provider")).unwrap();
        prop_assert_eq!(after(created, "--url"), Some(issuer.as_str()));
        for (n, (identity, role)) in plan.identities.iter().zip(module.resources("aws_iam_role")).enumerate() {
            let text = module.text(role, "assume_role_policy").unwrap();
            let trust = Policy::parse(&text, PolicyKind::Trust).unwrap();
            let name = format!("r{n}");
            let of = |verb: &str| calls.iter().find(|c| c.get(2).is_some_and(|v| v == verb) && after(c, "--role-name") == Some(name.as_str())).unwrap();
            let shell = after(of("create-role"), "--assume-role-policy-document").unwrap();
            prop_assert_eq!(&Policy::parse(shell, PolicyKind::Trust).unwrap(), &trust);
            let arn = Arn::parse(&format!("arn:aws:iam::{ACCOUNT}:role/x/{name}")).unwrap();
            let sub = identity.subject();
            let judge = |issuer: &Issuer, sub: &str, aud: &str| {
                federation::judge(&trust, &arn, issuer, &claims(issuer.as_str(), sub, aud), &Context::new()).is_allowed()
            };
            let other = Issuer::parse(&format!("{issuer}x")).unwrap();
            prop_assert!(judge(&issuer, &sub, &audience), "{text}");
            prop_assert!(!judge(&issuer, &another(&sub), &audience));
            prop_assert!(!judge(&issuer, &sub, "another"));
            prop_assert!(!judge(&other, &sub, &audience));
            let policy = module.resources("aws_iam_role_policy").nth(n).unwrap();
            let json = module.text(policy, "policy").unwrap();
            let policy = Policy::parse(&json, PolicyKind::Identity).unwrap();
            let shell = after(of("put-role-policy"), "--policy-document").unwrap();
            prop_assert_eq!(&Policy::parse(shell, PolicyKind::Identity).unwrap(), &policy);
            let wide = accesses.iter().any(|a| !matches!(a.scope, Scope::Name(_)));
            for access in &accesses {
                let (action, inside, outside) = aws_requests(access);
                prop_assert!(decided(&policy, &action, &inside), "{action} {inside}\n{json}");
                if let (Some(outside), false) = (outside, wide) {
                    let same = accesses.iter().any(|a| aws_requests(a).1 == outside);
                    prop_assert!(same || !decided(&policy, &action, &outside), "{action} {outside}\n{json}");
                }
                prop_assert!(!decided(&policy, "iam:CreateUser", &inside));
            }
        }
    }

    #[test]
    fn azure_round_trip(issuer in issuer(), who in prop::collection::btree_set(account(), 1..4),
        names in prop::collection::btree_set("[a-z][a-z0-9-]{0,8}", 1..4), policies in any::<bool>()) {
        let mut options = options();
        options.azure.access_policies = policies;
        let audience = "api://AzureADTokenExchange";
        let accesses: Vec<Access> = names.iter().map(|name| Access {
            place: Place::KeyVault { url: "https://blue.vault.azure.net".into() },
            verb: Verb::Read,
            scope: Scope::Name(name.clone()),
        }).collect();
        let identities = who.iter().map(|account| {
            identity(Cloud::Azure { client: None, tenant: None }, account.clone(), audience, accesses.clone())
        }).collect();
        let plan = Plan { issuer: Some(issuer.clone()), identities, notes: Vec::new() };
        let text = render(&plan, Target::Azure, Form::Hcl, &settings(&options)).unwrap();
        let module = module(&text);
        if who.iter().all(plain) {
            clean("main.tf", &text);
        }
        let script = render(&plan, Target::Azure, Form::Shell, &settings(&options)).unwrap();
        let calls = calls(&script);
        let written: Vec<FederatedCredential> = module.resources("azurerm_federated_identity_credential").map(|block| {
            let text = |name| module.text(block, name).unwrap();
            let audiences = module.texts(block, "audience").unwrap();
            FederatedCredential::new(&text("name"), &text("issuer"), &text("subject"), &audiences[0]).unwrap()
        }).collect();
        let called: Vec<FederatedCredential> = calls.iter().filter(|c| c.get(2..4).is_some_and(|w| w == ["federated-credential", "create"])).map(|c| {
            let of = |flag| after(c, flag).unwrap();
            FederatedCredential::new(of("--name"), of("--issuer"), of("--subject"), of("--audiences")).unwrap()
        }).collect();
        prop_assert_eq!(&written, &called);
        for identity in &plan.identities {
            let sub = identity.subject();
            let fits = |iss: &str, sub: &str, aud: &str| azure::judge(&written, &claims(iss, sub, aud)).is_ok();
            prop_assert!(fits(issuer.as_str(), &sub, audience));
            prop_assert!(!fits(issuer.as_str(), &another(&sub), audience));
            prop_assert!(!fits(&another(&issuer), &sub, audience));
            prop_assert!(!fits(issuer.as_str(), &sub, "sts.amazonaws.com"));
        }
        let scopes: BTreeSet<String> = calls.iter().filter_map(|c| after(c, "--scope")).map(str::to_owned).collect();
        let wanted: BTreeSet<String> = names.iter().map(|n| format!("the-id/secrets/{n}")).collect();
        if policies {
            prop_assert!(module.resources("azurerm_role_assignment").next().is_none() && scopes.is_empty());
            let block = module.resources("azurerm_key_vault_access_policy").next().unwrap();
            prop_assert_eq!(module.texts(block, "secret_permissions").unwrap(), ["Get"]);
        } else {
            prop_assert_eq!(scopes, wanted);
            let assigned = module.resources("azurerm_role_assignment").count();
            prop_assert_eq!(assigned, names.len() * who.len());
        }
    }

    #[test]
    fn google_round_trip(issuer in issuer(), who in prop::collection::btree_set(account(), 1..4),
        names in prop::collection::btree_set("[a-z][a-z0-9_-]{0,8}", 1..4), gke in any::<bool>(), known in any::<bool>()) {
        let mut options = options();
        if !known {
            options.google.number = None;
        }
        let accesses: Vec<Access> = names.iter().map(|name| Access {
            place: Place::SecretManager { project: None, location: None },
            verb: Verb::Read,
            scope: Scope::Name(name.clone()),
        }).collect();
        let identities = who.iter().map(|account| {
            let by = if gke { GoogleLogin::Gke { project: None } } else { GoogleLogin::Pool(None) };
            identity(Cloud::Google { by, impersonates: None }, account.clone(), "vault", accesses.clone())
        }).collect();
        let plan = Plan { issuer: Some(issuer.clone()), identities, notes: Vec::new() };
        let text = render(&plan, Target::Google, Form::Hcl, &settings(&options)).unwrap();
        let module = module(&text);
        if who.iter().all(plain) {
            clean("main.tf", &text);
        }
        let calls = calls(&render(&plan, Target::Google, Form::Shell, &settings(&options)).unwrap());
        let members: Vec<(String, Member)> = module.resources("google_secret_manager_secret_iam_member").map(|block| {
            let text = |name| module.text(block, name).unwrap();
            assert_eq!((text("project").as_str(), text("role").as_str()), ("blue-project", "roles/secretmanager.secretAccessor"));
            (text("secret_id"), Member::parse(&text("member")).unwrap())
        }).collect();
        let called: Vec<(String, Member)> = calls.iter().filter(|c| c.get(1).is_some_and(|w| w == "secrets")).map(|c| {
            (c[3].clone(), Member::parse(after(c, "--member").unwrap()).unwrap())
        }).collect();
        prop_assert_eq!(&members, &called);
        let pool_name = if gke { "blue-project.svc.id.goog" } else { "keyless" };
        for identity in &plan.identities {
            let ServiceAccount { namespace, name } = &identity.account;
            let subject = if gke { format!("ns/{namespace}/sa/{name}") } else { identity.subject() };
            let caller = |subject: &str| Caller::Federated {
                pool: crate::gcp::Pool { project: "123".into(), id: pool_name.into() },
                subject: subject.into(), attributes: Vec::new(), groups: Vec::new(),
            };
            for secret in &names {
                let may = |who: &Caller| members.iter().any(|(s, m)| s == secret && m.includes(who));
                prop_assert!(may(&caller(&subject)), "{members:?}");
                prop_assert!(!may(&caller(&another(&subject))));
            }
        }
        if !gke {
            let block = module.resources("google_iam_workload_identity_pool_provider").next().unwrap();
            let oidc = block.inner("oidc").next().unwrap();
            let name = PoolProvider::parse("//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/keyless/providers/cluster").unwrap();
            let audiences = module.texts(oidc, "allowed_audiences").unwrap();
            let provider = OidcProvider::new(name, &module.text(oidc, "issuer_uri").unwrap(), audiences).unwrap();
            prop_assert!(provider.judge(&claims(issuer.as_str(), "s", "vault"), 10).is_ok());
            prop_assert!(provider.judge(&claims(issuer.as_str(), "s", "other"), 10).is_err());
            prop_assert!(provider.judge(&claims(&another(&issuer), "s", "vault"), 10).is_err());
            let condition = module.text(block, "attribute_condition").unwrap();
            let create = calls.iter().find(|c| c.iter().any(|w| w == "create-oidc")).unwrap();
            prop_assert!(create.contains(&["--attribute-condition=", &condition].concat()));
        }
    }

    #[test]
    fn vault_round_trip(issuer in issuer(), who in prop::collection::btree_set(account(), 1..4),
        names in prop::collection::btree_set("[a-z][a-z0-9'\"$\\\\ {}-]{0,8}", 1..4), jwt in any::<bool>()) {
        let options = options();
        let accesses: Vec<Access> = names.iter().map(|name| Access {
            place: Place::Kv { mount: "kv".into(), versioned: true, namespace: None },
            verb: Verb::Read,
            scope: Scope::Name(name.clone()),
        }).collect();
        let identities = who.iter().enumerate().map(|(n, account)| {
            let cloud = Cloud::Vault {
                server: "https://vault.example.com".into(), namespace: None,
                method: if jwt { VaultMethod::Jwt } else { VaultMethod::Kubernetes },
                mount: "cluster".into(), role: format!("role-{n}"),
            };
            identity(cloud, account.clone(), "vault", accesses.clone())
        }).collect();
        let plan = Plan { issuer: Some(issuer.clone()), identities, notes: Vec::new() };
        let text = render(&plan, Target::Vault, Form::Hcl, &settings(&options)).unwrap();
        let module = module(&text);
        if who.iter().all(plain) {
            clean("main.tf", &text);
        }
        let calls = calls(&render(&plan, Target::Vault, Form::Shell, &settings(&options)).unwrap());
        for (n, identity) in plan.identities.iter().enumerate() {
            let at = format!("auth/cluster/role/role-{n}");
            let role = calls.iter().find(|c| c.contains(&at)).unwrap();
            let role: Value = serde_json::from_str(role.last().unwrap()).unwrap();
            let kind = if jwt { "vault_jwt_auth_backend_role" } else { "vault_kubernetes_auth_backend_role" };
            let block = module.resources(kind).nth(n).unwrap();
            let fields: &[&str] = if jwt { &["bound_subject", "bound_audiences", "role_type"] } else {
                &["bound_service_account_names", "bound_service_account_namespaces", "audience"]
            };
            for field in fields {
                prop_assert_eq!(module.value(block, field).unwrap(), role[*field].clone());
            }
            if jwt {
                prop_assert_eq!(role["bound_subject"].as_str().unwrap(), identity.subject());
            }
            let policy = module.text(module.resources("vault_policy").nth(n).unwrap(), "policy").unwrap();
            let rules = self::module(&policy);
            let paths: BTreeSet<String> = rules.blocks.iter().map(|b| b.labels[0].clone()).collect();
            let wanted: BTreeSet<String> = names.iter().map(|n| format!("kv/data/{n}")).collect();
            prop_assert_eq!(paths, wanted);
            let written = calls.iter().filter(|c| c.get(2).is_some_and(|w| w == "write")).nth(n).unwrap();
            prop_assert_eq!(written.last().unwrap().trim_end(), policy.trim_end());
        }
    }
}

/// Whether Kubernetes would take these names: others are findings, rightly.
fn plain(account: &ServiceAccount) -> bool {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain(&account.namespace) && plain(&account.name)
}

fn plan_of(cloud: Cloud, scope: Scope) -> Plan {
    let place = match &cloud {
        Cloud::Aws { .. } => Place::SecretsManager {
            region: "cn-north-1".into(),
        },
        Cloud::Azure { .. } => Place::KeyVault {
            url: "https://blue.vault.azure.net".into(),
        },
        Cloud::Google { .. } => Place::SecretManager {
            project: None,
            location: None,
        },
        Cloud::Vault { .. } => Place::Kv {
            mount: "kv".into(),
            versioned: true,
            namespace: None,
        },
    };
    let access = |verb| Access {
        place: place.clone(),
        verb,
        scope: scope.clone(),
    };
    let account = ServiceAccount::new("external-secrets", "external-secrets");
    Plan {
        issuer: Some(Issuer::parse("https://oidc.example.com/c1").unwrap()),
        identities: vec![identity(
            cloud,
            account,
            "sts.amazonaws.com",
            vec![access(Verb::Read), access(Verb::Search)],
        )],
        notes: Vec::new(),
    }
}

#[test]
fn partitions_searches_and_pod_identity() {
    let mut options = options();
    let aws = Cloud::Aws {
        role: None,
        chain: Vec::new(),
    };
    let plan = plan_of(aws, Scope::Everything);
    let text = render(&plan, Target::Aws, Form::Hcl, &settings(&options)).unwrap();
    clean("main.tf", &text);
    assert!(
        text.contains("arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:*"),
        "{text}"
    );
    assert!(text.contains("\"secretsmanager:ListSecrets\""), "{text}");
    let mut unknown = plan.clone();
    unknown.issuer = None;
    let missing = render(&unknown, Target::Aws, Form::Hcl, &settings(&options)).unwrap_err();
    assert!(missing.to_string().ends_with("give --issuer"), "{missing}");
    // Pod Identity needs no issuer at all.
    options.aws.pod_identity = Some("blue".into());
    options.aws.keys = vec!["arn:aws-cn:kms:cn-north-1:111122223333:key/0000".into()];
    let text = render(&unknown, Target::Aws, Form::Hcl, &settings(&options)).unwrap();
    clean("main.tf", &text);
    for part in [
        "aws_eks_pod_identity_association",
        "sts:TagSession",
        "secretsmanager.cn-north-1.amazonaws.com.cn",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("openid_connect_provider"), "{text}");
}

#[test]
fn chained_roles_read_at_the_end_of_the_chain() {
    let options = options();
    let last = Arn::parse("arn:aws:iam::111122223333:role/reader").unwrap();
    let cloud = Cloud::Aws {
        role: None,
        chain: vec![last.clone()],
    };
    let json = documents(
        &plan_of(cloud, Scope::Name("a".into())),
        Target::Aws,
        &settings(&options),
    )
    .unwrap();
    let own = json["roles"][0]["permissionPolicy"].to_string();
    assert!(
        own.contains("sts:AssumeRole") && own.contains(&last.to_string()),
        "{own}"
    );
    assert!(!own.contains("GetSecretValue"), "{own}");
    let chained = json["roles"][0]["chained"].to_string();
    assert!(chained.contains("GetSecretValue"), "{chained}");
}

#[test]
fn imports_and_what_is_refused() {
    let options = options();
    let gsa = Some("reader@blue-project.iam.gserviceaccount.com".to_owned());
    let google = Cloud::Google {
        by: GoogleLogin::Gke { project: None },
        impersonates: gsa,
    };
    let with = Settings {
        options: &options,
        import: true,
    };
    for (cloud, target) in [
        (
            Cloud::Aws {
                role: None,
                chain: Vec::new(),
            },
            Target::Aws,
        ),
        (
            Cloud::Azure {
                client: Some("0a1b2c3d-0000-4000-8000-000000000001".into()),
                tenant: None,
            },
            Target::Azure,
        ),
        (
            Cloud::Google {
                by: GoogleLogin::Pool(None),
                impersonates: None,
            },
            Target::Google,
        ),
        (google, Target::Google),
    ] {
        let mut plan = plan_of(cloud, Scope::Everything);
        if target == Target::Azure {
            plan.identities[0].audience = "api://AzureADTokenExchange".into();
        }
        let text = render(&plan, target, Form::Hcl, &with).unwrap();
        clean("main.tf", &text);
        let imports = module(&text)
            .blocks
            .iter()
            .filter(|b| b.kind == "import")
            .count();
        let pool = text.contains("workload_identity_pool\"");
        assert_eq!(imports > 0, target == Target::Aws || pool, "{text}");
        let json = documents(&plan, target, &with).unwrap();
        assert!(json.is_object());
    }
    let vault = |role: &str| Cloud::Vault {
        server: "s".into(),
        namespace: None,
        method: VaultMethod::Jwt,
        mount: "jwt".into(),
        role: role.into(),
    };
    for (cloud, scope, target) in [
        (vault("a/../b"), Scope::Name("a".into()), Target::Vault),
        (vault("a"), Scope::Name("a*".into()), Target::Vault),
        (vault("a"), Scope::Name("a/+/b".into()), Target::Vault),
        (
            Cloud::Azure {
                client: None,
                tenant: None,
            },
            Scope::Name("a/b".into()),
            Target::Azure,
        ),
        (
            Cloud::Google {
                by: GoogleLogin::Pool(None),
                impersonates: None,
            },
            Scope::Below("a\"b".into()),
            Target::Google,
        ),
    ] {
        let plan = plan_of(cloud, scope);
        let refused = render(&plan, target, Form::Hcl, &settings(&options));
        assert!(
            matches!(refused, Err(RenderError::Name { .. })),
            "{refused:?}"
        );
    }
    let many: Vec<String> = (0..200)
        .map(|n| format!("a-rather-long-name-of-a-secret/{n:060}"))
        .collect();
    let mut plan = plan_of(
        Cloud::Aws {
            role: None,
            chain: Vec::new(),
        },
        Scope::Everything,
    );
    let access = plan.identities[0].grants[0].clone();
    plan.identities[0].grants = many
        .into_iter()
        .map(|name| {
            let mut grant = access.clone();
            grant.access.scope = Scope::Name(name);
            grant
        })
        .collect();
    let refused = render(&plan, Target::Aws, Form::Json, &settings(&options));
    assert!(
        matches!(refused, Err(RenderError::TooMuch { .. })),
        "{refused:?}"
    );
}

#[test]
fn long_subjects_are_shortened_for_google() {
    let options = options();
    let mut plan = plan_of(
        Cloud::Google {
            by: GoogleLogin::Pool(None),
            impersonates: None,
        },
        Scope::Name("a".into()),
    );
    plan.identities[0].account = ServiceAccount::new("n".repeat(60), "s".repeat(60));
    let text = render(&plan, Target::Google, Form::Hcl, &settings(&options)).unwrap();
    assert!(text.contains("assertion.sub.extract("), "{text}");
    let subject = format!("/subject/{}:{}", "n".repeat(60), "s".repeat(60));
    assert!(text.contains(&subject), "{text}");
    plan.identities[0].account = ServiceAccount::new("n".repeat(63), "s".repeat(90));
    let refused = render(&plan, Target::Google, Form::Hcl, &settings(&options));
    assert!(
        matches!(refused, Err(RenderError::TooMuch { .. })),
        "{refused:?}"
    );
}
