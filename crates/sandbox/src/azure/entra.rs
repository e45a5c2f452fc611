//! Entra: discovery documents and the token endpoint.
//!
//! Owns: the order of the checks, which decides what a refusal tells: tenant, client, proof,
//! resource. Texts of refusals are Entra's, as its users report them.

mod assertion;
mod certificate;
mod refusal;

use serde_json::json;

use super::answer::Answer;
use super::dispatch::Call;
use super::state::Client;
use super::{Azure, graph, token};
use refusal::Refusal;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// What tokens can be for. Key Vault's first; the others are what command lines ask for.
const RESOURCES: [&str; 4] = [
    "https://vault.azure.net",
    "https://management.azure.com",
    "https://management.core.windows.net",
    "https://graph.microsoft.com",
];

/// The API that a call is for.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    match call.path.as_slice() {
        [.., "oauth2", "v2.0", "token"] | [.., "oauth2", "token"] => "Token",
        [.., "discovery", "instance"] => "InstanceDiscovery",
        [.., ".well-known", "openid-configuration"] => "OpenIdConfiguration",
        [.., "discovery", "v2.0", "keys"] => "Keys",
        ["metadata", "endpoints"] => "MetadataEndpoints",
        _ => "Unknown",
    }
}

pub(super) async fn call(azure: &Azure, api: &str, call: &Call<'_>, id: &str) -> Answer {
    let host = format!("https://{}", call.host);
    match api {
        "Token" => {
            let tenant = call.path.first().copied().unwrap_or_default();
            match token(azure, call, tenant).await {
                Ok(answer) => answer,
                Err(refusal) => refusal.answer(azure.now(), id),
            }
        }
        "InstanceDiscovery" => Answer::ok(json!({
            "tenant_discovery_endpoint": format!("{host}/{}/v2.0/.well-known/openid-configuration", azure.tenant()),
            "api-version": "1.1",
            "metadata": [{
                "preferred_network": call.host,
                "preferred_cache": call.host,
                "aliases": [call.host],
            }],
        })),
        "OpenIdConfiguration" => discovery(azure, &host, call),
        "Keys" => Answer::ok(json!({"keys": [azure.0.key.jwk()]})),
        "MetadataEndpoints" => metadata(azure, &host, call),
        _ => Answer::vault(404, "NotFound", "", "There is nothing at this path."),
    }
}

fn discovery(azure: &Azure, host: &str, call: &Call<'_>) -> Answer {
    let tenant = call.path.first().copied().unwrap_or_default();
    if !is_tenant(azure, tenant) {
        let refusal = unknown_tenant(tenant);
        return refusal.answer(azure.now(), "");
    }
    let id = azure.tenant();
    Answer::ok(json!({
        "token_endpoint": format!("{host}/{id}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{host}/{id}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{host}/{id}/v2.0"),
        "authorization_endpoint": format!("{host}/{id}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{host}/{id}/oauth2/v2.0/devicecode"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
    }))
}

/// The endpoints of this cloud, as `az cloud register --endpoint-resource-manager` asks for them.
fn metadata(azure: &Azure, host: &str, call: &Call<'_>) -> Answer {
    let one = json!({
        "name": "keyless",
        "portal": host,
        "authentication": {
            "loginEndpoint": host,
            "audiences": [RESOURCES[2], RESOURCES[1]],
            "tenant": azure.tenant(),
            "identityProvider": "AAD",
        },
        "graph": RESOURCES[3],
        "graphAudience": RESOURCES[3],
        "microsoftGraphResourceId": host,
        "resourceManager": host,
        "suffixes": {"keyVaultDns": "vault.azure.net"},
    });
    // A list of clouds in some versions, and the one cloud before and after them.
    let listed = call
        .query("api-version")
        .is_some_and(|v| ("2019".."2022").contains(&v.as_str()));
    Answer::ok(if listed { json!([one]) } else { one })
}

fn is_tenant(azure: &Azure, tenant: &str) -> bool {
    tenant.eq_ignore_ascii_case(azure.tenant()) || matches!(tenant, "common" | "organizations")
}

fn unknown_tenant(tenant: &str) -> Refusal {
    Refusal::new(
        90_002,
        400,
        "invalid_request",
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and \
             are signing into the correct cloud. Check with your subscription administrator, this \
             may happen if there are no active subscriptions for the tenant."
        ),
    )
}

