"""The Azure CLI, unmodified, against a running sandbox. Exits 0 when every check holds."""

import json
import os
import subprocess
import sys

URL = os.environ["KEYLESS_URL"]
SUBSCRIPTION = os.environ["KEYLESS_SUBSCRIPTION"]
AUDIENCE = "api://AzureADTokenExchange"
GROUP = "sandbox"
VAULT = "my-keyvault"

checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"check {checks} failed: {what}")


def az(*args, ok=True):
    command = [sys.executable, "-m", "azure.cli", *args, "--output", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    check((run.returncode == 0) == ok, f"az {' '.join(args)}: {run.stderr}")
    return json.loads(run.stdout or "null") if ok else run.stderr


az("config", "set", "core.instance_discovery=false", "core.collect_telemetry=false")
# One address is enough: the endpoint says the others.
az("cloud", "register", "--name", "keyless", "--endpoint-resource-manager", URL)
az("cloud", "set", "--name", "keyless")


def login(token, ok=True):
    return az("login", "--service-principal", "-u", os.environ["AZURE_CLIENT_ID"],
              "--tenant", os.environ["AZURE_TENANT_ID"], "--federated-token", token,
              "--allow-no-subscriptions", ok=ok)


with open(os.environ["KEYLESS_OTHER_TOKEN"]) as other:
    check("AADSTS700213" in login(other.read(), ok=False), "a wrong subject is refused")
with open(os.environ["AZURE_FEDERATED_TOKEN_FILE"]) as token:
    login(token.read())
got = az("keyvault", "secret", "show", "--id", f"{URL}/secrets/gold")
check(got["value"] == "value", got)
missing = az("keyvault", "secret", "show", "--id", f"{URL}/secrets/none", ok=False)
check("SecretNotFound" in missing, missing)
locked = az("keyvault", "secret", "show", "--id", f"{URL}/secrets/locked", ok=False)
check("disabled" in locked, locked)

# From here on the administrator: what is not allowed is not seen either.
accounts = az("login", "--service-principal", "-u", os.environ["KEYLESS_ADMIN"],
              "-p", os.environ["KEYLESS_ADMIN_SECRET"], "--tenant", os.environ["AZURE_TENANT_ID"])
check(accounts[0]["id"] == SUBSCRIPTION, accounts)

identity = ("--name", "shop", "--resource-group", GROUP)
made = az("identity", "create", *identity, "--location", "westeurope")
check(az("identity", "show", *identity)["principalId"] == made["principalId"], made)
check("shop" in [i["name"] for i in az("identity", "list", "--resource-group", GROUP)], "listed")
gone = az("identity", "show", "--name", "none", "--resource-group", GROUP, ok=False)
check("ResourceNotFound" in gone, gone)
gone = az("identity", "create", "--name", "shop", "--resource-group", "none",
          "--location", "westeurope", ok=False)
check("ResourceGroupNotFound" in gone, gone)
moved = az("identity", "create", *identity, "--location", "eastus", ok=False)
check("InvalidResourceLocation" in moved, moved)


def credential(verb, name, subject="system:serviceaccount:shop:web", issuer=None,
               audiences=(AUDIENCE,), ok=True):
    return az("identity", "federated-credential", verb, "--name", name,
              "--identity-name", "shop", "--resource-group", GROUP,
              "--issuer", issuer or os.environ["KEYLESS_ISSUER"],
              "--subject", subject, "--audiences", *audiences, ok=ok)


check(credential("create", "web", "old")["subject"] == "old", "created")
check(credential("create", "web")["subject"].endswith(":web"), "the name takes another subject")
credential("update", "web")
for code, wrong in [
    ("Issuer and subject combination", credential("create", "twice", ok=False)),
    ("https", credential("create", "plain", "s", issuer="http://plain", ok=False)),
    ("white space", credential("create", "blank", "s ", ok=False)),
    ("InvalidFederatedIdentityCredentialsAudienceLength",
     credential("create", "two", "s", audiences=(AUDIENCE, "other"), ok=False)),
]:
    check(code in wrong, wrong)
shown = az("identity", "federated-credential", "list", "--identity-name", "shop",
           "--resource-group", GROUP)
check([c["name"] for c in shown] == ["web"], shown)

# Access policies, as az changes them: it reads the vault and writes all of it.
vault = az("keyvault", "show", "--name", VAULT)
check(vault["properties"]["enableRbacAuthorization"] is False, vault)
who = ("--object-id", made["principalId"])
az("keyvault", "set-policy", "--name", VAULT, *who, "--secret-permissions", "get", "list")
changed = az("keyvault", "set-policy", "--name", VAULT, *who, "--key-permissions", "get",
             "--certificate-permissions", "get")
mine = [p["permissions"] for p in changed["properties"]["accessPolicies"]
        if p["objectId"] == made["principalId"]]
check(sorted(mine[0]["secrets"]) == ["get", "list"] and mine[0]["keys"] == ["get"], mine)
changed = az("keyvault", "delete-policy", "--name", VAULT, *who)
left = [p["objectId"] for p in changed["properties"]["accessPolicies"]]
check(made["principalId"] not in left and left, left)
gone = az("keyvault", "show", "--name", "no-such-vault", ok=False)
check("not found" in gone, gone)

# Roles, on a vault that az makes.
az("group", "create", "--name", "blue", "--location", "westeurope")
blue = az("keyvault", "create", "--name", "blue-vault", "--resource-group", "blue",
          "--location", "westeurope")
check(blue["properties"]["enableRbacAuthorization"] is True, blue)


def assign(role, scope, kind="ServicePrincipal", principal=made["principalId"], ok=True):
    return az("role", "assignment", "create", "--role", role, "--assignee-object-id", principal,
              "--assignee-principal-type", kind, "--scope", scope, ok=ok)


first = assign("Key Vault Secrets User", blue["id"])
again = assign("Key Vault Secrets User", blue["id"])
check(first["id"] == again["id"], "what exists is found")
part = assign("Key Vault Certificate User", blue["id"] + "/certificates/tls")
check(part["scope"].endswith("/certificates/tls"), part)
held = az("role", "assignment", "list", "--scope", blue["id"])
check([(h["roleDefinitionName"], h["principalName"]) for h in held]
      == [("Key Vault Secrets User", made["clientId"])], held)
refused = az("keyvault", "set-policy", "--name", "blue-vault", *who,
             "--secret-permissions", "get", ok=False)
check("rbac" in refused.lower(), refused)
for code, wrong in [
    ("doesn't exist", assign("Key Vault Guesser", blue["id"], ok=False)),
    ("UnmatchedPrincipalType", assign("Reader", blue["id"], kind="User", ok=False)),
    ("ResourceNotFound", assign("Reader", blue["id"] + "2", ok=False)),
]:
    check(code in wrong, wrong)
az("role", "assignment", "delete", "--ids", part["id"])
az("identity", "delete", *identity)

# Who may read only is told which right is missing.
reader = az("ad", "sp", "show", "--id", os.environ["AZURE_CLIENT_ID"])
assign("Reader", f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}", principal=reader["id"])
az("logout")
with open(os.environ["AZURE_FEDERATED_TOKEN_FILE"]) as token:
    login(token.read())
az("identity", "list", "--resource-group", GROUP)
denied = az("identity", "create", *identity, "--location", "westeurope", ok=False)
check("AuthorizationFailed" in denied
      and "Microsoft.ManagedIdentity/userAssignedIdentities/write" in denied, denied)
print(f"{checks} checks hold")
