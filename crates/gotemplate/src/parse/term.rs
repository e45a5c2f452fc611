//! Pipelines, commands and terms.

use super::{Kind, Parsed, Parser, Token, literal, quoted};
use crate::ast::{Command, Expr, ExprKind, Pipe};
use crate::value::Value;

impl<'a> Parser<'a> {
    /// A pipeline up to `end`, which is consumed.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let mut pipe = Pipe {
            pos: self.peek_word().pos,
            assign: false,
            names: Vec::new(),
            commands: Vec::new(),
        };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.next_word();
            match token.kind {
                kind if kind == end => {
                    self.check(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawQuoted
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => {
                    self.give_back(token);
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    /// `$x :=`, `$x =`, and `$i, $x :=` in a range.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<()> {
        while self.peek_word().kind == Kind::Variable {
            let variable = self.next_word();
            let after = self.next();
            // What follows without space, or the first word after the space.
            let (space, word) = if after.kind == Kind::Space {
                (Some(after), self.next_word())
            } else {
                (None, after)
            };
            match word.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assign = word.kind == Kind::Assign;
                    self.declare(pipe, &variable);
                    return Ok(());
                }
                Kind::Char if word.text == "," => {
                    self.declare(pipe, &variable);
                    if context != "range" || pipe.names.len() >= 2 {
                        return self.error(format!("too many declarations in {context}"));
                    }
                    if !matches!(
                        self.peek_word().kind,
                        Kind::Variable | Kind::RightDelim | Kind::RightParen
                    ) {
                        return self.error("range can only initialize variables");
                    }
                }
                _ => {
                    self.give_back(word);
                    if let Some(space) = space {
                        self.give_back(space);
                    }
                    self.give_back(variable);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn declare(&mut self, pipe: &mut Pipe, variable: &Token<'a>) {
        let name: Box<str> = variable.text.as_ref().into();
        pipe.names.push(name.clone());
        self.variables.push(name);
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.first.kind,
                ExprKind::Bool(_)
                    | ExprKind::Dot
                    | ExprKind::Nil
                    | ExprKind::Number(_)
                    | ExprKind::Text { .. }
            ) {
                return self.error(format!(
                    "non executable command in pipeline stage {}",
                    i + 1
                ));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let pos = self.peek_word().pos;
        let mut operands = Vec::new();
        loop {
            self.peek_word();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.give_back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        let mut operands = operands.into_iter();
        match operands.next() {
            Some(first) => Ok(Command {
                pos,
                first,
                args: operands.collect(),
            }),
            None => self.error("empty command"),
        }
    }

    /// A term and the fields that follow it without space.
    fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let pos = self.peek().pos;
        let mut more = Vec::new();
        while self.peek().kind == Kind::Field {
            more.push(field_name(&self.next()));
        }
        let kind = match term.kind {
            ExprKind::Field(mut fields) => {
                fields.extend(more);
                ExprKind::Field(fields)
            }
            ExprKind::Variable { name, mut fields } => {
                fields.extend(more);
                ExprKind::Variable { name, fields }
            }
            ExprKind::Bool(_)
            | ExprKind::Text { .. }
            | ExprKind::Number(_)
            | ExprKind::Nil
            | ExprKind::Dot => {
                let term = quoted(term.to_string().as_bytes());
                return self.error(format!("unexpected . after term {term}"));
            }
            _ => ExprKind::Chain {
                of: Box::new(term),
                fields: more,
            },
        };
        Ok(Some(Expr { pos, kind }))
    }

    fn term(&mut self) -> Parsed<Option<Expr>> {
        let token = self.next_word();
        let kind = match token.kind {
            Kind::Identifier => match self.functions.get(&token.text) {
                Some(function) => ExprKind::Function(function.clone()),
                None => {
                    let name = quoted(token.text.as_bytes());
                    return self.error(format!("function {name} not defined"));
                }
            },
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => self.variable(&token)?,
            Kind::Field => ExprKind::Field(vec![field_name(&token)]),
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                match literal::number(&token.text, token.kind) {
                    Ok(number) => ExprKind::Number(Box::new(number)),
                    Err(reason) => return self.error(reason),
                }
            }
            Kind::LeftParen => {
                self.enter()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                ExprKind::Pipe(Box::new(pipe))
            }
            Kind::Quoted | Kind::RawQuoted => match literal::unquote(&token.text) {
                Some(text) => {
                    let value = Value::from(text);
                    self.literals.push(value.clone());
                    ExprKind::Text {
                        quoted: token.text.as_ref().into(),
                        value,
                    }
                }
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.give_back(token);
                return Ok(None);
            }
        };
        let pos = match &kind {
            // A parenthesised pipeline is placed at its first word.
            ExprKind::Pipe(pipe) => pipe.pos,
            _ => token.pos,
        };
        Ok(Some(Expr { pos, kind }))
    }

    fn variable(&mut self, token: &Token<'a>) -> Parsed<ExprKind> {
        if !self.variables.iter().any(|name| **name == *token.text) {
            let name = quoted(token.text.as_bytes());
            return self.error(format!("undefined variable {name}"));
        }
        Ok(ExprKind::Variable {
            name: token.text.as_ref().into(),
            fields: Vec::new(),
        })
    }
}

fn field_name(token: &Token<'_>) -> Box<str> {
    token.text.get(1..).unwrap_or_default().into()
}
