//! Go's `text/template` with the functions of Sprig and of External Secrets Operator.
//!
//! Owns the language, the functions and a limit on everything a template can use up. Refuses
//! the network, files, the environment and any clock or randomness that the caller did not hand
//! in as a [`Context`]; and errors never quote the data that was rendered.
//!
//! ```
//! use keyless_gotemplate::{Context, Engine};
//!
//! let engine = Engine::eso();
//! let data = [("user", "ada"), ("host", "db")];
//! let mut context = Context::new(0, 0, |bytes: &mut [u8]| bytes.fill(7));
//! let text = engine.render("url", "{{ .user | upper }}@{{ .host }}", data, &mut context)?;
//! assert_eq!(text, b"ADA@db");
//! # Ok::<(), keyless_gotemplate::Error>(())
//! ```

mod ast;
mod builtins;
mod call;
mod context;
mod error;
mod exec;
mod fmt;
mod funcs;
mod functions;
mod lexer;
mod limits;
mod parse;
mod pki;
mod regex;
mod template;
mod time;
mod unicode;
mod value;
pub mod yaml;

pub use call::Call;
pub use context::{Context, Random};
pub use error::{CallError, Error, ExecError, ParseError};
pub use exec::MissingKey;
pub use functions::{Custom, Functions, Native, Type};
pub use limits::{Limit, Limits, MAX_NESTING};
pub use template::{Builder, Engine, Template};
pub use value::{Elem, IntType, List, Map, Opaque, Shown, Text, UintType, Value};
