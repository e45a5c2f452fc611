//! Parameter Store: reading, writing, paths, filters.

use super::*;

#[tokio::test]
async fn get_one_by_name_version_label_and_arn() {
    let w = World::new().await;
    let admin = w.admin();
    let arn = format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/app/db");
    w.ssm(
        admin,
        "PutParameter",
        json!({"Name": "/app/db", "Value": "one", "Type": "String"}),
    )
    .await
    .ok();
    let put = w
        .ssm(
            admin,
            "PutParameter",
            json!({"Name": "/app/db", "Value": "two", "Overwrite": true}),
        )
        .await
        .ok()
        .json();
    assert_eq!(put, json!({"Version": 2, "Tier": "Standard"}));
    w.ssm(
        admin,
        "LabelParameterVersion",
        json!({"Name": "/app/db", "ParameterVersion": 1, "Labels": ["old", "1bad"]}),
    )
    .await
    .ok();
    for (name, value, selector) in [
        ("/app/db".to_owned(), "two", None),
        ("/app/db:1".to_owned(), "one", Some(":1")),
        ("/app/db:old".to_owned(), "one", Some(":old")),
        (arn.clone(), "two", None),
        (format!("{arn}:1"), "one", Some(":1")),
    ] {
        let p = w
            .ssm(admin, "GetParameter", json!({"Name": name}))
            .await
            .ok()
            .json()["Parameter"]
            .clone();
        assert_eq!(
            (p["Value"].as_str(), p["Selector"].as_str()),
            (Some(value), selector),
            "{name}"
        );
        assert_eq!(
            (p["Name"].as_str(), p["ARN"].as_str(), p["Type"].as_str()),
            (Some("/app/db"), Some(arn.as_str()), Some("String"))
        );
        assert_eq!(p["DataType"], "text");
        assert!(p["LastModifiedDate"].is_f64());
    }
    let missing = w.ssm(admin, "GetParameter", json!({"Name": "/none"})).await;
    assert_eq!(
        (missing.error(), missing.body.as_str()),
        (
            (400, "ParameterNotFound".to_owned()),
            r#"{"__type":"ParameterNotFound"}"#
        )
    );
    let version = w
        .ssm(admin, "GetParameter", json!({"Name": "/app/db:9"}))
        .await;
    assert_eq!(version.error().1, "ParameterVersionNotFound");
    assert_eq!(
        version.message(),
        "Systems Manager could not find version 9 of /app/db. Verify the version and try again."
    );
}

#[tokio::test]
async fn get_many_lists_what_is_missing() {
    let w = World::new().await;
    w.aws.put_parameter("/a", "1").unwrap();
    w.aws.put_parameter("plain", "2").unwrap();
    let json = w
        .ssm(
            w.admin(),
            "GetParameters",
            json!({"Names": ["/none", "plain", "/a:1", "/a:7"]}),
        )
        .await
        .ok()
        .json();
    assert_eq!(json["InvalidParameters"], json!(["/none", "/a:7"]));
    assert_eq!(
        json["Parameters"][0]["ARN"],
        format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/plain")
    );
    assert_eq!(json["Parameters"][1]["Selector"], ":1");
    let eleven: Vec<String> = (0..11).map(|i| format!("/p{i}")).collect();
    for names in [json!(eleven), json!([]), json!(["/a", "/a"])] {
        assert_eq!(
            w.ssm(w.admin(), "GetParameters", json!({"Names": names}))
                .await
                .error()
                .1,
            "ValidationException"
        );
    }
}

