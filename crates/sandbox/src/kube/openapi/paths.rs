//! The operations of a resource.

use serde_json::{Map, Value, json};

use super::{META, Resource, reference};

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Adds the paths of a resource whose schema has this name.
pub(super) fn add(paths: &mut Map<String, Value>, resource: &Resource, schema: &str, prefix: &str) {
    let Resource {
        plural, namespaced, ..
    } = resource;
    let collection = if *namespaced {
        format!("{prefix}/namespaces/{{namespace}}/{plural}")
    } else {
        format!("{prefix}/{plural}")
    };
    let list = format!("{schema}List");
    let mut operations = Map::new();
    for (verb, method, action, result) in [
        ("list", "get", "list", list.as_str()),
        ("create", "post", "post", schema),
        (
            "deletecollection",
            "delete",
            "deletecollection",
            "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
        ),
    ] {
        if serves(resource, verb) {
            operations.insert(
                method.to_owned(),
                operation(resource, method, action, schema, result),
            );
        }
    }
    if *namespaced && serves(resource, "list") {
        let everywhere = json!({"get": operation(resource, "get", "list", schema, &list)});
        paths.insert(format!("{prefix}/{plural}"), everywhere);
    }
    paths.insert(
        collection.clone(),
        with_parameters(operations, resource, false),
    );

    let one = format!("{collection}/{{name}}");
    let mut operations = Map::new();
    for (verb, method, action) in [
        ("get", "get", "get"),
        ("update", "put", "put"),
        ("patch", "patch", "patch"),
        ("delete", "delete", "delete"),
    ] {
        if serves(resource, verb) {
            operations.insert(
                method.to_owned(),
                operation(resource, method, action, schema, schema),
            );
        }
    }
    paths.insert(one.clone(), with_parameters(operations, resource, true));
    for subresource in &resource.subresources {
        let methods: &[&str] = match subresource.as_str() {
            "token" | "eviction" | "binding" => &["post"],
            "log" => &["get"],
            _ => &["get", "put", "patch"],
        };
        let operations = methods
            .iter()
            .map(|method| {
                (
                    (*method).to_owned(),
                    operation(resource, method, method, schema, schema),
                )
            })
            .collect();
        paths.insert(
            format!("{one}/{subresource}"),
            with_parameters(operations, resource, true),
        );
    }
}

fn serves(resource: &Resource, verb: &str) -> bool {
    resource.verbs.iter().any(|served| served == verb)
}

fn with_parameters(mut operations: Map<String, Value>, resource: &Resource, named: bool) -> Value {
    let path = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "uniqueItems": true}});
    let mut parameters = Vec::new();
    if named {
        parameters.push(path("name"));
    }
    if resource.namespaced {
        parameters.push(path("namespace"));
    }
    operations.insert("parameters".to_owned(), Value::Array(parameters));
    Value::Object(operations)
}

fn operation(resource: &Resource, method: &str, action: &str, schema: &str, result: &str) -> Value {
    let mut operation = json!({
        "operationId": format!("{action}{}{}{}", resource.version, resource.kind, resource.group),
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference(result)}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group, "version": resource.version, "kind": resource.kind,
        },
    });
    let Value::Object(map) = &mut operation else {
        return operation;
    };
    let mut parameters = Vec::new();
    if matches!(method, "post" | "put" | "patch" | "delete") {
        parameters.push(query(
            "dryRun",
            "string",
            "`All`: everything is checked, nothing is stored.",
        ));
    }
    if matches!(method, "post" | "put" | "patch") {
        parameters.push(query(
            "fieldManager",
            "string",
            "Who owns the written fields.",
        ));
        parameters.push(query(
            "fieldValidation",
            "string",
            "What happens to unknown fields: `Ignore`, `Warn` or `Strict`.",
        ));
        map.insert("requestBody".to_owned(), body(resource, method, schema));
    }
    if method == "patch" {
        parameters.push(query(
            "force",
            "boolean",
            "An apply takes over fields that others own.",
        ));
    }
    if !parameters.is_empty() {
        map.insert("parameters".to_owned(), Value::Array(parameters));
    }
    operation
}

fn query(name: &str, kind: &str, description: &str) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": {"type": kind, "uniqueItems": true}})
}

fn body(resource: &Resource, method: &str, schema: &str) -> Value {
    if method != "patch" {
        return json!({"content": {"*/*": {"schema": reference(schema)}}, "required": true});
    }
    let mut types = vec![
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ];
    // kubectl apply reads here whether lists can be merged by key: only those of built-in kinds.
    if resource.schema.is_none() {
        types.push(STRATEGIC);
    }
    let patch = json!({"schema": reference(&format!("{META}.Patch"))});
    let content: Map<String, Value> = types
        .into_iter()
        .map(|kind| (kind.to_owned(), patch.clone()))
        .collect();
    json!({"content": content, "required": true})
}
