use super::*;

fn made(name: &str, deleting: bool) -> Arc<ExternalSecret> {
    let deletion = if deleting {
        r#","deletionTimestamp":"2026-01-01T00:00:00Z""#
    } else {
        ""
    };
    let text =
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"n"{deletion}}},"spec":{{}}}}"#);
    Arc::new(ExternalSecret::decode(&text).unwrap())
}

fn cluster(metadata: &str, spec: &str) -> ClusterExternalSecret {
    let text = format!(r#"{{"metadata":{{"name":"c"{metadata}}},"spec":{spec}}}"#);
    ClusterExternalSecret::decode(&text).unwrap()
}

#[test]
fn the_intent_follows_the_object() {
    const GOOD: &str = r#"{"externalSecretSpec":{}}"#;
    const BAD: &str = r#"{"externalSecretSpec":{},"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"?"}]}}"#;
    const GOING: &str = r#","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":"#;
    const ESO: &str = r#""externalsecrets.external-secrets.io/clusterexternalsecret-cleanup""#;
    let going = |finalizers: &str| format!("{GOING}[{finalizers}]");
    for (object, expected) in [
        (None, Intent::Withdraw { delete: false }),
        (Some(cluster("", GOOD)), Intent::Provide),
        (Some(cluster("", BAD)), Intent::Hold),
        (
            Some(cluster(&format!(r#","finalizers":[{ESO}]"#), GOOD)),
            Intent::Provide,
        ),
        (
            Some(cluster(&going(r#""foregroundDeletion""#), GOOD)),
            Intent::Withdraw { delete: false },
        ),
        (
            Some(cluster(&going(ESO), GOOD)),
            Intent::Withdraw { delete: true },
        ),
        (
            Some(cluster(&going(ESO), BAD)),
            Intent::Withdraw { delete: true },
        ),
        (
            Some(cluster(&going(&format!(r#"{ESO},"orphan""#)), GOOD)),
            Intent::Withdraw { delete: false },
        ),
    ] {
        assert_eq!(intent(object.as_ref()), expected, "{object:?}");
    }
}

/// What a step does, in one line.
fn told(step: &Step) -> String {
    let mut told: Vec<String> = Vec::new();
    told.extend(step.delete.iter().map(|o| format!("delete {}", o.key.name)));
    match &step.write {
        Write::Nothing => {}
        Write::Create => told.push("create".into()),
        Write::Update(object) => told.push(format!("update {}", object.key.name)),
    }
    told.extend(step.release.map(|at| format!("release {at}")));
    told.push(match &step.standing {
        None => "as before".into(),
        Some(Standing::Absent) => "absent".into(),
        Some(Standing::Provisioned) => "provisioned".into(),
        Some(Standing::Failed(reason)) => reason.clone(),
    });
    told.join(", ")
}

#[test]
fn steps() {
    use Intent::{Hold, Provide, Withdraw};
    use State::{Active, Ending, Gone};
    let ours = |same| Existing::Made {
        object: made("e", false),
        same,
    };
    let going = || Existing::Made {
        object: made("e", true),
        same: false,
    };
    let delete = Withdraw { delete: true };
    let leave = Withdraw { delete: false };
    // Intent, state, selected, ESO's finalizer, the wanted name's object, another of ours.
    let table = [
        (
            Provide,
            Active,
            true,
            None,
            Existing::Nothing,
            false,
            "create, provisioned",
        ),
        (
            Provide,
            Active,
            true,
            Some(0),
            Existing::Nothing,
            false,
            "create, provisioned",
        ),
        (
            Provide,
            Active,
            true,
            None,
            ours(true),
            false,
            "provisioned",
        ),
        (
            Provide,
            Active,
            true,
            None,
            ours(false),
            false,
            "update e, provisioned",
        ),
        (Provide, Active, true, None, going(), false, "as before"),
        (
            Provide,
            Active,
            true,
            None,
            Existing::Foreign,
            false,
            message::EXTERNAL_SECRET_EXISTS,
        ),
        (
            Provide,
            Active,
            true,
            None,
            Existing::Nothing,
            true,
            "delete old, create, provisioned",
        ),
        (
            Provide,
            Active,
            true,
            Some(0),
            ours(true),
            true,
            "delete old, provisioned",
        ),
        (
            Provide,
            Active,
            false,
            None,
            Existing::Nothing,
            false,
            "absent",
        ),
        (
            Provide,
            Active,
            false,
            Some(2),
            ours(true),
            true,
            "delete old, delete e, release 2, absent",
        ),
        (
            Provide,
            Active,
            false,
            None,
            Existing::Foreign,
            false,
            "absent",
        ),
        (Provide, Active, false, None, going(), false, "absent"),
        (
            Provide,
            Ending,
            true,
            None,
            Existing::Nothing,
            false,
            "absent",
        ),
        (
            Provide,
            Ending,
            true,
            Some(1),
            ours(false),
            true,
            "release 1, absent",
        ),
        (Provide, Gone, true, None, ours(true), false, "absent"),
        (Hold, Active, false, Some(0), ours(false), true, "as before"),
        (
            Hold,
            Ending,
            false,
            Some(0),
            ours(true),
            false,
            "release 0, absent",
        ),
        (
            delete,
            Active,
            true,
            Some(0),
            ours(true),
            true,
            "delete old, delete e, release 0, absent",
        ),
        (
            delete,
            Active,
            true,
            None,
            Existing::Foreign,
            false,
            "absent",
        ),
        (
            delete,
            Ending,
            true,
            Some(0),
            ours(true),
            false,
            "release 0, absent",
        ),
        (
            leave,
            Active,
            true,
            Some(0),
            ours(true),
            true,
            "release 0, absent",
        ),
        (
            leave,
            Active,
            true,
            None,
            Existing::Nothing,
            false,
            "absent",
        ),
    ];
    for (intent, state, selected, held, existing, another, expected) in table {
        let others = if another {
            vec![made("old", false)]
        } else {
            vec![]
        };
        let place = Place {
            namespace: "n".into(),
            state,
            selected,
            held,
            existing,
            others,
        };
        let step = step(intent, &place);
        assert_eq!(told(&step), expected, "{intent:?} {place:?}");
        assert_eq!(
            step.is_idle(),
            !expected.contains("te ")
                && !expected.contains("create,")
                && !expected.contains("release")
        );
    }
}

#[test]
fn what_is_being_deleted_is_not_deleted_again() {
    let place = Place {
        namespace: "n".into(),
        state: State::Active,
        selected: true,
        held: None,
        existing: Existing::Nothing,
        others: vec![made("old", true)],
    };
    assert_eq!(told(&step(Intent::Provide, &place)), "create, provisioned");
}
