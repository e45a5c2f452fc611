//! OpenBao by its own provider key.

use super::KvVersion;
use crate::reference::{CaProvider, SecretKeySelector};
use crate::rules;
use crate::schema::object;

object! {
    /// OpenBao. For logins without a stored key use the provider vault, whose protocol an OpenBao
    /// server speaks as well.
    pub struct OpenBaoProvider [
        .rule("!(has(self.caBundle) && has(self.caProvider))", rules::ONE_CA)
    ] {
        /// URL of the server, such as https://openbao.example.com:8200.
        server req "server": String,
        /// How to log in.
        auth opt "auth": Option<OpenBaoAuth>,
        /// Where the key-value engine is mounted; kv when nothing is set.
        path opt "path": Option<String>,
        /// Version of the key-value engine.
        version opt "version": Option<KvVersion> { .default("v2") },
        /// OpenBao namespace that holds the secrets, and the login unless auth names another one.
        namespace opt "namespace": Option<String>,
        /// Certificate authorities for the server's certificate, as base64-encoded PEM.
        ca_bundle opt "caBundle": Option<String> { .with("format", "byte") },
        /// Object that holds the certificate authorities for the server's certificate.
        ca_provider opt "caProvider": Option<CaProvider>,
    }

    /// How to log in to OpenBao; exactly one method.
    pub struct OpenBaoAuth [
        .rule(
            "[has(self.appRole), has(self.tokenSecretRef), has(self.userPass)].filter(set, set).size() == 1",
            rules::ONE_OPENBAO_LOGIN,
        )
    ] {
        /// OpenBao namespace of the login, when it is not that of the secrets.
        namespace opt "namespace": Option<String>,
        /// Uses a stored token.
        token_secret_ref opt "tokenSecretRef": Option<SecretKeySelector>,
        /// Uses an AppRole.
        app_role opt "appRole": Option<OpenBaoAppRole>,
        /// Uses a name and password kept by OpenBao.
        user_pass opt "userPass": Option<OpenBaoUserPass>,
    }

    /// Login with an AppRole.
    pub struct OpenBaoAppRole [
        .rule("has(self.roleId) != has(self.roleRef)", rules::ONE_ROLE_ID)
    ] {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("approle").required() },
        /// The role's id.
        role_id opt "roleId": Option<String>,
        /// Secret that holds the role's id.
        role_ref opt "roleRef": Option<SecretKeySelector>,
        /// Secret that holds the role's secret id.
        secret_ref req "secretRef": SecretKeySelector,
    }

    /// Login with a name and password.
    pub struct OpenBaoUserPass {
        /// Where the method is mounted.
        path opt "path": Option<String> { .default("userpass").required() },
        /// The user's name.
        username req "username": String,
        /// Secret that holds the password.
        secret_ref opt "secretRef": Option<SecretKeySelector>,
    }
}
