"""google-auth and google-cloud-secret-manager, unmodified, against a running sandbox.

Google's host names lead to the sandbox by this process's name resolution; where it is comes in
KEYLESS_*. Exits 0 when every check holds.
"""

import json
import os
import socket
import sys

# Before anything of Google's reads it: the metadata server is found by these.
METADATA = os.environ["KEYLESS_METADATA"]
os.environ["GCE_METADATA_HOST"] = METADATA
os.environ["GCE_METADATA_IP"] = METADATA

import google.auth.transport.requests
from google.api_core import exceptions
from google.auth import aws, compute_engine, identity_pool
from google.auth.compute_engine import _metadata
from google.auth.exceptions import OAuthError, RefreshError
from google.cloud import secretmanager_v1 as secretmanager
from google.iam.v1 import policy_pb2
from google.oauth2 import service_account

PORT = int(os.environ["KEYLESS_PORT"])
PROJECT = os.environ["KEYLESS_PROJECT"]
HOME = os.environ["HOME"]
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
REGION = "europe-west3"

resolve = socket.getaddrinfo


def sandbox(host, port, *args, **kwargs):
    if host.endswith(".googleapis.com"):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", PORT))]
    return resolve(host, port, *args, **kwargs)


socket.getaddrinfo = sandbox
checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"check {checks} failed: {what}")


def refused(kind, text, call, *args, **kwargs):
    """Runs call, which must end in this kind of error with this text in it."""
    try:
        answer = call(*args, **kwargs)
    except kind as error:
        check(text in str(error), f"{text!r} in {error}")
        return error
    sys.exit(f"{call} was answered with {answer}, expected {kind.__name__}")


def refresh(credentials):
    credentials.refresh(google.auth.transport.requests.Request())
    return credentials.token


def client(credentials, location=None):
    options = {"api_endpoint": f"secretmanager.{location}.rep.googleapis.com"} if location else None
    return secretmanager.SecretManagerServiceClient(credentials=credentials, transport="rest", client_options=options)


def pool(file):
    """Credentials of an external account configuration."""
    return identity_pool.Credentials.from_file(os.path.join(HOME, file), scopes=SCOPES)


def secret(name, version=None, parent=f"projects/{PROJECT}"):
    path = f"{parent}/secrets/{name}"
    return f"{path}/versions/{version}" if version else path


def read(service, name, version="latest", **kwargs):
    return service.access_secret_version(name=secret(name, version, **kwargs), retry=None).payload.data


def federation():
    good = pool("direct.json")
    check(refresh(good), "a token")
    check(read(client(good), "gold") == b"value", "the secret of the direct principal")
    for file, text in [
        ("audience.json", "The audience in ID Token"),
        ("issuer.json", "The issuer in ID Token"),
        ("expired.json", "is stale to sign-in"),
        ("condition.json", "rejected by the attribute condition"),
        ("unknown.json", "The target service indicated by the"),
        ("by-id.json", "The target service indicated by the"),
    ]:
        refused(OAuthError, text, refresh, pool(file))
    other = pool("subject.json")
    check(refresh(other), "a token of another subject")
    denied = refused(exceptions.Forbidden, "secretmanager.versions.access", read, client(other), "gold")
    check(denied.reason == "IAM_PERMISSION_DENIED", denied.reason)


def impersonation():
    check(read(client(pool("impersonate.json")), "of-account") == b"account", "as the account")
    refused(RefreshError, "iam.serviceAccounts.getAccessToken", refresh, pool("impersonate-none.json"))


def key():
    with open(os.path.join(HOME, "key.json")) as file:
        info = json.load(file)
    plain = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
    check(refresh(plain), "by the token endpoint")
    check(read(client(plain), "of-account") == b"account", "by key")
    own = plain.with_always_use_jwt_access(True)
    check(read(client(own), "of-account") == b"account", "by a token that the key signs for the service")
    gone = {**info, "client_email": "none@my-gcp-project.iam.gserviceaccount.com"}
    gone = service_account.Credentials.from_service_account_info(gone, scopes=SCOPES)
    refused(RefreshError, "account not found", refresh, gone)


def metadata():
    request = google.auth.transport.requests.Request()
    check(_metadata.ping(request), "the server is there")
    check(_metadata.get_project_id(request) == PROJECT, "the project")
    check(_metadata.get(request, "instance/attributes/cluster-name") == "main", "the cluster")
    node = compute_engine.Credentials(scopes=SCOPES)
    check(refresh(node), "a token of the pod")
    check(node.service_account_email == f"{PROJECT}.svc.id.goog", node.service_account_email)
    check(read(client(node), "gold") == b"value", "the pod's own principal")
    adc, project = google.auth.default(scopes=SCOPES)
    check(isinstance(adc, compute_engine.Credentials) and project == PROJECT, "the default credentials")


