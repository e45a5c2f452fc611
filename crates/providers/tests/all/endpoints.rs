//! Which hosts are called, in each partition and with FIPS.

use std::time::Duration;

use serde_json::json;

use crate::cloud::world_with;
use crate::stores::{key, spec, store};

#[tokio::test(start_paused = true)]
async fn each_partition_has_its_own_hosts() {
    for (region, fips, sts, ssm, secrets) in [
        (
            "eu-central-1",
            false,
            "sts.eu-central-1.amazonaws.com",
            "ssm.eu-central-1.amazonaws.com",
            "secretsmanager.eu-central-1.amazonaws.com",
        ),
        (
            "us-east-2",
            true,
            "sts-fips.us-east-2.amazonaws.com",
            "ssm-fips.us-east-2.amazonaws.com",
            "secretsmanager-fips.us-east-2.amazonaws.com",
        ),
        (
            "cn-north-1",
            false,
            "sts.cn-north-1.amazonaws.com.cn",
            "ssm.cn-north-1.amazonaws.com.cn",
            "secretsmanager.cn-north-1.amazonaws.com.cn",
        ),
        (
            "us-gov-west-1",
            false,
            "sts.us-gov-west-1.amazonaws.com",
            "ssm.us-gov-west-1.amazonaws.com",
            "secretsmanager.us-gov-west-1.amazonaws.com",
        ),
        (
            "us-gov-west-1",
            true,
            "sts.us-gov-west-1.amazonaws.com",
            // Its plain endpoint is the FIPS endpoint.
            "ssm.us-gov-west-1.amazonaws.com",
            "secretsmanager-fips.us-gov-west-1.amazonaws.com",
        ),
    ] {
        let env = [("AWS_USE_FIPS_ENDPOINT", if fips { "true" } else { "false" })];
        let world = world_with(&env);
        let partition = match region.split('-').next() {
            Some("cn") => "aws-cn",
            _ if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let role = format!("arn:{partition}:iam::111122223333:role/app");
        let annotations = [("eks.amazonaws.com/role-arn", role.as_str())];
        world.kube.account("a", "sa", &annotations);
        world.cloud.put("/x", "v");
        world.cloud.edit(|state| {
            state.denied_operations.insert("GetSecretValue");
        });
        for (service, operation, host) in [
            ("ParameterStore", "GetParameter", ssm),
            ("SecretsManager", "GetSecretValue", secrets),
        ] {
            let spec = spec(json!({"aws": {
                "service": service, "region": region,
                "auth": {"jwt": {"serviceAccountRef": {"name": "sa"}}},
            }}));
            let provider = world.registry.open(&spec, &store("a")).await.unwrap();
            provider.read(&[key("/x")], Duration::ZERO).await;
            assert_eq!(
                world.cloud.calls(operation)[0].host,
                host,
                "{region} fips {fips}"
            );
        }
        let login = &world.cloud.calls("AssumeRoleWithWebIdentity")[0];
        assert_eq!(login.host, sts, "{region} fips {fips}");
    }
}
