//! The objects of the cluster that a store's login and trust depend on.
//!
//! Owns: finding every selector of a Secret, ConfigMap or service account by its place in the
//! typed spec. The walk is made by the macros that make the types, so that a provider or a field
//! added later is covered without a word here. Refuses: reading anything, and deciding which of
//! several methods of login is used: what is named counts.

use std::collections::BTreeMap;

use crate::reference::{
    CaProvider, CaProviderKind, ConfigMapKeySelector, SecretKeySelector, SecretReference,
    ServiceAccountSelector,
};
use crate::store::{IntOrString, SecretStoreProvider, SecretStoreSpec};

/// The kinds that a store can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// A service account.
    ServiceAccount,
}

impl ReferenceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Secret, Self::ConfigMap, Self::ServiceAccount];

    /// The plural in URLs.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::ServiceAccount => "serviceaccounts",
        }
    }
}

/// One object that a spec names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub kind: ReferenceKind,
    /// The namespace that is named, if one is.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl SecretStoreSpec {
    /// Every object that the spec names, each once, in a fixed order. Selectors without a name
    /// are left out: nothing can be found by them.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        self.refers(&mut found);
        found.sort();
        found.dedup();
        found
    }
}

/// A part of a spec that may name objects. Every type of the API has it by its macro.
pub(crate) trait Refers {
    /// Adds what this part names.
    fn refers(&self, found: &mut Vec<Reference>);
}

/// A type that names one object: marked with `: named` where it is defined.
pub(crate) trait Names {
    /// The object, unless the name is left out.
    fn named(&self) -> Option<Reference>;
}

fn reference(kind: ReferenceKind, namespace: Option<&String>, name: &str) -> Option<Reference> {
    (!name.is_empty()).then(|| Reference {
        kind,
        namespace: namespace.filter(|namespace| !namespace.is_empty()).cloned(),
        name: name.to_owned(),
    })
}

impl Names for SecretKeySelector {
    fn named(&self) -> Option<Reference> {
        let name = self.name.as_deref().unwrap_or_default();
        reference(ReferenceKind::Secret, self.namespace.as_ref(), name)
    }
}

impl Names for SecretReference {
    fn named(&self) -> Option<Reference> {
        reference(ReferenceKind::Secret, self.namespace.as_ref(), &self.name)
    }
}

impl Names for ConfigMapKeySelector {
    fn named(&self) -> Option<Reference> {
        reference(
            ReferenceKind::ConfigMap,
            self.namespace.as_ref(),
            &self.name,
        )
    }
}

impl Names for ServiceAccountSelector {
    fn named(&self) -> Option<Reference> {
        reference(
            ReferenceKind::ServiceAccount,
            self.namespace.as_ref(),
            &self.name,
        )
    }
}

impl Names for CaProvider {
    fn named(&self) -> Option<Reference> {
        let kind = match self.kind {
            CaProviderKind::Secret => ReferenceKind::Secret,
            CaProviderKind::ConfigMap => ReferenceKind::ConfigMap,
            CaProviderKind::Other(_) => return None,
        };
        reference(kind, self.namespace.as_ref(), &self.name)
    }
}

/// Types that name nothing.
macro_rules! nothing {
    ($($type:ty),+) => {$(
        impl Refers for $type {
            fn refers(&self, _: &mut Vec<Reference>) {}
        }
    )+};
}

nothing!(String, bool, i32, i64, serde_json::Value, IntOrString);

impl<T: Refers> Refers for Option<T> {
    fn refers(&self, found: &mut Vec<Reference>) {
        self.iter().for_each(|part| part.refers(found));
    }
}

impl<T: Refers> Refers for Box<T> {
    fn refers(&self, found: &mut Vec<Reference>) {
        T::refers(self, found);
    }
}

impl<T: Refers> Refers for Vec<T> {
    fn refers(&self, found: &mut Vec<Reference>) {
        self.iter().for_each(|part| part.refers(found));
    }
}

impl<T: Refers> Refers for BTreeMap<String, T> {
    fn refers(&self, found: &mut Vec<Reference>) {
        self.values().for_each(|part| part.refers(found));
    }
}

impl Refers for SecretStoreProvider {
    fn refers(&self, found: &mut Vec<Reference>) {
        // Taken apart, so that a provider added later cannot be forgotten here.
        let Self {
            aws,
            azurekv,
            gcpsm,
            vault,
            open_bao,
            kubernetes,
            fake,
            webhook,
            crd,
            other: _,
        } = self;
        aws.refers(found);
        azurekv.refers(found);
        gcpsm.refers(found);
        vault.refers(found);
        open_bao.refers(found);
        kubernetes.refers(found);
        fake.refers(found);
        webhook.refers(found);
        crd.refers(found);
    }
}

#[cfg(test)]
mod tests;