def amazon():
    config = json.load(open(os.path.join(HOME, "aws.json")))
    source = aws.Credentials.from_info(config, scopes=SCOPES)
    check(read(client(source), "gold") == b"value", "by a signed request of AWS")
    other = {**config, "audience": config["audience"] + "-2"}
    refused(OAuthError, "does not match the expected account", refresh, aws.Credentials.from_info(other, scopes=SCOPES))


def states():
    service = client(pool("direct.json"))
    missing = refused(exceptions.NotFound, "not found or has no versions", read, service, "none")
    check(missing.code == 404, missing)
    refused(exceptions.BadRequest, "is in DISABLED state", read, service, "locked")
    refused(exceptions.NotFound, "Secret Version", read, service, "gold", "9")
    # The transport itself does not check the sum; that is the caller's part.
    got = service.access_secret_version(name=secret("gold", "latest"))
    check(got.payload.data_crc32c > 0 and got.name.endswith("/versions/1"), got.name)
    refused(exceptions.TooManyRequests, "Quota exceeded", read, service, "throttled")


def writes():
    service = client(pool("admin.json"))
    parent = f"projects/{PROJECT}"
    made = service.create_secret(
        parent=parent,
        secret_id="made",
        secret={"replication": {"automatic": {}}, "labels": {"team": "x"}, "annotations": {"a": "b"}},
    )
    check(made.labels["team"] == "x" and made.name.startswith("projects/123456789012/"), made)
    refused(exceptions.Conflict, "already exists", service.create_secret, parent=parent, secret_id="made",
            secret={"replication": {"automatic": {}}})
    first = service.add_secret_version(parent=secret("made"), payload={"data": b"123456789", "data_crc32c": 3808858755})
    check(first.client_specified_payload_checksum and first.state.name == "ENABLED", first)
    refused(exceptions.BadRequest, "checksum", service.add_secret_version, parent=secret("made"),
            payload={"data": b"123456789", "data_crc32c": 1})
    service.add_secret_version(parent=secret("made"), payload={"data": b"two"})
    check(read(service, "made") == b"two" and read(service, "made", "1") == b"123456789", "versions")
    check(len(list(service.list_secret_versions(parent=secret("made")))) == 2, "list of versions")
    got = service.update_secret(secret={"name": secret("made"), "version_aliases": {"old": 1}, "etag": made.etag},
                                update_mask={"paths": ["version_aliases"]})
    check(read(service, "made", "old") == b"123456789" and got.version_aliases["old"] == 1, got)
    refused(exceptions.BadRequest, "etag", service.update_secret,
            secret={"name": secret("made"), "labels": {}, "etag": made.etag}, update_mask={"paths": ["labels"]})
    service.disable_secret_version(name=secret("made", "2"))
    refused(exceptions.BadRequest, "DISABLED", read, service, "made")
    service.enable_secret_version(name=secret("made", "2"))
    destroyed = service.destroy_secret_version(name=secret("made", "2"))
    check(destroyed.state.name == "DESTROYED" and destroyed.destroy_time, destroyed)
    for i in range(12):
        service.create_secret(parent=parent, secret_id=f"p{i:02}",
                              secret={"replication": {"automatic": {}}, "labels": {"kind": "page"}})
    listed = service.list_secrets(request={"parent": parent, "page_size": 5, "filter": "labels.kind=page"})
    names = sorted(s.name.rsplit("/", 1)[1] for s in listed)
    check(names == [f"p{i:02}" for i in range(12)], names)
    policy = service.get_iam_policy(request={"resource": secret("made")})
    policy.bindings.append(policy_pb2.Binding(role="roles/secretmanager.viewer", members=["allUsers"]))
    service.set_iam_policy(request={"resource": secret("made"), "policy": policy})
    held = service.test_iam_permissions(request={"resource": secret("made"), "permissions": ["secretmanager.secrets.get"]})
    check(list(held.permissions) == ["secretmanager.secrets.get"], held)
    check(client(pool("subject.json")).get_secret(name=secret("made")).labels["team"] == "x", "everybody sees it")
    service.delete_secret(name=secret("made"))
    refused(exceptions.NotFound, "not found", service.get_secret, name=secret("made"))
    refused(exceptions.Forbidden, "secretmanager.secrets.create", client(pool("direct.json")).create_secret,
            parent=parent, secret_id="b", secret={"replication": {"automatic": {}}})


def regional():
    service = client(pool("admin.json"), REGION)
    parent = f"projects/{PROJECT}/locations/{REGION}"
    service.create_secret(parent=parent, secret_id="made", secret={})
    service.add_secret_version(parent=secret("made", parent=parent), payload={"data": b"regional"})
    check(read(service, "made", parent=parent) == b"regional", "a regional secret")
    refused(exceptions.NotFound, "not found", read, client(pool("admin.json")), "made")


federation()
impersonation()
key()
metadata()
amazon()
states()
writes()
regional()
print(f"{checks} checks hold")
