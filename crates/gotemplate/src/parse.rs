//! Tokens into trees, with Go's error texts.
//!
//! Owns the grammar. Refuses unknown functions and undeclared variables here, before any data
//! is seen, and nesting beyond [`MAX_DEPTH`].

use std::collections::BTreeMap;

use crate::ast::{Branch, Invocation, List, Node, Pipe};
use crate::error::ParseError;
use crate::fmt::quote::quoted;
use crate::functions::Functions;
use crate::lexer::{Kind, Lexer, Token};
use crate::value::Value;

pub(crate) mod literal;
mod term;

/// What Go's `bytes.TrimSpace` removes, as far as it is one character in Unicode.
pub(crate) const GO_SPACE: fn(char) -> bool = char::is_whitespace;

/// How deep control structures and parentheses may nest in a text.
pub(crate) const MAX_DEPTH: usize = 200;

/// The trees of a text, by name, and its string literals.
pub(crate) struct Trees {
    pub(crate) trees: BTreeMap<String, List>,
    pub(crate) literals: Vec<Value>,
}

/// Parses `text` as the template `name`.
pub(crate) fn parse(
    name: &str,
    text: &str,
    delims: (&str, &str),
    functions: &Functions,
) -> Result<Trees, ParseError> {
    let mut parser = Parser {
        name,
        lexer: Lexer::new(text, delims.0, delims.1),
        functions,
        pending: Vec::new(),
        line: 0,
        action_line: 0,
        variables: vec!["$".into()],
        ranges: 0,
        depth: 0,
        trees: BTreeMap::new(),
        literals: Vec::new(),
    };
    let root = parser.root()?;
    parser.add(name.to_owned(), root)?;
    Ok(Trees {
        trees: parser.trees,
        literals: parser.literals,
    })
}

/// What ends a list of nodes.
enum End {
    End,
    Else,
}

/// A node, or the end of the list it would have been in.
enum Item {
    Node(Node),
    End(End),
}

/// What a token is, without consuming it.
#[derive(Clone, Copy)]
struct Peeked {
    kind: Kind,
    pos: usize,
}

type Parsed<T> = Result<T, ParseError>;

