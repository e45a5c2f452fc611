//! Providers of workload identity pools, for OpenID Connect issuers and AWS accounts.
//!
//! Owns: their form at the API. The rules are in `pool`.

use keyless_trust::gcp::{Pool as PoolName, PoolProvider};
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::fields;
use super::super::organisation;
use super::super::pool::{AwsProvider, Kind, OidcProvider, Provider, check_id};
use super::super::state::State;
use super::pools::{check_active, check_deleted, describe, shows_deleted, unknown_path};
use super::{bad, check_texts, exists, listing, missing, operations};

const KIND: &str = "WorkloadIdentityPoolProvider";
const AT: &str = "workload_identity_pool_provider";
const FIELDS: [&str; 12] = [
    "name",
    "displayName",
    "description",
    "state",
    "disabled",
    "attributeMapping",
    "attributeCondition",
    "expireTime",
    "oidc",
    "aws",
    "saml",
    "x509",
];
const MASK: [&str; 11] = [
    "displayName",
    "description",
    "disabled",
    "attributeMapping",
    "attributeCondition",
    "oidc",
    "oidc.issuerUri",
    "oidc.allowedAudiences",
    "oidc.jwksJson",
    "aws",
    "aws.accountId",
];

/// As the API shows it.
fn show(provider: &Provider, name: &PoolProvider) -> Value {
    let full = name.to_string();
    let full = full.trim_start_matches("//iam.googleapis.com/");
    let mut shown = Map::new();
    shown.insert("name".into(), json!(full));
    shown.insert("state".into(), json!(super::pools::state(provider.deleted)));
    describe(
        &mut shown,
        &provider.display_name,
        &provider.description,
        provider.disabled,
        provider.deleted,
    );
    let mapping: Map<String, Value> = provider
        .mapping
        .iter()
        .map(|(name, expression)| (name.clone(), json!(expression.text())))
        .collect();
    shown.insert("attributeMapping".into(), Value::Object(mapping));
    if let Some(condition) = &provider.condition {
        shown.insert("attributeCondition".into(), json!(condition.text()));
    }
    match &provider.kind {
        Kind::Oidc { rules, given, .. } => {
            let mut oidc = Map::new();
            oidc.insert("issuerUri".into(), json!(rules.issuer.as_str()));
            if !given.audiences.is_empty() {
                oidc.insert("allowedAudiences".into(), json!(given.audiences));
            }
            if let Some(jwks) = &given.jwks {
                oidc.insert("jwksJson".into(), json!(jwks));
            }
            shown.insert("oidc".into(), Value::Object(oidc));
        }
        Kind::Aws { account } => {
            shown.insert("aws".into(), json!({"accountId": account}));
        }
    }
    Value::Object(shown)
}

/// A provider as a request describes it.
fn read(body: &Value, name: &PoolProvider) -> Result<Provider, Answer> {
    fields::known(body, AT, &FIELDS)?;
    let mapping = match body.get("attributeMapping") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(pairs)) => pairs
            .iter()
            .map(|(name, text)| {
                let text = text.as_str().ok_or_else(|| {
                    bad(format!(
                        "Invalid value at '{AT}.attribute_mapping' (TYPE_STRING)"
                    ))
                })?;
                Ok((name.clone(), text.to_owned()))
            })
            .collect::<Result<_, Answer>>()?,
        Some(_) => return Err(bad(format!("Invalid value at '{AT}.attribute_mapping'"))),
    };
    let condition = Some(fields::text(body, AT, "attributeCondition")?).filter(|c| !c.is_empty());
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    let mut provider = match (given("oidc"), given("aws")) {
        (Some(oidc), None) => {
            let at = format!("{AT}.oidc");
            fields::known(oidc, &at, &["issuerUri", "allowedAudiences", "jwksJson"])?;
            if mapping.is_empty() {
                return Err(bad(
                    "The attribute mapping must have an expression for google.subject.",
                ));
            }
            let audiences = oidc.get("allowedAudiences").cloned();
            let audiences = audiences
                .filter(|list| !list.is_null())
                .unwrap_or(json!([]));
            let audiences = serde_json::from_value(audiences).map_err(|_| {
                bad(format!(
                    "Invalid value at '{at}.allowed_audiences' (TYPE_STRING)"
                ))
            })?;
            let oidc = OidcProvider {
                issuer: fields::text(oidc, &at, "issuerUri")?,
                audiences,
                mapping,
                condition,
                jwks: Some(fields::text(oidc, &at, "jwksJson")?).filter(|keys| !keys.is_empty()),
            };
            oidc.check(name.clone())?
        }
        (None, Some(aws)) => {
            let at = format!("{AT}.aws");
            fields::known(aws, &at, &["accountId"])?;
            let aws = AwsProvider {
                account: fields::text(aws, &at, "accountId")?,
                mapping,
                condition,
            };
            aws.check()?
        }
        _ if given("saml").or(given("x509")).is_some() => {
            return Err(Answer::error(
                "UNIMPLEMENTED",
                "This emulator does not have providers for SAML and X.509.",
            ));
        }
        _ => {
            return Err(bad(
                "Exactly one of oidc, aws, saml and x509 must be specified.",
            ));
        }
    };
    provider.display_name = fields::text(body, AT, "displayName")?;
    provider.description = fields::text(body, AT, "description")?;
    provider.disabled = fields::flag(body, AT, "disabled")?;
    check_texts(&provider.display_name, &provider.description)?;
    Ok(provider)
}

