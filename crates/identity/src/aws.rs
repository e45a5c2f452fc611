//! Logging in to AWS.
//!
//! Owns: AssumeRoleWithWebIdentity with exact errors, the operator's own credential chain,
//! role chaining, and the value that says everything that makes an AWS identity different.
//! Refuses: signing (the SDK's), and reading anything but credentials.

mod arn;
mod assume_role;
mod caller_identity;
mod chain;
mod credentials;
mod endpoint;
mod imds;
mod login;
mod logins;
mod pod_identity;
mod refusal;
mod region;
mod resolve;
mod static_keys;
mod sts_answer;
mod web_identity;

pub use arn::RoleArn;
pub use caller_identity::{CallerIdentity, SignedRequest};
pub use credentials::Credentials;
pub use endpoint::{Service, override_of, use_fips};
pub use login::{Hop, Login, Source};
pub use logins::{CachedCredentials, Logins};
pub use refusal::{PolicyLayer, policy_layer};
pub use region::{Partition, Region};
pub use resolve::{depends_on_consumer, resolve};
pub use static_keys::StaticKeys;
