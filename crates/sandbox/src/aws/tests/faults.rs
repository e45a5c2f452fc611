//! Faults on purpose, from code and over HTTP.

use super::*;
use crate::aws::faults::{Effect, Fault};

#[tokio::test]
async fn faults_strike() {
    let w = World::new().await;
    w.aws.put_parameter("/a", "1").unwrap();
    let get = || w.ssm(w.admin(), "GetParameter", json!({"Name": "/a"}));
    w.aws.add_fault(
        Fault::new(Effect::Throttle)
            .on("ssm", "GetParameter")
            .times(1),
    );
    let answer = get().await;
    assert_eq!(
        (answer.error(), answer.message()),
        (
            (400, "ThrottlingException".to_owned()),
            "Rate exceeded".to_owned()
        )
    );
    get().await.ok();
    w.aws
        .add_fault(Fault::new(Effect::ServerError { status: 500 }).times(1));
    assert_eq!(get().await.status, 500);
    w.aws
        .add_fault(Fault::new(Effect::ClockSkew { seconds: 600 }).times(1));
    assert_eq!(get().await.error().1, "InvalidSignatureException");
    w.aws
        .add_fault(Fault::new(Effect::Latency { milliseconds: 50 }).times(1));
    let started = std::time::Instant::now();
    get().await.ok();
    assert!(started.elapsed().as_millis() >= 50);
    w.aws.add_fault(Fault::new(Effect::Truncate).times(1));
    assert_eq!(get().await.body, "");
    get().await.ok();
}

#[tokio::test]
async fn faults_over_http() {
    let w = World::new().await;
    let call = |method: &'static str, body: &'static str| {
        let request = Request::builder()
            .method(method)
            .uri("/_sandbox/faults")
            .header("content-type", "application/json");
        w.aws
            .router()
            .oneshot(request.body(Body::from(body)).unwrap())
    };
    let armed = call(
        "POST",
        r#"{"service":"ssm","effect":{"kind":"throttle"},"times":3}"#,
    )
    .await
    .unwrap();
    assert_eq!(armed.status(), 201);
    let list = to_bytes(call("GET", "").await.unwrap().into_body(), 9999)
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&list).unwrap()[0]["times"],
        3
    );
    assert!(
        call("POST", r#"{"effect":{"kind":"earthquake"}}"#)
            .await
            .unwrap()
            .status()
            .is_client_error()
    );
    assert_eq!(call("DELETE", "").await.unwrap().status(), 204);
    assert!(w.aws.faults().is_empty());
}
