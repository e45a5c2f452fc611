//! The Azure clouds: who issues tokens, for what resource, and under which domain vaults live.
//!
//! Owns: the published endpoints and their overrides. Refuses: a vault outside the domain that a
//! token is meant for: no token is ever sent there.

use keyless_api::{AzureEnvironment, AzureKvProvider};
use url::Url;

use crate::{Environment, Error};

/// The endpoints that one store uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// Where tokens are issued, without a final slash, e.g. `https://login.microsoftonline.com`.
    pub authority: String,
    /// What tokens are for, without a final slash, e.g. `https://vault.azure.net`.
    pub resource: String,
    /// The domain under which vaults live, e.g. `vault.azure.net`.
    pub domain: String,
    /// Whether the store itself names the endpoints.
    pub custom: bool,
    /// Whether the authority may be an AD FS, which knows older signatures only.
    pub on_premises: bool,
}

/// Authority, resource and domain of a published cloud.
const fn published(environment: &AzureEnvironment) -> Option<(&'static str, &'static str)> {
    match environment {
        AzureEnvironment::PublicCloud => {
            Some(("https://login.microsoftonline.com", "vault.azure.net"))
        }
        AzureEnvironment::UsGovernmentCloud => Some((
            "https://login.microsoftonline.us",
            "vault.usgovcloudapi.net",
        )),
        AzureEnvironment::ChinaCloud => Some(("https://login.chinacloudapi.cn", "vault.azure.cn")),
        AzureEnvironment::GermanCloud => Some((
            "https://login.microsoftonline.de",
            "vault.microsoftazure.de",
        )),
        _ => None,
    }
}

impl Cloud {
    /// The endpoints of `spec`. `AZURE_AUTHORITY_HOST` of `env`, which Azure's webhook injects
    /// beside the operator's token, stands in for the public authority when `own` is set: the
    /// operator's own identity logs in.
    ///
    /// # Errors
    /// When an endpoint is no https URL, or a private cloud names none.
    pub fn of(spec: &AzureKvProvider, env: &Environment, own: bool) -> Result<Self, Error> {
        let environment = spec.environment_type.clone().unwrap_or_default();
        let known = published(&environment);
        if let Some(custom) = &spec.custom_cloud_config {
            let authority = endpoint(
                &custom.active_directory_endpoint,
                "customCloudConfig.activeDirectoryEndpoint",
            )?;
            let set = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
            let domain = set(&custom.key_vault_dns_suffix)
                .map(|text| text.trim().trim_start_matches('.').to_ascii_lowercase());
            let resource = match (set(&custom.key_vault_endpoint), &domain) {
                (Some(url), _) => endpoint(&url, "customCloudConfig.keyVaultEndpoint")?,
                (None, Some(domain)) => format!("https://{domain}"),
                (None, None) => {
                    let (_, domain) = known.ok_or_else(|| incomplete("keyVaultEndpoint"))?;
                    format!("https://{domain}")
                }
            };
            let domain = match domain {
                Some(domain) => domain,
                None => host(&resource)?,
            };
            return Ok(Self {
                authority,
                resource,
                domain,
                custom: true,
                on_premises: environment == AzureEnvironment::AzureStackCloud,
            });
        }
        let (authority, domain) =
            known.ok_or_else(|| incomplete("activeDirectoryEndpoint and keyVaultEndpoint"))?;
        let injected = env
            .get("AZURE_AUTHORITY_HOST")
            .filter(|_| own && environment == AzureEnvironment::PublicCloud);
        Ok(Self {
            authority: match injected {
                Some(url) => endpoint(url, "AZURE_AUTHORITY_HOST of the operator")?,
                None => authority.to_owned(),
            },
            resource: format!("https://{domain}"),
            domain: domain.to_owned(),
            custom: false,
            on_premises: false,
        })
    }

