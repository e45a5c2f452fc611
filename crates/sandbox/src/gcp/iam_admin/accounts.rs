//! Service accounts: created, shown, switched off, and who may act as them.
//!
//! Refuses: keys, deletion.
//! See <https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts>.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::authorize::{Asking, denied};
use super::super::dispatch::Call;
use super::super::fields;
use super::super::iam::{Kind, Policy, request};
use super::super::state::{Account, Project, State};
use super::{bad, listing, missing};

pub(super) fn api(method: &Method, rest: &[&str], verb: Option<&str>) -> &'static str {
    match (method.as_str(), rest, verb) {
        ("POST", [], None) => "CreateServiceAccount",
        ("GET", [], None) => "ListServiceAccounts",
        ("GET", [_], None) => "GetServiceAccount",
        ("POST", [_], Some("enable")) => "EnableServiceAccount",
        ("POST", [_], Some("disable")) => "DisableServiceAccount",
        ("POST", [_], Some("getIamPolicy")) => "GetIamPolicy",
        ("POST", [_], Some("setIamPolicy")) => "SetIamPolicy",
        ("POST", [_], Some("testIamPermissions")) => "TestIamPermissions",
        _ => "Unknown",
    }
}

fn permission(api: &str) -> &'static str {
    match api {
        "CreateServiceAccount" => "iam.serviceAccounts.create",
        "ListServiceAccounts" => "iam.serviceAccounts.list",
        "GetServiceAccount" => "iam.serviceAccounts.get",
        "EnableServiceAccount" => "iam.serviceAccounts.enable",
        "DisableServiceAccount" => "iam.serviceAccounts.disable",
        "GetIamPolicy" => "iam.serviceAccounts.getIamPolicy",
        "SetIamPolicy" => "iam.serviceAccounts.setIamPolicy",
        _ => "",
    }
}

/// The address of an account; a project of a domain has its id turned round.
fn address(name: &str, project: &str) -> String {
    let host = match project.split_once(':') {
        Some((domain, id)) => format!("{id}.{domain}"),
        None => project.to_owned(),
    };
    format!("{name}@{host}.iam.gserviceaccount.com")
}

/// The project that an address names.
fn project_of(email: &str) -> Option<String> {
    let (_, host) = email.split_once('@')?;
    let host = host.strip_suffix(".iam.gserviceaccount.com")?;
    Some(match host.split_once('.') {
        Some((id, domain)) => format!("{domain}:{id}"),
        None => host.to_owned(),
    })
}

/// A new account that is not in the cloud yet.
pub(in super::super) fn new(name: &str, project: &str) -> Account {
    Account {
        email: address(name, project),
        unique_id: format!("1{:020}", rand::random::<u64>()),
        project: project.to_owned(),
        display_name: String::new(),
        description: String::new(),
        disabled: false,
        policy: Policy::of(Kind::Account),
        keys: BTreeMap::new(),
    }
}

fn show(account: &Account) -> Value {
    let mut shown = json!({
        "name": format!("projects/{}/serviceAccounts/{}", account.project, account.email),
        "projectId": account.project,
        "uniqueId": account.unique_id,
        "email": account.email,
        "etag": "MDEwMjE5MjA=",
        "oauth2ClientId": account.unique_id,
    });
    if let Some(fields) = shown.as_object_mut() {
        for (name, text) in [
            ("displayName", &account.display_name),
            ("description", &account.description),
        ] {
            if !text.is_empty() {
                fields.insert(name.to_owned(), json!(text));
            }
        }
        if account.disabled {
            fields.insert("disabled".to_owned(), json!(true));
        }
    }
    shown
}

