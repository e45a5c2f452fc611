//! A script for gcloud.
//!
//! Owns: what has to be said to gcloud so that it asks nothing, fails on nothing that exists
//! already, and speaks to the right endpoint.

use std::collections::BTreeMap;

use super::super::{Binding, IMPERSONATOR, Model, On, PoolSide, Principal};
use super::POOLS;
use crate::render::shell::{Script, Word};
use crate::render::{Target, head, reasons};

/// Where gcloud looks for the endpoint of Secret Manager.
const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
/// Once a policy has a condition, gcloud wants to be told about conditions each time.
const UNCONDITIONAL: &str = "--condition=None";

/// Variables that hold the numbers of projects.
type Numbers<'a> = BTreeMap<&'a str, String>;

fn gcloud(words: &str, more: &[String]) -> Vec<Word<'static>> {
    let words = std::iter::once("gcloud").chain(words.split(' '));
    let words = words.map(|word| Word::from(word.to_owned()));
    words
        .chain(more.iter().map(|word| Word::from(word.clone())))
        .collect()
}

fn variable(name: &str) -> Word<'static> {
    Word::Named(name.to_owned())
}

pub(in crate::render) fn shell(model: &Model<'_>) -> String {
    let mut s = Script::new(&head(Target::Google));
    s.gap();
    let numbers = numbers(&mut s, model);
    accounts(&mut s, model);
    if let Some(side) = &model.pool {
        pool(&mut s, model, side);
    }
    for principal in &model.principals {
        s.gap();
        s.comment(&reasons(principal.identity));
        member(&mut s, model, &numbers, principal);
        if let Some(email) = principal.impersonates {
            // The address alone does not always tell the project.
            let account = format!("projects/-/serviceAccounts/{email}");
            let mut words = gcloud(
                "iam service-accounts add-iam-policy-binding",
                &[
                    account,
                    format!("--role={IMPERSONATOR}"),
                    UNCONDITIONAL.into(),
                    "--member".into(),
                ],
            );
            words.push(variable("member"));
            s.run(&words);
            let email = format!("serviceAccount:{email}");
            s.set("member", &["printf".into(), "%s".into(), email.into()]);
        }
        for binding in &principal.grants {
            self::binding(&mut s, &numbers, binding);
        }
    }
    s.finish()
}

fn numbers<'m>(s: &mut Script, model: &'m Model<'_>) -> Numbers<'m> {
    let mut out = Numbers::new();
    for project in model.numbered() {
        let name = match out.len() {
            0 => "number".to_owned(),
            n => format!("number_{}", n + 1),
        };
        match model.number_of(project) {
            Some(number) if !model.guessed => {
                s.set(&name, &["printf".into(), "%s".into(), number.into()]);
            }
            known => {
                let words = [
                    project.to_owned(),
                    "--format=value(projectNumber)".to_owned(),
                ];
                s.set(&name, &gcloud("projects describe", &words));
                if let Some(number) = known {
                    s.require(
                        &name,
                        number,
                        &format!(
                            "The stores name a pool of the project with the number {number}, \
                             which {project} is not: name its project with --google-project."
                        ),
                    );
                }
            }
        }
        out.insert(project, name);
    }
    out
}

/// Google service accounts that are impersonated, as far as their addresses tell the project.
fn accounts(s: &mut Script, model: &Model<'_>) {
    let mut emails: Vec<&str> = model
        .principals
        .iter()
        .filter_map(|principal| principal.impersonates)
        .collect();
    emails.sort_unstable();
    emails.dedup();
    for email in emails {
        let made = email
            .strip_suffix(".iam.gserviceaccount.com")
            .and_then(|rest| rest.split_once('@'))
            .filter(|(_, project)| !project.contains('.'));
        if let Some((name, project)) = made {
            s.unless(
                &gcloud("iam service-accounts describe", &[email.to_owned()]),
                &gcloud(
                    "iam service-accounts create",
                    &[name.to_owned(), format!("--project={project}")],
                ),
            );
        }
    }
}

/// A list for gcloud, which splits at commas unless another sign is named.
fn list(items: &[String]) -> String {
    let has = |sign: char| items.iter().any(|item| item.contains(sign));
    match [',', ';', '|', '~', '!']
        .into_iter()
        .find(|sign| !has(*sign))
    {
        None | Some(',') => items.join(","),
        Some(sign) => format!("^{sign}^{}", items.join(&sign.to_string())),
    }
}

