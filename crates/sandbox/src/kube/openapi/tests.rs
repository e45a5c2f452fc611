use serde_json::{Value, json};

use super::{BUILTINS, Resource, document, index};

fn resource(group: &str, kind: &str, plural: &str, schema: Option<Value>) -> Resource {
    Resource {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        namespaced: true,
        verbs: [
            "get",
            "list",
            "watch",
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        ]
        .map(str::to_owned)
        .to_vec(),
        schema,
        subresources: vec!["status".into()],
    }
}

fn resources() -> Vec<Resource> {
    let recorded: Value = serde_json::from_str(include_str!("../schema/recorded.json")).unwrap();
    let mut namespace = resource("", "Namespace", "namespaces", None);
    namespace.namespaced = false;
    vec![
        resource("", "Secret", "secrets", None),
        namespace,
        resource("", "Strange", "stranges", None),
        resource("apps", "Deployment", "deployments", None),
        resource("x.io", "Test", "tests", Some(recorded["schema"].clone())),
    ]
}

/// Every reference of a document leads to one of its schemas.
fn check_references(value: &Value, schemas: &Value) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                if key == "$ref" {
                    let name = child
                        .as_str()
                        .unwrap()
                        .strip_prefix("#/components/schemas/")
                        .unwrap();
                    assert!(schemas.get(name).is_some(), "{name} is missing");
                }
                check_references(child, schemas);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| check_references(item, schemas)),
        _ => {}
    }
}

#[test]
fn the_index_names_every_document() {
    let resources = resources();
    let index = index(&resources);
    let paths = index["paths"].as_object().unwrap();
    assert_eq!(
        paths.keys().collect::<Vec<_>>(),
        ["api/v1", "apis/apps/v1", "apis/x.io/v1"]
    );
    let url = paths["apis/x.io/v1"]["serverRelativeURL"].as_str().unwrap();
    assert!(url.starts_with("/openapi/v3/apis/x.io/v1?hash="));
    // The hash is what clients cache by: equal content, equal hash.
    assert_eq!(super::index(&resources), index);
    let mut changed = resources.clone();
    changed[4].schema = Some(json!({"type": "object"}));
    assert_ne!(
        super::index(&changed)["paths"]["apis/x.io/v1"],
        index["paths"]["apis/x.io/v1"]
    );
    assert_eq!(
        super::index(&changed)["paths"]["api/v1"],
        index["paths"]["api/v1"]
    );
}

#[test]
fn documents_are_complete() {
    let resources = resources();
    for (group, version) in [("", "v1"), ("apps", "v1"), ("x.io", "v1")] {
        let document = document(&resources, group, version).unwrap();
        check_references(&document, &document["components"]["schemas"]);
    }
    assert!(document(&resources, "x.io", "v2").is_none());
    let all: Value = Value::Object(BUILTINS.clone());
    check_references(&all, &all);
}

/// What kubectl looks for before it applies or creates.
#[test]
fn patches_name_their_kind_and_parameters() {
    let resources = resources();
    let custom = document(&resources, "x.io", "v1").unwrap();
    let patch = &custom["paths"]["/apis/x.io/v1/namespaces/{namespace}/tests/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "x.io", "version": "v1", "kind": "Test"})
    );
    let names: Vec<&str> = patch["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["dryRun", "fieldManager", "fieldValidation", "force"]
    );
    let strategic = "application/strategic-merge-patch+json";
    assert!(patch["requestBody"]["content"].get(strategic).is_none());
    let core = document(&resources, "", "v1").unwrap();
    let secrets = &core["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["patch"];
    assert!(secrets["requestBody"]["content"].get(strategic).is_some());
    assert!(core["paths"].get("/api/v1/namespaces/{name}").is_some());
    assert!(core["paths"].get("/api/v1/secrets").is_some());
    let strange = &core["components"]["schemas"]["io.k8s.api.core.v1.Strange"];
    assert_eq!(strange["x-kubernetes-preserve-unknown-fields"], true);
}

#[test]
fn schemas_carry_kinds_and_descriptions() {
    let resources = resources();
    let document = document(&resources, "x.io", "v1").unwrap();
    let schema = &document["components"]["schemas"]["io.x.v1.Test"];
    assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], "Test");
    assert_eq!(
        schema["properties"]["spec"]["properties"]["lm"]["items"]["properties"]["v"]["default"],
        "vd"
    );
    assert!(schema.get("x-kubernetes-validations").is_none());
    assert!(schema["properties"]["metadata"]["allOf"][0]["$ref"].is_string());
    for (name, schema) in BUILTINS.iter() {
        assert!(
            schema.get("description").is_some(),
            "{name} lacks a description"
        );
    }
}
