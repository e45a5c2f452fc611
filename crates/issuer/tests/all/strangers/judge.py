"""PyJWT's PyJWKClient as a relying party of the published issuer."""
import json, os, ssl, urllib.request
import jwt

task = json.load(open(os.environ["KEYLESS_JUDGE_TASK"]))
context = ssl.create_default_context(cafile=task["ca"])
checks = 0

url = task["issuer"] + "/.well-known/openid-configuration"
document = json.load(urllib.request.urlopen(url, context=context))
assert document["issuer"] == task["issuer"], document
checks += 1
client = jwt.PyJWKClient(document["jwks_uri"], ssl_context=context)


def verify(token):
    key = client.get_signing_key_from_jwt(token)
    return jwt.decode(
        token,
        key.key,
        algorithms=document["id_token_signing_alg_values_supported"],
        issuer=task["issuer"],
        audience=task["audience"],
    )


for token in task["good"]:
    assert verify(token)["sub"] == "system:serviceaccount:shop:web"
    checks += 1
for number, token in enumerate(task["bad"]):
    try:
        verify(token)
    except jwt.PyJWTError:
        checks += 1
    else:
        raise SystemExit(f"broken token {number} was taken")
print(f"{checks} checks hold")
