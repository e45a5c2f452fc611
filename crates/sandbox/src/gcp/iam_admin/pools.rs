//! Workload identity pools: created, changed, softly deleted and had back.

use keyless_trust::gcp::Pool as PoolName;
use serde_json::{Value, json};

use super::super::answer::{Answer, timestamp};
use super::super::dispatch::Call;
use super::super::fields;
use super::super::pool::{KEPT, Pool, check_id};
use super::super::state::{Project, State};
use super::{bad, check_texts, exists, listing, missing, operations};

const KIND: &str = "WorkloadIdentityPool";
const AT: &str = "workload_identity_pool";
const FIELDS: [&str; 9] = [
    "name",
    "displayName",
    "description",
    "state",
    "disabled",
    "expireTime",
    "mode",
    "inlineCertificateIssuanceConfig",
    "inlineTrustConfig",
];

impl Pool {
    /// As the API shows it. What is empty or false is not shown.
    fn show(&self, name: &PoolName) -> Value {
        let mut shown = json!({"name": name.to_string(), "state": state(self.deleted)});
        if let Some(fields) = shown.as_object_mut() {
            describe(
                fields,
                &self.display_name,
                &self.description,
                self.disabled,
                self.deleted,
            );
        }
        shown
    }
}

pub(super) fn state(deleted: Option<i64>) -> &'static str {
    match deleted {
        Some(_) => "DELETED",
        None => "ACTIVE",
    }
}

/// The fields that pools and providers have in common.
pub(super) fn describe(
    fields: &mut serde_json::Map<String, Value>,
    display_name: &str,
    description: &str,
    disabled: bool,
    deleted: Option<i64>,
) {
    for (name, text) in [("displayName", display_name), ("description", description)] {
        if !text.is_empty() {
            fields.insert(name.to_owned(), json!(text));
        }
    }
    if disabled {
        fields.insert("disabled".to_owned(), json!(true));
    }
    if let Some(time) = deleted {
        fields.insert("expireTime".to_owned(), json!(timestamp(time + KEPT)));
    }
}

/// Adds a pool under a new id.
pub(in super::super) fn add(state: &mut State, name: &PoolName, pool: Pool) -> Result<(), Answer> {
    check_id("Pool", &name.id)?;
    if state.pools.contains_key(name) {
        return Err(exists());
    }
    state.pools.insert(name.clone(), pool);
    Ok(())
}

fn read(body: &Value) -> Result<Pool, Answer> {
    fields::known(body, AT, &FIELDS)?;
    let mode = fields::text(body, AT, "mode")?;
    let federation = matches!(&*mode, "" | "MODE_UNSPECIFIED" | "FEDERATION_ONLY");
    let inline = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if !federation || inline("inlineTrustConfig") || inline("inlineCertificateIssuanceConfig") {
        return Err(Answer::error(
            "UNIMPLEMENTED",
            "This emulator does not have pools of managed identities.",
        ));
    }
    let pool = Pool {
        display_name: fields::text(body, AT, "displayName")?,
        description: fields::text(body, AT, "description")?,
        disabled: fields::flag(body, AT, "disabled")?,
        ..Pool::default()
    };
    check_texts(&pool.display_name, &pool.description)?;
    Ok(pool)
}

pub(super) fn create(
    state: &mut State,
    call: &Call<'_>,
    project: &Project,
) -> Result<Answer, Answer> {
    fields::parameters(call, &["workloadIdentityPoolId"])?;
    let id = call.query("workloadIdentityPoolId").unwrap_or_default();
    check_id("Pool", &id)?;
    let name = PoolName::new(&project.number, &id).map_err(|error| bad(error.to_string()))?;
    let pool = read(&call.json()?)?;
    let shown = pool.show(&name);
    add(state, &name, pool)?;
    Ok(operations::begin(state, &name.to_string(), KIND, shown))
}

pub(super) fn list(state: &State, call: &Call<'_>, project: &Project) -> Result<Answer, Answer> {
    fields::parameters(call, &["pageSize", "pageToken", "showDeleted"])?;
    let all = shows_deleted(call);
    let shown = state
        .pools
        .iter()
        .filter(|(name, pool)| name.project == project.number && (all || pool.deleted.is_none()))
        .map(|(name, pool)| pool.show(name))
        .collect();
    listing::page(call, "workloadIdentityPools", shown, 50, 1000)
}

pub(super) fn shows_deleted(call: &Call<'_>) -> bool {
    call.query("showDeleted")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Something softly deleted cannot be changed or deleted. Ours: no report of the text was found.
pub(super) fn check_active(deleted: Option<i64>) -> Result<(), Answer> {
    match deleted {
        None => Ok(()),
        Some(_) => Err(Answer::error(
            "FAILED_PRECONDITION",
            "The entity is deleted; it can be viewed and undeleted only.",
        )),
    }
}

/// The opposite, for `undelete`.
pub(super) fn check_deleted(deleted: Option<i64>) -> Result<(), Answer> {
    match deleted {
        Some(_) => Ok(()),
        None => Err(Answer::error(
            "FAILED_PRECONDITION",
            "The entity is not deleted.",
        )),
    }
}

/// A method on one pool.
pub(super) fn call(
    state: &mut State,
    call: &Call<'_>,
    name: &PoolName,
    now: i64,
) -> Result<Answer, Answer> {
    let pool = state.pools.get_mut(name).ok_or_else(missing)?;
    match call.api {
        "GetWorkloadIdentityPool" => {
            fields::parameters(call, &[])?;
            return Ok(Answer::ok(pool.show(name)));
        }
        "UpdateWorkloadIdentityPool" => {
            fields::parameters(call, &["updateMask"])?;
            check_active(pool.deleted)?;
            let given = read(&call.json()?)?;
            let mut changed = pool.clone();
            for field in fields::mask(call)? {
                match field.as_str() {
                    "displayName" => changed.display_name.clone_from(&given.display_name),
                    "description" => changed.description.clone_from(&given.description),
                    "disabled" => changed.disabled = given.disabled,
                    other => return Err(unknown_path(other)),
                }
            }
            *pool = changed;
        }
        "DeleteWorkloadIdentityPool" => {
            fields::parameters(call, &[])?;
            check_active(pool.deleted)?;
            pool.deleted = Some(now);
        }
        _ => {
            fields::parameters(call, &[])?;
            fields::known(&call.json()?, "", &[])?;
            check_deleted(pool.deleted)?;
            pool.deleted = None;
        }
    }
    let shown = pool.show(name);
    Ok(operations::begin(state, &name.to_string(), KIND, shown))
}

pub(super) fn unknown_path(field: &str) -> Answer {
    bad(format!("Invalid update mask: {field} cannot be updated."))
}
