//! Writing HCL: every text is quoted here and nowhere else, so that no name can become code.

use std::fmt::Write as _;

/// A value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A text, whatever is in it.
    Text(String),
    /// A reference or call, written by this crate; never made from outside input.
    Code(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A list.
    List(Vec<Expr>),
    /// An object; keys are quoted unless they are plain names.
    Object(Vec<(String, Expr)>),
}

impl Expr {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Code of this crate.
    pub fn code(code: impl Into<String>) -> Self {
        Self::Code(code.into())
    }

    /// A list of texts.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }
}

/// A block under construction.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
    indent: usize,
    /// Arguments of the present block, held back so that their equals signs line up.
    pending: Vec<(String, String)>,
}

impl Writer {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One argument.
    pub fn set(&mut self, name: &str, value: &Expr) -> &mut Self {
        let mut text = String::new();
        expression(&mut text, value, self.indent);
        self.pending.push((name.to_owned(), text));
        self
    }

    /// A comment of one or several lines.
    pub fn comment(&mut self, text: &str) -> &mut Self {
        self.flush();
        for line in text.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            self.pad();
            let _ = writeln!(self.out, "# {line}");
        }
        self
    }

    /// A block with its content.
    pub fn block(
        &mut self,
        kind: &str,
        labels: &[&str],
        fill: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.flush();
        let after_block = self.out.ends_with("}\n");
        let after_argument = self.indent > 0 && !self.out.ends_with("{\n") && !self.after_comment();
        if after_block || after_argument {
            self.out.push('\n');
        }
        self.pad();
        self.out.push_str(kind);
        for label in labels {
            self.out.push(' ');
            self.out.push_str(&quote(label));
        }
        self.out.push_str(" {\n");
        self.indent += 1;
        fill(self);
        self.flush();
        self.indent -= 1;
        self.pad();
        self.out.push_str("}\n");
        self
    }

    /// A blank line between parts of a file.
    pub fn gap(&mut self) -> &mut Self {
        self.flush();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.flush();
        self.out
    }

    fn after_comment(&self) -> bool {
        let last = self.out.lines().next_back().unwrap_or_default();
        last.trim_start().starts_with('#')
    }

    fn pad(&mut self) {
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
    }

    /// Writes what is pending, with equals signs aligned within runs of one-line arguments, as the
    /// formatter of OpenTofu does.
    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_slice();
        while !rest.is_empty() {
            let run = rest.iter().take_while(|(_, v)| !v.contains('\n')).count();
            let (now, later) = rest.split_at(run.max(1));
            let width = if run == 0 {
                0
            } else {
                now.iter().map(|(name, _)| name.len()).max().unwrap_or(0)
            };
            for (name, value) in now {
                self.pad();
                let _ = writeln!(self.out, "{name:width$} = {value}");
            }
            rest = later;
        }
    }
}

fn expression(out: &mut String, value: &Expr, indent: usize) {
    match value {
        Expr::Text(text) => out.push_str(&quote(text)),
        Expr::Code(code) => out.push_str(code),
        Expr::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Expr::Number(n) => {
            let _ = write!(out, "{n}");
        }
        Expr::List(items) if items.len() < 2 => {
            out.push('[');
            for item in items {
                expression(out, item, indent);
            }
            out.push(']');
        }
        Expr::List(items) => {
            out.push_str("[\n");
            for item in items {
                spaces(out, indent + 1);
                expression(out, item, indent + 1);
                out.push_str(",\n");
            }
            spaces(out, indent);
            out.push(']');
        }
        Expr::Object(members) => {
            out.push_str("{\n");
            let names: Vec<String> = members.iter().map(|(name, _)| key(name)).collect();
            let width = names.iter().map(String::len).max().unwrap_or(0);
            for (name, (_, value)) in names.iter().zip(members) {
                spaces(out, indent + 1);
                let _ = write!(out, "{name:width$} = ");
                expression(out, value, indent + 1);
                out.push('\n');
            }
            spaces(out, indent);
            out.push('}');
        }
    }
}

fn spaces(out: &mut String, indent: usize) {
    for _ in 0..indent {
        out.push_str("  ");
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { quote(name) }
}

/// A text as a quoted literal: no interpolation, no directive, no end of the quotes.
/// <https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#template-expressions>
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                out.push(c);
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
