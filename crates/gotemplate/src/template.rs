//! Engines and parsed templates: what users of this crate hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::List;
use crate::context::Context;
use crate::error::{Error, ExecError, ParseError};
use crate::exec::{self, MissingKey};
use crate::functions::Functions;
use crate::limits::Limits;
use crate::parse;
use crate::regex::Cache;
use crate::value::Value;

/// What an engine passes on to its templates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) missing_key: MissingKey,
    pub(crate) limits: Limits,
}

/// Delimiters, functions and limits; parses templates. Cheap to clone, shared between threads.
#[derive(Clone, Debug)]
pub struct Engine {
    functions: Arc<Functions>,
    left: Arc<str>,
    right: Arc<str>,
    settings: Settings,
}

impl Engine {
    /// An engine to configure, with Go's own functions and defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            functions: None,
            left: String::new(),
            right: String::new(),
            settings: Settings::default(),
        }
    }

    /// The engine of External Secrets Operator: its functions, a missing key is an error.
    #[must_use]
    pub fn eso() -> Self {
        Self::builder()
            .functions(Functions::eso())
            .missing_key(MissingKey::Error)
            .build()
    }

    /// Parses `text` as a template called `name`.
    ///
    /// # Errors
    /// A [`ParseError`] with the line and Go's reason.
    pub fn parse(&self, name: &str, text: &str) -> Result<Template, ParseError> {
        let delims = (&*self.left, &*self.right);
        let parsed = parse::parse(name, text, delims, &self.functions)?;
        Ok(Template {
            name: name.to_owned(),
            source: text.to_owned(),
            trees: parsed.trees,
            literals: parsed.literals,
            regexes: Cache::default(),
            settings: self.settings,
        })
    }

    /// Parses and executes `text` over `data`, the fetched keys, as External Secrets Operator
    /// does: the root is Go's `map[string]string`.
    ///
    /// # Errors
    /// Parsing and executing are told apart by the variant.
    pub fn render<K, V>(
        &self,
        name: &str,
        text: &str,
        data: impl IntoIterator<Item = (K, V)>,
        context: &mut Context,
    ) -> Result<Vec<u8>, Error>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let template = self.parse(name, text)?;
        Ok(template.execute(&Value::text_map(data), context)?)
    }
}

/// Configures an [`Engine`].
#[derive(Debug)]
pub struct Builder {
    functions: Option<Functions>,
    left: String,
    right: String,
    settings: Settings,
}

impl Builder {
    /// The delimiters of actions; an empty one means Go's default.
    #[must_use]
    pub fn delims(mut self, left: &str, right: &str) -> Self {
        left.clone_into(&mut self.left);
        right.clone_into(&mut self.right);
        self
    }

    /// What a missing key does.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.settings.missing_key = missing_key;
        self
    }

    /// What an execution may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// The functions that templates can call.
    #[must_use]
    pub fn functions(mut self, functions: Functions) -> Self {
        self.functions = Some(functions);
        self
    }

    /// The engine.
    #[must_use]
    pub fn build(self) -> Engine {
        let or = |text: String, default: &str| -> Arc<str> {
            if text.is_empty() {
                default.into()
            } else {
                text.into()
            }
        };
        Engine {
            functions: Arc::new(self.functions.unwrap_or_else(Functions::go)),
            left: or(self.left, "{{"),
            right: or(self.right, "}}"),
            settings: self.settings,
        }
    }
}

/// A parsed template, to be executed any number of times.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) trees: BTreeMap<String, List>,
    /// The string literals of the text: these are known not to be data.
    pub(crate) literals: Vec<Value>,
    pub(crate) regexes: Cache,
    pub(crate) settings: Settings,
}

impl Template {
    /// Executes the template over `root` and gives its output.
    ///
    /// # Errors
    /// An [`ExecError`] with the place and Go's reason, or the limit that was exceeded.
    pub fn execute(&self, root: &Value, context: &mut Context) -> Result<Vec<u8>, Box<ExecError>> {
        exec::execute(self, root, context)
    }
}
