//! The Resource Manager: who may, what it refuses, and that Entra and the vaults decide by what
//! is written here.

use super::*;

const GROUP_PATH: &str = "resourceGroups/sandbox";
const IDENTITIES: &str =
    "resourceGroups/sandbox/providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const VAULTS: &str = "resourceGroups/sandbox/providers/Microsoft.KeyVault/vaults";

impl World {
    /// A token of the administrator for `scope`.
    async fn admin(&self, scope: &str) -> String {
        let admin = self.azure.administrator().clone();
        let reply = self
            .token(&[
                ("client_id", &admin.client_id),
                ("client_secret", &admin.secret),
                ("scope", scope),
                ("client_assertion_type", ""),
            ])
            .await;
        reply.ok().body["access_token"].as_str().unwrap().to_owned()
    }

    /// A call below the subscription.
    async fn arm(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!(
            "/subscriptions/{}/{path}{mark}api-version=2024-11-30",
            self.azure.subscription()
        );
        self.raw(token, method, &path, body).await
    }

    async fn raw(&self, token: &str, method: &str, path: &str, body: Value) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.call(MANAGEMENT, request, body).await
    }
}

const ARM: &str = "https://management.azure.com/.default";

#[tokio::test]
async fn the_order_of_the_checks() {
    let world = World::trusted().await;
    let admin = world.admin(ARM).await;
    let wrong = world.access().await;
    let id = world.azure.subscription().to_owned();
    let group = format!("/subscriptions/{id}/resourcegroups/none?api-version=2021-04-01");
    for (token, path, status, code) in [
        ("", group.as_str(), 401, "AuthenticationFailed"),
        ("x.y.z", &group, 401, "InvalidAuthenticationToken"),
        (&wrong, &group, 401, "InvalidAuthenticationTokenAudience"),
        (
            &admin,
            "/subscriptions/00000000-0000-0000-0000-000000000000?api-version=2021-04-01",
            404,
            "SubscriptionNotFound",
        ),
        (&admin, "/subscriptions", 400, "MissingApiVersionParameter"),
        (
            &admin,
            "/subscriptions?api-version=latest",
            400,
            "InvalidApiVersionParameter",
        ),
        (&admin, &group, 404, "ResourceGroupNotFound"),
    ] {
        let reply = world.raw(token, "GET", path, Value::Null).await;
        assert_eq!(reply.error(), (status, code.to_owned()), "{path}");
    }
    // The token of an identity without any role: it sees no subscription, and may do nothing.
    let assertion = world.assertion();
    let reply = world
        .token(&[("client_assertion", &assertion), ("scope", ARM)])
        .await;
    let nobody = reply.ok().body["access_token"].as_str().unwrap().to_owned();
    let seen = world
        .raw(
            &nobody,
            "GET",
            "/subscriptions?api-version=2022-12-01",
            Value::Null,
        )
        .await
        .ok();
    assert_eq!(seen.body["value"], json!([]));
    let reply = world.raw(&nobody, "GET", &group, Value::Null).await;
    assert_eq!(reply.error(), (403, "AuthorizationFailed".to_owned()));
    let reply = world
        .arm(
            &nobody,
            "PUT",
            &format!("{IDENTITIES}/mine"),
            json!({"location": "westeurope"}),
        )
        .await;
    let text = reply.message().to_owned();
    assert!(
        text.contains(&world.identity.object_id)
            && text.contains("'Microsoft.ManagedIdentity/userAssignedIdentities/write'"),
        "{text}"
    );
    world.clock.skew(7_200_000);
    let reply = world.raw(&admin, "GET", &group, Value::Null).await;
    assert_eq!(
        reply.error(),
        (401, "ExpiredAuthenticationToken".to_owned())
    );
}

