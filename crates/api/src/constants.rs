//! Names and texts that users, dashboards and other programs rely on.

/// API group of every kind here.
pub const GROUP: &str = "external-secrets.io";
/// Version that is stored and that the operator reads.
pub const VERSION: &str = "v1";
/// Older version that is still served.
pub const VERSION_V1BETA1: &str = "v1beta1";
/// Group and version as manifests write them.
pub const API_VERSION: &str = "external-secrets.io/v1";
/// API version of generators.
pub const GENERATORS_API_VERSION: &str = "generators.external-secrets.io/v1alpha1";

/// Annotations.
pub mod annotation {
    /// On a target: hash of its data as last written.
    pub const DATA_HASH: &str = "reconcile.external-secrets.io/data-hash";
    /// On an ExternalSecret: any change of it reads the values again.
    pub const FORCE_SYNC: &str = "external-secrets.io/force-sync";
    /// On a store: silences events about unmaintained and deprecated providers.
    pub const IGNORE_MAINTENANCE_CHECKS: &str = "external-secrets.io/ignore-maintenance-checks";
}

/// Labels.
pub mod label {
    /// On a target: the operator keeps an eye on it.
    pub const MANAGED: &str = "reconcile.external-secrets.io/managed";
    /// Value of [`MANAGED`].
    pub const MANAGED_VALUE: &str = "true";
    /// On a target with creation policy Owner: hash of namespace and name of its ExternalSecret.
    pub const CREATED_BY: &str = "reconcile.external-secrets.io/created-by";
    /// On the resource definitions: the part of the operator they belong to.
    pub const COMPONENT: &str = "external-secrets.io/component";
    /// On a Secret that a webhook store may read: its purpose.
    pub const TYPE: &str = "external-secrets.io/type";
    /// Value of [`TYPE`] for webhook stores.
    pub const TYPE_WEBHOOK: &str = "webhook";
    /// On every namespace: its name, set by the API server.
    pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
}

/// Finalizers.
pub mod finalizer {
    /// On an ExternalSecret.
    pub const EXTERNAL_SECRET: &str = "externalsecrets.external-secrets.io/externalsecret-cleanup";
    /// On a ClusterExternalSecret.
    pub const CLUSTER_EXTERNAL_SECRET: &str =
        "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup";
    /// On a namespace: this, followed by the name of the ClusterExternalSecret.
    pub const NAMESPACE_PREFIX: &str = "externalsecrets.external-secrets.io/ces-";
    /// On a store that a PushSecret with deletion policy Delete still needs.
    pub const STORE: &str = "secretstore.externalsecrets.io/finalizer";
    /// On a PushSecret.
    pub const PUSH_SECRET: &str = "pushsecret.externalsecrets.io/finalizer";
    /// On a GeneratorState.
    pub const GENERATOR_STATE: &str = "generatorstate.externalsecrets.io/finalizer";
}

/// Field managers of server-side apply and of updates.
pub mod field_manager {
    /// On a target: this, followed by the name of the ExternalSecret.
    pub const PREFIX: &str = "externalsecrets.external-secrets.io/";
    /// On a target when the plain name would be too long: this, followed by a hash of the name.
    pub const HASHED_PREFIX: &str = "externalsecrets.external-secrets.io/sha3/";
    /// Longest plain field manager, in bytes.
    pub const MAX_LENGTH: usize = 63;
}

/// Sources of events.
pub mod event_source {
    /// Events on an ExternalSecret.
    pub const EXTERNAL_SECRET: &str = "external-secrets";
    /// Events on a SecretStore.
    pub const SECRET_STORE: &str = "secret-store";
    /// Events on a ClusterSecretStore.
    pub const CLUSTER_SECRET_STORE: &str = "cluster-secret-store";
    /// Events on a PushSecret.
    pub const PUSH_SECRET: &str = "pushsecret";
}

/// Types of conditions.
pub mod condition {
    /// The object does what it should.
    pub const READY: &str = "Ready";
    /// The object is going; used in metrics only.
    pub const DELETED: &str = "Deleted";
}

/// Reasons of conditions.
pub mod reason {
    /// The Secret is in step.
    pub const SECRET_SYNCED: &str = "SecretSynced";
    /// The Secret is not in step.
    pub const SECRET_SYNCED_ERROR: &str = "SecretSyncedError";
    /// The Secret was deleted with the remote values.
    pub const SECRET_DELETED: &str = "SecretDeleted";
    /// The Secret to merge with does not exist.
    pub const SECRET_MISSING: &str = "SecretMissing";
    /// As [`SECRET_SYNCED`], for a target of another kind.
    pub const RESOURCE_SYNCED: &str = "ResourceSynced";
    /// As [`SECRET_SYNCED_ERROR`], for a target of another kind.
    pub const RESOURCE_SYNCED_ERROR: &str = "ResourceSyncedError";
    /// As [`SECRET_DELETED`], for a target of another kind.
    pub const RESOURCE_DELETED: &str = "ResourceDeleted";
    /// As [`SECRET_MISSING`], for a target of another kind.
    pub const RESOURCE_MISSING: &str = "ResourceMissing";
    /// The store can be used.
    pub const STORE_VALID: &str = "Valid";
    /// Whether the store can be used could not be found out; it is taken as usable.
    pub const STORE_VALIDATION_UNKNOWN: &str = "ValidationUnknown";
    /// The store cannot be used.
    pub const STORE_INVALID_PROVIDER_CONFIG: &str = "InvalidProviderConfig";
}

