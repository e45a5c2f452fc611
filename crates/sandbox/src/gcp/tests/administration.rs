//! IAM's administration and Resource Manager over the API, where gcloud does not lead: unknown
//! fields, operations, what ends after 30 days, who may.

use super::*;

const IAM: &str = "iam.googleapis.com";
const PROJECTS: &str = "cloudresourcemanager.googleapis.com";

struct Office {
    world: World,
    token: String,
}

impl Office {
    async fn open() -> Self {
        let world = World::new().await;
        let token = world.gcp.administrator_token();
        Self { world, token }
    }

    /// `path` follows the pools of the project.
    async fn pools(&self, method: &str, path: &str, body: Value) -> Reply {
        let path = format!("/v1/projects/{PROJECT}/locations/global/workloadIdentityPools{path}");
        self.world.api(IAM, &self.token, method, &path, body).await
    }

    fn oidc(&self) -> Value {
        json!({
            "oidc": {"issuerUri": self.world.issuer.url()},
            "attributeMapping": {"google.subject": "assertion.sub"},
        })
    }
}

#[tokio::test]
async fn what_the_api_makes_takes_tokens() {
    let office = Office::open().await;
    let create = "/my-pool/providers?workloadIdentityPoolProviderId=cluster";
    let begun = office.pools("POST", create, office.oidc()).await.ok().body;
    let name = begun["name"].as_str().unwrap();
    assert!(begun.get("done").is_none(), "{begun}");
    let path = format!("/v1/{name}");
    let ended = office
        .world
        .api(IAM, &office.token, "GET", &path, Value::Null)
        .await
        .ok()
        .body;
    assert_eq!(ended["done"], true);
    assert_eq!(ended["response"]["state"], "ACTIVE");
    let claims = office.world.claims();
    office.world.present(&claims).await.ok();
    office
        .pools("DELETE", "/my-pool/providers/cluster", Value::Null)
        .await
        .ok();
    let refused = office.world.present(&claims).await;
    assert_eq!(refused.error(), (400, "invalid_target".to_owned()));
    let undelete = "/my-pool/providers/cluster:undelete";
    office.pools("POST", undelete, json!({})).await.ok();
    office.world.present(&claims).await.ok();
    let patch = "/my-pool/providers/cluster?updateMask=attribute_condition";
    let body = json!({"attributeCondition": "assertion.sub == 'other'"});
    office.pools("PATCH", patch, body).await.ok();
    let refused = office.world.present(&claims).await;
    assert_eq!(refused.error(), (401, "unauthorized_client".to_owned()));
    let shown = office
        .pools("GET", "/my-pool/providers/cluster", Value::Null)
        .await
        .ok();
    assert_eq!(shown.body["oidc"]["issuerUri"], office.world.issuer.url());
}

#[tokio::test]
async fn a_deleted_pool_is_gone_after_thirty_days() {
    let office = Office::open().await;
    office.pools("DELETE", "/my-pool", Value::Null).await.ok();
    let create = "?workloadIdentityPoolId=my-pool";
    let taken = office.pools("POST", create, json!({})).await;
    assert_eq!(taken.error(), (409, "ALREADY_EXISTS".to_owned()));
    let add = "/my-pool/providers?workloadIdentityPoolProviderId=cluster";
    let refused = office.pools("POST", add, office.oidc()).await;
    assert_eq!(refused.error(), (400, "FAILED_PRECONDITION".to_owned()));
    office.world.clock.skew((30 * 86_400 + 1) * 1000);
    let token = office.world.gcp.administrator_token();
    let office = Office { token, ..office };
    let gone = office.pools("GET", "/my-pool", Value::Null).await;
    assert_eq!(gone.error(), (404, "NOT_FOUND".to_owned()));
    office.pools("POST", create, json!({})).await.ok();
}

