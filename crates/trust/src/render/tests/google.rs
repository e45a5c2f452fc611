//! What gcloud and Google's API taught: several projects, regions, lists with commas, states.

use super::*;

fn read(project: &str, location: Option<&str>, scope: Scope) -> Access {
    Access {
        place: Place::SecretManager {
            project: Some(project.into()),
            location: location.map(str::to_owned),
        },
        verb: Verb::Read,
        scope,
    }
}

fn plan(by: GoogleLogin, impersonates: Option<&str>, audience: &str, access: Access) -> Plan {
    let cloud = Cloud::Google {
        by,
        impersonates: impersonates.map(str::to_owned),
    };
    let account = ServiceAccount::new("shop", "web");
    Plan {
        issuer: Some(Issuer::parse("https://issuer.example").unwrap()),
        identities: vec![identity(cloud, account, audience, vec![access])],
        notes: Vec::new(),
    }
}

fn shell(plan: &Plan, options: &Options) -> String {
    render(plan, Target::Google, Form::Shell, &settings(options)).unwrap()
}

/// A condition is about secrets by the number of their own project, not of the pool's.
#[test]
fn each_project_has_its_own_number() {
    let options = options();
    let access = read("green-project", None, Scope::Below("team-".into()));
    let plan = plan(GoogleLogin::Pool(None), None, "", access);
    let script = shell(&plan, &options);
    for wanted in [
        "number=$(printf %s 123)\n",
        "number_2=$(gcloud projects describe green-project ",
        "secrets/team-\"),title=names' \"$number_2\")",
        "%s%s \"$number\" /locations/global/workloadIdentityPools/keyless/subject/",
    ] {
        assert!(script.contains(wanted), "{wanted} in:\n{script}");
    }
    let text = render(&plan, Target::Google, Form::Hcl, &settings(&options)).unwrap();
    let mut module = module(&text);
    module.know("data.google_project.green_project.number", "456");
    let member = module
        .resources("google_project_iam_member")
        .next()
        .unwrap();
    assert_eq!(module.text(member, "project").unwrap(), "green-project");
    let condition = member.inner("condition").next().unwrap();
    assert_eq!(
        module.text(condition, "expression").unwrap(),
        "resource.name.startsWith(\"projects/456/secrets/team-\")"
    );
    clean("main.tf", &text);
    let json = documents(&plan, Target::Google, &settings(&options)).unwrap();
    let condition = json.pointer("/principals/0/bindings/0/condition").unwrap();
    assert!(
        condition.as_str().unwrap().contains("PROJECT_NUMBER"),
        "{json}"
    );
}

#[test]
fn gke_in_another_project_has_its_number() {
    let mut options = options();
    options.google.number = None;
    let by = GoogleLogin::Gke {
        project: Some("clusters".into()),
    };
    let access = read("blue-project", None, Scope::Name("a".into()));
    let plan = plan(by, None, "clusters.svc.id.goog", access);
    let script = shell(&plan, &options);
    assert!(
        script.contains("number=$(gcloud projects describe clusters "),
        "{script}"
    );
    let text = render(&plan, Target::Google, Form::Hcl, &settings(&options)).unwrap();
    let mut module = module(&text);
    module.know("data.google_project.clusters.number", "789");
    let kind = "google_secret_manager_secret_iam_member";
    let member = module.resources(kind).next().unwrap();
    let member = module.text(member, "member").unwrap();
    assert!(member.contains("/projects/789/"), "{member}");
}

#[test]
fn what_gcloud_must_be_told() {
    let options = options();
    let access = read(
        "blue-project",
        Some("europe-west3"),
        Scope::Name("a".into()),
    );
    let email = "reader@red-project.iam.gserviceaccount.com";
    let plan = plan(GoogleLogin::Pool(None), Some(email), "one,two", access);
    let script = shell(&plan, &options);
    for wanted in [
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER=https://secretmanager.europe-west3.rep.googleapis.com/ gcloud secrets ",
        "gcloud iam service-accounts create reader --project=red-project\n",
        &format!("projects/-/serviceAccounts/{email} "),
        "DELETED*) gcloud iam workload-identity-pools undelete keyless ",
        "DELETED*) gcloud iam workload-identity-pools providers undelete cluster ",
        "'--allowed-audiences=^;^one,two' --no-disabled\n",
    ] {
        assert!(script.contains(wanted), "{wanted} in:\n{script}");
    }
    let calls = calls(&script);
    let bindings = calls
        .iter()
        .filter(|c| c.iter().any(|w| w == "add-iam-policy-binding"));
    for call in bindings {
        assert!(call.iter().any(|w| w == "--condition=None"), "{call:?}");
    }
    // An account whose address does not tell its project is not made.
    let mut other = plan.clone();
    if let Cloud::Google { impersonates, .. } = &mut other.identities[0].cloud {
        *impersonates = Some("123-compute@developer.gserviceaccount.com".into());
    }
    let script = shell(&other, &options);
    assert!(!script.contains("service-accounts create"), "{script}");
    assert!(
        script.contains("projects/-/serviceAccounts/123-compute@"),
        "{script}"
    );
}

/// What is there already is not made again, whatever state it is in.
#[test]
fn states_decide_what_is_called() {
    let options = options();
    let access = read("blue-project", None, Scope::Name("a".into()));
    let script = shell(&plan(GoogleLogin::Pool(None), None, "", access), &options);
    for (said, verbs) in [
        ("ACTIVE\tFalse", &["update-oidc"][..]),
        ("ACTIVE\t", &["update-oidc"]),
        ("ACTIVE\tTrue", &["update", "update-oidc"]),
        ("DELETED\t", &["undelete", "undelete", "update-oidc"]),
        ("", &["create", "create-oidc", "update-oidc"]),
    ] {
        let stub = format!(
            "gcloud() {{ case \"$*\" in *value*state*) printf '%s' '{said}'; return;; esac; log gcloud \"$@\"; }}\n"
        );
        let called: Vec<String> = calls(&format!("{stub}{script}"))
            .iter()
            .filter(|call| call[2] == "workload-identity-pools")
            .map(|call| {
                if call[3] == "providers" {
                    call[4].clone()
                } else {
                    call[3].clone()
                }
            })
            .collect();
        assert_eq!(called, verbs, "{said:?}");
    }
}