/// Messages of conditions.
pub mod message {
    /// With [`super::reason::SECRET_SYNCED`].
    pub const SECRET_SYNCED: &str = "secret synced";
    /// With [`super::reason::SECRET_SYNCED`], when the remote values are gone.
    pub const SECRET_RETAINED: &str = "secret retained due to DeletionPolicy=Retain";
    /// With [`super::reason::SECRET_DELETED`].
    pub const SECRET_DELETED: &str = "secret deleted due to DeletionPolicy=Delete";
    /// With [`super::reason::SECRET_MISSING`].
    pub const SECRET_MISSING: &str = "secret will not be created due to CreationPolicy=Merge";
    /// With [`super::reason::RESOURCE_MISSING`].
    pub const RESOURCE_MISSING: &str = "resource will not be created due to CreationPolicy=Merge";
    /// Reading or shaping the values failed.
    pub const COULD_NOT_GET_DATA: &str = "could not get secret data from provider";
    /// Deleting the Secret failed.
    pub const COULD_NOT_DELETE: &str = "could not delete secret";
    /// Deleting Secrets of earlier target names failed.
    pub const COULD_NOT_DELETE_ORPHANED: &str = "could not delete orphaned secrets";
    /// Writing the target failed.
    pub const COULD_NOT_UPDATE: &str = "could not update secret";
    /// The Secret is immutable and would have to change.
    pub const TARGET_IMMUTABLE: &str = "could not update secret, target is immutable";
    /// Setting the owner reference failed.
    pub const OWNERSHIP_FAILED: &str = "failed to take ownership of target secret";
    /// The Secret belongs to another ExternalSecret.
    pub const OWNED_BY_OTHER: &str = "target is owned by another ExternalSecret";
    /// Targets of other kinds are switched off, or the target is not allowed.
    pub const INVALID_GENERIC_TARGET: &str = "invalid generic target";
    /// Reading a target of another kind failed.
    pub const COULD_NOT_GET_RESOURCE: &str = "could not get target resource";
    /// Rendering a target of another kind failed.
    pub const COULD_NOT_APPLY_TEMPLATE: &str = "could not apply template to manifest";
    /// Deleting a target of another kind failed.
    pub const COULD_NOT_DELETE_RESOURCE: &str = "could not delete resource";
    /// With [`super::reason::STORE_VALID`].
    pub const STORE_VALIDATED: &str = "store validated";
    /// The store's provider could not be opened.
    pub const STORE_NO_CLIENT: &str = "unable to create client";
    /// The store's login or check failed.
    pub const STORE_NOT_VALIDATED: &str = "unable to validate store";
    /// With [`super::reason::STORE_VALIDATION_UNKNOWN`].
    pub const STORE_UNKNOWN: &str = "could not determine validation status";
    /// A ClusterExternalSecret failed somewhere.
    pub const NAMESPACES_FAILED: &str = "one or more namespaces failed";
    /// A namespace already has an ExternalSecret of that name that belongs to nobody here.
    pub const EXTERNAL_SECRET_EXISTS: &str = "external secret already exists in namespace";
}

/// Reasons of events.
pub mod event {
    /// The target was created.
    pub const CREATED: &str = "Created";
    /// The target was changed.
    pub const UPDATED: &str = "Updated";
    /// The target was deleted.
    pub const DELETED: &str = "Deleted";
    /// A sync failed; the message is the whole error.
    pub const UPDATE_FAILED: &str = "UpdateFailed";
    /// A remote value does not exist and the deletion policy says to go on.
    pub const MISSING_PROVIDER_SECRET: &str = "MissingProviderSecret";
    /// The store can be used.
    pub const STORE_VALID: &str = "Valid";
    /// The store cannot be used.
    pub const STORE_INVALID_PROVIDER_CONFIG: &str = "InvalidProviderConfig";
    /// Whether the store can be used is unknown.
    pub const STORE_VALIDATION_UNKNOWN: &str = "ValidationUnknown";
    /// The store's provider has no maintainer.
    pub const STORE_UNMAINTAINED: &str = "StoreUnmaintained";
    /// The store's provider is deprecated.
    pub const STORE_DEPRECATED: &str = "StoreDeprecated";
}
