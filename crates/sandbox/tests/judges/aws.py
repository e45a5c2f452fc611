"""boto3 and the AWS CLI, unmodified, against a running sandbox.

Both find everything through the environment that an injected pod has: AWS_ROLE_ARN,
AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ENDPOINT_URL, AWS_CA_BUNDLE. The administrator's key and the
issuer come in KEYLESS_*. Exits 0 when every check holds.
"""

import json
import os
import subprocess
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ISSUER = os.environ["KEYLESS_ISSUER"]
HOST = ISSUER.removeprefix("https://")
SUBJECT = os.environ["KEYLESS_SUBJECT"]
ROLE_ARN = os.environ["AWS_ROLE_ARN"]
ROLE = ROLE_ARN.rsplit("/", 1)[1]
ACCOUNT = ROLE_ARN.split(":")[4]
REGION = os.environ["AWS_DEFAULT_REGION"]
ONCE = Config(retries={"total_max_attempts": 1})

checks = 0


def check(condition, what):
    global checks
    checks += 1
    if not condition:
        sys.exit(f"check {checks} failed: {what}")


def refused(code, status, call, *args, **kwargs):
    """Runs call, which must be refused with this code and status; returns the message."""
    try:
        answer = call(*args, **kwargs)
    except ClientError as error:
        got = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        check(got == (code, status), f"{call}: {error}")
        check(error.response["ResponseMetadata"]["RequestId"], "a refusal has a request id")
        return error.response["Error"].get("Message", "")
    sys.exit(f"{call} was answered with {answer}, expected {code}")


def admin(service):
    return boto3.client(
        service,
        aws_access_key_id=os.environ["KEYLESS_ADMIN_ID"],
        aws_secret_access_key=os.environ["KEYLESS_ADMIN_SECRET"],
        config=ONCE,
    )


def pod(service):
    """A client as code in the pod would make it: no argument but the service."""
    return boto3.Session().client(service, config=ONCE)


def trust(subject):
    return json.dumps({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{HOST}:sub": subject, f"{HOST}:aud": "sts.amazonaws.com"}},
        }],
    })


def allow(resource, *actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def federation():
    iam = admin("iam")
    check(admin("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin", "the administrator")
    text = refused("InvalidIdentityToken", 400, pod("sts").get_caller_identity)
    check(text == f"No OpenIDConnect provider found in your account for {ISSUER}", text)
    made = iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["other"])
    arn = made["OpenIDConnectProviderArn"]
    check(arn == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}", arn)
    refused("EntityAlreadyExists", 409, iam.create_open_id_connect_provider, Url=ISSUER, ClientIDList=["x"])
    check(refused("InvalidIdentityToken", 400, pod("ssm").get_parameter, Name="/x") == "Incorrect token audience", "audience")
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="sts.amazonaws.com")
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    check((got["Url"], got["ClientIDList"]) == (HOST, ["other", "sts.amazonaws.com"]), got)
    check([p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]] == [arn], "list")
    text = refused("AccessDenied", 403, pod("sts").get_caller_identity)
    check(text == "Not authorized to perform sts:AssumeRoleWithWebIdentity", text)
    refused("MalformedPolicyDocument", 400, iam.create_role, RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust("system:serviceaccount:other:web"), Tags=[{"Key": "a", "Value": "b"}])
    refused("AccessDenied", 403, pod("sts").get_caller_identity)
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust(SUBJECT))
    me = pod("sts").get_caller_identity()
    check(me["Account"] == ACCOUNT and f":assumed-role/{ROLE}/" in me["Arn"], me)
    with open(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]) as token:
        full = pod("sts").assume_role_with_web_identity(
            RoleArn=ROLE_ARN, RoleSessionName="judge", WebIdentityToken=token.read(), DurationSeconds=900)
    check(full["SubjectFromWebIdentityToken"] == SUBJECT and full["Provider"] == arn, full.keys())
    check(full["Audience"] == "sts.amazonaws.com", full["Audience"])


