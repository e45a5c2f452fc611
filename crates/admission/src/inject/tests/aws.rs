//! Rules of the AWS webhook, one by one.

use super::super::aws::{Settings, associations, inject, pod_identities};
use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/shop-buyer";
const APP: &str = "/spec/containers/0";
const PATH: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

fn run(settings: &Settings, pod: &Value, account: &[(&str, &str)]) -> (Value, Vec<String>) {
    let account = annotations(account);
    let once = |pod: &Value| inject(settings, &subject(pod, Some(&account)), 7);
    let warnings = allowed(once(pod)).warnings;
    (hold(pod, once), warnings)
}

#[test]
fn a_role_gives_variables_mount_and_volume() {
    let (out, warnings) = run(
        &Settings::default(),
        &pod(),
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), Some(ROLE));
    let file = format!("{PATH}/token");
    assert_eq!(
        variable(&out, APP, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        Some(&*file)
    );
    assert_eq!(variable(&out, APP, "AWS_REGION"), None);
    assert_eq!(
        out.pointer(APP).unwrap()["volumeMounts"],
        json!([{"name": "aws-iam-token", "mountPath": PATH, "readOnly": true}])
    );
    assert_eq!(
        *token(&out, "aws-iam-token"),
        json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86_400, "path": "token"})
    );
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn without_a_role_nothing_happens() {
    for account in [&[][..], &[("eks.amazonaws.com/role-arn", "")]] {
        let (out, warnings) = run(&Settings::default(), &pod(), account);
        assert_eq!((out, warnings.len()), (pod(), 0));
    }
    let nobody = inject(&Settings::default(), &subject(&pod(), None), 0);
    assert_eq!(nobody, Verdict::untouched());
    let unnamed = with(pod(), &json!({"spec": {"serviceAccountName": ""}}));
    let (out, _) = run(
        &Settings::default(),
        &unnamed,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert_eq!(out, unnamed);
}

#[test]
fn lives_of_tokens() {
    let key = "eks.amazonaws.com/token-expiration";
    for (flag, account, on_pod, seconds) in [
        (86_400, None, None, 86_400),
        (60, None, None, 600),
        (4000, None, None, 4000),
        (86_400, Some("60"), None, 600),
        (86_400, Some(" 3600"), None, 86_400),
        (86_400, Some("3600"), Some("7200"), 7200),
        (86_400, Some("3600"), Some("1h"), 3600),
        (86_400, None, Some("100000"), 100_000),
    ] {
        let settings = Settings {
            token_expiration: flag,
            ..Settings::default()
        };
        let mut of_account = vec![("eks.amazonaws.com/role-arn", ROLE)];
        of_account.extend(account.map(|text| (key, text)));
        let mut of_pod = pod();
        if let Some(text) = on_pod {
            of_pod["metadata"]["annotations"] = json!({key: text});
        }
        let (out, _) = run(&settings, &of_pod, &of_account);
        let token = token(&out, "aws-iam-token");
        assert_eq!(
            token["expirationSeconds"], seconds,
            "{flag} {account:?} {on_pod:?}"
        );
    }
}

#[test]
fn containers_to_skip_are_a_record_of_csv() {
    let two = with(
        pod(),
        &json!({
            "metadata": {"annotations": {"eks.amazonaws.com/skip-containers": "a, b"}},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": " b"}]},
        }),
    );
    let (out, _) = run(
        &Settings::default(),
        &two,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    let mounted = |index: usize| !mounts(&out, &format!("/spec/containers/{index}")).is_empty();
    assert_eq!([mounted(0), mounted(1), mounted(2)], [false, true, false]);
    assert_eq!(out["spec"]["volumes"].as_array().unwrap().len(), 1);
}

#[test]
fn what_a_container_says_itself_is_kept() {
    let settings = Settings {
        region: Some("us-west-2".into()),
        sts_regional_endpoint: true,
        ..Settings::default()
    };
    let env = |env: Value| {
        with(
            pod(),
            &json!({"spec": {"containers": [{"name": "app", "env": env}]}}),
        )
    };
    let account = [("eks.amazonaws.com/role-arn", ROLE)];
    let (out, _) = run(
        &settings,
        &env(
            json!([{"name": "AWS_ROLE_ARN", "value": "x"}, {"name": "AWS_REGION", "value": "eu-west-1"}]),
        ),
        &account,
    );
    assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), Some("x"));
    assert_eq!(variable(&out, APP, "AWS_WEB_IDENTITY_TOKEN_FILE"), None);
    assert_eq!(variable(&out, APP, "AWS_DEFAULT_REGION"), None);
    assert_eq!(
        variable(&out, APP, "AWS_STS_REGIONAL_ENDPOINTS"),
        Some("regional")
    );
    assert_eq!(mounts(&out, APP), ["aws-iam-token"]);
    // All three of its own: then even the mount is its own business.
    let (out, _) = run(
        &settings,
        &env(json!([
            {"name": "AWS_ROLE_ARN", "value": "x"},
            {"name": "AWS_REGION", "value": "eu-west-1"},
            {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "legacy"},
        ])),
        &account,
    );
    assert_eq!(mounts(&out, APP), Vec::<String>::new());
    assert_eq!(out["spec"]["volumes"].as_array().unwrap().len(), 1);
}

