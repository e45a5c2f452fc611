//! What stores and ExternalSecrets say.

use keyless_fault::Link;

use super::Sign::Text;
use super::{Family, Row};

pub(super) const FAMILY: Family = Family {
    letter: 'O',
    file: "operator",
    title: "Stores and the operator",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    Row {
        code: "O1",
        link: Link::Manifest,
        title: "The service account names no role",
        signs: &[Text("an IAM role must be associated with service account")],
        cause: "The service account that the store names has no annotation eks.amazonaws.com/role-arn.",
        check: "`kubectl get serviceaccount NAME -n NAMESPACE -o yaml`.",
        fix: "Annotate it, mind the spelling of the key.",
    },
    Row {
        code: "O2",
        link: Link::Manifest,
        title: "The service account names no client or tenant",
        signs: &[Text("missing clientID"), Text("missing tenantID")],
        cause: "The service account that the store names lacks azure.workload.identity/client-id or tenant-id.",
        check: "`kubectl get serviceaccount NAME -n NAMESPACE -o yaml`.",
        fix: "Annotate it, or set tenantId in the store.",
    },
    Row {
        code: "O3",
        link: Link::Store,
        title: "A ClusterSecretStore names a service account without its namespace",
        signs: &[],
        cause: "Without a namespace the account in the ExternalSecret's namespace is used, which may not be meant.",
        check: "Read serviceAccountRef of the store.",
        fix: "Name the namespace, or create the account in every namespace that uses the store.",
    },
    Row {
        code: "O4",
        link: Link::Kubernetes,
        title: "The API version is not served",
        signs: &[
            Text(
                "no matches for kind \"ExternalSecret\" in version \"external-secrets.io/v1beta1\"",
            ),
            Text("no matches for kind \"SecretStore\" in version \"external-secrets.io/v1beta1\""),
            Text(
                "no matches for kind \"ClusterSecretStore\" in version \"external-secrets.io/v1beta1\"",
            ),
        ],
        cause: "The cluster serves external-secrets.io/v1 only; v1beta1 is off by default since 2.0 of External Secrets Operator.",
        check: "`kubectl api-resources --api-group external-secrets.io`.",
        fix: "Change apiVersion to external-secrets.io/v1; keyless serves both.",
    },
    Row {
        code: "O5",
        link: Link::Store,
        title: "Every namespace may use the operator's own identity",
        signs: &[],
        cause: "A ClusterSecretStore without auth uses the operator's identity, and without conditions every namespace may use the store.",
        check: "Read auth and conditions of the store.",
        fix: "Set conditions, or a serviceAccountRef, so that each namespace reads with its own identity.",
    },
    Row {
        code: "O6",
        link: Link::Store,
        title: "The store does not exist",
        signs: &[
            Text("could not get ClusterSecretStore"),
            Text("could not get SecretStore"),
        ],
        cause: "The ExternalSecret names a store that is not there, or of the other kind.",
        check: "`kubectl get secretstores,clustersecretstores -A`.",
        fix: "Correct name or kind, or create the store.",
    },
    Row {
        code: "O7",
        link: Link::Store,
        title: "The namespace may not use this store",
        signs: &[Text("is not allowed from namespace")],
        cause: "No condition of the ClusterSecretStore admits the namespace.",
        check: "Compare conditions of the store with the namespace's name and labels.",
        fix: "Add the namespace to the conditions, or use another store.",
    },
    Row {
        code: "O8",
        link: Link::Store,
        title: "A Secret or ConfigMap that the store names does not exist",
        signs: &[],
        cause: "A name or namespace was mistyped, the object was never created, or it was deleted.",
        check: "Run `kubectl get secret NAME -n NAMESPACE` with the store's names; a SecretStore looks in its own namespace only.",
        fix: "Create the object, or correct the store. Better: let the store log in by a service account, so that it needs no Secret.",
    },
    Row {
        code: "O9",
        link: Link::Store,
        title: "A Secret or ConfigMap that the store names lacks a key",
        signs: &[],
        cause: "The key was mistyped, or the object was written with other keys; an empty value counts as none.",
        check: "Run `kubectl describe secret NAME -n NAMESPACE`: it lists keys and sizes, no values.",
        fix: "Correct `key` in the store, or write the key.",
    },
];
