//! Where each AWS service is reached.

use url::Url;

use super::Region;
use crate::{Environment, Error};

/// A service whose endpoint can be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Security Token Service.
    Sts,
    /// Systems Manager.
    Ssm,
    /// Secrets Manager.
    SecretsManager,
}

impl Service {
    /// The variables that override its endpoint alone: the one that users of the API know, then
    /// the AWS SDKs' own.
    const fn variables(self) -> [&'static str; 2] {
        match self {
            Self::Sts => ["AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"],
            Self::Ssm => ["AWS_SSM_ENDPOINT", "AWS_ENDPOINT_URL_SSM"],
            Self::SecretsManager => [
                "AWS_SECRETSMANAGER_ENDPOINT",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            ],
        }
    }
}

/// The endpoint that the environment sets for `service`, if any.
///
/// # Errors
/// When it is no http or https URL.
pub fn override_of(service: Service, env: &Environment) -> Result<Option<Url>, Error> {
    let [known, own] = service.variables();
    let ignored = env
        .get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let names: &[&str] = if ignored {
        &[known]
    } else {
        &[known, own, "AWS_ENDPOINT_URL"]
    };
    let Some((name, value)) = names
        .iter()
        .find_map(|name| env.get(name).map(|value| (*name, value)))
    else {
        return Ok(None);
    };
    match Url::parse(value.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(Error::Config {
            reason: format!("{name} of the operator is not an http or https URL"),
            hint: Some(format!("Set {name} to a URL such as https://host")),
            code: "",
        }),
    }
}

/// Whether the environment asks for FIPS endpoints.
#[must_use]
pub fn use_fips(env: &Environment) -> bool {
    env.get("AWS_USE_FIPS_ENDPOINT")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The STS endpoint of `region`: always the regional one.
pub(super) fn sts(region: &Region, env: &Environment) -> Result<Url, Error> {
    if let Some(url) = override_of(Service::Sts, env)? {
        return Ok(url);
    }
    let partition = region.partition();
    // The regional endpoints of GovCloud are FIPS endpoints under their plain name.
    let fips = use_fips(env) && partition.id != "aws-us-gov";
    let host = if region.as_str() == "aws-global" {
        "sts.amazonaws.com".to_owned()
    } else {
        let name = if fips { "sts-fips" } else { "sts" };
        format!("{name}.{region}.{}", partition.dns_suffix)
    };
    Url::parse(&format!("https://{host}/")).map_err(|error| Error::Config {
        reason: format!("no STS endpoint for region {region}: {error}"),
        hint: None,
        code: "A12",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(region: &str, env: &[(&str, &str)]) -> String {
        let env = env.iter().copied().collect();
        sts(&Region::parse(region).unwrap(), &env)
            .unwrap()
            .to_string()
    }

    #[test]
    fn sts_is_regional() {
        for (region, env, expected) in [
            (
                "eu-central-1",
                None,
                "https://sts.eu-central-1.amazonaws.com/",
            ),
            (
                "cn-north-1",
                None,
                "https://sts.cn-north-1.amazonaws.com.cn/",
            ),
            (
                "us-east-1",
                Some(("AWS_USE_FIPS_ENDPOINT", "true")),
                "https://sts-fips.us-east-1.amazonaws.com/",
            ),
            (
                "us-gov-west-1",
                Some(("AWS_USE_FIPS_ENDPOINT", "TRUE")),
                "https://sts.us-gov-west-1.amazonaws.com/",
            ),
            (
                "eu-west-1",
                Some(("AWS_ENDPOINT_URL", "http://localhost:4566")),
                "http://localhost:4566/",
            ),
        ] {
            assert_eq!(url(region, env.as_slice()), expected);
        }
    }

    #[test]
    fn the_special_override_wins() {
        let env = [
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_STS", "http://own"),
            ("AWS_STS_ENDPOINT", "http://known"),
        ];
        assert_eq!(url("eu-west-1", &env), "http://known/");
        assert_eq!(url("eu-west-1", &env[..2]), "http://own/");
        let ignoring = [env[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(
            url("eu-west-1", &ignoring),
            "https://sts.eu-west-1.amazonaws.com/"
        );
    }

    #[test]
    fn an_override_that_is_no_url_is_an_error() {
        let env = [("AWS_STS_ENDPOINT", "localhost")].into_iter().collect();
        assert!(override_of(Service::Sts, &env).is_err());
    }
}
