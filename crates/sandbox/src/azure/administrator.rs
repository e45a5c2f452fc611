//! Who may do everything in the subscription, and what is there from the beginning.

use super::answer::{guid, version};
use super::roles::{Assignment, Role};
use super::state::{Client, Group, Tags};
use super::{Azure, GROUP, LOCATION};

/// The service principal that owns the subscription.
#[derive(Clone)]
pub struct Administrator {
    /// Its client id.
    pub client_id: String,
    /// Its client secret.
    pub secret: String,
    object_id: String,
}

impl Administrator {
    pub(super) fn new() -> Self {
        Self {
            client_id: guid(),
            secret: version(),
            object_id: guid(),
        }
    }
}

impl std::fmt::Debug for Administrator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Administrator")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Azure {
    /// The administrator with its rights, and the first resource group.
    pub(super) fn furnish(&self) {
        let admin = self.administrator();
        let mut state = self.state();
        state.clients.insert(
            admin.client_id.clone(),
            Client {
                secrets: vec![(admin.secret.clone(), None)],
                ..Client::new("administrator", &admin.client_id, &admin.object_id)
            },
        );
        if let Some(role) = Role::named("Owner") {
            state.assignments.push(Assignment {
                name: guid(),
                scope: format!("/subscriptions/{}", self.subscription()),
                principal: admin.object_id.clone(),
                principal_type: "ServicePrincipal".to_owned(),
                role,
                description: None,
                created: self.now(),
                by: String::new(),
            });
        }
        let group = Group {
            name: GROUP.to_owned(),
            location: LOCATION.to_owned(),
            tags: Tags::new(),
        };
        state.groups.insert(GROUP.to_owned(), group);
    }

    /// The roles of `object_id`: scope and name, in the order in which they were assigned.
    #[must_use]
    pub fn roles_of(&self, object_id: &str) -> Vec<(String, String)> {
        let state = self.state();
        let own = state.assignments.iter();
        own.filter(|a| a.principal.eq_ignore_ascii_case(object_id))
            .map(|a| (a.scope.clone(), a.role.name.to_owned()))
            .collect()
    }

    /// The federated credentials of `client_id`: name and subject.
    #[must_use]
    pub fn credentials_of(&self, client_id: &str) -> Vec<(String, String)> {
        let state = self.state();
        let own = state.client(client_id).map(|c| c.credentials.iter());
        own.into_iter()
            .flatten()
            .map(|c| (c.name().to_owned(), c.subject().to_owned()))
            .collect()
    }
}
