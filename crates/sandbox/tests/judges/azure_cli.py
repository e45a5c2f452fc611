"""The Azure CLI, unmodified, against a running sandbox. Exits 0 when every check holds."""

import json
import os
import subprocess
import sys

URL = os.environ["KEYLESS_URL"]

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
az("cloud", "register", "--name", "keyless", "--endpoint-active-directory", URL,
   "--endpoint-active-directory-resource-id", "https://management.core.windows.net/",
   "--endpoint-active-directory-graph-resource-id", "https://graph.microsoft.com/",
   "--endpoint-resource-manager", URL, "--suffix-keyvault-dns", ".vault.azure.net")
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
print(f"{checks} checks hold")
