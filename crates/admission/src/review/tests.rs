use super::*;

fn review(version: &str, request: Value) -> Vec<u8> {
    json!({"apiVersion": version, "kind": "AdmissionReview", "request": request})
        .to_string()
        .into_bytes()
}

#[test]
fn both_versions_are_answered_in_kind() {
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let body = review(
            version,
            json!({"uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
                "namespace": "shop", "object": {"spec": {}}, "oldObject": null, "userInfo": {"username": "x"}}),
        );
        let request = Request::read(&body).unwrap();
        assert!(request.creates_pod());
        let answer = Answer {
            patch: vec![Operation::Add {
                path: "/a".into(),
                value: json!(1),
            }],
            warnings: vec!["w".into()],
            ..Answer::default()
        };
        let answer: Value = serde_json::from_str(&answer.render(&request)).unwrap();
        assert_eq!(answer["apiVersion"], version);
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], "u");
        assert_eq!(answer["response"]["allowed"], true);
        let patch = STANDARD.decode(answer["response"]["patch"].as_str().unwrap());
        assert_eq!(
            serde_json::from_slice::<Value>(&patch.unwrap()).unwrap(),
            json!([{"op": "add", "path": "/a", "value": 1}])
        );
    }
}

#[test]
fn a_refusal_has_no_patch() {
    let request = Request::read(&review("admission.k8s.io/v1", json!({"uid": "u"}))).unwrap();
    assert!(!request.creates_pod());
    let answer: Value = serde_json::from_str(&Answer::refused("because").render(&request)).unwrap();
    assert_eq!(
        answer["response"],
        json!({"uid": "u", "allowed": false, "status": {"code": 400, "message": "because"}})
    );
}

#[test]
fn what_is_no_review_is_said_without_its_text() {
    for (body, wanted) in [
        (b"".to_vec(), "ends too soon"),
        (b"{\"hello\":1}".to_vec(), "is another"),
        (b"hunter2".to_vec(), "not JSON at line 1"),
        (b"\xff\xfe".to_vec(), "not JSON"),
        (br#"{"apiVersion":{"hunter2":1}}"#.to_vec(), "wrong type"),
        (review("v1", json!({"uid": "hunter2"})), "is another"),
        (
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#.to_vec(),
            "has no request",
        ),
        (review("admission.k8s.io/v1", json!({})), "no uid"),
        (
            review("admission.k8s.io/v1", json!({"uid": "x".repeat(129)})),
            "no uid",
        ),
        (b"[".repeat(100_000), "wrong type"),
    ] {
        let error = Request::read(&body).unwrap_err().to_string();
        assert!(
            error.contains(wanted) && !error.contains("hunter2"),
            "{wanted}: {error}"
        );
    }
}