#[tokio::test]
async fn nothing_unknown_is_taken() {
    let office = Office::open().await;
    let id = "?workloadIdentityPoolId=new-pool";
    let provider = "/my-pool/providers?workloadIdentityPoolProviderId=cluster";
    let with = |path: &str, value: Value| {
        let mut body = office.oidc();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    for (path, body) in [
        (id, json!({"displayname": "a"})),
        (id, json!({"displayName": 1})),
        (id, json!({"disabled": "yes"})),
        ("?workloadIdentityPoolId=new-pool&colour=blue", json!({})),
        ("?poolId=new-pool", json!({})),
        (
            provider,
            json!({"oidc": {"issuerUri": "https://a.example"}}),
        ),
        (
            provider,
            json!({"attributeMapping": {"google.subject": "assertion.sub"}}),
        ),
        (
            provider,
            with("/oidc", json!({"issuer": "https://a.example"})),
        ),
        (
            provider,
            with("/attributeMapping", json!({"google.subject": 1})),
        ),
        (provider, with("/attributeMapping", json!([]))),
    ] {
        let reply = office.pools("POST", path, body.clone()).await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{path} {body}"
        );
    }
    for mask in ["", "?updateMask=name", "?updateMask=oidc.keys"] {
        let path = format!("/my-pool{mask}");
        let reply = office.pools("PATCH", &path, json!({})).await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{mask}"
        );
    }
    let set = format!("/v1/projects/{PROJECT}:setIamPolicy");
    for policy in [
        json!({"policy": {"binding": []}}),
        json!({"policy": {"bindings": [{"role": "roles/viewer", "member": "a"}]}}),
        json!({"policy": {"version": 2}}),
        json!({"policies": {}}),
    ] {
        let reply = office
            .world
            .api(PROJECTS, &office.token, "POST", &set, policy.clone())
            .await;
        assert_eq!(
            reply.error(),
            (400, "INVALID_ARGUMENT".to_owned()),
            "{policy}"
        );
    }
}

#[tokio::test]
async fn conditions_are_not_lost_to_an_old_writer() {
    let office = Office::open().await;
    let member = office.world.principal();
    let condition = Condition {
        title: "names".to_owned(),
        expression: "resource.name == 'a'".to_owned(),
        ..Condition::default()
    };
    office
        .world
        .gcp
        .bind_on_project(PROJECT, "roles/viewer", &member, Some(condition.clone()))
        .unwrap_err();
    let role = "roles/secretmanager.viewer";
    office
        .world
        .gcp
        .bind_on_project(PROJECT, role, &member, Some(condition))
        .unwrap();
    let api = |verb: &'static str, version: &'static str, body: Value| {
        let office = &office;
        async move {
            let path = format!("/{version}/projects/{PROJECT}:{verb}");
            office
                .world
                .api(PROJECTS, &office.token, "POST", &path, body)
                .await
        }
    };
    let old = api("getIamPolicy", "v1", json!({})).await.ok().body;
    assert_eq!(old["version"], 1);
    let refused = api("setIamPolicy", "v1", json!({"policy": old})).await;
    assert_eq!(refused.error(), (400, "INVALID_ARGUMENT".to_owned()));
    let options = json!({"options": {"requestedPolicyVersion": 3}});
    let read = api("getIamPolicy", "v3", options).await.ok().body;
    assert_eq!(read["version"], 3);
    api("setIamPolicy", "v3", json!({"policy": read}))
        .await
        .ok();
    let asked =
        json!({"permissions": ["resourcemanager.projects.get", "secretmanager.secrets.get"]});
    let held = api("testIamPermissions", "v1", asked.clone()).await.ok();
    assert_eq!(held.body, asked);
    let third = office
        .world
        .api(
            PROJECTS,
            &office.token,
            "GET",
            &format!("/v3/projects/{PROJECT}"),
            Value::Null,
        )
        .await
        .ok();
    assert_eq!(third.body["name"], format!("projects/{NUMBER}"));
}

#[tokio::test]
async fn administration_needs_its_own_permission() {
    let world = World::trusted().await;
    let token = world.access().await;
    let pools = format!("/v1/projects/{PROJECT}/locations/global/workloadIdentityPools");
    for (host, method, path) in [
        (IAM, "GET", pools.clone()),
        (IAM, "DELETE", format!("{pools}/my-pool")),
        (
            IAM,
            "GET",
            format!("/v1/projects/{PROJECT}/serviceAccounts"),
        ),
        (
            IAM,
            "GET",
            format!("/v1/projects/{PROJECT}/serviceAccounts/none@x"),
        ),
        (PROJECTS, "GET", format!("/v1/projects/{PROJECT}")),
        (
            PROJECTS,
            "POST",
            format!("/v1/projects/{PROJECT}:setIamPolicy"),
        ),
        (PROJECTS, "GET", "/v1/projects/none".to_owned()),
    ] {
        let reply = world.api(host, &token, method, &path, Value::Null).await;
        assert_eq!(
            reply.error(),
            (403, "PERMISSION_DENIED".to_owned()),
            "{path}"
        );
        let reply = world.api(host, "none", method, &path, Value::Null).await;
        assert_eq!(reply.error(), (401, "UNAUTHENTICATED".to_owned()), "{path}");
    }
}