/// Adds a provider under a new id to a pool that is not deleted.
pub(in super::super) fn add(
    state: &mut State,
    name: &PoolProvider,
    provider: Provider,
) -> Result<(), Answer> {
    check_id("Provider", &name.id)?;
    if let Kind::Oidc { rules, .. } = &provider.kind {
        organisation::allows(state, &name.pool.project, rules.issuer.as_str())?;
    }
    let pool = state.pools.get_mut(&name.pool).ok_or_else(missing)?;
    check_active(pool.deleted)?;
    if pool.providers.contains_key(&name.id) {
        return Err(exists());
    }
    pool.providers.insert(name.id.clone(), provider);
    Ok(())
}

fn resource(name: &PoolProvider) -> String {
    format!("{}/providers/{}", name.pool, name.id)
}

pub(super) fn create(
    state: &mut State,
    call: &Call<'_>,
    pool: &PoolName,
) -> Result<Answer, Answer> {
    fields::parameters(call, &["workloadIdentityPoolProviderId"])?;
    let id = call.query("workloadIdentityPoolProviderId");
    let name = PoolProvider {
        pool: pool.clone(),
        id: id.unwrap_or_default(),
    };
    check_id("Provider", &name.id)?;
    let provider = read(&call.json()?, &name)?;
    let shown = show(&provider, &name);
    add(state, &name, provider)?;
    Ok(operations::begin(state, &resource(&name), KIND, shown))
}

pub(super) fn list(state: &State, call: &Call<'_>, pool: &PoolName) -> Result<Answer, Answer> {
    fields::parameters(call, &["pageSize", "pageToken", "showDeleted"])?;
    let all = shows_deleted(call);
    let found = state.pools.get(pool).ok_or_else(missing)?;
    let shown = found
        .providers
        .iter()
        .filter(|(_, provider)| all || provider.deleted.is_none())
        .map(|(id, provider)| {
            let name = PoolProvider {
                pool: pool.clone(),
                id: id.clone(),
            };
            show(provider, &name)
        });
    let field = "workloadIdentityPoolProviders";
    listing::page(call, field, shown.collect(), 50, 100)
}

/// A method on one provider.
pub(super) fn call(
    state: &mut State,
    call: &Call<'_>,
    pool: &PoolName,
    id: &str,
    now: i64,
) -> Result<Answer, Answer> {
    let name = PoolProvider {
        pool: pool.clone(),
        id: id.to_owned(),
    };
    let of = state.pools.get_mut(pool).ok_or_else(missing)?;
    let of_deleted = of.deleted;
    let provider = of.providers.get_mut(id).ok_or_else(missing)?;
    if call.api == "GetWorkloadIdentityPoolProvider" {
        fields::parameters(call, &[])?;
        return Ok(Answer::ok(show(provider, &name)));
    }
    check_active(of_deleted)?;
    match call.api {
        "UpdateWorkloadIdentityPoolProvider" => {
            fields::parameters(call, &["updateMask"])?;
            check_active(provider.deleted)?;
            let request = call.json()?;
            fields::known(&request, AT, &FIELDS)?;
            let mut merged = show(provider, &name);
            for field in fields::mask(call)? {
                if !MASK.contains(&field.as_str()) {
                    return Err(unknown_path(&field));
                }
                put(&mut merged, &request, &field);
            }
            *provider = read(&merged, &name)?;
        }
        "DeleteWorkloadIdentityPoolProvider" => {
            fields::parameters(call, &[])?;
            check_active(provider.deleted)?;
            provider.deleted = Some(now);
        }
        _ => {
            fields::parameters(call, &[])?;
            fields::known(&call.json()?, "", &[])?;
            check_deleted(provider.deleted)?;
            provider.deleted = None;
        }
    }
    let shown = show(provider, &name);
    Ok(operations::begin(state, &resource(&name), KIND, shown))
}

/// Puts the field at `path` of one object in the place of the other's; absent takes it away.
fn put(into: &mut Value, from: &Value, path: &str) {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let Some(fields) = into.as_object_mut() else {
        return;
    };
    let given = from.get(first);
    match (rest, given) {
        (Some(rest), given) => {
            let inner = fields.entry(first).or_insert_with(|| json!({}));
            put(inner, given.unwrap_or(&Value::Null), rest);
        }
        (None, Some(value)) => {
            fields.insert(first.to_owned(), value.clone());
        }
        (None, None) => {
            fields.remove(first);
        }
    }
}
