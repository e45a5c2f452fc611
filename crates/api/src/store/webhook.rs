//! Any HTTP endpoint.

use std::collections::BTreeMap;

use crate::reference::{CaProvider, SecretKeySelector};
use crate::schema::object;

object! {
    /// Any HTTP endpoint. The url, headers, body and jsonPath are templates that see
    /// .remoteRef.key, .remoteRef.property, .remoteRef.version and the listed secrets.
    pub struct WebhookProvider {
        /// URL to call.
        url req "url": String,
        /// HTTP method; GET when nothing is set.
        method opt "method": Option<String>,
        /// HTTP headers.
        headers opt "headers": BTreeMap<String, String>,
        /// Body of the request.
        body opt "body": Option<String>,
        /// How long to wait for the answer, as a Go duration.
        timeout opt "timeout": Option<String>,
        /// Where the value lies in the answer.
        result opt "result": Option<WebhookResult>,
        /// Secrets that the templates may use.
        secrets opt "secrets": Vec<WebhookSecret>,
        /// How to log in.
        auth opt "auth": Option<WebhookAuth>,
        /// Certificate authorities for the server's certificate, as base64-encoded PEM.
        ca_bundle opt "caBundle": Option<String> { .with("format", "byte") },
        /// Object that holds the certificate authorities for the server's certificate.
        ca_provider opt "caProvider": Option<CaProvider>,
    }

    /// Where the value lies in the answer.
    pub struct WebhookResult {
        /// JSONPath into the answer, such as $.data.password; the whole answer when nothing is
        /// set.
        json_path opt "jsonPath": Option<String>,
    }

    /// A Secret that the templates may use.
    pub struct WebhookSecret {
        /// Name under which the templates see it.
        name req "name": String,
        /// The Secret; it must carry the label external-secrets.io/type=webhook.
        secret_ref req "secretRef": SecretKeySelector,
    }

    /// How to log in to the endpoint; exactly one method.
    pub struct WebhookAuth [ .exactly_one_property() ] {
        /// Uses NTLM with a stored name and password.
        ntlm opt "ntlm": Option<NtlmAuth>,
    }

    /// Login with NTLM.
    pub struct NtlmAuth {
        /// Secret that holds the user's name.
        username_secret req "usernameSecret": SecretKeySelector,
        /// Secret that holds the password.
        password_secret req "passwordSecret": SecretKeySelector,
    }
}
