//! AWS: Secrets Manager, Parameter Store, Certificate Manager.

use std::collections::BTreeMap;

use crate::reference::{SecretKeySelector, ServiceAccountSelector};
use crate::rules;
use crate::schema::{object, string_enum};

string_enum! {
    /// The AWS service that holds the values.
    pub enum AwsService = SecretsManager {
        /// Secrets Manager.
        SecretsManager = "SecretsManager",
        /// Systems Manager Parameter Store.
        ParameterStore = "ParameterStore",
        /// Certificate Manager.
        CertificateManager = "CertificateManager",
    }

    /// Which session tags are set when a role is assumed.
    pub enum SessionTagsPolicy = None {
        /// Those in sessionTags.
        None = "None",
        /// The object's namespace and the store's name and kind.
        Simple = "Simple",
        /// As Simple, and those in customSessionTags.
        Custom = "Custom",
    }
}

object! {
    /// Amazon Web Services.
    pub struct AwsProvider {
        /// The service that holds the values.
        service req "service": AwsService,
        /// Region of the service, such as eu-central-1.
        region req "region": String,
        /// How to log in. Without it the operator's own identity is used.
        auth opt "auth": Option<AwsAuth>,
        /// ARN of the role to assume after the login.
        role opt "role": Option<String>,
        /// ARNs of roles to assume one after the other on the way to role.
        additional_roles opt "additionalRoles": Vec<String>,
        /// External id that the trust policy of role asks for.
        external_id opt "externalID": Option<String>,
        /// Session tags set when role is assumed.
        session_tags opt "sessionTags": Vec<AwsSessionTag>,
        /// Which session tags are set: None those in sessionTags, Simple the namespace and the
        /// store's name and kind, Custom these three and customSessionTags.
        session_tags_policy opt "sessionTagsPolicy": Option<SessionTagsPolicy> { .default("None") },
        /// Further session tags for the policy Custom.
        custom_session_tags opt "customSessionTags": BTreeMap<String, String> {
            .rule(
                "!('esoNamespace' in self) && !('esoStoreName' in self) && !('esoStoreKind' in self)",
                rules::RESERVED_TAGS,
            )
        },
        /// Keys of session tags that are passed on when a further role is assumed.
        transitive_tag_keys opt "transitiveTagKeys": Vec<String>,
        /// Text put in front of every key.
        prefix opt "prefix": Option<String>,
        /// Options of Secrets Manager.
        secrets_manager opt "secretsManager": Option<AwsSecretsManager>,
    }

    /// How to log in to AWS.
    pub struct AwsAuth {
        /// Exchanges a service account's token for credentials of the role that the service
        /// account is annotated with; no stored key.
        jwt opt "jwt": Option<AwsJwtAuth>,
        /// Uses an access key stored in Secrets.
        secret_ref opt "secretRef": Option<AwsSecretRef>,
    }

    /// Login with a service account's token.
    pub struct AwsJwtAuth {
        /// The service account; its annotation eks.amazonaws.com/role-arn names the role.
        service_account_ref opt "serviceAccountRef": Option<ServiceAccountSelector>,
    }

    /// Login with a stored access key.
    pub struct AwsSecretRef {
        /// The access key id.
        access_key_id opt "accessKeyIDSecretRef": Option<SecretKeySelector>,
        /// The secret access key.
        secret_access_key opt "secretAccessKeySecretRef": Option<SecretKeySelector>,
        /// The session token, for temporary credentials.
        session_token opt "sessionTokenSecretRef": Option<SecretKeySelector>,
    }

    /// A session tag.
    pub struct AwsSessionTag {
        /// The tag's key.
        key req "key": String,
        /// The tag's value.
        value req "value": String,
    }

    /// How Secrets Manager deletes; matters only when values are pushed.
    pub struct AwsSecretsManager [
        .rule(
            "!(has(self.forceDeleteWithoutRecovery) && self.forceDeleteWithoutRecovery && has(self.recoveryWindowInDays) && self.recoveryWindowInDays != 0)",
            rules::FORCE_AND_WINDOW,
        )
        .rule(
            "!has(self.recoveryWindowInDays) || self.recoveryWindowInDays == 0 || (self.recoveryWindowInDays >= 7 && self.recoveryWindowInDays <= 30)",
            rules::RECOVERY_WINDOW,
        )
    ] {
        /// Deletes at once and for good. Cannot be combined with recoveryWindowInDays.
        force_delete_without_recovery opt "forceDeleteWithoutRecovery": Option<bool>,
        /// Days, from 7 to 30, during which a deleted secret can be restored.
        recovery_window_in_days opt "recoveryWindowInDays": Option<i64>,
    }
}
