//! `AssumeRole`: who may, tags, chaining, accounts.

use super::*;

async fn assume(w: &World, key: &AccessKey, role: &str, extra: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("Action", "AssumeRole"),
        ("RoleArn", role),
        ("RoleSessionName", "next"),
    ];
    fields.extend_from_slice(extra);
    w.query("sts", key, &fields).await
}

fn trusting(principal: &str, actions: &[&str], condition: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Condition": condition}}).to_string()
}

#[tokio::test]
async fn a_named_principal_needs_no_policy_of_its_own() {
    let w = World::new().await;
    let direct = w
        .aws
        .create_role("direct", &trusting(&w.role, &["sts:AssumeRole"], json!({})))
        .unwrap();
    let account = w
        .aws
        .create_role(
            "account",
            &trusting(ACCOUNT, &["sts:AssumeRole"], json!({})),
        )
        .unwrap();
    let key = w.session().await;
    let answer = assume(&w, &key, &direct, &[]).await.ok();
    assert_eq!(
        answer.tag("Arn"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/direct/next")
    );
    let answer = assume(&w, &key, &account, &[]).await;
    assert_eq!(answer.error(), (403, "AccessDenied".to_owned()));
    assert_eq!(
        answer.message(),
        format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/web/test is not authorized to perform: sts:AssumeRole on resource: {account} because no identity-based policy allows the sts:AssumeRole action"
        )
    );
    w.aws
        .put_role_policy("web", "p", &allow(&["sts:AssumeRole"], &account))
        .unwrap();
    assume(&w, &key, &account, &[]).await.ok();
    assert_eq!(
        assume(&w, &key, "arn:aws:iam::111122223333:role/none", &[])
            .await
            .error()
            .1,
        "AccessDenied"
    );
}

#[tokio::test]
async fn external_id_and_tags_are_conditions() {
    let w = World::new().await;
    let condition = json!({"StringEquals": {"sts:ExternalId": "42"}});
    let role = w
        .aws
        .create_role("ext", &trusting(&w.role, &["sts:AssumeRole"], condition))
        .unwrap();
    let key = w.session().await;
    assert_eq!(assume(&w, &key, &role, &[]).await.error().1, "AccessDenied");
    assert_eq!(
        assume(&w, &key, &role, &[("ExternalId", "43")])
            .await
            .error()
            .1,
        "AccessDenied"
    );
    assume(&w, &key, &role, &[("ExternalId", "42")]).await.ok();
    let tag = [
        ("ExternalId", "42"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
    ];
    // Tags need sts:TagSession in the trust policy.
    assert!(
        assume(&w, &key, &role, &tag)
            .await
            .message()
            .contains("sts:TagSession")
    );
    let condition = json!({"StringEquals": {"aws:RequestTag/team": ["red", "blue"]}});
    w.aws
        .update_trust_policy(
            "ext",
            &trusting(&w.role, &["sts:AssumeRole", "sts:TagSession"], condition),
        )
        .unwrap();
    assume(&w, &key, &role, &tag).await.ok();
    let green = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "green"),
    ];
    assert_eq!(
        assume(&w, &key, &role, &green).await.error().1,
        "AccessDenied"
    );
}

#[tokio::test]
async fn tags_of_a_session_limit_it_and_go_on() {
    let w = World::new().await;
    let both = ["sts:AssumeRole", "sts:TagSession"];
    let first = w
        .aws
        .create_role("first", &trusting(&w.role, &both, json!({})))
        .unwrap();
    let second = w
        .aws
        .create_role("second", &trusting(&first, &both, json!({})))
        .unwrap();
    let own = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:GetParameter",
        "Resource": "arn:aws:ssm:*:*:parameter/${aws:PrincipalTag/team}/*"}}).to_string();
    w.aws.put_role_policy("second", "p", &own).unwrap();
    w.aws.put_parameter("/red/a", "1").unwrap();
    w.aws.put_parameter("/blue/a", "2").unwrap();
    let web = w.session().await;
    let tags = [
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
        ("TransitiveTagKeys.member.1", "team"),
    ];
    let one = key_in(&assume(&w, &web, &first, &tags).await.ok());
    let two = key_in(&assume(&w, &one, &second, &[]).await.ok());
    w.ssm(&two, "GetParameter", json!({"Name": "/red/a"}))
        .await
        .ok();
    assert_eq!(
        w.ssm(&two, "GetParameter", json!({"Name": "/blue/a"}))
            .await
            .error()
            .1,
        "AccessDeniedException"
    );
    let again = [
        ("Tags.member.1.Key", "Team"),
        ("Tags.member.1.Value", "blue"),
    ];
    assert_eq!(
        assume(&w, &one, &second, &again).await.error().1,
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn a_chain_lasts_an_hour_at_most() {
    let w = World::new().await;
    let admin = format!("arn:aws:iam::{ACCOUNT}:user/admin");
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": [w.role, admin]}, "Action": "sts:AssumeRole"}});
    let role = w.aws.create_role("long", &trust.to_string()).unwrap();
    let answer = assume(
        &w,
        &w.session().await,
        &role,
        &[("DurationSeconds", "3601")],
    )
    .await;
    assert_eq!(answer.error(), (400, "ValidationError".to_owned()));
    assert!(
        answer
            .message()
            .contains("1 hour session limit for roles assumed by role chaining")
    );
    assume(&w, w.admin(), &role, &[("DurationSeconds", "43200")])
        .await
        .ok();
}

#[tokio::test]
async fn another_account_needs_both_sides() {
    let w = World::new().await;
    let stranger = w.aws.admin_of("999999999999");
    let closed = w
        .aws
        .create_role("closed", &trusting(ACCOUNT, &["sts:AssumeRole"], json!({})))
        .unwrap();
    let open = w
        .aws
        .create_role(
            "open",
            &trusting("999999999999", &["sts:AssumeRole"], json!({})),
        )
        .unwrap();
    assert_eq!(
        assume(&w, &stranger, &closed, &[]).await.error().1,
        "AccessDenied"
    );
    assume(&w, &stranger, &open, &[]).await.ok();
}
