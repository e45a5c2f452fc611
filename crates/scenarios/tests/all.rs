//! Every scenario, on both rings. `cargo xtask test` gives the real ring its programs; without
//! them its half says so, loudly, and passes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

/// Makes a test for each ring out of each scenario; those after `alone:` may count calls.
macro_rules! scenarios {
    (alone: $($name:ident),* $(,)?) => {
        mod sandbox_alone {
            $(#[test] fn $name() { keyless_scenarios::run_alone(keyless_scenarios::Kind::Sandbox, stringify!($name), super::$name); })*
        }
        mod real_alone {
            $(#[test] fn $name() { keyless_scenarios::run_alone(keyless_scenarios::Kind::Real, stringify!($name), super::$name); })*
        }
    };
    ($($name:ident),* $(,)?) => {
        mod sandbox {
            $(#[test] fn $name() { keyless_scenarios::run(keyless_scenarios::Kind::Sandbox, stringify!($name), super::$name); })*
        }
        mod real {
            $(#[test] fn $name() { keyless_scenarios::run(keyless_scenarios::Kind::Real, stringify!($name), super::$name); })*
        }
    };
}

#[path = "all/advisories.rs"]
mod advisories;
#[path = "all/applying.rs"]
mod applying;
#[path = "all/azure.rs"]
mod azure;
#[path = "all/azure_writes.rs"]
mod azure_writes;
#[path = "all/bad_input.rs"]
mod bad_input;
#[path = "all/catalogue.rs"]
mod catalogue;
#[path = "all/chain.rs"]
mod chain;
#[path = "all/cluster_external_secrets.rs"]
mod cluster_external_secrets;
#[path = "all/dependencies.rs"]
mod dependencies;
#[path = "all/empty.rs"]
mod empty;
#[path = "all/errors.rs"]
mod errors;
#[path = "all/fetching.rs"]
mod fetching;
#[path = "all/fights.rs"]
mod fights;
#[path = "all/gcp.rs"]
mod gcp;
#[path = "all/gcp_load.rs"]
mod gcp_load;
#[path = "all/gcp_logins.rs"]
mod gcp_logins;
#[path = "all/gcp_values.rs"]
mod gcp_values;
#[path = "all/gcp_writes.rs"]
mod gcp_writes;
#[path = "all/generic.rs"]
mod generic;
#[path = "all/injection.rs"]
mod injection;
#[path = "all/interruption.rs"]
mod interruption;
#[path = "all/kubernetes.rs"]
mod kubernetes;
#[path = "all/plan.rs"]
mod plan;
#[path = "all/policies.rs"]
mod policies;
#[path = "all/refresh.rs"]
mod refresh;
#[path = "all/secrecy.rs"]
mod secrecy;
#[path = "all/secrets_manager.rs"]
mod secrets_manager;
#[path = "all/shape.rs"]
mod shape;
#[path = "all/stores.rs"]
mod stores;
#[path = "all/takeover.rs"]
mod takeover;
#[path = "all/vault.rs"]
mod vault;
#[path = "all/vault_provider.rs"]
mod vault_provider;
#[path = "all/verdicts.rs"]
mod verdicts;
#[path = "all/webhook.rs"]
mod webhook;
#[path = "all/windows.rs"]
mod windows;
