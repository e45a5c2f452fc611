//! Where the API server's flags are set, by distribution.
//!
//! Owns: the text to write, for a new issuer and for a change of the signing key. Refuses: writing
//! it anywhere: a control plane is restarted by whoever runs it.
//!
//! Sources: kubeadm.k8s.io/v1beta4 (`apiServer.extraArgs` is a list of name and value, so that a
//! name may come twice), docs.k3s.io (`kube-apiserver-arg`), docs.rke2.io, talos.dev
//! (`cluster.apiServer.extraArgs`), kops.sigs.k8s.io (`spec.kubeAPIServer`).

use std::fmt::Write as _;

/// A way to run a control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// kubeadm.
    Kubeadm,
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
    /// Talos.
    Talos,
    /// kOps.
    Kops,
    /// Flags alone.
    Plain,
}

impl Distribution {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Kubeadm,
        Self::K3s,
        Self::Rke2,
        Self::Talos,
        Self::Kops,
        Self::Plain,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::K3s => "k3s",
            Self::Rke2 => "RKE2",
            Self::Talos => "Talos",
            Self::Kops => "kOps",
            Self::Plain => "kube-apiserver",
        }
    }
}

/// The flags that give a cluster the issuer `wanted`, while tokens of `present` still live.
#[must_use]
pub fn issuer(distribution: Distribution, wanted: &str, present: Option<&str>) -> String {
    let jwks = format!("{}/openid/v1/jwks", wanted.trim_end_matches('/'));
    let mut flags = vec![("service-account-issuer", wanted)];
    let old = present.filter(|old| *old != wanted && !old.is_empty());
    if let Some(old) = old {
        flags.push(("service-account-issuer", old));
    }
    flags.push(("service-account-jwks-uri", &jwks));
    let audiences = old.map(|old| format!("{wanted},{old}"));
    if let Some(audiences) = &audiences {
        // The API server's own audience follows the first issuer; pods still hold the old one.
        flags.push(("api-audiences", audiences));
    }
    match distribution {
        Distribution::Talos if old.is_some() => {
            let mut out = write(distribution, &flags);
            out.push_str("# Talos before 1.12 takes one value a flag: keep the old issuer by a static pod patch, or expect\n# pods to need new tokens.\n");
            out
        }
        _ => write(distribution, &flags),
    }
}

fn write(distribution: Distribution, flags: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let head = match distribution {
        Distribution::Kubeadm => {
            "# ClusterConfiguration in the ConfigMap kube-system/kubeadm-config; then on each control plane node:\n\
             # kubeadm init phase control-plane apiserver --config FILE\n\
             apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n"
        }
        Distribution::K3s => {
            "# /etc/rancher/k3s/config.yaml on each server node; then: systemctl restart k3s\nkube-apiserver-arg:\n"
        }
        Distribution::Rke2 => {
            "# /etc/rancher/rke2/config.yaml on each server node; then: systemctl restart rke2-server\nkube-apiserver-arg:\n"
        }
        Distribution::Talos => {
            "# talosctl patch machineconfig --nodes CONTROL-PLANE --patch @FILE\ncluster:\n  apiServer:\n    extraArgs:\n"
        }
        Distribution::Kops => {
            "# kops edit cluster; then: kops update cluster --yes && kops rolling-update cluster --yes\nspec:\n  kubeAPIServer:\n"
        }
        Distribution::Plain => "# the command line of each API server\n",
    };
    out.push_str(head);
    match distribution {
        Distribution::Kubeadm => {
            for (name, value) in flags {
                let _ = writeln!(out, "    - name: {name}\n      value: \"{value}\"");
            }
        }
        Distribution::K3s | Distribution::Rke2 => {
            for (name, value) in flags {
                let _ = writeln!(out, "  - \"{name}={value}\"");
            }
        }
        Distribution::Talos => {
            let mut done: Vec<&str> = Vec::new();
            for (name, _) in flags {
                if done.contains(name) {
                    continue;
                }
                done.push(name);
                let values: Vec<&str> = flags
                    .iter()
                    .filter(|(n, _)| n == name)
                    .map(|(_, v)| *v)
                    .collect();
                match values.as_slice() {
                    [one] => {
                        let _ = writeln!(out, "      {name}: \"{one}\"");
                    }
                    many => {
                        let _ = writeln!(out, "      {name}:");
                        for value in many {
                            let _ = writeln!(out, "        - \"{value}\"");
                        }
                    }
                }
            }
        }
        Distribution::Kops => {
            let mut more = Vec::new();
            let mut audiences = Vec::new();
            for (name, value) in flags {
                match *name {
                    "service-account-issuer" if !out.contains("serviceAccountIssuer:") => {
                        let _ = writeln!(out, "    serviceAccountIssuer: \"{value}\"");
                    }
                    "service-account-issuer" => more.push(*value),
                    "service-account-jwks-uri" => {
                        let _ = writeln!(out, "    serviceAccountJWKSURI: \"{value}\"");
                    }
                    _ => audiences.extend(value.split(',')),
                }
            }
            for (name, values) in [
                ("additionalServiceAccountIssuers", more),
                ("apiAudiences", audiences),
            ] {
                if values.is_empty() {
                    continue;
                }
                let _ = writeln!(out, "    {name}:");
                for value in values {
                    let _ = writeln!(out, "      - \"{value}\"");
                }
            }
        }
        Distribution::Plain => {
            for (name, value) in flags {
                let _ = writeln!(out, "--{name}={value}");
            }
        }
    }
    out
}

/// What to do at the API servers so that `new` signs and `old` is still accepted.
#[must_use]
pub fn signing_key(new: &str, old: &str) -> String {
    format!(
        "# on every API server, one after the other\n\
         --service-account-key-file={old}.pub\n\
         --service-account-key-file={new}.pub\n\
         --service-account-signing-key-file={new}.key\n\
         # and for kube-controller-manager, where it makes tokens of its own\n\
         --service-account-private-key-file={new}.key\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "https://i.example.com/c";
    const OLD: &str = "https://kubernetes.default.svc";

    #[test]
    fn both_issuers_the_keys_and_the_audiences_everywhere() {
        for distribution in Distribution::ALL {
            let text = issuer(distribution, NEW, Some(OLD));
            let at = |what: &str| {
                text.find(what)
                    .unwrap_or_else(|| panic!("{distribution:?}: no {what} in {text}"))
            };
            assert!(
                at(NEW) < at(OLD),
                "{distribution:?}: the first issuer signs"
            );
            at("https://i.example.com/c/openid/v1/jwks");
            assert!(
                text.to_lowercase()
                    .replace('-', "")
                    .contains("apiaudiences"),
                "{text}"
            );
            let alone = issuer(distribution, NEW, None);
            assert!(
                !alone.contains(OLD)
                    && !alone
                        .to_lowercase()
                        .replace('-', "")
                        .contains("apiaudiences")
            );
        }
    }

    #[test]
    fn kubeadm_to_the_byte() {
        assert_eq!(
            issuer(Distribution::Kubeadm, NEW, None)
                .lines()
                .skip(2)
                .collect::<Vec<_>>(),
            [
                "apiVersion: kubeadm.k8s.io/v1beta4",
                "kind: ClusterConfiguration",
                "apiServer:",
                "  extraArgs:",
                "    - name: service-account-issuer",
                "      value: \"https://i.example.com/c\"",
                "    - name: service-account-jwks-uri",
                "      value: \"https://i.example.com/c/openid/v1/jwks\"",
            ]
        );
    }
}
