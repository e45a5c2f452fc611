//! The provider key `openBao` in terms of `vault`, whose protocol it is.

use keyless_api::{OpenBaoProvider, VaultAppRole, VaultAuth, VaultProvider, VaultUserPassAuth};

/// Where an OpenBao store without `path` looks.
const PATH: &str = "kv";

/// The same store as one of `vault`.
#[must_use]
pub fn as_vault(store: &OpenBaoProvider) -> VaultProvider {
    let auth = store.auth.as_ref().map(|auth| VaultAuth {
        namespace: auth.namespace.clone(),
        token_secret_ref: auth.token_secret_ref.clone(),
        app_role: auth.app_role.as_ref().map(|role| VaultAppRole {
            path: role.path.clone(),
            role_id: role.role_id.clone(),
            role_ref: role.role_ref.clone(),
            secret_ref: role.secret_ref.clone(),
        }),
        user_pass: auth.user_pass.as_ref().map(|user| VaultUserPassAuth {
            path: user.path.clone(),
            username: user.username.clone(),
            secret_ref: user.secret_ref.clone(),
        }),
        ..VaultAuth::default()
    });
    VaultProvider {
        server: store.server.clone(),
        auth,
        path: Some(
            store
                .path
                .clone()
                .filter(|path| !path.is_empty())
                .unwrap_or_else(|| PATH.to_owned()),
        ),
        version: store.version.clone(),
        namespace: store.namespace.clone(),
        ca_bundle: store.ca_bundle.clone(),
        ca_provider: store.ca_provider.clone(),
        ..VaultProvider::default()
    }
}
