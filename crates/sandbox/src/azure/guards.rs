//! What a tenant and a vault keep out whoever comes: policies on federation, closed networks.
//!
//! Owns: setting them and their refusals. Refuses: networks by address: here every caller comes
//! from the same one, so that a vault is open to all or to none.

use super::Azure;
use super::admin::AdminError;
use super::answer::Answer;

impl Azure {
    /// Opens a vault to callers from anywhere, or closes it to all but private endpoints, of which
    /// there are none here.
    ///
    /// # Errors
    /// When there is no such vault.
    pub fn set_public_access(&self, vault: &str, public: bool) -> Result<(), AdminError> {
        let mut state = self.state();
        let found = state.vaults.get_mut(&vault.to_ascii_lowercase());
        found
            .ok_or_else(|| AdminError {
                code: "VaultNotFound".to_owned(),
                message: vault.to_owned(),
            })?
            .public = public;
        Ok(())
    }

    /// Sets the tenant's policy on workload identities of foreign issuers.
    pub fn allow_federation(&self, allowed: bool) {
        self.state().federation_forbidden = !allowed;
    }
}

/// The refusal of a vault without public access.
pub(super) fn no_public_access(vault: &str) -> Answer {
    Answer::vault(
        403,
        "Forbidden",
        "ForbiddenByConnection",
        format!(
            "Public network access is disabled and request is not from a trusted service nor via \
             an approved private link.\r\nVault: {vault};location=germanywestcentral"
        ),
    )
}
