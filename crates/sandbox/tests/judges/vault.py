"""hvac, unmodified, against a running sandbox's Vault.

VAULT_ADDR, VAULT_CACERT and the root's VAULT_TOKEN are in the environment; tokens of the cluster's
issuer, and a client certificate, come in KEYLESS_*. Everything is set up through the API itself,
as an administrator does. Exits 0 when every check holds.
"""

import os
import sys

import hvac
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest

# Taken out: hvac would give it to every client that has no token of its own.
ROOT = os.environ.pop("VAULT_TOKEN")
ADDRESS = os.environ["VAULT_ADDR"]
AUTHORITY = os.environ["VAULT_CACERT"]
ISSUER = os.environ["KEYLESS_ISSUER"]
SUBJECT = os.environ["KEYLESS_SUBJECT"]
TOKEN = os.environ["KEYLESS_TOKEN"]
EXPIRED = os.environ["KEYLESS_EXPIRED"]
HOST = os.environ["KEYLESS_KUBERNETES"]
API_TOKEN = os.environ["KEYLESS_API_TOKEN"]
CERTIFICATE = os.environ["KEYLESS_CERTIFICATE"]
KEY = os.environ["KEYLESS_KEY"]

checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"check {checks} failed: {what}")


def refused(kind, text, call, *args, **kwargs):
    """Runs call, which must be refused with this kind of error and these words."""
    try:
        answer = call(*args, **kwargs)
    except hvac.exceptions.VaultError as error:
        check(isinstance(error, kind), f"{call}: {type(error)} {error}")
        check(text in str(error), f"{call}: {error}")
        return
    sys.exit(f"{call} was answered with {answer}, expected {kind.__name__} {text}")


def client(token=None, namespace=None):
    return hvac.Client(url=ADDRESS, token=token, verify=AUTHORITY, namespace=namespace)


def with_login(answer, namespace=None):
    check(answer["auth"]["lease_duration"] > 0, answer)
    return client(answer["auth"]["client_token"], namespace)


root = client(ROOT)
check(root.is_authenticated(), "root")
check(root.sys.is_initialized() and not root.sys.is_sealed(), "health")
check(root.sys.read_health_status(method="GET")["initialized"], "health document")