/// The fields of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            Refusal::new(
                900_144,
                400,
                "invalid_request",
                format!("The request body must contain the following parameter: '{name}'."),
            )
        })
    }
}

async fn token(azure: &Azure, call: &Call<'_>, tenant: &str) -> Result<Answer, Refusal> {
    let form = Form::parse(call.body);
    if !tenant.eq_ignore_ascii_case(azure.tenant()) {
        return Err(unknown_tenant(tenant));
    }
    let id = form.required("client_id")?;
    let grant = form.required("grant_type")?;
    if grant != "client_credentials" {
        return Err(Refusal::new(
            70_003,
            400,
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{grant}'."),
        ));
    }
    let client = azure.state().client(id).cloned().ok_or_else(|| {
        Refusal::new(
            700_016,
            400,
            "unauthorized_client",
            format!(
                "Application with identifier '{id}' was not found in the directory '{tenant}'. \
                 This can happen if the application has not been installed by the administrator \
                 of the tenant or consented to by any user in the tenant. You may have sent your \
                 authentication request to the wrong tenant."
            ),
        )
    })?;
    prove(azure, &client, &form, call).await?;
    let resource = resource(&form, tenant, call)?;
    let refused = || {
        Refusal::new(
            90_033,
            503,
            "temporarily_unavailable",
            "A transient error has occurred. Please try again.",
        )
    };
    let (token, life) = token::issue(azure, &client, &resource).ok_or_else(refused)?;
    Ok(Answer::ok(json!({
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": token,
    }))
    .with("cache-control", "no-store, no-cache")
    .with("pragma", "no-cache"))
}

/// Secret, certificate or token of a foreign issuer.
async fn prove(
    azure: &Azure,
    client: &Client,
    form: &Form,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    if let Some(text) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(JWT_BEARER) {
            return Err(Refusal::new(
                90_023,
                400,
                "invalid_request",
                format!("'client_assertion_type' must be set to '{JWT_BEARER}'."),
            ));
        }
        return assertion::check(azure, client, text, call).await;
    }
    let Some(secret) = form.get("client_secret") else {
        return Err(Refusal::new(
            7_000_218,
            401,
            "invalid_client",
            "The request body must contain the following parameter: 'client_assertion' or \
             'client_secret'.",
        ));
    };
    match client.secrets.iter().find(|(known, _)| known == secret) {
        None => Err(Refusal::new(
            7_000_215,
            401,
            "invalid_client",
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is \
                 the client secret value, not the client secret ID, for a secret added to app \
                 '{}'.",
                client.id
            ),
        )),
        Some((_, Some(end))) if *end <= azure.now() => Err(Refusal::new(
            7_000_222,
            401,
            "invalid_client",
            format!(
                "The provided client secret keys for app '{}' are expired. Visit the Azure portal \
                 to create new keys for your app: https://aka.ms/NewClientSecret, or consider \
                 using certificate credentials for added security: https://aka.ms/certCreds.",
                client.id
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// What the token is for: `scope` in version 2, `resource` in version 1.
fn resource(form: &Form, tenant: &str, call: &Call<'_>) -> Result<String, Refusal> {
    let wanted = match (form.get("scope"), form.get("resource")) {
        (Some(scope), _) => {
            let mut scopes = scope.split_whitespace();
            let first = scopes.find(|s| s.ends_with("/.default"));
            let first = first.and_then(|s| s.strip_suffix("/.default"));
            first.ok_or_else(|| {
                Refusal::new(
                    1_002_012,
                    400,
                    "invalid_scope",
                    format!(
                        "The provided value for scope {scope} is not valid. Client credential \
                         flows must have a scope value with /.default suffixed to the resource \
                         identifier (application ID URI)."
                    ),
                )
            })?
        }
        (None, Some(resource)) => resource,
        (None, None) => form.required("scope")?,
    };
    let wanted = wanted.trim_end_matches('/');
    if RESOURCES.contains(&wanted) {
        return Ok(wanted.to_owned());
    }
    // Graph's address is its name, and here it is this endpoint.
    if wanted.strip_prefix("https://") == Some(call.host) {
        return Ok(graph::RESOURCE.to_owned());
    }
    Err(Refusal::new(
        500_011,
        400,
        "invalid_resource",
        format!(
            "The resource principal named {wanted} was not found in the tenant named {tenant}. \
             This can happen if the application has not been installed by the administrator of \
             the tenant or consented to by any user in the tenant. You might have sent your \
             authentication request to the wrong tenant."
        ),
    ))
}
