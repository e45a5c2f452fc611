"""hvac, unmodified, against a running sandbox's Vault, or with KEYLESS_REAL against a real one.

VAULT_ADDR, VAULT_CACERT and the root's VAULT_TOKEN are in the environment; tokens of the cluster's
issuer, and a client certificate, come in KEYLESS_*. Everything is set up through the API itself,
as an administrator does. Exits 0 when every check holds. What was answered, word by word, goes to
the file KEYLESS_ANSWERS, so that two servers can be compared.
"""

import json
import os
import sys

import hvac
import requests
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
FUTURE = os.environ["KEYLESS_FUTURE"]
with open(os.environ["KEYLESS_AUTHORITY"]) as file:
    # Who signed the certificates of the issuer and of the API server.
    CLUSTER = file.read()
# A free server knows neither the sandbox's directory nor namespaces.
REAL = "KEYLESS_REAL" in os.environ
API_TOKEN = os.environ["KEYLESS_API_TOKEN"]
# Of a key that signs nothing.
PUBLIC = os.environ["KEYLESS_PUBLIC"]
CERTIFICATE = os.environ["KEYLESS_CERTIFICATE"]
KEY = os.environ["KEYLESS_KEY"]

checks = 0
answers = []


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
        words = [words.replace(ISSUER, "ISSUER") for words in error.errors or []]
        answers.append([f"{call.__qualname__}: {text}", type(error).__name__, words])
        return
    sys.exit(f"{call} was answered with {answer}, expected {kind.__name__} {text}")