    /// Checks a store's `vaultUrl` and returns it without path: tokens of this cloud may be sent
    /// there.
    ///
    /// # Errors
    /// When it is no https URL, or its host is outside the domain of this cloud's vaults.
    pub fn vault(&self, text: &str) -> Result<Url, Error> {
        let not = |reason: String| Error::Config {
            reason,
            hint: Some("Set vaultUrl to a URL such as https://my-vault.vault.azure.net".into()),
            code: "",
        };
        let url = Url::parse(text.trim())
            .map_err(|_| not("spec.provider.azurekv.vaultUrl is not a URL".into()))?;
        let plain = url.scheme() == "https"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && matches!(url.path(), "" | "/");
        let Some(host) = url.host_str().filter(|_| plain) else {
            return Err(not(
                "spec.provider.azurekv.vaultUrl is not an https URL of a host alone".into(),
            ));
        };
        let below = host
            .strip_suffix(self.domain.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        if below || (self.custom && host == self.domain) {
            return Ok(url);
        }
        Err(Error::Config {
            reason: format!(
                "vaultUrl names host {host:?}, which is not below {:?}: a token for {} is never \
                 sent there",
                self.domain, self.resource
            ),
            hint: Some(
                "Correct vaultUrl or environmentType; a private cloud sets \
                 customCloudConfig.keyVaultDNSSuffix"
                    .into(),
            ),
            code: "Z18",
        })
    }
}

/// An https URL of a host, with or without a path, without its final slash.
fn endpoint(text: &str, what: &str) -> Result<String, Error> {
    let bad = || Error::Config {
        reason: format!("{what} is not an https URL"),
        hint: Some(format!("Set {what} to a URL such as https://host")),
        code: "",
    };
    let url = Url::parse(text.trim()).map_err(|_| bad())?;
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !plain {
        return Err(bad());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn host(url: &str) -> Result<String, Error> {
    Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .ok_or_else(|| incomplete("keyVaultDNSSuffix"))
}

fn incomplete(field: &str) -> Error {
    Error::Config {
        reason: format!("a private Azure cloud needs customCloudConfig.{field}"),
        hint: Some(
            "Set customCloudConfig, or environmentType to the name of a public cloud".into(),
        ),
        code: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_api::AzureCustomCloud;

    fn spec(environment: Option<AzureEnvironment>) -> AzureKvProvider {
        AzureKvProvider {
            environment_type: environment,
            ..AzureKvProvider::default()
        }
    }

    fn custom(endpoint: Option<&str>, suffix: Option<&str>) -> AzureKvProvider {
        AzureKvProvider {
            custom_cloud_config: Some(AzureCustomCloud {
                active_directory_endpoint: "https://login.corp.example/".into(),
                key_vault_endpoint: endpoint.map(Into::into),
                key_vault_dns_suffix: suffix.map(Into::into),
                resource_manager_endpoint: None,
            }),
            ..spec(Some(AzureEnvironment::AzureStackCloud))
        }
    }

    #[test]
    fn published_clouds() {
        for (environment, authority, resource) in [
            (
                None,
                "https://login.microsoftonline.com",
                "https://vault.azure.net",
            ),
            (
                Some(AzureEnvironment::UsGovernmentCloud),
                "https://login.microsoftonline.us",
                "https://vault.usgovcloudapi.net",
            ),
            (
                Some(AzureEnvironment::ChinaCloud),
                "https://login.chinacloudapi.cn",
                "https://vault.azure.cn",
            ),
            (
                Some(AzureEnvironment::GermanCloud),
                "https://login.microsoftonline.de",
                "https://vault.microsoftazure.de",
            ),
        ] {
            let cloud = Cloud::of(&spec(environment), &Environment::default(), true).unwrap();
            assert_eq!(
                (cloud.authority.as_str(), cloud.resource.as_str()),
                (authority, resource)
            );
        }
    }

    #[test]
    fn the_injected_authority_is_for_the_operators_own_identity_in_the_public_cloud() {
        let env: Environment = [("AZURE_AUTHORITY_HOST", "https://login.example/")]
            .into_iter()
            .collect();
        let of = |environment, own| Cloud::of(&spec(environment), &env, own).unwrap().authority;
        assert_eq!(of(None, true), "https://login.example");
        assert_eq!(of(None, false), "https://login.microsoftonline.com");
        assert_eq!(
            of(Some(AzureEnvironment::ChinaCloud), true),
            "https://login.chinacloudapi.cn"
        );
    }

    #[test]
    fn a_private_cloud_names_its_endpoints() {
        let none = Environment::default();
        assert!(Cloud::of(&spec(Some(AzureEnvironment::AzureStackCloud)), &none, false).is_err());
        let cloud = Cloud::of(&custom(None, Some(".vault.corp.example")), &none, false).unwrap();
        assert_eq!(cloud.resource, "https://vault.corp.example");
        assert_eq!(cloud.authority, "https://login.corp.example");
        assert!(cloud.on_premises && cloud.custom);
        let cloud = Cloud::of(&custom(Some("https://kv.corp:8443/"), None), &none, false).unwrap();
        assert_eq!(
            (cloud.resource.as_str(), cloud.domain.as_str()),
            ("https://kv.corp:8443", "kv.corp")
        );
        assert!(Cloud::of(&custom(None, None), &none, false).is_err());
        assert!(Cloud::of(&custom(Some("http://kv.corp"), None), &none, false).is_err());
    }

    #[test]
    fn a_token_never_goes_to_a_foreign_host() {
        let none = Environment::default();
        let public = Cloud::of(&spec(None), &none, false).unwrap();
        for good in [
            "https://my-vault.vault.azure.net",
            "https://my-vault.vault.azure.net/",
            "https://MY-VAULT.vault.azure.net",
            "https://my-vault.vault.azure.net:8443/",
        ] {
            assert!(public.vault(good).is_ok(), "{good}");
        }
        for bad in [
            "http://my-vault.vault.azure.net",
            "https://vault.azure.net",
            "https://evilvault.azure.net",
            "https://my-vault.vault.azure.net.evil.example",
            "https://evil.example/my-vault.vault.azure.net",
            "https://my-vault.vault.azure.net@evil.example",
            "https://my-vault.vault.azure.cn",
            "https://my-vault.vault.azure.net/secrets",
            "my-vault",
            "",
        ] {
            assert!(public.vault(bad).is_err(), "{bad}");
        }
        let private = Cloud::of(&custom(Some("https://localhost:8443"), None), &none, false);
        assert!(private.unwrap().vault("https://localhost:8443").is_ok());
    }
}