fn pool(s: &mut Script, model: &Model<'_>, side: &PoolSide) {
    const GROUP: &str = "iam workload-identity-pools";
    let place = [
        "--location=global".to_owned(),
        format!("--project={}", model.project),
    ];
    let pool = [&[side.pool.clone()][..], &place].concat();
    let of = format!("--workload-identity-pool={}", side.pool);
    let provider = [&[side.provider.clone()][..], &place, &[of]].concat();
    let call = |verb: &str, words: &[String]| gcloud(&format!("{GROUP} {verb}"), words);
    let state = |words: &[String]| [words, &["--format=value(state,disabled)".to_owned()]].concat();
    let enable = [&pool[..], &["--no-disabled".to_owned()]].concat();

    s.comment("A deleted pool or provider keeps its id for 30 days and is had back.");
    s.by_state(
        &call("describe", &state(&pool)),
        &[
            ("DELETED*", call("undelete", &pool)),
            ("*True", call("update", &enable)),
            ("''", call("create", &pool)),
        ],
    );
    let mut rules = provider.clone();
    rules.push(format!("--issuer-uri={}", side.issuer));
    rules.push(format!(
        "--attribute-mapping=google.subject={}",
        side.mapping()
    ));
    rules.push(format!("--attribute-condition={}", side.condition()));
    let mut create = rules.clone();
    if !side.audiences.is_empty() {
        create.push(format!("--allowed-audiences={}", list(&side.audiences)));
    }
    s.by_state(
        &call("providers describe", &state(&provider)),
        &[
            ("DELETED*", call("providers undelete", &provider)),
            ("''", call("providers create-oidc", &create)),
        ],
    );
    // An empty list takes away what another one left.
    rules.push(format!("--allowed-audiences={}", list(&side.audiences)));
    rules.push("--no-disabled".into());
    s.run(&call("providers update-oidc", &rules));
}

/// Sets the variable `member` to the principal of a policy.
fn member(s: &mut Script, model: &Model<'_>, numbers: &Numbers<'_>, principal: &Principal<'_>) {
    let (pool, project) = model.pool_of(principal);
    let rest = format!(
        "/locations/global/workloadIdentityPools/{pool}/subject/{}",
        principal.subject
    );
    s.set(
        "member",
        &[
            "printf".into(),
            format!("principal://{POOLS}/%s%s").into(),
            number(numbers, project),
            rest.into(),
        ],
    );
}

fn number(numbers: &Numbers<'_>, project: &str) -> Word<'static> {
    variable(numbers.get(project).map_or("number", String::as_str))
}

fn binding(s: &mut Script, numbers: &Numbers<'_>, binding: &Binding) {
    let role = format!("--role={}", binding.role);
    let mut words = match &binding.on {
        On::Secret(id) => {
            let project = format!("--project={}", binding.project);
            let mut all = vec![id.clone(), project, role, UNCONDITIONAL.into()];
            all.extend(binding.location.iter().map(|l| format!("--location={l}")));
            let mut words = gcloud("secrets add-iam-policy-binding", &all);
            if let Some(location) = &binding.location {
                // Only its own endpoint knows a regional secret, and gcloud does not choose it.
                let endpoint = format!("https://secretmanager.{location}.rep.googleapis.com/");
                words.insert(0, format!("{ENDPOINT}={endpoint}").into());
            }
            words
        }
        On::Prefix(_) | On::Project => {
            let mut words = gcloud(
                "projects add-iam-policy-binding",
                &[binding.project.clone(), role],
            );
            match binding.condition("%s") {
                Some(condition) => {
                    let pattern = format!("expression={condition},title=names");
                    s.set(
                        "condition",
                        &[
                            "printf".into(),
                            pattern.into(),
                            number(numbers, &binding.project),
                        ],
                    );
                    words.push("--condition".into());
                    words.push(variable("condition"));
                }
                None => words.push(UNCONDITIONAL.into()),
            }
            words
        }
    };
    words.push("--member".into());
    words.push(variable("member"));
    s.run(&words);
}
