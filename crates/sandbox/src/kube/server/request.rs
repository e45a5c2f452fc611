//! What a request asks: the path's target, the query's parameters, the wanted shape of the answer.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::kube::status::{Cause, Status, forbidden_field, unsupported};
use crate::kube::table::IncludeObject;

/// What a path under a group and version names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural resource; empty for the group version itself.
    pub plural: String,
    /// Namespace; empty for cluster scope or all namespaces.
    pub namespace: String,
    /// Object; empty for the collection.
    pub name: String,
    /// Subresource; empty for the object itself.
    pub subresource: String,
}

impl Target {
    /// Reads `/api/v1/…` or `/apis/group/version/…`; `None` for any other path.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').map(decode);
        let mut target = match parts.next()?.as_str() {
            "api" => Self {
                version: parts.next()?,
                ..Self::default()
            },
            "apis" => Self {
                group: parts.next()?,
                version: parts.next()?,
                ..Self::default()
            },
            _ => return None,
        };
        let rest: Vec<String> = parts.collect();
        let (namespace, rest) = match rest.as_slice() {
            [first, ns, sub]
                if first == "namespaces" && matches!(sub.as_str(), "status" | "finalize") =>
            {
                target.subresource.clone_from(sub);
                target.name.clone_from(ns);
                target.plural.clone_from(first);
                return Some(target);
            }
            [first, ns, rest @ ..] if first == "namespaces" && !rest.is_empty() => {
                (ns.as_str(), rest)
            }
            rest => ("", rest),
        };
        target.namespace = namespace.to_owned();
        let mut rest = rest.iter().cloned();
        target.plural = rest.next().unwrap_or_default();
        target.name = rest.next().unwrap_or_default();
        target.subresource = rest.next().unwrap_or_default();
        rest.next().is_none().then_some(target)
    }
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn decode(part: &str) -> String {
    if !part.contains('%') {
        return part.to_owned();
    }
    let mut out = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How unknown and repeated fields are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Dropped silently.
    Ignore,
    /// Dropped with a warning.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// The query.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// A watch instead of a list.
    pub watch: bool,
    /// Page size, 0 for none.
    pub limit: usize,
    /// Where the next page begins.
    pub continuation: String,
    /// The resource version asked for, as written.
    pub resource_version: String,
    /// `Exact` or `NotOlderThan`.
    pub version_match: String,
    /// Label selector.
    pub labels: String,
    /// Field selector.
    pub fields: String,
    /// Start a watch with the present state.
    pub initial: Option<bool>,
    /// Send bookmarks.
    pub bookmarks: bool,
    /// End a watch after this many seconds.
    pub timeout: Option<u64>,
    /// Do everything but write.
    pub dry_run: bool,
    /// Field manager, as written.
    pub manager: String,
    /// Treatment of unknown fields.
    pub validation: Validation,
    /// Take conflicting fields over.
    pub force: Option<bool>,
    /// Fate of dependents.
    pub propagation: String,
    /// What the rows of tables carry.
    pub include: IncludeObject,
}

impl Params {
    /// Reads a query string.
    ///
    /// # Errors
    /// 400 for a value that the API refuses.
    pub fn parse(query: &str, verb: &str) -> Result<Self, Status> {
        let mut params = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let flag = || matches!(&*value, "" | "1" | "t" | "T" | "true" | "True" | "TRUE");
            match &*key {
                "watch" => params.watch = flag(),
                "limit" => params.limit = usize::try_from(number(&value)?).unwrap_or(0),
                "continue" => params.continuation = value.into_owned(),
                "resourceVersion" => params.resource_version = value.into_owned(),
                "resourceVersionMatch" => params.version_match = value.into_owned(),
                "labelSelector" => params.labels = value.into_owned(),
                "fieldSelector" => params.fields = value.into_owned(),
                "sendInitialEvents" => params.initial = Some(flag()),
                "allowWatchBookmarks" => params.bookmarks = flag(),
                "timeoutSeconds" => params.timeout = u64::try_from(number(&value)?).ok(),
                "fieldManager" => params.manager = value.into_owned(),
                "force" => params.force = Some(flag()),
                "propagationPolicy" => params.propagation = value.into_owned(),
                "includeObject" => {
                    let why = || {
                        Status::bad_request(format!("unrecognized includeObject value: {value:?}"))
                    };
                    params.include = IncludeObject::parse(Some(&value)).ok_or_else(why)?;
                }
                "dryRun" if value == "All" => params.dry_run = true,
                "dryRun" if !value.is_empty() => {
                    let cause = unsupported("dryRun", &serde_json::json!([value]), &["All"]);
                    return Err(options_refused(verb, cause));
                }
                "fieldValidation" => {
                    params.validation = match &*value {
                        "Ignore" => Validation::Ignore,
                        "Strict" => Validation::Strict,
                        "Warn" | "" => Validation::Warn,
                        _ => {
                            let known = ["", "Ignore", "Strict", "Warn"];
                            let cause = unsupported("fieldValidation", &value.into(), &known);
                            return Err(options_refused(verb, cause));
                        }
                    };
                }
                _ => {}
            }
        }
        Ok(params)
    }
}

