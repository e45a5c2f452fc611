//! Logging in to Entra for Azure.
//!
//! Owns: the client-credentials exchange with a federated token, a certificate or a secret, with
//! exact errors; the node's managed identity; the clouds' endpoints; and the value that says
//! everything that makes an Azure identity different.
//! Refuses: reading anything but access tokens, and taking an authority or a resource from an
//! answer: both follow from the store and the environment alone.

mod answer;
mod assertion;
mod cloud;
mod exchange;
mod imds;
mod login;
mod logins;
mod refusal;
mod resolve;

pub use assertion::ClientCertificate;
pub use cloud::Cloud;
pub use login::{Client, Login, Source};
pub use logins::Logins;
pub use resolve::{depends_on_consumer, resolve};

/// A login at Entra as the source of tokens.
pub type CachedToken = crate::CachedToken<Logins>;
