//! OpenID Connect providers.

use keyless_trust::aws::{Arn, Partition};
use keyless_trust::provider::{Provider, ProviderError};

use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Form, Xml, timestamp};
use super::super::state::{ProviderRecord, State, Tags};
use super::{Answer, allow, exists, no_such, own_arn, read_tags, unknown_action, write_tags};

pub(super) fn call(state: &mut State, call: &Call, form: &Form) -> Answer {
    match call.action.as_str() {
        "CreateOpenIDConnectProvider" => create_called(state, call, form).map(Some),
        "GetOpenIDConnectProvider" => find(state, call, form).map(|record| Some(one(record))),
        "ListOpenIDConnectProviders" => list(state, call).map(Some),
        "DeleteOpenIDConnectProvider" => {
            // Deleting what is not there is not an error at AWS.
            let arn = form.required("OpenIDConnectProviderArn")?;
            allow(state, call, arn)?;
            state.providers.remove(arn);
            Ok(None)
        }
        _ => change(find(state, call, form)?, call, form).map(|()| None),
    }
}

fn create_called(state: &mut State, call: &Call, form: &Form) -> Result<Xml, ApiError> {
    let url = form.required("Url")?;
    let bare = url.strip_prefix("https://").unwrap_or(url);
    allow(
        state,
        call,
        &own_arn(call, &format!("oidc-provider/{bare}"))?.to_string(),
    )?;
    let provider = build(url, form.list("ClientIDList"), form.list("ThumbprintList"))?;
    let tags = read_tags(form)?;
    let (partition, account) = (call.partition(), call.account()?);
    let arn = create(state, partition, account, provider, tags.clone(), call.now)?;
    let mut x = Xml::new();
    x.text("OpenIDConnectProviderArn", arn.to_string());
    write_tags(&mut x, &tags);
    Ok(x)
}

fn list(state: &State, call: &Call) -> Result<Xml, ApiError> {
    allow(state, call, &own_arn(call, "oidc-provider/*")?.to_string())?;
    let own = own_arn(call, "oidc-provider/")?.to_string();
    let arns = state.providers.keys().filter(|a| a.starts_with(&own));
    let mut x = Xml::new();
    x.list("OpenIDConnectProviderList", arns, |x, arn| {
        x.text("Arn", arn);
    });
    Ok(x)
}

/// The URL comes back without its scheme, as at AWS.
fn one(record: &ProviderRecord) -> Xml {
    let mut x = Xml::new();
    x.text("Url", record.provider.issuer.host_path());
    x.texts("ClientIDList", &record.provider.client_ids);
    x.texts("ThumbprintList", &record.provider.thumbprints);
    x.text("CreateDate", timestamp(record.created));
    write_tags(&mut x, &record.tags);
    x
}

/// The APIs that change a part of a provider.
fn change(record: &mut ProviderRecord, call: &Call, form: &Form) -> Result<(), ApiError> {
    let provider = &mut record.provider;
    match call.action.as_str() {
        "AddClientIDToOpenIDConnectProvider" => {
            let id = form.required("ClientID")?.to_owned();
            provider.add_client_id(id).map_err(|e| refused(&e))?;
        }
        "RemoveClientIDFromOpenIDConnectProvider" => {
            let id = form.required("ClientID")?;
            provider.client_ids.retain(|c| c != id);
        }
        "UpdateOpenIDConnectProviderThumbprint" => {
            provider
                .set_thumbprints(form.list("ThumbprintList"))
                .map_err(|e| refused(&e))?;
        }
        "TagOpenIDConnectProvider" => record.tags.extend(read_tags(form)?),
        "UntagOpenIDConnectProvider" => {
            let keys = form.list("TagKeys");
            record.tags.retain(|k, _| !keys.contains(k));
        }
        _ => return Err(unknown_action(call)),
    }
    Ok(())
}

/// Checks a provider's parts.
pub(in super::super) fn build(
    url: &str,
    client_ids: Vec<String>,
    thumbprints: Vec<String>,
) -> Result<Provider, ApiError> {
    Provider::new(url, client_ids, thumbprints).map_err(|e| refused(&e))
}

/// Stores a provider; its URL must be new to the account.
pub(in super::super) fn create(
    state: &mut State,
    partition: Partition,
    account: &str,
    provider: Provider,
    tags: Tags,
    now: i64,
) -> Result<Arn, ApiError> {
    let arn = provider.arn(partition, account);
    if state.providers.contains_key(&arn.to_string()) {
        return Err(exists(format!(
            "Provider with url {} already exists.",
            provider.issuer
        )));
    }
    state.providers.insert(
        arn.to_string(),
        ProviderRecord {
            provider,
            created: now,
            tags,
        },
    );
    Ok(arn)
}

fn refused(error: &ProviderError) -> ApiError {
    match error {
        ProviderError::ClientIds => ApiError::new(409, "LimitExceeded", error.to_string()),
        ProviderError::Url(_) => {
            ApiError::bad("ValidationError", "Invalid Open ID Connect Provider URL")
        }
        ProviderError::Thumbprints => ApiError::bad(
            "InvalidInput",
            "Thumbprint list must contain fewer than 5 entries.",
        ),
        _ => ApiError::bad("InvalidInput", error.to_string()),
    }
}

fn find<'a>(
    state: &'a mut State,
    call: &Call,
    form: &Form,
) -> Result<&'a mut ProviderRecord, ApiError> {
    let arn = form.required("OpenIDConnectProviderArn")?;
    allow(state, call, arn)?;
    if Arn::parse(arn).is_err() {
        return Err(ApiError::bad("ValidationError", "Invalid ARN"));
    }
    state
        .providers
        .get_mut(arn)
        .ok_or_else(|| no_such(format!("OpenIDConnect Provider not found for arn {arn}")))
}
