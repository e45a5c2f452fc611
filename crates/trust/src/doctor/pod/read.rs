//! A pod as it was collected: its containers, variables, mounts and tokens.
//!
//! Refuses: values of variables that are not well known; they were never collected, and a
//! variable without a value is one that is set.

use serde_json::Value;

/// A pod.
pub(in crate::doctor) struct Pod<'a> {
    pub(super) object: &'a Value,
    pub(super) containers: Vec<Container<'a>>,
}

/// One of its containers.
pub(super) struct Container<'a> {
    pub(super) name: &'a str,
    object: &'a Value,
    /// Whether it was added while the pod ran.
    pub(super) ephemeral: bool,
}

/// Where a file comes from.
pub(super) enum Source<'a> {
    /// A token that the kubelet asks for.
    Token(Token<'a>),
    /// A Secret.
    Secret,
    /// Something else.
    Other,
}

/// A projected token.
pub(super) struct Token<'a> {
    /// Empty is the API server's own.
    pub(super) audience: &'a str,
    pub(super) seconds: Option<i64>,
    pub(super) mode: i64,
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let list = object.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

impl<'a> Pod<'a> {
    pub(in crate::doctor) fn read(object: &'a Value) -> Self {
        let lists = [
            ("/spec/initContainers", false),
            ("/spec/containers", false),
            ("/spec/ephemeralContainers", true),
        ];
        let containers = lists.into_iter().flat_map(|(list, ephemeral)| {
            entries(object, list).map(move |object| Container {
                name: text(object, "/name"),
                object,
                ephemeral,
            })
        });
        Self {
            object,
            containers: containers.collect(),
        }
    }

    pub(super) fn namespace(&self) -> &'a str {
        text(self.object, "/metadata/namespace")
    }

    /// Its service account; `default` where it names none.
    pub(in crate::doctor) fn account(&self) -> &'a str {
        match text(self.object, "/spec/serviceAccountName") {
            "" => "default",
            name => name,
        }
    }

    pub(super) fn label(&self, key: &str) -> Option<&'a str> {
        self.object.pointer("/metadata/labels")?.get(key)?.as_str()
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        let annotations = self.object.pointer("/metadata/annotations")?;
        annotations.get(key)?.as_str()
    }

    /// Containers that run from the pod's start.
    pub(super) fn started(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers.iter().filter(|c| !c.ephemeral)
    }

    /// The first value of a variable in any container.
    pub(super) fn env(&self, name: &str) -> Option<&'a str> {
        self.started().find_map(|c| c.env(name))
    }

    pub(super) fn host_network(&self) -> bool {
        let set = self.object.pointer("/spec/hostNetwork");
        set.and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn is_windows(&self) -> bool {
        let selector = self.object.pointer("/spec/nodeSelector");
        let named = selector.and_then(|s| s.get("kubernetes.io/os")?.as_str());
        named == Some("windows") || text(self.object, "/spec/os/name") == "windows"
    }

    pub(super) fn volume(&self, name: &str) -> Option<&'a Value> {
        entries(self.object, "/spec/volumes").find(|v| text(v, "/name") == name)
    }

    /// Whether a volume's name begins so.
    pub(super) fn has_volume(&self, prefix: &str) -> bool {
        entries(self.object, "/spec/volumes").any(|v| text(v, "/name").starts_with(prefix))
    }

    /// What the container finds at `file`; nothing if no volume is mounted there.
    pub(super) fn source(&self, container: &Container<'a>, file: &str) -> Option<Source<'a>> {
        let (volume, _) = container.mount_at(file)?;
        let Some(volume) = self.volume(volume) else {
            return Some(Source::Other);
        };
        if volume.get("secret").is_some() {
            return Some(Source::Secret);
        }
        let token =
            entries(volume, "/projected/sources").find_map(|s| s.get("serviceAccountToken"));
        Some(match token {
            Some(token) => Source::Token(Token {
                audience: text(token, "/audience"),
                seconds: token.get("expirationSeconds").and_then(Value::as_i64),
                mode: volume
                    .pointer("/projected/defaultMode")
                    .and_then(Value::as_i64)
                    .unwrap_or(0o644),
            }),
            None => Source::Other,
        })
    }

    /// The audience of the first token whose volume's name begins so.
    pub(super) fn audience(&self, prefix: &str) -> Option<&'a str> {
        let volume =
            entries(self.object, "/spec/volumes").find(|v| text(v, "/name").starts_with(prefix))?;
        let token =
            entries(volume, "/projected/sources").find_map(|s| s.get("serviceAccountToken"))?;
        Some(text(token, "/audience")).filter(|a| !a.is_empty())
    }

    /// The user of a container, by itself or by the pod.
    fn user(&self, container: &Container<'a>) -> Option<i64> {
        let own = container.object.pointer("/securityContext/runAsUser");
        own.or_else(|| self.object.pointer("/spec/securityContext/runAsUser"))
            .and_then(Value::as_i64)
    }

    /// Whether a container cannot read a token of this mode. The kubelet gives the file to a
    /// group where the pod has fsGroup, to the user where all containers have the same one, and
    /// otherwise to root with the volume's mode.
    pub(super) fn cannot_read(&self, container: &Container<'a>, mode: i64) -> bool {
        let group = self.object.pointer("/spec/securityContext/fsGroup");
        let mut users = self.started().map(|c| self.user(c));
        let first = users.next().flatten();
        let shared = first.is_some() && users.all(|user| user == first);
        let user = self.user(container);
        group.is_none() && !shared && user.is_some_and(|user| user != 0) && mode & 0o004 == 0
    }
}

impl<'a> Container<'a> {
    /// A variable; empty where its value was not collected or comes from elsewhere.
    pub(super) fn env(&self, name: &str) -> Option<&'a str> {
        let entry = entries(self.object, "/env").find(|e| text(e, "/name") == name)?;
        Some(text(entry, "/value"))
    }

    pub(super) fn has_env(&self, name: &str) -> bool {
        self.env(name).is_some()
    }

    /// The volume that is mounted deepest above `file`, and where.
    pub(super) fn mount_at(&self, file: &str) -> Option<(&'a str, &'a str)> {
        let mounts = entries(self.object, "/volumeMounts");
        let mounts = mounts.map(|m| (text(m, "/name"), text(m, "/mountPath")));
        let above = |path: &str| {
            let rest = file.strip_prefix(path.trim_end_matches('/'));
            !path.is_empty() && rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        mounts
            .filter(|(_, path)| above(path))
            .max_by_key(|(_, path)| path.len())
    }

    /// Whether it mounts a volume whose name begins so.
    pub(super) fn mounts(&self, prefix: &str) -> bool {
        entries(self.object, "/volumeMounts").any(|m| text(m, "/name").starts_with(prefix))
    }

    /// Names of its fields that are set.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'a str> {
        let fields = self.object.as_object().into_iter().flatten();
        fields.map(|(name, _)| name.as_str())
    }
}
