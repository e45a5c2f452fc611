//! ClusterExternalSecret: one ExternalSecret in each of many namespaces.

use std::collections::BTreeMap;

use crate::duration::{self, GoDuration};
use crate::external_secret::ExternalSecretSpec;
use crate::reference::LabelSelector;
use crate::schema::{Node, object};
use crate::selector::NamespaceSelection;
use crate::validate::Violation;

object! {
    /// The ExternalSecret to create, and the namespaces to create it in.
    pub struct ClusterExternalSecretSpec {
        /// Spec of every ExternalSecret that is created.
        external_secret_spec req "externalSecretSpec": ExternalSecretSpec,
        /// Name of every ExternalSecret that is created; that of this object when nothing is set.
        external_secret_name opt "externalSecretName": Option<String> { .dns_subdomain() },
        /// Labels and annotations of every ExternalSecret that is created.
        external_secret_metadata opt "externalSecretMetadata": Option<ExternalSecretMetadata>,
        /// Selectors of namespaces; a namespace that one of them matches gets an ExternalSecret.
        namespace_selectors opt "namespaceSelectors": Vec<LabelSelector>,
        /// A single selector of namespaces; prefer namespaceSelectors.
        namespace_selector opt "namespaceSelector": Option<LabelSelector>,
        /// Namespaces by name, in addition to the selected ones; prefer namespaceSelectors.
        namespaces opt "namespaces": Vec<String> { .items(Node::dns_label) },
        /// How often the set of namespaces is checked again, as a Go duration; one hour when
        /// nothing is set. It does not decide how often values are read.
        refresh_time opt "refreshTime": Option<String> { .duration() },
    }

    /// Labels and annotations.
    pub struct ExternalSecretMetadata {
        /// Annotations.
        annotations opt "annotations": BTreeMap<String, String>,
        /// Labels.
        labels opt "labels": BTreeMap<String, String>,
    }

    /// Where ExternalSecrets were created, and where that failed.
    pub struct ClusterExternalSecretStatus {
        /// Name of the ExternalSecrets that were created.
        external_secret_name opt "externalSecretName": Option<String>,
        /// Namespaces in which the ExternalSecret could not be created or changed.
        failed_namespaces opt "failedNamespaces": Vec<NamespaceFailure>,
        /// Namespaces in which the ExternalSecret exists.
        provisioned_namespaces opt "provisionedNamespaces": Vec<String>,
        /// Whether every namespace has its ExternalSecret.
        conditions opt "conditions": Vec<ClusterCondition>,
    }

    /// A namespace in which the ExternalSecret could not be created or changed.
    pub struct NamespaceFailure {
        /// Name of the namespace.
        namespace req "namespace": String,
        /// The cause.
        reason opt "reason": Option<String>,
    }

    /// One aspect of the object's state.
    pub struct ClusterCondition {
        /// What the condition is about, such as Ready.
        kind req "type": String,
        /// True, False or Unknown.
        status req "status": String,
        /// The cause in plain words.
        message opt "message": Option<String>,
    }
}

impl ClusterExternalSecretSpec {
    /// How often the set of namespaces is checked again: one hour when nothing is set.
    ///
    /// # Errors
    /// In Go's words when the text is no Go duration.
    pub fn refresh_time(&self) -> Result<GoDuration, duration::Error> {
        match self.refresh_time.as_deref() {
            None => Ok(GoDuration::HOUR),
            Some(text) => GoDuration::parse(text),
        }
    }

    /// Name of the ExternalSecrets: the given one, else that of the object itself.
    #[must_use]
    pub fn external_secret_name<'a>(&'a self, own_name: &'a str) -> &'a str {
        let name = self.external_secret_name.as_deref();
        name.filter(|name| !name.is_empty()).unwrap_or(own_name)
    }

    /// Which namespaces get an ExternalSecret.
    ///
    /// # Errors
    /// Every selector that means nothing; it must not be taken for one that selects nothing,
    /// because what is not selected is removed.
    pub fn selection(&self) -> Result<NamespaceSelection, Vec<Violation>> {
        let numbered = self.namespace_selectors.iter().enumerate();
        let numbered = numbered.map(|(n, s)| (format!("spec.namespaceSelectors[{n}]"), s));
        let single = self.namespace_selector.iter();
        let single = single.map(|s| ("spec.namespaceSelector".to_owned(), s));
        let selectors: Vec<_> = numbered.chain(single).collect();
        let violations = selectors.iter().flat_map(|(path, s)| s.violations(path));
        let violations: Vec<Violation> = violations.collect();
        if violations.is_empty() {
            let selectors = selectors.into_iter().map(|(_, s)| s.clone());
            Ok(NamespaceSelection::new(&self.namespaces, selectors))
        } else {
            Err(violations)
        }
    }
}
