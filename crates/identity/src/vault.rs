//! Logging in to HashiCorp Vault and OpenBao.
//!
//! Owns: every way of logging in, sessions that are renewed, shared and revoked at their end,
//! the value that says everything that makes an identity different, and the HTTP calls that the
//! data plane makes with a session. Refuses: knowledge of secrets, and repeating a refusal.

mod exchange;
mod login;
mod logins;
mod open_bao;
mod refusal;
mod resolve;
mod server;
mod session;
mod wire;

pub use login::{Login, Method, Subject};
pub use logins::{CachedSession, Logins, Observer};
pub use open_bao::as_vault;
pub use resolve::{depends_on_consumer, resolve};
pub use server::{Product, Server};
pub use session::Session;
pub use wire::{Answer, Call, Unanswered, segment, segments};
