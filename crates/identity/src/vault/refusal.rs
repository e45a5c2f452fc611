//! What each refusal of a login means.
//!
//! Owns: the table from method, status and text to link, class, catalogue row and fix. Refuses:
//! guesses about what was not answered.
//!
//! Vault has no codes: its texts are matched. Those of the jwt method come from the library that
//! Vault and OpenBao share for it.

use keyless_fault::{Class, Link, Verdict};

use super::{Login, Method, Subject};
use crate::TokenFacts;

/// What was tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) login: &'a Login,
    /// The presented token's own claims, if it could be read.
    pub(super) token: Option<&'a TokenFacts>,
}

impl Attempt<'_> {
    /// Judges an answer with `status` whose errors are `text`.
    pub(super) fn judge(&self, status: u16, text: &str) -> Verdict {
        let text = text.to_ascii_lowercase();
        let has = |part: &str| text.contains(part);
        match status {
            429 => return Verdict::new(Link::Network, Class::Throttled, ""),
            503 if has("sealed") => {
                return Verdict::new(Link::Network, Class::Unavailable, "")
                    .hint("Unseal the server");
            }
            // The Kubernetes method says so with 500.
            500.. if has("could not load backend configuration") => return self.unconfigured(),
            500.. => return Verdict::new(Link::Network, Class::Unavailable, ""),
            _ => {}
        }
        if has("no handler for route") || has("unsupported path") || has("unsupported operation") {
            return self.no_mount();
        }
        if has("could not load configuration") || has("could not load backend configuration") {
            return self.unconfigured();
        }
        match &self.login.method {
            Method::Jwt { .. } => self.jwt(status, &text),
            Method::Kubernetes { .. } => self.kubernetes(status, &text),
            Method::AppRole { .. } => self.app_role(status, &text),
            Method::Password { .. } => self.password(status),
            Method::Certificate { .. } => self.certificate(status, &text),
            Method::Iam { .. } => self.iam(status, &text),
            Method::Gcp { .. } => self.gcp(status, &text),
            Method::Token(_) => Verdict::denied(Link::Identity, "").hint(
                "Store a token that is valid, or use auth.jwt or auth.kubernetes and store no \
                 token at all",
            ),
        }
    }

    fn mount(&self) -> String {
        format!("auth/{}", self.login.method.mount().unwrap_or("token"))
    }

    fn role(&self) -> String {
        format!(
            "{}/role/{}",
            self.mount(),
            self.login.method.role().unwrap_or("")
        )
    }

    fn subject(&self) -> &str {
        self.token
            .map_or("the token's subject", |token| token.subject.as_str())
    }

    fn issuer(&self) -> &str {
        self.token
            .map_or("the token's issuer", |token| token.issuer.as_str())
    }

    fn audiences(&self) -> String {
        self.token
            .map(|token| token.audiences.join(", "))
            .unwrap_or_default()
    }

    fn no_mount(&self) -> Verdict {
        let place = match self.login.namespace.as_deref() {
            Some(namespace) => format!("{} in namespace {namespace:?}", self.mount()),
            None => format!("{} outside of every namespace", self.mount()),
        };
        Verdict::denied(Link::TrustObject, "")
            .required(format!("an auth method mounted at {place}"))
            .hint("Enable the auth method there, or correct the mount's path and the namespace")
    }

    fn unconfigured(&self) -> Verdict {
        Verdict::denied(Link::TrustObject, "V5")
            .required(format!("a configured auth method at {}", self.mount()))
            .hint(format!("Write {}/config", self.mount()))
    }

    fn jwt(&self, status: u16, text: &str) -> Verdict {
        let has = |part: &str| text.contains(part);
        let role = self.role();
        if status == 403 || has("missing client token") {
            return self.no_mount();
        }
        if has("error checking oidc discovery url") || has("error checking jwks url") {
            return Verdict::denied(Link::IssuerDocument, "V5")
                .required(format!(
                    "{}/.well-known/openid-configuration readable from the server, with exactly \
                     that issuer in it",
                    self.issuer()
                ))
                .hint(
                    "Look into the server's log for the reason; mostly its CA is missing \
                     (oidc_discovery_ca_pem), or anonymous discovery is not allowed",
                );
        }
        if has("no known key successfully validated") {
            return Verdict::denied(Link::Keys, "V6")
                .required(format!("the present signing key among {}", self.keys()))
                .hint(
                    "Replace jwt_validation_pubkeys, or let the method follow the issuer by \
                     oidc_discovery_url",
                );
        }
        if has("unexpected algorithm") || has("unexpected signature algorithm") {
            return Verdict::denied(Link::Keys, "K6")
                .hint("Sign service account tokens with an algorithm of jwt_supported_algs");
        }
        if has("malformed jwt") {
            return self.no_token_of_a_cluster();
        }
        if has("token signature") || has("verify id token signature") {
            return Verdict::denied(Link::Keys, "K7")
                .required(format!(
                    "key {:?} in the key set that {} publishes",
                    self.token
                        .and_then(|token| token.key_id.as_deref())
                        .unwrap_or_default(),
                    self.issuer()
                ))
                .hint("Publish the key that signs now, and wait until the server reads it");
        }
        if let Some(verdict) = times(text) {
            return verdict;
        }
        if has("(iss) claim") {
            return Verdict::denied(Link::TrustObject, "V4")
                .required(format!(
                    "bound_issuer {:?} in {}/config",
                    self.issuer(),
                    self.mount()
                ))
                .hint(format!("Correct bound_issuer in {}/config", self.mount()));
        }
        if has("(aud) claim") || has("audience claim found") {
            return Verdict::denied(Link::TrustObject, "V3")
                .required(format!(
                    "one of the audiences {:?} among bound_audiences of {role}",
                    self.audiences()
                ))
                .hint(format!(
                    "Add {:?} to bound_audiences of {role}, or ask for another audience in \
                     serviceAccountRef.audiences",
                    self.audiences()
                ));
        }
        if has("(sub) claim") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!("bound_subject {:?} in {role}", self.subject()))
                .hint(format!(
                    "Correct bound_subject of {role}, or log in as the service account it names"
                ));
        }
        if has("role")
            && (has("could not be found") || has("missing role") || has("oidc role_type"))
        {
            return self.no_role();
        }
        if has("claim") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!("bound_claims of {role} that the token fulfils"))
                .hint(format!(
                    "Compare bound_claims of {role} with the token's claims"
                ));
        }
        self.no_token_of_a_cluster()
    }

    fn no_token_of_a_cluster(&self) -> Verdict {
        Verdict::denied(Link::Token, "K16")
            .hint("Use a token minted for this audience, not a legacy or access token")
    }

    fn keys(&self) -> String {
        format!("jwt_validation_pubkeys of {}/config", self.mount())
    }

    fn no_role(&self) -> Verdict {
        Verdict::denied(Link::TrustObject, "V2")
            .required(format!("role {}", self.role()))
            .hint("Create the role, or correct its name in the store")
    }

    fn kubernetes(&self, status: u16, text: &str) -> Verdict {
        let has = |part: &str| text.contains(part);
        let account = match &self.login.method {
            Method::Kubernetes {
                subject:
                    Subject::Account {
                        namespace, name, ..
                    },
                ..
            } => Some((namespace.as_str(), name.as_str())),
            _ => None,
        };
        // Both methods check the times before anything else, here with status 403.
        if let Some(verdict) = times(text) {
            return verdict;
        }
        if has("name not authorized") || has("namespace not authorized") {
            let role = self.role();
            let verdict = Verdict::denied(Link::TrustObject, "V2");
            return match account {
                Some((namespace, name)) => verdict
                    .required(format!(
                        "bound_service_account_names with {name:?} and \
                         bound_service_account_namespaces with {namespace:?} in {role}"
                    ))
                    .hint(format!("Bind {role} to service account {namespace}/{name}")),
                None => verdict.hint(format!("Bind {role} to {}", self.subject())),
            };
        }
        if has("role") && (has("invalid role name") || has("missing role")) {
            return self.no_role();
        }
        if has("audience") {
            return Verdict::denied(Link::TrustObject, "V3")
                .required(format!(
                    "audience {:?} in {}",
                    self.audiences(),
                    self.role()
                ))
                .hint(format!(
                    "Set serviceAccountRef.audiences to the audience of {}",
                    self.role()
                ));
        }
        if status == 403 {
            // Vault hides every reason of a failed review, and that a mount does not exist.
            return Verdict::denied(Link::TrustObject, "V1")
                .required(format!(
                    "an auth method at {} whose TokenReview accepts this token",
                    self.mount()
                ))
                .hint(format!(
                    "Look into the server's log for the reason; mostly {}/config has another \
                     cluster's kubernetes_host or CA, its reviewer lacks system:auth-delegator or \
                     has expired, or the role's audience differs",
                    self.mount()
                ));
        }
        Verdict::denied(Link::Identity, "")
    }

    fn app_role(&self, status: u16, text: &str) -> Verdict {
        if status == 403 && !text.contains("secret id") {
            return self.no_mount();
        }
        Verdict::denied(Link::Identity, "")
            .required("the role id and an unused, unexpired secret id of one AppRole")
            .hint("Issue a new secret id, or use auth.jwt and store no secret at all")
    }

    fn password(&self, status: u16) -> Verdict {
        if status == 403 {
            return self.no_mount();
        }
        Verdict::denied(Link::Identity, "")
            .required("the user's name and present password")
            .hint("Correct the stored password, or use auth.jwt and store no secret at all")
    }

    fn iam(&self, status: u16, text: &str) -> Verdict {
        let has = |part: &str| text.contains(part);
        let role = self.role();
        if status == 403 {
            return self.no_mount();
        }
        if has("entry for role") || has("missing role") {
            return self.no_role();
        }
        if has("does not belong to the role") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!(
                    "bound_iam_principal_arn of {role} with this principal"
                ))
                .hint(format!("Correct bound_iam_principal_arn of {role}"));
        }
        if has("server-id") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!(
                    "iam_server_id_header_value of {}/config/client",
                    self.mount()
                ))
                .hint("Set vaultAwsIamServerID to the server's own value");
        }
        Verdict::denied(Link::Identity, "")
            .required("an STS that accepts the signed request when Vault passes it on")
            .hint(format!(
                "Set region to that of sts_endpoint in {}/config/client",
                self.mount()
            ))
    }

    fn gcp(&self, status: u16, text: &str) -> Verdict {
        let has = |part: &str| text.contains(part);
        let role = self.role();
        if status == 403 {
            return self.no_mount();
        }
        if has("role") && has("not found") || has("missing role") {
            return self.no_role();
        }
        if has("not authorized") || has("not in bound") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!(
                    "bound_service_accounts of {role} with this account"
                ))
                .hint(format!(
                    "Correct bound_service_accounts and the other bounds of {role}"
                ));
        }
        if has("of type") || has("expire") || has("must have") {
            return Verdict::denied(Link::TrustObject, "V2")
                .required(format!(
                    "{role} of type iam for a service account, gce for the operator's own machine"
                ))
                .hint(format!("Correct type and max_jwt_exp of {role}"));
        }
        Verdict::denied(Link::Identity, "")
            .required("a Vault that can read the service account's public keys at Google")
            .hint(format!(
                "Give the credentials of {}/config the role roles/iam.serviceAccountKeyAdmin or \
                 viewer, and let Vault reach Google",
                self.mount()
            ))
    }

    fn certificate(&self, status: u16, text: &str) -> Verdict {
        if status == 403 {
            return self.no_mount();
        }
        let verdict = Verdict::denied(Link::Identity, "");
        let missing = [
            "no client certificate",
            "client certificate must be supplied",
            "tls connection required",
        ];
        if missing.iter().any(|words| text.contains(words)) {
            return verdict
                .required("a client certificate that reaches the server")
                .hint(
                    "Set clientCert and secretRef; nothing on the way may end the TLS connection",
                );
        }
        verdict
            .required(format!(
                "a certificate of an authority in {}/certs, within its constraints",
                self.mount()
            ))
            .hint("Have the certificate signed by that authority, or correct vaultRole")
    }
}

/// What is wrong with a token's times.
fn times(text: &str) -> Option<Verdict> {
    let has = |part: &str| text.contains(part);
    let clocks = "Compare the clocks of the server and the API server with true time";
    if has("token is expired") || has("token has expired") {
        let verdict = Verdict::denied(Link::Token, "K11");
        return Some(
            verdict
                .required("a token that has not expired by the server's clock")
                .hint(clocks),
        );
    }
    if has("token not yet valid") || has("issued in the future") {
        let verdict = Verdict::denied(Link::Token, "K12");
        return Some(
            verdict
                .required("a token from the past by the server's clock")
                .hint(clocks),
        );
    }
    None
}

#[cfg(test)]
mod tests;