def identities():
    iam = admin("iam")
    role = iam.get_role(RoleName=ROLE)["Role"]
    check(role["Arn"] == ROLE_ARN and role["Tags"] == [{"Key": "a", "Value": "b"}], role)
    check(role["AssumeRolePolicyDocument"] == json.loads(trust(SUBJECT)), "the trust policy is decoded")
    for i in range(3):
        iam.create_role(RoleName=f"extra{i}", AssumeRolePolicyDocument=trust(SUBJECT), Path="/extra/")
    pages = iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    check([r["RoleName"] for p in pages for r in p["Roles"]] == sorted(["extra0", "extra1", "extra2", ROLE]), "list_roles")
    check(len(iam.list_roles(PathPrefix="/extra/")["Roles"]) == 3, "path prefix")
    for i in range(3):
        iam.delete_role(RoleName=f"extra{i}")
    refused("NoSuchEntity", 404, iam.get_role, RoleName="extra0")
    policy = iam.create_policy(PolicyName="judge", PolicyDocument=allow("*", "ssm:DescribeParameters"))["Policy"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy["Arn"])
    check([p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]] == [policy["Arn"]], "attached")
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=allow("*", "ssm:Describe*"), SetAsDefault=True)
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v2")["PolicyVersion"]
    check(version["Document"]["Statement"][0]["Action"] == ["ssm:Describe*"] and version["IsDefaultVersion"], version)
    refused("DeleteConflict", 409, iam.delete_policy, PolicyArn=policy["Arn"])
    iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=allow(f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/app*", "ssm:Get*"))
    check(iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == ["read"], "inline")
    got = iam.get_role_policy(RoleName=ROLE, PolicyName="read")["PolicyDocument"]
    check(got["Statement"][0]["Action"] == ["ssm:Get*"], got)
    refused("DeleteConflict", 409, iam.delete_role, RoleName=ROLE)


def parameters():
    own, ssm = admin("ssm"), pod("ssm")
    for i in range(23):
        own.put_parameter(Name=f"/app/p{i:02}", Value=f"v{i}", Type="String")
    own.put_parameter(Name="/app/secret", Value="gold", Type="SecureString", Tags=[{"Key": "env", "Value": "prod"}])
    own.put_parameter(Name="/other", Value="x", Type="String")
    got = ssm.get_parameter(Name="/app/secret", WithDecryption=True)["Parameter"]
    check((got["Value"], got["Type"], got["Version"]) == ("gold", "SecureString", 1), got)
    check(ssm.get_parameter(Name="/app/secret")["Parameter"]["Value"] != "gold", "no decryption, no value")
    check(ssm.get_parameter(Name=got["ARN"] + ":1", WithDecryption=True)["Parameter"]["Selector"] == ":1", "by ARN and version")
    many = ssm.get_parameters(Names=["/app/p00", "/app/none"])
    check([p["Value"] for p in many["Parameters"]] == ["v0"] and many["InvalidParameters"] == ["/app/none"], many)
    pages = list(ssm.get_paginator("get_parameters_by_path").paginate(Path="/app", WithDecryption=True))
    check([len(p["Parameters"]) for p in pages] == [10, 10, 4], "pages")
    names = [p["Name"] for page in ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "tag:env", "Values": ["prod"]}]) for p in page["Parameters"]]
    check(names == ["/app/secret"], names)
    refused("ParameterNotFound", 400, ssm.get_parameter, Name="/app/none")
    refused("ParameterVersionNotFound", 400, ssm.get_parameter, Name="/app/p00:7")
    refused("ParameterAlreadyExists", 400, own.put_parameter, Name="/app/p00", Value="x", Type="String")
    text = refused("AccessDeniedException", 400, ssm.get_parameter, Name="/other")
    check(f"is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/other "
          "because no identity-based policy allows the ssm:GetParameter action" in text, text)
    try:
        ssm.get_parameter(Name="/app/none")
    except ssm.exceptions.ParameterNotFound:
        check(True, "the code maps to boto3's own exception")
    own.label_parameter_version(Name="/app/p00", ParameterVersion=1, Labels=["stable"])
    check(ssm.get_parameter(Name="/app/p00:stable")["Parameter"]["Value"] == "v0", "label")
    check(len(ssm.get_parameter_history(Name="/app/p00")["Parameters"]) == 1, "history")
    key = admin("kms").create_key(Description="judge")["KeyMetadata"]["Arn"]
    own.put_parameter(Name="/app/locked", Value="v", Type="SecureString", KeyId=key)
    text = refused("AccessDeniedException", 400, ssm.get_parameter, Name="/app/locked", WithDecryption=True)
    check(f"kms:Decrypt on resource: {key}" in text, text)
    own.delete_parameters(Names=["/other", "/app/locked"])


