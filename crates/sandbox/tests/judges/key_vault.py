"""azure-identity and azure-keyvault-secrets, unmodified, against a running sandbox.

The environment is that of an injected pod: AZURE_CLIENT_ID, AZURE_TENANT_ID,
AZURE_FEDERATED_TOKEN_FILE; where the sandbox is comes in KEYLESS_*. Exits 0 when every check
holds.
"""

import os
import sys

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

URL = os.environ["KEYLESS_URL"]
TENANT = os.environ["AZURE_TENANT_ID"]
SANDBOX = {"authority": URL, "disable_instance_discovery": True}

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


def client(credential):
    # localhost is below no vault domain, which is what the check is for.
    return SecretClient(vault_url=URL, credential=credential, verify_challenge_resource=False, retry_total=0)


def credentials():
    pod = WorkloadIdentityCredential(**SANDBOX)
    check(pod.get_token("https://vault.azure.net/.default").token.count(".") == 2, "a token")
    # Azure's own instance discovery is answered too.
    discovered = WorkloadIdentityCredential(authority=URL)
    check(discovered.get_token("https://vault.azure.net/.default").token, "with instance discovery")
    other = WorkloadIdentityCredential(token_file_path=os.environ["KEYLESS_OTHER_TOKEN"], **SANDBOX)
    refused(ClientAuthenticationError, "AADSTS700213", other.get_token, "https://vault.azure.net/.default")
    nobody = WorkloadIdentityCredential(client_id="00000000-0000-0000-0000-000000000000", **SANDBOX)
    refused(ClientAuthenticationError, "AADSTS700016", nobody.get_token, "https://vault.azure.net/.default")
    refused(ClientAuthenticationError, "AADSTS500011", pod.get_token, "https://vault.azure.cn/.default")
    app = {"tenant_id": TENANT, "client_id": os.environ["KEYLESS_APP"], **SANDBOX}
    secret = ClientSecretCredential(client_secret=os.environ["KEYLESS_APP_SECRET"], **app)
    check(secret.get_token("https://vault.azure.net/.default").token, "by secret")
    wrong = ClientSecretCredential(client_secret="another", **app)
    refused(ClientAuthenticationError, "AADSTS7000215", wrong.get_token, "https://vault.azure.net/.default")
    node = ManagedIdentityCredential(client_id=os.environ["AZURE_CLIENT_ID"])
    check(node.get_token("https://vault.azure.net/.default").token, "by the node")
    check(client(node).get_secret("gold").value == "value", "a vault opens for the node")
    denied = refused(HttpResponseError, "does not have secrets get permission", client(secret).get_secret, "gold")
    check(denied.status_code == 403, denied.status_code)


def secrets():
    vault = client(WorkloadIdentityCredential(**SANDBOX))
    got = vault.get_secret("gold")
    check((got.value, got.properties.vault_url) == ("value", "https://my-keyvault.vault.azure.net"), got)
    missing = refused(ResourceNotFoundError, "SecretNotFound", vault.get_secret, "none")
    check(missing.status_code == 404, missing)
    locked = refused(HttpResponseError, "not allowed on a disabled secret", vault.get_secret, "locked")
    check(locked.status_code == 403, locked)
    first = vault.set_secret("made", "one", tags={"team": "x"}, content_type="text/plain")
    second = vault.set_secret("made", "two")
    check(vault.get_secret("made").value == "two", "the newest")
    old = vault.get_secret("made", first.properties.version)
    check((old.value, old.properties.tags, old.properties.content_type) == ("one", {"team": "x"}, "text/plain"), old)
    check(len(list(vault.list_properties_of_secret_versions("made"))) == 2, "versions")
    vault.update_secret_properties("made", second.properties.version, enabled=False)
    refused(HttpResponseError, "disabled", vault.get_secret, "made")
    for i in range(40):
        vault.set_secret(f"p{i:02}", "v")
    names = [p.name for p in vault.list_properties_of_secrets()]
    check(names == sorted(["gold", "locked", "made"] + [f"p{i:02}" for i in range(40)]), names)
    vault.begin_delete_secret("p00").wait()
    refused(ResourceNotFoundError, "SecretNotFound", vault.get_secret, "p00")
    refused(ResourceExistsError, "deleted but recoverable", vault.set_secret, "p00", "again")
    check([d.name for d in vault.list_deleted_secrets()] == ["p00"], "deleted")
    vault.begin_recover_deleted_secret("p00").wait()
    check(vault.get_secret("p00").value == "v", "recovered")
    vault.begin_delete_secret("p01").wait()
    vault.purge_deleted_secret("p01")
    check(vault.set_secret("p01", "new").value == "new", "purged")


credentials()
secrets()
print(f"{checks} checks hold")