/// A method on the accounts of `project`, which may be `-` where one account is named.
pub(super) fn call(
    state: &mut State,
    call: &Call<'_>,
    asking: Asking<'_>,
    project: &str,
    rest: &[&str],
) -> Result<Answer, Answer> {
    let permission = permission(call.api);
    let [name] = rest else {
        let resource = format!("//iam.googleapis.com/projects/{project}");
        let found = asking.project(state, project, permission, &resource)?;
        return match call.api {
            "CreateServiceAccount" => create(state, call, &found),
            _ => list(state, call, &found),
        };
    };
    let resource = format!("//iam.googleapis.com/projects/{project}/serviceAccounts/{name}");
    // Where only the account is named, its address tells the project.
    let of = match project {
        "-" => project_of(name).and_then(|id| state.project(&id)),
        project => state.project(project),
    };
    let of = of.map(|found| found.id.clone());
    let found = state
        .account(name)
        .filter(|account| project == "-" || of.as_deref() == Some(&account.project));
    let Some(account) = found else {
        // Only to look at one is told apart, for those who may look at the project's.
        let sees = of
            .and_then(|id| state.project(&id))
            .is_some_and(|project| asking.may_in(project, permission));
        return Err(match (call.api, sees) {
            ("GetServiceAccount", true) => {
                Answer::error("NOT_FOUND", format!("Unknown service account: {name}"))
            }
            _ => denied(permission, &resource),
        });
    };
    if call.api == "TestIamPermissions" {
        return request::test(call, |permission| asking.may_on(state, account, permission));
    }
    if !asking.may_on(state, account, permission) {
        return Err(denied(permission, &resource));
    }
    let email = account.email.clone();
    match call.api {
        "GetServiceAccount" => {
            fields::parameters(call, &[])?;
            Ok(Answer::ok(show(account)))
        }
        "GetIamPolicy" => request::get(&account.policy, call),
        "SetIamPolicy" => {
            let changed = request::set(state, &account.policy, call)?;
            let shown = changed.show();
            state.accounts.get_mut(&email).ok_or_else(missing)?.policy = changed;
            Ok(Answer::ok(shown))
        }
        _ => {
            fields::parameters(call, &[])?;
            fields::known(&call.json()?, "", &[])?;
            let account = state.accounts.get_mut(&email).ok_or_else(missing)?;
            account.disabled = call.api == "DisableServiceAccount";
            Ok(Answer::ok(json!({})))
        }
    }
}

fn create(state: &mut State, call: &Call<'_>, project: &Project) -> Result<Answer, Answer> {
    fields::parameters(call, &[])?;
    let request = call.json()?;
    fields::known(&request, "", &["accountId", "serviceAccount"])?;
    let id = fields::text(&request, "", "accountId")?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (6..=30).contains(&id.len())
        && id.bytes().all(plain)
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-');
    if !good {
        return Err(bad(format!(
            "Invalid service account ID {id}: it must have 6 to 30 lowercase letters, digits and \
             hyphens, begin with a letter and not end with a hyphen."
        )));
    }
    let none = json!({});
    let given = request.get("serviceAccount").unwrap_or(&none);
    let at = "service_account";
    fields::known(given, at, &["displayName", "description", "name", "email"])?;
    let mut account = new(&id, &project.id);
    account.display_name = fields::text(given, at, "displayName")?;
    account.description = fields::text(given, at, "description")?;
    if account.display_name.len() > 100 || account.description.len() > 256 {
        return Err(bad(
            "The display name must have at most 100 bytes, the description at most 256.",
        ));
    }
    if state.accounts.contains_key(&account.email) {
        return Err(Answer::error(
            "ALREADY_EXISTS",
            format!(
                "Service account {id} already exists within project projects/{}.",
                project.id
            ),
        ));
    }
    let shown = show(&account);
    state.accounts.insert(account.email.clone(), account);
    Ok(Answer::ok(shown))
}

fn list(state: &State, call: &Call<'_>, project: &Project) -> Result<Answer, Answer> {
    fields::parameters(call, &["pageSize", "pageToken"])?;
    let shown = state
        .accounts
        .values()
        .filter(|account| account.project == project.id)
        .map(show)
        .collect();
    listing::page(call, "accounts", shown, 20, 100)
}