struct Parser<'a> {
    name: &'a str,
    lexer: Lexer<'a>,
    functions: &'a Functions,
    /// Tokens given back, the next one last.
    pending: Vec<Token<'a>>,
    line: usize,
    action_line: usize,
    variables: Vec<Box<str>>,
    ranges: usize,
    depth: usize,
    trees: BTreeMap<String, List>,
    literals: Vec<Value>,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Token<'a> {
        if let Some(token) = self.pending.pop() {
            return token;
        }
        let token = self.lexer.next();
        self.line = token.line;
        token
    }

    fn give_back(&mut self, token: Token<'a>) {
        self.pending.push(token);
    }

    fn peek(&mut self) -> Peeked {
        let token = self.next();
        let peeked = Peeked {
            kind: token.kind,
            pos: token.pos,
        };
        self.give_back(token);
        peeked
    }

    fn next_word(&mut self) -> Token<'a> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    /// The next token that is not space; the space before it is consumed.
    fn peek_word(&mut self) -> Peeked {
        let token = self.next_word();
        self.give_back(token);
        self.peek()
    }

    fn error<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(ParseError {
            name: self.name.to_owned(),
            line: self.line,
            reason: reason.into(),
        })
    }

    fn unexpected<T>(&self, token: &Token<'a>, context: &str) -> Parsed<T> {
        if token.kind == Kind::Error {
            let mut reason = token.text.to_string();
            if self.action_line != 0 && self.action_line != token.line {
                let action = if reason.ends_with(" action") {
                    ""
                } else {
                    " in action"
                };
                reason.push_str(&format!(
                    "{action} started at {}:{}",
                    self.name, self.action_line
                ));
            }
            return self.error(reason);
        }
        self.error(format!("unexpected {} in {context}", shown(token)))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.next_word();
        if token.kind != kind {
            return self.unexpected(&token, context);
        }
        Ok(token)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("max expression depth exceeded");
        }
        Ok(())
    }

    /// Adds a tree; an earlier one of that name may only be replaced while it is blank.
    fn add(&mut self, name: String, list: List) -> Parsed<()> {
        match self.trees.get(&name) {
            Some(old) if !old.is_blank() => {
                if !list.is_blank() {
                    let name = quoted(name.as_bytes());
                    return self.error(format!("template: multiple definition of template {name}"));
                }
            }
            _ => {
                self.trees.insert(name, list);
            }
        }
        Ok(())
    }

    fn root(&mut self) -> Parsed<List> {
        let mut list = List::default();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                let word = self.next_word();
                if word.kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.give_back(word);
                self.give_back(delim);
            }
            match self.text_or_action()? {
                Item::Node(node) => list.nodes.push(node),
                Item::End(End::End) => return self.error("unexpected {{end}}"),
                Item::End(End::Else) => return self.error("unexpected {{else}}"),
            }
        }
        Ok(list)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let list = self.separate_tree(CONTEXT, None)?;
        self.add(name, list)
    }

    /// The body of a `define` or `block`: variables and ranges of the surroundings are unknown.
    ///
    /// Go parses a block's body with a parser of its own and reports an `else` that ends it with
    /// the outer one, which still stands at the clause: `else_line`.
    fn separate_tree(&mut self, context: &str, else_line: Option<usize>) -> Parsed<List> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        let action_line = std::mem::take(&mut self.action_line);
        let (list, end) = self.item_list()?;
        if matches!(end, End::Else) {
            self.line = else_line.unwrap_or(self.line);
            return self.error(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.variables = variables;
        self.ranges = ranges;
        self.action_line = action_line;
        Ok(list)
    }

    fn template_name(&mut self, token: &Token<'a>, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::Quoted | Kind::RawQuoted) {
            return self.unexpected(token, context);
        }
        match literal::unquote(&token.text) {
            Some(name) => Ok(String::from_utf8_lossy(&name).into_owned()),
            None => self.error("invalid syntax"),
        }
    }

    fn item_list(&mut self) -> Parsed<(List, End)> {
        self.enter()?;
        let mut list = List::default();
        while self.peek_word().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => list.nodes.push(node),
                Item::End(end) => {
                    self.depth -= 1;
                    return Ok((list, end));
                }
            }
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_word();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text {
                text: token.text.into(),
            })),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action()?;
                self.action_line = 0;
                Ok(item)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_word();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.leave_range("{{break}}", Node::Break)?,
            Kind::Continue => self.leave_range("{{continue}}", Node::Continue)?,
            Kind::Else => {
                if !matches!(self.peek_word().kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::If => Node::If(self.control("if")?),
            Kind::Range => Node::Range(self.control("range")?),
            Kind::With => Node::With(self.control("with")?),
            Kind::Template => self.invocation()?,
            _ => {
                self.give_back(token);
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Item::Node(node))
    }

    fn leave_range(&mut self, word: &str, node: Node) -> Parsed<Node> {
        let token = self.next_word();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, word);
        }
        if self.ranges == 0 {
            return self.error(format!("{word} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn control(&mut self, context: &str) -> Parsed<Branch> {
        let mark = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let in_range = usize::from(context == "range");
        self.ranges += in_range;
        let (list, end) = self.item_list()?;
        self.ranges -= in_range;
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(context)?),
        };
        self.variables.truncate(mark);
        Ok(Branch {
            pipe,
            list,
            otherwise,
        })
    }

    /// After `{{else`: the rest of an `else if` or `else with`, or the list up to the end.
    fn otherwise(&mut self, context: &str) -> Parsed<List> {
        let next = self.peek().kind;
        let chained =
            context == "if" && next == Kind::If || context == "with" && next == Kind::With;
        if chained {
            self.next();
            self.enter()?;
            let branch = self.control(context)?;
            self.depth -= 1;
            let node = if next == Kind::If {
                Node::If(branch)
            } else {
                Node::With(branch)
            };
            return Ok(List { nodes: vec![node] });
        }
        let (list, end) = self.item_list()?;
        match end {
            End::End => Ok(list),
            End::Else => self.error("expected end; found {{else}}"),
        }
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let list = self.separate_tree(CONTEXT, Some(self.line))?;
        self.add(name.clone(), list)?;
        Ok(invoke(token.pos, name, Some(pipe)))
    }

    fn invocation(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_word();
        let name = self.template_name(&token, CONTEXT)?;
        let after = self.next_word();
        let pipe = if after.kind == Kind::RightDelim {
            None
        } else {
            self.give_back(after);
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(invoke(token.pos, name, pipe))
    }
}

fn invoke(pos: usize, name: String, pipe: Option<Pipe>) -> Node {
    Node::Template(Invocation {
        pos,
        quoted: quoted(name.as_bytes()),
        name: name.into(),
        pipe,
    })
}

/// A token as errors show it.
fn shown(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Eof => "EOF".to_owned(),
        kind if kind.is_keyword() => format!("<{}>", token.text),
        _ if token.text.len() > 10 => {
            let head: String = token.text.chars().take(10).collect();
            format!("{}...", quoted(head.as_bytes()))
        }
        _ => quoted(token.text.as_bytes()),
    }
}
