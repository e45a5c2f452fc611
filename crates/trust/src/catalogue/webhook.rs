//! The webhooks that give pods their tokens.

use keyless_fault::Link;

use super::Sign::Text;
use super::{Family, Row};

pub(super) const FAMILY: Family = Family {
    letter: 'W',
    file: "webhook",
    title: "Injection into pods",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    Row {
        code: "W1",
        link: Link::Kubernetes,
        title: "The pod was not injected",
        signs: &[],
        cause: "The webhook did not see the service account in time, was down and fails open, an annotation or label is mistyped, the namespace is left out, or the pod is older than the annotation.",
        check: "Compare the pod's environment with the annotations of its service account.",
        fix: "Correct the annotation, then recreate the pod.",
    },
    Row {
        code: "W2",
        link: Link::Kubernetes,
        title: "The pod was refused",
        signs: &[],
        cause: "The webhook fails closed and is down, the service account is missing, or an annotation is wrong.",
        check: "Read the events of the ReplicaSet; look at the webhook's endpoints.",
        fix: "Correct what the event names.",
    },
    Row {
        code: "W3",
        link: Link::Kubernetes,
        title: "The webhook's certificate is not trusted",
        signs: &[Text("x509: certificate signed by unknown authority")],
        cause: "caBundle does not fit the certificate, or it has expired.",
        check: "Compare caBundle of the configuration with the served certificate.",
        fix: "Let it be issued again; keyless keeps both in step by itself.",
    },
    Row {
        code: "W4",
        link: Link::Kubernetes,
        title: "The webhook answers in another version",
        signs: &[Text("expected webhook response of admission.k8s.io/v1")],
        cause: "The answer lacks apiVersion and kind, or is v1beta1.",
        check: "Read admissionReviewVersions of the configuration.",
        fix: "Use a webhook that answers in the version of the request.",
    },
    Row {
        code: "W5",
        link: Link::Kubernetes,
        title: "The webhook removes fields that it does not know",
        signs: &[],
        cause: "It writes whole containers back by an older client library.",
        check: "Compare the pod as sent with the pod as stored.",
        fix: "Use a webhook that patches only what it adds.",
    },
    Row {
        code: "W6",
        link: Link::Kubernetes,
        title: "Variables are set, the mount is missing",
        signs: &[],
        cause: "The container sets all variables itself, and the webhook takes that as done.",
        check: "Look for AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE in the pod template.",
        fix: "Remove them from the template.",
    },
    Row {
        code: "W7",
        link: Link::Kubernetes,
        title: "A sidecar added later has no identity",
        signs: &[],
        cause: "The sidecar is injected after this webhook, which is not called again.",
        check: "Compare reinvocationPolicy and the order of the webhooks.",
        fix: "Set reinvocationPolicy: IfNeeded.",
    },
    Row {
        code: "W8",
        link: Link::Kubernetes,
        title: "Two webhooks inject the same",
        signs: &[Text("must be unique")],
        cause: "A managed webhook and another one, or a mount of the user, use the same path.",
        check: "List MutatingWebhookConfigurations; look for the path in the pod template.",
        fix: "Switch one of them off, or move the user's mount.",
    },
    Row {
        code: "W9",
        link: Link::Kubernetes,
        title: "This kind of pod cannot be injected",
        signs: &[],
        cause: "Host network, Windows, ephemeral containers and static pods have limits of their own.",
        check: "Look at hostNetwork, the node selector and who made the pod.",
        fix: "Give such pods an identity by other means.",
    },
    Row {
        code: "W10",
        link: Link::Kubernetes,
        title: "The annotation changed, the pod did not",
        signs: &[],
        cause: "Injection happens at creation only.",
        check: "Compare the pod's environment with the annotation.",
        fix: "Restart the workload.",
    },
];