#[tokio::test]
async fn identities_and_their_credentials() {
    let world = World::new().await;
    let token = world.admin(ARM).await;
    let path = format!("{IDENTITIES}/shop");
    let put = |path: String, body: Value| {
        let (world, token) = (&world, &token);
        async move { world.arm(token, "PUT", &path, body).await }
    };
    let reply = put(path.clone(), json!({})).await;
    assert_eq!(reply.error(), (400, "LocationRequired".to_owned()));
    let reply = put(path.clone(), json!({"location": "atlantis"})).await;
    assert_eq!(
        reply.error(),
        (400, "LocationNotAvailableForResourceType".to_owned())
    );
    let body = json!({"location": "West Europe", "tags": {"a": "b"}});
    let made = put(path.clone(), body.clone()).await;
    assert_eq!(
        (made.status, &made.body["location"]),
        (201, &json!("westeurope"))
    );
    let again = put(path.clone(), body).await.ok();
    assert_eq!(again.body, made.body);
    let reply = put(path.clone(), json!({"location": "eastus"})).await;
    assert_eq!(reply.error(), (409, "InvalidResourceLocation".to_owned()));
    // A PUT without tags takes them away.
    let bare = put(path.clone(), json!({"location": "westeurope"})).await;
    assert_eq!(bare.ok().body["tags"], json!({}));

    let issuer = world.issuer.url().to_owned();
    let credential = |subject: &str| json!({"properties": {"issuer": issuer, "subject": subject, "audiences": [AUDIENCE]}});
    let at = |name: &str| format!("{path}/federatedIdentityCredentials/{name}");
    for (name, field, value, code) in [
        (
            "abc",
            "audiences",
            json!([]),
            "InvalidFederatedIdentityCredentialsAudienceLength",
        ),
        (
            "abc",
            "audiences",
            json!([AUDIENCE, "other"]),
            "InvalidFederatedIdentityCredentialsAudienceLength",
        ),
        ("abc", "issuer", json!("http://plain"), "BadRequest"),
        ("abc", "subject", json!("a "), "BadRequest"),
        ("abc", "subject", json!(""), "BadRequest"),
        ("a", "subject", json!("a"), "BadRequest"),
    ] {
        let mut body = credential(SUBJECT);
        body["properties"][field] = value;
        let reply = put(at(name), body).await;
        assert_eq!(reply.error(), (400, code.to_owned()), "{field}");
    }
    let none = format!("{IDENTITIES}/none/federatedIdentityCredentials/abc");
    let reply = put(none, credential(SUBJECT)).await;
    assert_eq!(reply.error(), (404, "ParentResourceNotFound".to_owned()));
    assert_eq!(put(at("web"), credential("old")).await.status, 201);
    // The same name takes another subject.
    assert_eq!(put(at("web"), credential(SUBJECT)).await.status, 200);
    let twice = put(at("other"), credential(SUBJECT)).await;
    assert_eq!(twice.status, 400);
    for n in 1..20 {
        let made = put(at(&format!("more-{n}")), credential(&format!("s{n}"))).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let reply = put(at("one-too-many"), credential("s20")).await;
    assert_eq!(reply.error(), (400, "BadRequest".to_owned()));
    assert!(reply.message().contains("at most 20"), "{}", reply.body);
    let all = format!("{path}/federatedIdentityCredentials");
    let listed = world.arm(&token, "GET", &all, Value::Null).await.ok();
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 20);

    // Azure takes a moment for a write, and no second one meanwhile.
    let slow = Fault::new(Effect::Latency { milliseconds: 200 });
    let slow = slow.on("arm", "PutFederatedCredential").times(1);
    world.azure.add_fault(slow);
    let (first, second) = tokio::join!(
        put(at("web"), credential(SUBJECT)),
        put(at("more-1"), credential("s1"))
    );
    first.ok();
    assert_eq!(
        second.error(),
        (
            409,
            "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity".to_owned()
        )
    );
    assert_eq!(put(at("more-1"), credential("s1")).await.status, 200);
    // az prints these texts, and the catalogue knows them.
    for reply in [twice, second] {
        let text = reply.body["error"].to_string();
        let row = keyless_trust::catalogue::recognise(&text);
        assert_eq!(row.first().map(|row| row.code), Some("Z17"), "{text}");
    }

    // Entra decides by what was written.
    let client = made.body["properties"]["clientId"].as_str().unwrap();
    let assertion = world.assertion();
    let login = [("client_id", client), ("client_assertion", &assertion)];
    world.token(&login).await.ok();
    let gone = world.arm(&token, "DELETE", &at("web"), Value::Null).await;
    assert_eq!(gone.status, 200);
    assert_eq!(world.token(&login).await.error().1, "700213");
    let gone = world.arm(&token, "DELETE", &path, Value::Null).await;
    assert_eq!(gone.status, 200);
    assert_eq!(world.token(&login).await.error().1, "700016");
    let gone = world.arm(&token, "DELETE", &path, Value::Null).await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn roles_count_where_they_are_assigned() {
    let world = World::trusted().await;
    let (admin, data) = (world.admin(ARM).await, world.access().await);
    let azure = &world.azure;
    let vault = format!("{VAULTS}/blue");
    let body = json!({"location": "westeurope", "properties": {
        "tenantId": azure.tenant(), "sku": {"family": "A", "name": "standard"},
        "enableRbacAuthorization": true}});
    let made = world.arm(&admin, "PUT", &vault, body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(world.arm(&admin, "PUT", &vault, body).await.status, 200);
    azure.set_secret("blue", "gold", "v").unwrap();
    azure.set_secret("blue", "silver", "v").unwrap();
    let read = |name: &'static str| {
        let (world, data) = (&world, &data);
        async move {
            let request = Request::get(format!("/secrets/{name}?api-version=7.4"))
                .header("authorization", format!("Bearer {data}"));
            let reply = world.call("blue.vault.azure.net", request, String::new());
            reply.await.status
        }
    };
    assert_eq!(read("gold").await, 403);
    let name = |n: u32| format!("0000000{n}-0000-4000-8000-000000000000");
    let role = |id: &str| {
        format!(
            "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{id}",
            azure.subscription()
        )
    };
    const USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
    let body = json!({"properties": {"roleDefinitionId": role(USER),
        "principalId": world.identity.object_id, "principalType": "ServicePrincipal"}});
    let at = |scope: &str, n: u32| {
        let name = name(n);
        format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
    };
    let part = format!("{vault}/secrets/gold");
    let made = world.arm(&admin, "PUT", &at(&part, 1), body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!((read("gold").await, read("silver").await), (200, 403));
    let reply = world.arm(&admin, "PUT", &at(&part, 2), body.clone()).await;
    assert_eq!(reply.error(), (409, "RoleAssignmentExists".to_owned()));
    let reply = world.arm(&admin, "PUT", &at(&vault, 3), body.clone()).await;
    assert_eq!(reply.status, 201);
    assert_eq!(read("silver").await, 200);
    for (field, value, code) in [
        (
            "roleDefinitionId",
            role("none"),
            "RoleDefinitionDoesNotExist",
        ),
        ("principalId", "me".to_owned(), "InvalidPrincipalId"),
        ("principalType", "User".to_owned(), "UnmatchedPrincipalType"),
    ] {
        let mut wrong = body.clone();
        wrong["properties"][field] = json!(value);
        let reply = world.arm(&admin, "PUT", &at(&vault, 4), wrong).await;
        assert_eq!(reply.error(), (400, code.to_owned()));
    }
    let mut unknown = body.clone();
    unknown["properties"]["principalId"] = json!(name(9));
    let fields = unknown["properties"].as_object_mut().unwrap();
    fields.remove("principalType");
    let reply = world.arm(&admin, "PUT", &at(&vault, 4), unknown).await;
    assert_eq!(reply.error(), (400, "PrincipalNotFound".to_owned()));
    let nowhere = format!("{VAULTS}/none");
    let reply = world
        .arm(&admin, "PUT", &at(&nowhere, 4), body.clone())
        .await;
    assert_eq!(reply.error(), (404, "ResourceNotFound".to_owned()));
    let list =
        format!("{part}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()");
    let listed = world.arm(&admin, "GET", &list, Value::Null).await.ok();
    // That of the secret, of the vault, and the administrator's on the subscription.
    assert_eq!(listed.body["value"].as_array().unwrap().len(), 3);
    let gone = world
        .arm(&admin, "DELETE", &at(&vault, 3), Value::Null)
        .await;
    assert_eq!(gone.status, 200);
    assert_eq!(read("silver").await, 403);
    // On the whole group it counts as well.
    let reply = world.arm(&admin, "PUT", &at(GROUP_PATH, 5), body).await;
    assert_eq!(reply.status, 201);
    assert_eq!(read("silver").await, 200);
}

#[tokio::test]
async fn access_policies_of_a_vault() {
    let world = World::trusted().await;
    let (admin, data) = (world.admin(ARM).await, world.access().await);
    let azure = &world.azure;
    azure.set_secret("my-keyvault", "gold", "v").unwrap();
    azure
        .revoke("my-keyvault", &world.identity.object_id)
        .unwrap();
    let vault = format!("{VAULTS}/my-keyvault");
    let entry = |permissions: Value| {
        json!({"properties": {"accessPolicies": [{"tenantId": azure.tenant(),
            "objectId": world.identity.object_id, "permissions": permissions}]}})
    };
    let change = |operation: &str, body: Value| {
        let path = format!("{vault}/accessPolicies/{operation}");
        let (world, admin) = (&world, &admin);
        async move { world.arm(admin, "PUT", &path, body).await }
    };
    let read = || world.vault(&data, "GET", "/secrets/gold", Value::Null);
    let wrong = change("add", entry(json!({"secrets": ["peek"]}))).await;
    assert_eq!(wrong.error(), (400, "BadRequest".to_owned()));
    change("add", entry(json!({"secrets": ["List"]})))
        .await
        .ok();
    assert_eq!(read().await.status, 403);
    change("add", entry(json!({"secrets": ["Get"]}))).await.ok();
    read().await.ok();
    change("replace", entry(json!({"keys": ["get"]})))
        .await
        .ok();
    assert_eq!(read().await.status, 403);
    change("replace", entry(json!({"secrets": ["get", "list"]})))
        .await
        .ok();
    let left = change("remove", entry(json!({"secrets": ["get"]})))
        .await
        .ok();
    let left = &left.body["properties"]["accessPolicies"][0]["permissions"];
    assert_eq!(left, &json!({"secrets": ["list"]}));

    // The whole vault, as az writes it: what is read is what can be written.
    let shown = world.arm(&admin, "GET", &vault, Value::Null).await.ok();
    let mut body =
        json!({"location": shown.body["location"], "properties": shown.body["properties"]});
    body["properties"]["accessPolicies"][0]["permissions"]["secrets"] = json!(["get"]);
    world.arm(&admin, "PUT", &vault, body).await.ok();
    read().await.ok();

    // Who may change vaults only may not change the model.
    let contributor = "f25e0fa2-a7c8-4377-a976-54943a77a395";
    let role = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{contributor}",
        azure.subscription()
    );
    let path = format!(
        "{GROUP_PATH}/providers/Microsoft.Authorization/roleAssignments/00000001-0000-4000-8000-000000000000"
    );
    let body = json!({"properties": {"roleDefinitionId": role,
        "principalId": world.identity.object_id, "principalType": "ServicePrincipal"}});
    assert_eq!(world.arm(&admin, "PUT", &path, body).await.status, 201);
    let assertion = world.assertion();
    let reply = world
        .token(&[("client_assertion", &assertion), ("scope", ARM)])
        .await;
    let token = reply.ok().body["access_token"].as_str().unwrap().to_owned();
    let rbac = json!({"properties": {"enableRbacAuthorization": true}});
    let reply = world.arm(&token, "PATCH", &vault, rbac.clone()).await;
    assert_eq!(reply.error(), (403, "AuthorizationFailed".to_owned()));
    let tags = json!({"tags": {"a": "b"}});
    world.arm(&token, "PATCH", &vault, tags).await.ok();
    world.arm(&admin, "PATCH", &vault, rbac).await.ok();
    assert_eq!(read().await.error().1, "ForbiddenByRbac");
    let closed = json!({"properties": {"publicNetworkAccess": "Disabled"}});
    world.arm(&admin, "PATCH", &vault, closed).await.ok();
    assert_eq!(read().await.error().1, "ForbiddenByConnection");
}

#[tokio::test]
async fn what_clients_ask_on_their_way() {
    let world = World::new().await;
    let token = world.admin(ARM).await;
    let get = |path: &'static str| world.arm(&token, "GET", path, Value::Null);
    let filter = "resources?$filter=resourceType%20eq%20%27Microsoft.KeyVault/vaults%27";
    let found = get(filter).await.ok();
    assert_eq!(found.body["value"][0]["name"], "my-keyvault");
    let wrong = get("resources?$filter=colour%20eq%20%27blue%27").await;
    assert_eq!(wrong.status, 400);
    for path in ["resourcegroups", "providers", "locations", "resources"] {
        let found = get(path).await.ok();
        assert!(
            !found.body["value"].as_array().unwrap().is_empty(),
            "{path}"
        );
    }
    let provider = get("providers/Microsoft.KeyVault").await.ok();
    assert_eq!(provider.body["registrationState"], "Registered");
    let definitions = "providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20%27Key%20Vault%20Secrets%20User%27";
    let found = get(definitions).await.ok();
    assert_eq!(found.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(
        found.body["value"][0]["name"],
        "4633458b-17de-408a-b874-0445c86b69e6"
    );
    let group = world
        .arm(
            &token,
            "PUT",
            "resourcegroups/new",
            json!({"location": "uksouth"}),
        )
        .await;
    assert_eq!(group.status, 201);
    let head = world.arm(&token, "HEAD", "resourcegroups/NEW", Value::Null);
    assert_eq!(head.await.status, 204);
    let full = world.arm(&token, "DELETE", GROUP_PATH, Value::Null).await;
    assert_eq!(full.status, 409);
    assert_eq!(
        get("providers/Microsoft.Compute/virtualMachines")
            .await
            .status,
        404
    );

    // Graph, whose name is this endpoint's own address as well, and no other.
    let admin = world.azure.administrator();
    let login = |scope: &'static str| {
        let fields = [
            ("client_id", admin.client_id.as_str()),
            ("client_secret", &admin.secret),
            ("scope", scope),
            ("client_assertion_type", ""),
        ];
        let world = &world;
        async move { world.token(&fields).await }
    };
    login("https://login.microsoftonline.com/.default")
        .await
        .ok();
    assert_eq!(
        login("https://localhost:1/.default").await.error().1,
        "500011"
    );
    let token = world.admin("https://graph.microsoft.com/.default").await;
    let ids = json!({"ids": [world.identity.object_id, "none"]});
    let request = Request::post("/v1.0/directoryObjects/getByIds")
        .header("authorization", format!("Bearer {token}"));
    let found = world
        .call("graph.microsoft.com", request, ids.to_string())
        .await
        .ok();
    assert_eq!(
        found.body["value"][0]["appId"],
        world.identity.client_id.as_str()
    );
    let request = Request::post("/v1.0/directoryObjects/getByIds");
    let refused = world
        .call("graph.microsoft.com", request, ids.to_string())
        .await;
    assert_eq!(refused.status, 401);
}