# Policies and secrets of version 2.
root.sys.create_or_update_policy("reader", 'path "secret/data/app/*" { capabilities = ["read"] }\npath "secret/metadata/app/*" { capabilities = ["read", "list"] }')
check("reader" in root.sys.list_policies()["data"]["policies"], "policies")
check("capabilities" in root.sys.read_policy("reader")["data"]["rules"], "a policy's text")
refused(InvalidRequest, "failed to parse policy", root.sys.create_or_update_policy, "bad", "path {")
kv = root.secrets.kv.v2
kv.create_or_update_secret("app/db", {"password": "one"})
kv.create_or_update_secret("app/db", {"password": "two"})
check(kv.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"]["password"] == "two", "newest")
check(kv.read_secret_version("app/db", version=1, raise_on_deleted_version=True)["data"]["data"]["password"] == "one", "version 1")
refused(InvalidRequest, "did not match the current version", kv.create_or_update_secret, "app/db", {"password": "three"}, cas=1)
kv.create_or_update_secret("app/db", {"password": "three"}, cas=2)
kv.patch("app/db", {"user": "u"})
check(kv.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"] == {"password": "three", "user": "u"}, "patched")
kv.delete_latest_version_of_secret("app/db")
refused(InvalidPath, "", kv.read_secret_version, "app/db", raise_on_deleted_version=True)
kv.undelete_secret_versions("app/db", [4])
check(kv.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["metadata"]["version"] == 4, "undeleted")
kv.destroy_secret_versions("app/db", [1])
refused(InvalidPath, "", kv.read_secret_version, "app/db", version=1, raise_on_deleted_version=True)
kv.update_metadata("app/db", custom_metadata={"team": "a"})
check(kv.read_secret_metadata("app/db")["data"]["custom_metadata"] == {"team": "a"}, "metadata")
check(kv.list_secrets("app")["data"]["keys"] == ["db"], "listing")
check(kv.list_secrets("")["data"]["keys"] == ["app/"], "folders")
refused(InvalidPath, "", kv.read_secret_version, "app/none", raise_on_deleted_version=True)

# Version 1.
root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
root.secrets.kv.v1.create_or_update_secret("a/b", {"v": "1"}, mount_point="old")
check(root.secrets.kv.v1.read_secret("a/b", mount_point="old")["data"] == {"v": "1"}, "version 1 of the engine")
check(root.secrets.kv.v1.list_secrets("a", mount_point="old")["data"]["keys"] == ["b"], "its listing")
refused(InvalidPath, "", root.secrets.kv.v1.read_secret, "none", mount_point="old")
check(root.sys.list_mounted_secrets_engines()["data"]["old/"]["options"]["version"] == "1", "mounts")
refused(InvalidRequest, "already in use", root.sys.enable_secrets_engine, "kv", path="old")

# jwt: before it is there, then link by link.
refused(Forbidden, "permission denied", client().auth.jwt.jwt_login, "app", TOKEN)
root.sys.enable_auth_method("jwt")
refused(InvalidRequest, "could not load configuration", client().auth.jwt.jwt_login, "app", TOKEN)
refused(InvalidRequest, "error checking oidc discovery URL", root.auth.jwt.configure, oidc_discovery_url=ISSUER + "/other")
refused(InvalidRequest, "exactly one of", root.auth.jwt.configure)
root.auth.jwt.configure(oidc_discovery_url=ISSUER)
refused(InvalidRequest, 'role "app" could not be found', client().auth.jwt.jwt_login, "app", TOKEN)


def role(**changes):
    fields = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["reader"], "token_ttl": 600, **changes}
    fields.setdefault("bound_subject", SUBJECT)
    root.write_data("auth/jwt/role/app", data=fields)


refused(InvalidRequest, "user claim", root.write_data, "auth/jwt/role/app", data={"role_type": "jwt"})
refused(InvalidRequest, "at least one bound constraint", root.write_data, "auth/jwt/role/app", data={"role_type": "jwt", "user_claim": "sub"})
for changes, text in [
    ({"bound_audiences": ["other"]}, "invalid audience (aud) claim"),
    ({"bound_subject": "system:serviceaccount:a:b"}, "invalid subject (sub) claim"),
    ({"bound_claims": {"/kubernetes.io/namespace": "other"}}, "does not match any associated bound claim values"),
    ({"user_claim": "none"}, 'claim "none" not found in token'),
]:
    role(**changes)
    refused(InvalidRequest, text, client().auth.jwt.jwt_login, "app", TOKEN)
    role(bound_claims={}, user_claim="sub")
refused(InvalidRequest, "token is expired", client().auth.jwt.jwt_login, "app", EXPIRED)
refused(InvalidRequest, "signature", client().auth.jwt.jwt_login, "app", TOKEN[:-8] + "AAAAAAAA")
refused(InvalidRequest, "missing token", client().auth.jwt.jwt_login, "app", "")
app = with_login(client().auth.jwt.jwt_login("app", TOKEN))

# What its policy gives, and what not.
read = app.secrets.kv.v2.read_secret_version
check(read("app/db", raise_on_deleted_version=True)["data"]["data"]["password"] == "three", "allowed")
refused(Forbidden, "permission denied", read, "other", raise_on_deleted_version=True)
refused(Forbidden, "permission denied", app.secrets.kv.v2.create_or_update_secret, "app/db", {"a": "b"})
refused(Forbidden, "permission denied", app.sys.list_policies)
seen = app.sys.get_capabilities(["secret/data/app/db", "secret/data/x"])["data"]
check(seen["secret/data/app/db"] == ["read"] and seen["secret/data/x"] == ["deny"], seen)

# Its life.
facts = app.auth.token.lookup_self()["data"]
check(facts["renewable"] and 0 < facts["ttl"] <= 600 and "reader" in facts["policies"], facts)
check(app.auth.token.renew_self(increment=300)["auth"]["lease_duration"] <= 300, "renewed")
app.auth.token.revoke_self()
refused(Forbidden, "permission denied", app.auth.token.lookup_self)
few = client(root.auth.token.create(policies=["reader"], num_uses=2, ttl="1h")["auth"]["client_token"])
few.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)
few.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)
refused(Forbidden, "permission denied", few.secrets.kv.v2.read_secret_version, "app/db", raise_on_deleted_version=True)
role(token_type="batch")
batch = client().auth.jwt.jwt_login("app", TOKEN)
check(batch["auth"]["token_type"] == "batch" and not batch["auth"]["renewable"], "batch")
refused(InvalidRequest, "batch tokens cannot be renewed", with_login(batch).auth.token.renew_self)
role(token_type="default")
parent = client(root.auth.token.create(policies=["reader", "parent"], ttl="1h")["auth"]["client_token"])
root.sys.create_or_update_policy("parent", 'path "auth/token/create" { capabilities = ["create", "update"] }')
child = client(parent.auth.token.create(policies=["reader"], ttl="10m")["auth"]["client_token"])
refused(InvalidRequest, "subset of parent", parent.auth.token.create, policies=["root"])
parent.auth.token.revoke_self()
refused(Forbidden, "permission denied", child.auth.token.lookup_self)