def secrets():
    own, sm = admin("secretsmanager"), pod("secretsmanager")
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
    iam = admin("iam")

    def grant(*statements):
        iam.put_role_policy(RoleName=ROLE, PolicyName="secrets", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [dict(s, Effect="Allow") for s in statements]}))

    made = own.create_secret(Name="app/db", SecretString="one", Tags=[{"Key": "env", "Value": "prod"}])
    check(made["ARN"].startswith(arn + "app/db-") and len(made["ARN"]) == len(arn + "app/db-") + 6, made["ARN"])
    second = own.put_secret_value(SecretId="app/db", SecretString="two")
    check(second["VersionStages"] == ["AWSCURRENT"], second)
    own.create_secret(Name="app/bin", SecretBinary=b"\x00\x01")
    own.create_secret(Name="other", SecretString="x")
    text = refused("AccessDeniedException", 400, sm.get_secret_value, SecretId="app/db")
    check(text.endswith(f"is not authorized to perform: secretsmanager:GetSecretValue on resource: {made['ARN']} "
          "because no identity-based policy allows the secretsmanager:GetSecretValue action"), text)
    grant({"Action": "secretsmanager:GetSecretValue", "Resource": arn + "app/*"})
    got = sm.get_secret_value(SecretId="app/db")
    check((got["SecretString"], got["Name"], got["ARN"]) == ("two", "app/db", made["ARN"]), got)
    check(sm.get_secret_value(SecretId=made["ARN"], VersionStage="AWSPREVIOUS")["SecretString"] == "one", "previous")
    check(sm.get_secret_value(SecretId=made["ARN"][:-7], VersionId=made["VersionId"])["SecretString"] == "one", "partial ARN")
    check(sm.get_secret_value(SecretId="app/bin")["SecretBinary"] == b"\x00\x01", "binary")
    text = refused("ResourceNotFoundException", 400, sm.get_secret_value, SecretId="app/none")
    check(text == "Secrets Manager can't find the specified secret.", text)
    text = refused("ResourceNotFoundException", 400, sm.get_secret_value, SecretId="app/db", VersionStage="blue")
    check(text == "Secrets Manager can't find the specified secret value for staging label: blue", text)
    refused("ResourceNotFoundException", 400, sm.get_secret_value, SecretId="app/db", VersionId="0" * 32)
    text = refused("AccessDeniedException", 400, sm.get_secret_value, SecretId="nowhere")
    check("GetSecretValue on resource: nowhere because" in text, text)
    try:
        sm.get_secret_value(SecretId="app/none")
    except sm.exceptions.ResourceNotFoundException:
        check(True, "the code maps to boto3's own exception")
    text = refused("AccessDeniedException", 400, sm.batch_get_secret_value, SecretIdList=["app/db"])
    check("secretsmanager:BatchGetSecretValue on resource: *" in text, text)
    refused("AccessDeniedException", 400, sm.list_secrets)
    refused("AccessDeniedException", 400, sm.put_secret_value, SecretId="app/db", SecretString="x")
    grant({"Action": "secretsmanager:GetSecretValue", "Resource": arn + "app/*"},
          {"Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets"], "Resource": "*"})
    own.delete_secret(SecretId="app/bin")
    text = refused("InvalidRequestException", 400, sm.get_secret_value, SecretId="app/bin")
    check(text == "You can't perform this operation on the secret because it was marked for deletion.", text)
    batch = sm.batch_get_secret_value(SecretIdList=["app/db", "app/bin", "other", "app/none"])
    check([v["SecretString"] for v in batch["SecretValues"]] == ["two"], batch["SecretValues"])
    check({e["SecretId"]: e["ErrorCode"] for e in batch["Errors"]} == {
        "app/bin": "InvalidRequestException", "other": "AccessDeniedException", "app/none": "ResourceNotFoundException"}, batch["Errors"])
    refused("ValidationException", 400, own.batch_get_secret_value, SecretIdList=[f"s{i}" for i in range(21)])
    found = sm.batch_get_secret_value(Filters=[{"Key": "tag-key", "Values": ["env"]}, {"Key": "tag-value", "Values": ["prod"]}])
    check([v["Name"] for v in found["SecretValues"]] == ["app/db"], found)
    for i in range(5):
        own.create_secret(Name=f"page/{i}", SecretString="p")
    pages = list(sm.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": ["page/"]}], PaginationConfig={"PageSize": 2}))
    check([len(p["SecretList"]) for p in pages] == [2, 2, 1], "pages")
    own.restore_secret(SecretId="app/bin")
    own.update_secret(SecretId="app/bin", Description="bytes")
    own.tag_resource(SecretId="app/bin", Tags=[{"Key": "a", "Value": "b"}])
    own.untag_resource(SecretId="app/bin", TagKeys=["a"])
    got = own.describe_secret(SecretId="app/bin")
    check((got["Description"], got["Tags"], "DeletedDate" in got) == ("bytes", [], False), got)
    check(list(got["VersionIdsToStages"].values()) == [["AWSCURRENT"]], got)
    refused("ResourceExistsException", 400, own.create_secret, Name="app/db", SecretString="x")
    refused("InvalidParameterException", 400, own.delete_secret, SecretId="app/db", RecoveryWindowInDays=3)
    own.put_resource_policy(SecretId="app/db", ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": {"AWS": ROLE_ARN}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}))
    text = refused("AccessDeniedException", 400, sm.get_secret_value, SecretId="app/db")
    check(text.endswith("with an explicit deny in a resource-based policy"), text)
    check("Deny" in own.get_resource_policy(SecretId="app/db")["ResourcePolicy"], "the policy")
    own.delete_resource_policy(SecretId="app/db")
    key = admin("kms").create_key(Description="judge")["KeyMetadata"]["Arn"]
    own.create_secret(Name="app/locked", SecretString="v", KmsKeyId=key)
    text = refused("AccessDeniedException", 400, sm.get_secret_value, SecretId="app/locked")
    check(text == "Access to KMS is not allowed", text)
    own.delete_secret(SecretId="app/locked", ForceDeleteWithoutRecovery=True)
    refused("ResourceNotFoundException", 400, own.describe_secret, SecretId="app/locked")


def cli(*args, ok=True):
    run = subprocess.run([sys.executable, "-m", "awscli", *args, "--output", "json"], capture_output=True, text=True)
    check((run.returncode == 0) == ok, f"aws {' '.join(args)}: {run.stderr}")
    return json.loads(run.stdout or "null") if ok else run.stderr


def command_line():
    me = cli("sts", "get-caller-identity")
    check(f":assumed-role/{ROLE}/" in me["Arn"], me)
    by_path = cli("ssm", "get-parameters-by-path", "--path", "/app", "--recursive", "--with-decryption")
    check(len(by_path["Parameters"]) == 24, "the CLI pages by itself")
    check(cli("ssm", "get-parameter", "--name", "/app/p01")["Parameter"]["Value"] == "v1", "get-parameter")
    check(cli("secretsmanager", "get-secret-value", "--secret-id", "app/db")["SecretString"] == "two", "get-secret-value")
    text = cli("secretsmanager", "get-secret-value", "--secret-id", "app/none", ok=False)
    check("(ResourceNotFoundException) when calling the GetSecretValue operation" in text, text)
    listed = cli("secretsmanager", "list-secrets", "--filters", "Key=name,Values=page/")
    check(len(listed["SecretList"]) == 5, "list-secrets")
    text = cli("secretsmanager", "create-secret", "--name", "app/new", "--secret-string", "x", ok=False)
    check("(AccessDeniedException) when calling the CreateSecret operation" in text, text)
    text = cli("ssm", "put-parameter", "--name", "/app/p01", "--value", "x", "--overwrite", ok=False)
    check("(AccessDeniedException) when calling the PutParameter operation" in text, text)


def main():
    federation()
    identities()
    parameters()
    secrets()
    command_line()
    print(f"{checks} checks hold")


main()
