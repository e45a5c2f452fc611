//! Fields of arbitrary Kubernetes objects.

use super::{KubernetesAuth, KubernetesServer};
use crate::reference::SecretKeySelector;
use crate::rules;
use crate::schema::object;

object! {
    /// Fields of arbitrary Kubernetes objects of this cluster or another one.
    pub struct CrdProvider [
        .rule("has(self.auth) != has(self.authRef)", rules::ONE_CRD_LOGIN)
    ] {
        /// The API server.
        server opt "server": Option<KubernetesServer>,
        /// How to log in.
        auth opt "auth": Option<KubernetesAuth>,
        /// Secret that holds a kubeconfig, instead of server and auth.
        auth_ref opt "authRef": Option<SecretKeySelector>,
        /// The kind of object that is read.
        resource req "resource": CrdResource,
        /// The objects and fields that may be read; all of them when nothing is listed.
        whitelist opt "whitelist": Option<CrdWhitelist>,
    }

    /// A kind of object.
    pub struct CrdResource {
        /// API group; empty for the core group.
        group req "group": String,
        /// API version inside the group.
        version req "version": String,
        /// Kind.
        kind req "kind": String,
    }

    /// The objects and fields that may be read.
    pub struct CrdWhitelist {
        /// One matching rule is enough.
        rules opt "rules": Vec<CrdWhitelistRule>,
    }

    /// Regular expressions (RE2) that must all match.
    pub struct CrdWhitelistRule {
        /// Matches the object's name.
        name opt "name": Option<String>,
        /// Matches the object's namespace.
        namespace opt "namespace": Option<String>,
        /// One of them matches the field's path.
        properties opt "properties": Vec<String>,
    }
}
