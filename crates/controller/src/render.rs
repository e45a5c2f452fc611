//! Templates of one object, executed by `keyless-secret`'s engine with a clock and randomness.
//!
//! One engine serves all objects: its table of functions is worth keeping, and a template needs
//! it for microseconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use keyless_secret::SecretBytes;
use keyless_secret::render::{Context, Engine, Render, RenderError};
use rand::RngCore;

/// The engine of an operator, made when the first template needs it.
#[derive(Default)]
pub struct SharedEngine {
    engine: Mutex<Option<Engine>>,
    left: String,
    right: String,
}

impl SharedEngine {
    /// With the delimiters that the operator was started with; empty ones are `{{ }}`.
    #[must_use]
    pub fn new(left: &str, right: &str) -> Self {
        Self {
            engine: Mutex::new(None),
            left: left.to_owned(),
            right: right.to_owned(),
        }
    }

    /// For the templates of one object, at `unix_millis`.
    #[must_use]
    pub const fn at(&self, unix_millis: i64) -> Renderer<'_> {
        Renderer {
            shared: self,
            unix_millis,
        }
    }
}

/// Executes the templates of one object.
pub struct Renderer<'a> {
    shared: &'a SharedEngine,
    unix_millis: i64,
}

impl Renderer<'_> {
    fn with<T>(&self, work: impl FnOnce(&mut Engine) -> T) -> T {
        let millis = self.unix_millis;
        let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
        let random = |bytes: &mut [u8]| rand::rng().fill_bytes(bytes);
        let context = Context::new(millis.div_euclid(1000), nanos, random);
        let mut engine = self
            .shared
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match engine.as_mut() {
            Some(engine) => {
                engine.set_context(context);
                work(engine)
            }
            None => {
                let new = Engine::new(&self.shared.left, &self.shared.right, context);
                work(engine.insert(new))
            }
        }
    }
}

impl Render for Renderer<'_> {
    fn render(
        &mut self,
        name: &str,
        text: &str,
        data: &BTreeMap<String, SecretBytes>,
    ) -> Result<Vec<u8>, RenderError> {
        self.with(|engine| engine.render(name, text, data))
    }

    fn transform(&mut self, text: &str, keys: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        self.with(|engine| engine.transform(text, keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_reused_with_the_clock_of_each_use() {
        let shared = SharedEngine::default();
        let data = [("a".to_owned(), SecretBytes::from("1"))].into();
        let at = |millis, text: &str| shared.at(millis).render("t", text, &data);
        assert_eq!(at(0, "{{ .a }} {{ now.Unix }}").unwrap(), b"1 0");
        assert_eq!(at(61_000, "{{ now.Unix }}").unwrap(), b"61");
        assert!(at(0, "{{ .b }}").is_err(), "a missing key fails");
    }
}