#[tokio::test]
async fn paths_are_paged_and_filtered() {
    let w = World::new().await;
    for i in 0..23 {
        w.aws.put_parameter(&format!("/app/p{i:02}"), "v").unwrap();
    }
    w.aws
        .put_secure_parameter("/app/deep/er", "s", None)
        .unwrap();
    w.aws.put_parameter("/apple", "no").unwrap();
    let mut names = Vec::new();
    let mut token = Value::Null;
    loop {
        let page = w
            .ssm(
                w.admin(),
                "GetParametersByPath",
                json!({"Path": "/app", "Recursive": true, "NextToken": token}),
            )
            .await
            .ok()
            .json();
        assert!(page["Parameters"].as_array().unwrap().len() <= 10);
        names.extend(
            page["Parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p["Name"].as_str().unwrap().to_owned()),
        );
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names.len(), 24);
    assert_eq!(names[0], "/app/deep/er");
    let one = |input: Value| async { w.ssm(w.admin(), "GetParametersByPath", input).await };
    let flat = one(json!({"Path": "/app/", "MaxResults": 10}))
        .await
        .ok()
        .json();
    assert_eq!(flat["Parameters"][0]["Name"], "/app/p00");
    let filter = json!([{"Key": "Type", "Values": ["SecureString"]}]);
    let secure = one(json!({"Path": "/", "Recursive": true, "ParameterFilters": filter}))
        .await
        .ok()
        .json();
    assert_eq!(secure["Parameters"].as_array().unwrap().len(), 1);
    assert_eq!(
        one(json!({"Path": "app"})).await.error().1,
        "ValidationException"
    );
    assert_eq!(
        one(json!({"Path": "/app", "MaxResults": 11}))
            .await
            .error()
            .1,
        "ValidationException"
    );
    assert_eq!(
        one(json!({"Path": "/app", "NextToken": "x"}))
            .await
            .error()
            .1,
        "InvalidNextToken"
    );
    assert_eq!(
        one(json!({"Path": "/app", "ParameterFilters": [{"Key": "Name", "Values": ["x"]}]}))
            .await
            .error()
            .1,
        "InvalidFilterKey"
    );
}

#[tokio::test]
async fn describe_filters() {
    let w = World::new().await;
    let put = async |name: &str, tags: Value| {
        w.ssm(
            w.admin(),
            "PutParameter",
            json!({"Name": name, "Value": "v", "Type": "String", "Tags": tags}),
        )
        .await
        .ok();
    };
    put("/app/db", json!([{"Key": "env", "Value": "prod"}])).await;
    put("/app/cache/x", json!([{"Key": "env", "Value": "test"}])).await;
    put("other", json!([])).await;
    for (filter, expected) in [
        (json!([]), vec!["/app/cache/x", "/app/db", "other"]),
        (
            json!([{"Key": "Name", "Option": "BeginsWith", "Values": ["/app/d"]}]),
            vec!["/app/db"],
        ),
        (
            json!([{"Key": "Name", "Option": "Contains", "Values": ["cache", "the"]}]),
            vec!["/app/cache/x", "other"],
        ),
        (json!([{"Key": "Name", "Values": ["other"]}]), vec!["other"]),
        (
            json!([{"Key": "tag:env", "Values": ["prod"]}]),
            vec!["/app/db"],
        ),
        (
            json!([{"Key": "tag:env", "Values": []}]),
            vec!["/app/cache/x", "/app/db"],
        ),
        (
            json!([{"Key": "Path", "Option": "Recursive", "Values": ["/app"]}]),
            vec!["/app/cache/x", "/app/db"],
        ),
        (
            json!([{"Key": "Path", "Option": "OneLevel", "Values": ["/app"]}]),
            vec!["/app/db"],
        ),
        (
            json!([{"Key": "tag:env", "Values": ["prod", "test"]}, {"Key": "Name", "Option": "Contains", "Values": ["db"]}]),
            vec!["/app/db"],
        ),
    ] {
        let json = w
            .ssm(
                w.admin(),
                "DescribeParameters",
                json!({"ParameterFilters": filter}),
            )
            .await
            .ok()
            .json();
        let names: Vec<&str> = json["Parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["Name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{filter}");
        assert!(!json.to_string().contains("\"Value\""));
    }
    let bad = json!([{"Key": "Name", "Option": "Recursive", "Values": ["/app"]}]);
    assert_eq!(
        w.ssm(
            w.admin(),
            "DescribeParameters",
            json!({"ParameterFilters": bad})
        )
        .await
        .error()
        .1,
        "InvalidFilterOption"
    );
    let page = w
        .ssm(w.admin(), "DescribeParameters", json!({"MaxResults": 2}))
        .await
        .ok()
        .json();
    let next = w
        .ssm(
            w.admin(),
            "DescribeParameters",
            json!({"MaxResults": 2, "NextToken": page["NextToken"]}),
        )
        .await
        .ok()
        .json();
    assert_eq!(next["Parameters"][0]["Name"], "other");
    assert!(next.get("NextToken").is_none());
}

#[tokio::test]
async fn puts_that_are_refused() {
    let w = World::new().await;
    w.aws.put_parameter("/old", "1").unwrap();
    w.aws.put_secure_parameter("/safe", "1", None).unwrap();
    for (input, code) in [
        (
            json!({"Name": "/old", "Value": "2", "Type": "String"}),
            "ParameterAlreadyExists",
        ),
        (json!({"Name": "/new", "Value": "2"}), "ValidationException"),
        (
            json!({"Name": "/new", "Value": "", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x".repeat(4097), "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x".repeat(8193), "Type": "String", "Tier": "Advanced"}),
            "ValidationException",
        ),
        (
            json!({"Name": "a/b", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/ssm/x", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/aws/x", "Value": "x", "Type": "String"}),
            "AccessDeniedException",
        ),
        (
            json!({"Name": "/a b", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": format!("/{}", "a/".repeat(15) + "b"), "Value": "x", "Type": "String"}),
            "HierarchyLevelLimitExceededException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "KeyId": "alias/x"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "SecureString", "KeyId": "alias/x"}),
            "InvalidKeyId",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "AllowedPattern": "[0-9]+"}),
            "ParameterPatternMismatchException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "AllowedPattern": "["}),
            "InvalidAllowedPatternException",
        ),
        (
            json!({"Name": "/safe", "Value": "x", "Type": "String", "Overwrite": true}),
            "HierarchyTypeMismatchException",
        ),
        (
            json!({"Name": "/old", "Value": "x", "Overwrite": true, "Tags": [{"Key": "a", "Value": "b"}]}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": 7, "Type": "String"}),
            "SerializationException",
        ),
    ] {
        let answer = w.ssm(w.admin(), "PutParameter", input.clone()).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{input}");
    }
    let put = |tier, size| {
        w.ssm(w.admin(), "PutParameter", json!({"Name": "/t", "Value": "x".repeat(size), "Type": "String", "Tier": tier, "Overwrite": true}))
    };
    assert_eq!(put("Standard", 4096).await.ok().json()["Tier"], "Standard");
    assert_eq!(
        put("Intelligent-Tiering", 4097).await.ok().json()["Tier"],
        "Advanced"
    );
    assert_eq!(put("Standard", 1).await.error().1, "ValidationException");
}

#[tokio::test]
async fn history_tags_and_deletion() {
    let w = World::new().await;
    for i in 0..102 {
        w.aws.put_parameter("/h", &i.to_string()).unwrap();
    }
    let h = w
        .ssm(w.admin(), "GetParameterHistory", json!({"Name": "/h"}))
        .await
        .ok()
        .json();
    assert_eq!(h["Parameters"].as_array().unwrap().len(), 50);
    assert_eq!(
        (
            h["Parameters"][0]["Version"].as_u64(),
            h["Parameters"][0]["Value"].as_str()
        ),
        (Some(3), Some("2"))
    );
    assert!(h["NextToken"].is_string());
    let tag = json!({"ResourceType": "Parameter", "ResourceId": "/h", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]});
    w.ssm(w.admin(), "AddTagsToResource", tag).await.ok();
    w.ssm(
        w.admin(),
        "RemoveTagsFromResource",
        json!({"ResourceType": "Parameter", "ResourceId": "/h", "TagKeys": ["a"]}),
    )
    .await
    .ok();
    let tags = w
        .ssm(
            w.admin(),
            "ListTagsForResource",
            json!({"ResourceType": "Parameter", "ResourceId": "/h"}),
        )
        .await
        .ok()
        .json();
    assert_eq!(tags, json!({"TagList": [{"Key": "c", "Value": "d"}]}));
    let gone = w
        .ssm(
            w.admin(),
            "ListTagsForResource",
            json!({"ResourceType": "Parameter", "ResourceId": "/none"}),
        )
        .await;
    assert_eq!(gone.error().1, "InvalidResourceId");
    w.aws.put_parameter("/i", "1").unwrap();
    let deleted = w
        .ssm(
            w.admin(),
            "DeleteParameters",
            json!({"Names": ["/i", "/none"]}),
        )
        .await
        .ok()
        .json();
    assert_eq!(
        deleted,
        json!({"DeletedParameters": ["/i"], "InvalidParameters": ["/none"]})
    );
    w.ssm(w.admin(), "DeleteParameter", json!({"Name": "/h"}))
        .await
        .ok();
    assert_eq!(
        w.ssm(w.admin(), "DeleteParameter", json!({"Name": "/h"}))
            .await
            .error()
            .1,
        "ParameterNotFound"
    );
}
