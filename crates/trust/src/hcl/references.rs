//! Which names a module refers to, and whether it declares them.

use std::collections::BTreeSet;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::visit::{self, Visit};

use super::{Block, Module};

/// A reference in an expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Such as `data.azurerm_client_config.current`, `var.issuer`.
    pub address: String,
    /// Index of the file.
    pub file: usize,
    /// Where the argument stands that holds it.
    pub line: usize,
}

pub(super) fn all(module: &Module) -> Vec<Reference> {
    let mut found = BTreeSet::new();
    for block in &module.blocks {
        of_block(block, &BTreeSet::new(), &mut found);
    }
    found.into_iter().collect()
}

fn of_block(block: &Block, bound: &BTreeSet<String>, found: &mut BTreeSet<Reference>) {
    let mut bound = bound.clone();
    if block.kind == "dynamic" {
        // The iterator of a dynamic block is the block's kind unless it says another name.
        bound.extend(block.labels.first().cloned());
        if let Some(iterator) = block.attribute("iterator") {
            bound.insert(iterator.expression.to_string().trim().to_owned());
        }
    }
    for attribute in &block.attributes {
        let mut names = Names {
            bound: &bound,
            local: BTreeSet::new(),
            found: Vec::new(),
        };
        names.visit_expr(&attribute.expression);
        let local = names.local.clone();
        found.extend(names.found.into_iter().filter_map(|(root, address)| {
            (!local.contains(&root)).then_some(Reference {
                address,
                file: block.file,
                line: attribute.line,
            })
        }));
    }
    for inner in &block.blocks {
        of_block(inner, &bound, found);
    }
}

struct Names<'a> {
    bound: &'a BTreeSet<String>,
    local: BTreeSet<String>,
    found: Vec<(String, String)>,
}

impl Visit for Names<'_> {
    fn visit_for_expr(&mut self, node: &hcl_edit::expr::ForExpr) {
        let intro = &node.intro;
        self.local.insert(intro.value_var.as_str().to_owned());
        if let Some(key) = &intro.key_var {
            self.local.insert(key.as_str().to_owned());
        }
        visit::visit_for_expr(self, node);
    }

    fn visit_traversal(&mut self, node: &Traversal) {
        if let Expression::Variable(root) = &node.expr {
            let names = node.operators.iter().map_while(|o| match o.value() {
                TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
                _ => None,
            });
            let names: Vec<String> = names.collect();
            let root = root.as_str().to_owned();
            let wanted = match root.as_str() {
                "var" | "local" => 1,
                "data" => 2,
                "each" | "count" | "self" | "path" | "terraform" | "module" => 0,
                // Types of resources have a provider in front.
                kind if kind.contains('_') && !self.bound.contains(kind) => 1,
                _ => 0,
            };
            if let (true, Some(parts)) = (wanted > 0, names.get(..wanted)) {
                self.found
                    .push((root.clone(), format!("{root}.{}", parts.join("."))));
            }
        }
        visit::visit_traversal(self, node);
    }
}

pub(super) fn declared(module: &Module, reference: &Reference) -> bool {
    let parts: Vec<&str> = reference.address.split('.').collect();
    match parts.as_slice() {
        ["var", name] => module
            .blocks
            .iter()
            .any(|b| b.kind == "variable" && b.labels.first().is_some_and(|l| l == name)),
        ["local", name] => module
            .blocks
            .iter()
            .any(|b| b.kind == "locals" && b.attribute(name).is_some()),
        ["data", kind, name] => module.named("data", kind, name).is_some(),
        [kind, name] => module.named("resource", kind, name).is_some(),
        _ => true,
    }
}