def shape(value):
    """Names and types, for answers whose values differ from run to run."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    return type(value).__name__


def asked(method, path, body=None, token=ROOT):
    """Notes down what a plain request is answered with."""
    headers = {"X-Vault-Token": token} if token else {}
    answer = requests.request(method, f"{ADDRESS}/v1/{path}", headers=headers, json=body, verify=AUTHORITY, timeout=60)
    document = answer.json() if answer.content else {}
    words = [words.replace(ISSUER, "ISSUER") for words in document.get("errors") or []]
    data = shape(document.get("data")) if path.startswith(("secret/", "old/")) else None
    answers.append([f"{method} {path} {sorted(body or [])}", answer.status_code, words, data])


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

for path in ["app/db", "app/none", "app/db?version=1", "app/db?version=99", "app/db?version=x", "app"]:
    asked("GET", f"secret/data/{path}")
for path in ["app/db", "app/none"]:
    asked("GET", f"secret/metadata/{path}")
for path in ["app", "none", ""]:
    asked("LIST", f"secret/metadata/{path}")
asked("POST", "secret/data/app/db", {"data": {"a": "b"}, "options": {"cas": 99}})
asked("POST", "secret/data/app/db", {"a": "b"})
asked("POST", "secret/data/app/new", {"data": {"a": "b"}})
asked("POST", "secret/metadata/app/new", {"cas_required": True})
asked("POST", "secret/data/app/new", {"data": {"a": "b"}})
asked("DELETE", "secret/metadata/app/new")
asked("DELETE", "secret/data/app/none")
asked("POST", "secret/nowhere/app", {"data": {}})
asked("DELETE", "auth/token/lookup-self")
asked("GET", "nowhere/data/x")
asked("GET", "secret/data/app/db", None, None)
asked("GET", "secret/data/app/db", None, "nonsense")
asked("GET", "auth/token/lookup-self", None, "nonsense")
asked("POST", "auth/token/renew-self", {}, ROOT)
asked("GET", "sys/internal/ui/mounts/secret/x", None, "nonsense")
asked("POST", "sys/mounts/secret", {"type": "kv"})
asked("POST", "sys/mounts/other", {"type": "nonsense"})

# Version 1.
root.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
root.secrets.kv.v1.create_or_update_secret("a/b", {"v": "1"}, mount_point="old")
check(root.secrets.kv.v1.read_secret("a/b", mount_point="old")["data"] == {"v": "1"}, "version 1 of the engine")
check(root.secrets.kv.v1.list_secrets("a", mount_point="old")["data"]["keys"] == ["b"], "its listing")
refused(InvalidPath, "", root.secrets.kv.v1.read_secret, "none", mount_point="old")
check(root.sys.list_mounted_secrets_engines()["data"]["old/"]["options"]["version"] == "1", "mounts")
refused(InvalidRequest, "already in use", root.sys.enable_secrets_engine, "kv", path="old")

asked("GET", "old/a/b")
asked("GET", "old/none")
asked("LIST", "old/a")
asked("LIST", "old/none")
asked("POST", "old/a/c", {})

# jwt: before it is there, then link by link.
refused(Forbidden, "permission denied", client().auth.jwt.jwt_login, "app", TOKEN)
root.sys.enable_auth_method("jwt")
refused(InvalidRequest, "could not load configuration", client().auth.jwt.jwt_login, "app", TOKEN)
refused(InvalidRequest, "error checking oidc discovery URL", root.auth.jwt.configure, oidc_discovery_url=ISSUER + "/other", oidc_discovery_ca_pem=CLUSTER)
refused(InvalidRequest, "exactly one of", root.auth.jwt.configure)
root.auth.jwt.configure(oidc_discovery_url=ISSUER, oidc_discovery_ca_pem=CLUSTER)
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
refused(InvalidRequest, "not yet valid", client().auth.jwt.jwt_login, "app", FUTURE)
refused(InvalidRequest, "signature", client().auth.jwt.jwt_login, "app", TOKEN[:-8] + "AAAAAAAA")
refused(InvalidRequest, "missing token", client().auth.jwt.jwt_login, "app", "")
login = {"role": "app", "jwt": TOKEN}
for changes in [{"role_type": "oidc", "allowed_redirect_uris": ["http://localhost"]}, {"bound_audiences": []}, {"bound_claims": {"/none": "x"}}, {"user_claim": "aud"}]:
    role(**changes)
    asked("POST", "auth/jwt/login", login, None)
    role(bound_claims={}, user_claim="sub", role_type="jwt")
for body in [{}, {"role": "app"}, {"jwt": TOKEN}, {"role": "none", "jwt": TOKEN}, {"role": "app", "jwt": "no-token"}, {"role": "app", "jwt": TOKEN + "."}]:
    asked("POST", "auth/jwt/login", body, None)
asked("GET", "auth/jwt/login", None, None)
asked("POST", "auth/none/login", login, None)
asked("POST", "sys/auth/jwt", {"type": "jwt"})
asked("POST", "sys/auth/other", {"type": "nonsense"})
root.auth.jwt.configure(oidc_discovery_url=ISSUER, oidc_discovery_ca_pem=CLUSTER, bound_issuer="https://another.example")
asked("POST", "auth/jwt/login", login, None)
asked("POST", "auth/jwt/config", {"oidc_discovery_url": "https://localhost:1"})
asked("POST", "auth/jwt/config", {"jwt_validation_pubkeys": ["nonsense"]})
asked("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [PUBLIC]})
asked("POST", "auth/jwt/login", login, None)
root.auth.jwt.configure(oidc_discovery_url=ISSUER, oidc_discovery_ca_pem=CLUSTER)
app = with_login(client().auth.jwt.jwt_login("app", TOKEN))

# What its policy gives, and what not.
read = app.secrets.kv.v2.read_secret_version
check(read("app/db", raise_on_deleted_version=True)["data"]["data"]["password"] == "three", "allowed")
refused(Forbidden, "permission denied", read, "other", raise_on_deleted_version=True)
refused(Forbidden, "permission denied", app.secrets.kv.v2.create_or_update_secret, "app/db", {"a": "b"})
refused(Forbidden, "permission denied", app.sys.list_policies)
seen = app.sys.get_capabilities(["secret/data/app/db", "secret/data/x"])["data"]
check(seen["secret/data/app/db"] == ["read"] and seen["secret/data/x"] == ["deny"], seen)

short = client().auth.jwt.jwt_login("app", TOKEN)["auth"]["client_token"]
asked("GET", "secret/data/other", None, short)
asked("GET", "sys/internal/ui/mounts/secret/x", None, short)
asked("GET", "sys/internal/ui/mounts/old/x", None, short)
asked("LIST", "secret/metadata/", None, short)
asked("LIST", "secret/metadata/app", None, short)
asked("POST", "auth/token/create", {"policies": ["reader"]}, short)

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
asked("POST", "auth/kubernetes/config", {"kubernetes_ca_cert": CLUSTER})
asked("POST", "auth/kubernetes/config", {"kubernetes_host": HOST, "token_reviewer_jwt": "no-token"})
root.auth.kubernetes.configure(kubernetes_host=HOST, kubernetes_ca_cert=CLUSTER, token_reviewer_jwt=os.environ["KEYLESS_REVIEWER"])
kubernetes = login("app", API_TOKEN)
check(kubernetes["auth"]["metadata"]["service_account_name"] == account, kubernetes)
# Without an audience of its own a role takes a token for anybody.
with_login(login("app", TOKEN))
for body in [{}, {"role": "app"}, {"jwt": API_TOKEN}, {"role": "none", "jwt": API_TOKEN}, {"role": "app", "jwt": "no-token"}, {"role": "app", "jwt": EXPIRED}]:
    asked("POST", "auth/kubernetes/login", body, None)
root.write_data("auth/kubernetes/role/app", data={"bound_service_account_names": [account], "bound_service_account_namespaces": [namespace], "audience": "another"})
asked("POST", "auth/kubernetes/login", {"role": "app", "jwt": API_TOKEN}, None)
root.write_data("auth/kubernetes/role/app", data={"audience": ""})
for body in [{}, {"bound_service_account_names": [account]}, {"bound_service_account_namespaces": [namespace]}]:
    asked("POST", "auth/kubernetes/role/bad", body)
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
refused(InvalidRequest, "invalid", client().auth.approle.login, role_id, secret_id)
for body in [{}, {"role_id": role_id}, {"role_id": "none", "secret_id": secret_id}]:
    asked("POST", "auth/approle/login", body, None)
root.sys.enable_auth_method("userpass")
root.auth.userpass.create_or_update_user("u", password="p4ss", policies=["reader"])
with_login(client().auth.userpass.login("u", "p4ss"))
refused(InvalidRequest, "invalid username or password", client().auth.userpass.login, "u", "wrong")
for path, body in [("u", {}), ("nobody", {"password": "x"})]:
    asked("POST", f"auth/userpass/login/{path}", body, None)
if not REAL:
    root.sys.enable_auth_method("ldap")
    root.auth.ldap.configure(userdn="ou=people", url="ldaps://directory", groupdn="ou=groups")
    root.auth.ldap.create_or_update_group("readers", policies=["reader"])
    check("reader" in client().auth.ldap.login("judge", "dir-p4ss")["auth"]["policies"], "a group's policies")
    refused(InvalidRequest, "failed to bind as user", client().auth.ldap.login, "judge", "wrong")
root.sys.enable_auth_method("cert")
with open(CERTIFICATE) as file:
    root.auth.cert.create_ca_certificate_role("app", certificate=file.read(), token_policies=["reader"])
with_login(client().auth.cert.login(name="app", cert_pem=CERTIFICATE, key_pem=KEY))
refused(InvalidRequest, "supplied", client().write_data, "auth/cert/login", data={"name": "app"})

with open(os.environ["KEYLESS_ANSWERS"], "w") as file:
    json.dump(answers, file)

# Namespaces.
if not REAL:
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
