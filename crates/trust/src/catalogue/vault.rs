//! The auth methods jwt and kubernetes, and policies.

use keyless_fault::Link;

use super::Sign::Text;
use super::{Family, Row};

pub(super) const FAMILY: Family = Family {
    letter: 'V',
    file: "vault",
    title: "Vault and OpenBao",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    Row {
        code: "V1",
        link: Link::TrustObject,
        title: "The server's TokenReview fails",
        signs: &[],
        cause: "The reviewer lacks system:auth-delegator, its own token has expired, host or CA are wrong, or the audience does not fit; the client sees `permission denied` only.",
        check: "Make the same TokenReview with the reviewer's token; read the server's debug log.",
        fix: "Bind system:auth-delegator to the reviewer and correct auth/MOUNT/config.",
    },
    Row {
        code: "V2",
        link: Link::TrustObject,
        title: "The role does not fit the service account",
        signs: &[
            Text("service account name not authorized"),
            Text("namespace not authorized"),
            Text("invalid subject (sub) claim"),
            Text("error validating claims"),
            Text("role with oidc role_type is not allowed"),
        ],
        cause: "The role is missing, or binds another name, namespace, subject or claim.",
        check: "`bao read auth/MOUNT/role/ROLE`; compare with the token's subject.",
        fix: "Bind the role to exactly this service account.",
    },
    Row {
        code: "V3",
        link: Link::TrustObject,
        title: "The role does not take this audience",
        signs: &[
            Text("invalid audience (aud) claim"),
            Text("audience claim found in JWT but no audiences bound"),
        ],
        cause: "The token's audience is not among bound_audiences (jwt) or not `audience` (kubernetes).",
        check: "Compare `aud` of the token with the role.",
        fix: "Set bound_audiences, or serviceAccountRef.audiences in the store.",
    },
    Row {
        code: "V4",
        link: Link::TrustObject,
        title: "The configured issuer is another one",
        signs: &[Text("invalid issuer (iss) claim")],
        cause: "bound_issuer differs from the token's `iss`.",
        check: "Compare `bao read auth/MOUNT/config` with the token.",
        fix: "Write the token's `iss` to bound_issuer.",
    },
    Row {
        code: "V5",
        link: Link::IssuerDocument,
        title: "The server cannot read the issuer's documents",
        signs: &[
            Text("error checking oidc discovery URL"),
            Text("error checking jwks URL"),
            Text("could not load backend configuration"),
        ],
        cause: "The CA is missing, the path gives 404, the issuer differs by a slash, or anonymous discovery is not allowed; the reason is only in the server's log.",
        check: "Fetch ISSUER/.well-known/openid-configuration from the server's network, without credentials; read its log.",
        fix: "Set oidc_discovery_ca_pem, publish the documents, or bind system:service-account-issuer-discovery to anonymous users.",
    },
    Row {
        code: "V6",
        link: Link::Keys,
        title: "The keys stored at the server are old",
        signs: &[Text(
            "no known key successfully validated the token signature",
        )],
        cause: "jwt_validation_pubkeys does not follow rotation; EKS rotates every week.",
        check: "Compare the configured keys with the cluster's key set.",
        fix: "Use oidc_discovery_url instead of stored keys.",
    },
    Row {
        code: "V7",
        link: Link::TrustObject,
        title: "Tokens of deleted accounts or withdrawn keys still log in",
        signs: &[],
        cause: "The jwt method does not ask the cluster, and keeps a key set while the key id is known.",
        check: "Log in with a token of a deleted service account.",
        fix: "Use short tokens, or the kubernetes method; after withdrawing a key show the server a token with an unknown key id, or restart it.",
    },
    Row {
        code: "V8",
        link: Link::Permission,
        title: "The policy does not allow this path",
        signs: &[Text("preflight capability check returned 403")],
        cause: "The policy lacks the path; a version 2 engine needs data/ after the mount. Or the namespace is another.",
        check: "`bao token capabilities PATH` with the token of the role; `bao policy read NAME`.",
        fix: "Allow read on MOUNT/data/PATH, and list on MOUNT/metadata/PATH for a search.",
    },
    Row {
        code: "V9",
        link: Link::TrustObject,
        title: "The role lets everyone in",
        signs: &[],
        cause: "The role binds no subject and no claim, or every name or namespace: any service account of the cluster may use it.",
        check: "`bao read auth/MOUNT/role/ROLE`; look at bound_subject, bound_claims, bound_service_account_names and namespaces.",
        fix: "Bind exactly one service account: bound_subject system:serviceaccount:NAMESPACE:NAME, or its name and namespace.",
    },
];
