//! Templates: the seam between the pure pipeline and whoever executes its templates.
//!
//! Nobody does yet: [`crate::external_secret`] refuses specs with templates before they get
//! here, and what gets here nevertheless fails.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;
use keyless_secret::render::{Render, RenderError};

/// Executes the templates of one object, at one moment.
#[derive(Debug, Default)]
pub struct Renderer;

const REFUSAL: &str = "templates are not supported yet by keyless";

impl Render for Renderer {
    fn render(
        &mut self,
        _: &str,
        _: &str,
        _: &BTreeMap<String, SecretBytes>,
    ) -> Result<Vec<u8>, RenderError> {
        Err(RenderError::Parse(REFUSAL.into()))
    }

    fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        Err(RenderError::Parse(REFUSAL.into()))
    }
}
