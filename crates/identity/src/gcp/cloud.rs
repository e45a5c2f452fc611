//! Where Google's services are reached.
//!
//! Owns: the universe's domain and the endpoints in it, and their overrides in the operator's
//! environment: those of gcloud. Refuses: an endpoint out of a store or a credential.

use keyless_trust::gcp::name::is_location;
use url::Url;

use crate::{Environment, Error};

/// The public cloud.
const PUBLIC: &str = "googleapis.com";
/// What Google's own clients read.
const UNIVERSE: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";
/// What gcloud reads for one service; the service's name follows.
const OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_";

/// The endpoints that one login uses, without final slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cloud {
    /// The domain under which all services live.
    pub universe: String,
    sts: Option<String>,
    iam_credentials: Option<String>,
    secret_manager: Option<String>,
}

impl Cloud {
    /// The endpoints that the operator's environment asks for.
    ///
    /// # Errors
    /// When the universe is no domain, or an override no URL.
    pub fn of(env: &Environment) -> Result<Self, Error> {
        let universe = env.get(UNIVERSE).unwrap_or(PUBLIC);
        Ok(Self {
            universe: domain(universe, &format!("{UNIVERSE} of the operator"))?,
            sts: overridden(env, "STS")?,
            iam_credentials: overridden(env, "IAMCREDENTIALS")?,
            secret_manager: overridden(env, "SECRETMANAGER")?,
        })
    }

    /// The same for a credential that belongs to `universe`, if it names one.
    ///
    /// # Errors
    /// When that is no domain.
    pub fn within(mut self, universe: Option<&str>, what: &str) -> Result<Self, Error> {
        if let Some(universe) = universe.filter(|text| !text.trim().is_empty()) {
            self.universe = domain(universe, what)?;
        }
        Ok(self)
    }

    /// Whether it is the public cloud.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.universe == PUBLIC
    }

    /// Where tokens are exchanged.
    pub(super) fn sts(&self) -> String {
        let base = self.service(self.sts.as_ref(), "sts");
        format!("{base}/v1/token")
    }

    /// Where tokens of GKE's clusters are exchanged.
    pub(super) fn identity_binding(&self) -> String {
        format!(
            "https://securetoken.{}/v1/identitybindingtoken",
            self.universe
        )
    }

    /// A method of a service account at IAM Credentials.
    pub(super) fn account(&self, email: &str, method: &str) -> String {
        let base = self.service(self.iam_credentials.as_ref(), "iamcredentials");
        format!("{base}/v1/projects/-/serviceAccounts/{email}:{method}")
    }

    /// Where keys of service accounts are used.
    pub(super) fn oauth(&self) -> String {
        format!("https://oauth2.{}/token", self.universe)
    }

    /// Secret Manager, or its part in one region.
    ///
    /// # Errors
    /// When `location` is no region's name.
    pub fn secret_manager(&self, location: Option<&str>) -> Result<Url, Error> {
        let bad = || Error::Config {
            reason: "spec.provider.gcpsm.location is not the name of a region".into(),
            hint: Some("Set location to a region such as europe-west3, or remove it".into()),
            code: "",
        };
        if location.is_some_and(|location| !is_location(location)) {
            return Err(bad());
        }
        let base = match (&self.secret_manager, location) {
            (Some(own), _) => own.clone(),
            (None, Some(region)) => {
                format!("https://secretmanager.{region}.rep.{}", self.universe)
            }
            (None, None) => format!("https://secretmanager.{}", self.universe),
        };
        Url::parse(&base).map_err(|_| bad())
    }

    fn service(&self, own: Option<&String>, name: &str) -> String {
        own.cloned()
            .unwrap_or_else(|| format!("https://{name}.{}", self.universe))
    }
}

/// A domain's name in small letters.
fn domain(text: &str, what: &str) -> Result<String, Error> {
    let text = text.trim().to_ascii_lowercase();
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(plain)
    };
    if text.len() <= 200 && text.contains('.') && text.split('.').all(label) {
        return Ok(text);
    }
    Err(Error::Config {
        reason: format!("{what} is not a domain"),
        hint: Some(format!("Set it to a domain such as {PUBLIC}, or remove it")),
        code: "",
    })
}

fn overridden(env: &Environment, service: &str) -> Result<Option<String>, Error> {
    let name = format!("{OVERRIDE}{service}");
    let Some(value) = env.get(&name) else {
        return Ok(None);
    };
    match Url::parse(value.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
        }
        _ => Err(Error::Config {
            reason: format!("{name} of the operator is not an http or https URL"),
            hint: Some(format!("Set {name} to a URL such as https://host/")),
            code: "",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_a_universe() {
        let public = Cloud::of(&Environment::default()).unwrap();
        assert_eq!(public.sts(), "https://sts.googleapis.com/v1/token");
        assert_eq!(
            public.account("a@p.iam.gserviceaccount.com", "generateAccessToken"),
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken"
        );
        for (location, url) in [
            (None, "https://secretmanager.googleapis.com/"),
            (
                Some("europe-west3"),
                "https://secretmanager.europe-west3.rep.googleapis.com/",
            ),
        ] {
            assert_eq!(public.secret_manager(location).unwrap().as_str(), url);
        }
        for bad in ["", "a.b", "evil.com/", "A"] {
            assert!(public.secret_manager(Some(bad)).is_err(), "{bad}");
        }
        let env = [(UNIVERSE, "Example.GOOG")].into_iter().collect();
        let other = Cloud::of(&env).unwrap();
        assert_eq!(other.oauth(), "https://oauth2.example.goog/token");
        assert!(!other.is_public());
        let back = other.within(Some(PUBLIC), "x").unwrap();
        assert_eq!(
            back.identity_binding(),
            "https://securetoken.googleapis.com/v1/identitybindingtoken"
        );
        for bad in [
            "evil.com/x",
            "a b.c",
            "localhost",
            "a..b",
            "a.b@c.d",
            "a.b:1",
        ] {
            let env = [(UNIVERSE, bad)].into_iter().collect();
            assert!(Cloud::of(&env).is_err(), "{bad}");
        }
    }

    #[test]
    fn overrides_as_gcloud_reads_them() {
        let env = [
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "https://sts.local/"),
            (
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
                "http://127.0.0.1:8443",
            ),
        ];
        let cloud = Cloud::of(&env.into_iter().collect()).unwrap();
        assert_eq!(cloud.sts(), "https://sts.local/v1/token");
        for location in [None, Some("europe-west3")] {
            assert_eq!(
                cloud.secret_manager(location).unwrap().as_str(),
                "http://127.0.0.1:8443/"
            );
        }
        let env = [("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "sts.local")];
        assert!(Cloud::of(&env.into_iter().collect()).is_err());
    }
}