#[test]
fn the_account_decides_about_regional_endpoints_before_the_flag() {
    for (flag, annotation, regional) in [
        (false, None, false),
        (true, None, true),
        (true, Some("false"), false),
        (false, Some("T"), true),
        (true, Some("nope"), true),
    ] {
        let settings = Settings {
            sts_regional_endpoint: flag,
            ..Settings::default()
        };
        let mut account = vec![("eks.amazonaws.com/role-arn", ROLE)];
        account.extend(annotation.map(|text| ("eks.amazonaws.com/sts-regional-endpoints", text)));
        let (out, _) = run(&settings, &pod(), &account);
        let there = variable(&out, APP, "AWS_STS_REGIONAL_ENDPOINTS").is_some();
        assert_eq!(there, regional, "{flag} {annotation:?}");
    }
}

#[test]
fn windows_is_chosen_by_node_selector() {
    let windows = with(
        pod(),
        &json!({"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}}),
    );
    let (out, _) = run(
        &Settings::default(),
        &windows,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert_eq!(
        variable(&out, APP, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        Some(r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token")
    );
    let by_field = with(pod(), &json!({"spec": {"os": {"name": "windows"}}}));
    let (out, _) = run(
        &Settings::default(),
        &by_field,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert!(
        variable(&out, APP, "AWS_WEB_IDENTITY_TOKEN_FILE")
            .unwrap()
            .starts_with('/')
    );
}

#[test]
fn an_empty_audience_is_the_default_and_told() {
    let account = [
        ("eks.amazonaws.com/role-arn", ROLE),
        ("eks.amazonaws.com/audience", ""),
    ];
    let (out, warnings) = run(&Settings::default(), &pod(), &account);
    assert_eq!(
        token(&out, "aws-iam-token")["audience"],
        "sts.amazonaws.com"
    );
    assert!(
        warnings[0].contains("eks.amazonaws.com/audience"),
        "{warnings:?}"
    );
}

#[test]
fn a_taken_path_leaves_the_container_alone() {
    let taken = with(
        pod(),
        &json!({"spec": {
            "volumes": [{"name": "own", "emptyDir": {}}],
            "containers": [
                {"name": "app", "volumeMounts": [{"name": "own", "mountPath": PATH}]},
                {"name": "log"},
            ],
        }}),
    );
    let (out, warnings) = run(
        &Settings::default(),
        &taken,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert_eq!(out.pointer(APP), taken.pointer(APP));
    assert_eq!(mounts(&out, "/spec/containers/1"), ["aws-iam-token"]);
    assert!(
        warnings[0].contains("app") && warnings[0].contains("own"),
        "{warnings:?}"
    );
}

#[test]
fn a_nearly_right_annotation_is_told() {
    let (out, warnings) = run(
        &Settings::default(),
        &pod(),
        &[("eks.amazon.com/role-arn", ROLE)],
    );
    assert_eq!(out, pod());
    assert!(
        warnings[0].contains("eks.amazonaws.com/role-arn"),
        "{warnings:?}"
    );
}

#[test]
fn a_role_may_be_a_name_where_the_account_is_known() {
    let settings = Settings {
        account: Some(("aws-cn".into(), "111122223333".into())),
        ..Settings::default()
    };
    for (role, arn) in [
        ("a/b", "arn:aws-cn:iam::111122223333:role/a/b"),
        (ROLE, ROLE),
    ] {
        let (out, _) = run(&settings, &pod(), &[("eks.amazonaws.com/role-arn", role)]);
        assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), Some(arn));
    }
}

#[test]
fn the_map_speaks_where_the_account_does_not() {
    let settings = Settings {
        associations: associations(r#"{
            "shop/buyer": {"RoleARN": "arn:map", "Audience": "aud", "UseRegionalSTS": true, "TokenExpiration": 1234},
            "*/anyone": {"rolearn": "arn:any"}
        }"#).unwrap(),
        ..Settings::default()
    };
    let (out, _) = run(
        &settings,
        &pod(),
        &[("eks.amazonaws.com/token-expiration", "9999")],
    );
    assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), Some("arn:map"));
    assert_eq!(
        variable(&out, APP, "AWS_STS_REGIONAL_ENDPOINTS"),
        Some("regional")
    );
    assert_eq!(
        *token(&out, "aws-iam-token"),
        json!({"audience": "aud", "expirationSeconds": 1234, "path": "token"})
    );
    let (out, _) = run(&settings, &pod(), &[("eks.amazonaws.com/role-arn", ROLE)]);
    assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), Some(ROLE));
    let anyone = with(pod(), &json!({"spec": {"serviceAccountName": "anyone"}}));
    let verdict = inject(&settings, &subject(&anyone, None), 0);
    let out = apply(&anyone, &allowed(verdict).patch);
    assert_eq!(
        token(&out, "aws-iam-token")["audience"],
        "sts.amazonaws.com"
    );
}

#[test]
fn wrong_maps_are_refused() {
    for (text, part) in [
        ("", "EOF"),
        ("[]", "config of ConfigMap"),
        (r#"{"buyer": {}}"#, "NAMESPACE/NAME"),
        (r#"{"/buyer": {}}"#, "NAMESPACE/NAME"),
        (r#"{"a/b": {"TokenExpiration": "5"}}"#, "TokenExpiration"),
    ] {
        let error = associations(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert!(pod_identities("{").is_err());
    assert_eq!(pod_identities("").unwrap(), pod_identities("{}").unwrap());
}

#[test]
fn pod_identities_come_first() {
    let settings = Settings {
        pod_identities: pod_identities(
            r#"{"identities": [{"namespace": "shop", "serviceAccount": "buyer"}]}"#,
        )
        .unwrap(),
        ..Settings::default()
    };
    let labelled = with(
        pod(),
        &json!({"metadata": {"labels": {"eks.amazonaws.com/pod-identity": "off", "a": "b"}}}),
    );
    let (out, _) = run(
        &settings,
        &labelled,
        &[("eks.amazonaws.com/role-arn", ROLE)],
    );
    assert_eq!(variable(&out, APP, "AWS_ROLE_ARN"), None);
    assert_eq!(
        variable(&out, APP, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Some("http://169.254.170.23/v1/credentials")
    );
    assert_eq!(
        out["metadata"]["labels"],
        json!({"eks.amazonaws.com/pod-identity": "enabled", "a": "b"})
    );
    for random in [0, 1, 7200, 7201, u64::MAX] {
        let verdict = inject(&settings, &subject(&pod(), None), random);
        let out = apply(&pod(), &allowed(verdict).patch);
        let token = token(&out, "eks-pod-identity-token");
        let seconds = token["expirationSeconds"].as_i64().unwrap();
        assert!((79_200..=86_400).contains(&seconds), "{random}: {seconds}");
        assert_eq!(token["audience"], "pods.eks.amazonaws.com");
    }
    let (out, _) = run(
        &settings,
        &pod(),
        &[("eks.amazonaws.com/token-expiration", "3600")],
    );
    assert_eq!(
        token(&out, "eks-pod-identity-token")["expirationSeconds"],
        3600
    );
}
