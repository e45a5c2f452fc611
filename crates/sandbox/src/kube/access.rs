//! The rules of access, kept as fresh as the stored roles and bindings.
//!
//! Refuses: the verdict itself, which `rbac` gives.

use std::sync::{Arc, PoisonError, RwLock};

use super::object::Object;
use super::rbac::{Attributes, Authorizer, User, Verdict};
use super::server::App;
use super::store::Bucket;

/// API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// The rules, made anew when a role or binding has changed.
#[derive(Default)]
pub struct Access {
    rules: RwLock<Option<Arc<Authorizer>>>,
}

impl Access {
    /// Forgets the rules: a role or binding has changed.
    pub fn reset(&self) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The present rules.
    pub fn rules(&self, app: &App) -> Arc<Authorizer> {
        if let Some(rules) = &*self.rules.read().unwrap_or_else(PoisonError::into_inner) {
            return Arc::clone(rules);
        }
        let mut slot = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let all = |plurals: [&str; 2]| -> Vec<Arc<Object>> {
            plurals
                .into_iter()
                .flat_map(|p| app.store.list(&Bucket::new(GROUP, p), None).0)
                .collect()
        };
        let (roles, bindings) = (
            all(["roles", "clusterroles"]),
            all(["rolebindings", "clusterrolebindings"]),
        );
        let rules = Arc::new(Authorizer::new(
            roles.iter().map(|o| o.value()),
            bindings.iter().map(|o| o.value()),
        ));
        *slot = Some(Arc::clone(&rules));
        rules
    }

    /// Whether `user` may.
    pub fn judge(&self, app: &App, user: &User, what: &Attributes<'_>) -> Verdict {
        self.rules(app).authorize(user, what)
    }
}