fn number(value: &str) -> Result<i64, Status> {
    let why = || format!("strconv.ParseInt: parsing {value:?}: invalid syntax");
    value.parse().map_err(|_| Status::bad_request(why()))
}

/// 422 for a query that the verb's options do not allow.
fn options_refused(verb: &str, cause: Cause) -> Status {
    let kind = match verb {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        "patch" => "PatchOptions",
        "delete" | "deletecollection" => "DeleteOptions",
        _ => "ListOptions",
    };
    Status::invalid("meta.k8s.io", kind, "", vec![cause])
}

/// What lists and watches may not combine.
///
/// # Errors
/// 422.
pub fn check_list(params: &Params) -> Result<(), Status> {
    let (rule, initial) = (params.version_match.as_str(), params.initial.is_some());
    let mut causes = Vec::new();
    let mut forbid = |field: &str, why: &str| causes.push(forbidden_field(field, why));
    let field = "resourceVersionMatch";
    if params.watch {
        if initial && rule != "NotOlderThan" {
            forbid(
                field,
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            );
        } else if !rule.is_empty() && !initial {
            forbid(
                field,
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
            if rule != "NotOlderThan" {
                causes.push(unsupported(field, &rule.into(), &["NotOlderThan"]));
            }
        }
    } else {
        if initial {
            forbid(
                "sendInitialEvents",
                "sendInitialEvents is forbidden for list",
            );
        }
        if !rule.is_empty() {
            if params.resource_version.is_empty() {
                forbid(
                    field,
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                );
            }
            if !matches!(rule, "Exact" | "NotOlderThan") {
                causes.push(unsupported(
                    field,
                    &rule.into(),
                    &["Exact", "NotOlderThan", ""],
                ));
            }
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid("meta.k8s.io", "ListOptions", "", causes))
}

/// In which shape objects are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As they are.
    Full,
    /// Their metadata alone.
    Partial,
    /// As rows for people.
    Table(IncludeObject),
}

/// The first shape of the `Accept` header that can be given.
///
/// # Errors
/// 406 when there is none, such as for protobuf alone.
pub fn shape(headers: &HeaderMap, include: IncludeObject) -> Result<Shape, Status> {
    let Some(accept) = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .filter(|a| !a.trim().is_empty())
    else {
        return Ok(Shape::Full);
    };
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        if !matches!(
            parts.next(),
            Some("application/json" | "application/*" | "*/*")
        ) {
            continue;
        }
        match parts.find_map(|p| p.strip_prefix("as=")) {
            None => return Ok(Shape::Full),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                return Ok(Shape::Partial);
            }
            Some("Table") => return Ok(Shape::Table(include)),
            Some(_) => {}
        }
    }
    let message = "406: Not Acceptable

Available representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
    Err(Status {
        details: Some(Box::default()),
        ..Status::new(406, "NotAcceptable", message)
    })
}

#[cfg(test)]
mod tests {
    use super::{Target, decode};

    #[test]
    fn paths_name_their_targets() {
        let t = |p: &str| {
            Target::parse(p).map(|t| {
                [
                    t.group,
                    t.version,
                    t.namespace,
                    t.plural,
                    t.name,
                    t.subresource,
                ]
                .join("|")
            })
        };
        for (path, wanted) in [
            ("/api/v1/namespaces", Some("|v1||namespaces||")),
            ("/api/v1/namespaces/x", Some("|v1||namespaces|x|")),
            (
                "/api/v1/namespaces/x/status",
                Some("|v1||namespaces|x|status"),
            ),
            ("/api/v1/namespaces/x/secrets", Some("|v1|x|secrets||")),
            (
                "/api/v1/namespaces/x/serviceaccounts/y/token",
                Some("|v1|x|serviceaccounts|y|token"),
            ),
            ("/apis/g.io/v2/things/a%3Ab", Some("g.io|v2||things|a:b|")),
            ("/apis/g.io/v2", Some("g.io|v2||||")),
            ("/apis/g.io", None),
            ("/version", None),
            ("/api/v1/a/b/c/d/e", None),
        ] {
            assert_eq!(t(path).as_deref(), wanted, "{path}");
        }
        assert_eq!(decode("a%2"), "a%2");
        assert_eq!(decode("%zz%41"), "%zzA");
    }
}