# kubernetes: the cluster reviews the token.
root.sys.enable_auth_method("kubernetes")
login = client().auth.kubernetes.login
refused(InvalidRequest, "invalid role name", login, "app", API_TOKEN)
namespace, account = SUBJECT.split(":")[2:]
root.auth.kubernetes.create_role("app", account, namespace, policies=["reader"])
refused(hvac.exceptions.InternalServerError, "could not load backend configuration", login, "app", API_TOKEN)
with open(AUTHORITY) as file:
    authority = file.read()
root.auth.kubernetes.configure(kubernetes_host=HOST, kubernetes_ca_cert=authority, token_reviewer_jwt=os.environ["KEYLESS_REVIEWER"])
kubernetes = login("app", API_TOKEN)
check(kubernetes["auth"]["metadata"]["service_account_name"] == account, kubernetes)
refused(Forbidden, "permission denied", login, "app", TOKEN)
root.auth.kubernetes.create_role("app", "other", namespace, policies=["reader"])
refused(Forbidden, "service account name not authorized", login, "app", API_TOKEN)
root.auth.kubernetes.create_role("app", account, "other", policies=["reader"])
refused(Forbidden, "namespace not authorized", login, "app", API_TOKEN)

# approle, userpass, ldap, cert.
root.sys.enable_auth_method("approle")
root.auth.approle.create_or_update_approle("app", token_policies=["reader"], secret_id_num_uses=1)
role_id = root.auth.approle.read_role_id("app")["data"]["role_id"]
secret_id = root.auth.approle.generate_secret_id("app")["data"]["secret_id"]
with_login(client().auth.approle.login(role_id, secret_id))
refused(InvalidRequest, "invalid role or secret ID", client().auth.approle.login, role_id, secret_id)
root.sys.enable_auth_method("userpass")
root.auth.userpass.create_or_update_user("u", password="p4ss", policies=["reader"])
with_login(client().auth.userpass.login("u", "p4ss"))
refused(InvalidRequest, "invalid username or password", client().auth.userpass.login, "u", "wrong")
root.sys.enable_auth_method("ldap")
root.auth.ldap.configure(userdn="ou=people", url="ldaps://directory", groupdn="ou=groups")
root.auth.ldap.create_or_update_group("readers", policies=["reader"])
check("reader" in client().auth.ldap.login("judge", "dir-p4ss")["auth"]["policies"], "a group's policies")
refused(InvalidRequest, "failed to bind as user", client().auth.ldap.login, "judge", "wrong")
root.sys.enable_auth_method("cert")
with open(CERTIFICATE) as file:
    root.auth.cert.create_ca_certificate_role("app", certificate=file.read(), token_policies=["reader"])
with_login(client().auth.cert.login(name="app", cert_pem=CERTIFICATE, key_pem=KEY))
refused(InvalidRequest, "no client certificate supplied", client().write_data, "auth/cert/login", data={"name": "app"})

# Namespaces.
root.sys.create_namespace("team")
check("team/" in root.sys.list_namespaces()["data"]["keys"], "namespaces")
team = client(ROOT, "team")
team.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
team.secrets.kv.v2.create_or_update_secret("app/db", {"password": "of the team"})
check(team.secrets.kv.v2.read_secret_version("app/db", raise_on_deleted_version=True)["data"]["data"]["password"] == "of the team", "its own secret")
outside = with_login(client().auth.jwt.jwt_login("app", TOKEN), "team")
refused(Forbidden, "permission denied", outside.secrets.kv.v2.read_secret_version, "app/db", raise_on_deleted_version=True)
refused(InvalidPath, "no handler for route", client(ROOT, "nowhere").secrets.kv.v2.read_secret_version, "app/db", raise_on_deleted_version=True)

print(f"{checks} checks hold")
