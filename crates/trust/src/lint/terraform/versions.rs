//! Rules for versions and for how providers are configured.

use serde_json::Value;

use super::Linter;
use crate::hcl::Block;
use crate::lint::{Finding, Severity};

pub(super) fn lint(linter: &Linter<'_>, found: &mut Vec<Finding>) {
    let terraform = linter
        .module
        .blocks
        .iter()
        .filter(|b| b.kind == "terraform");
    for block in terraform {
        if let Some(version) = linter.module.text(block, "required_version") {
            bounds(
                linter,
                block,
                "required_version",
                "the program",
                &version,
                found,
            );
        }
        for providers in block.inner("required_providers") {
            for attribute in &providers.attributes {
                let value = linter.module.value(providers, &attribute.name);
                let version = match &value {
                    Some(Value::Object(map)) => map.get("version").and_then(Value::as_str),
                    Some(Value::String(text)) => Some(text.as_str()),
                    _ => None,
                };
                let version = version.unwrap_or_default();
                bounds(
                    linter,
                    providers,
                    &attribute.name,
                    &attribute.name,
                    version,
                    found,
                );
            }
        }
    }
    azurerm(linter, found);
}

fn bounds(
    linter: &Linter<'_>,
    block: &Block,
    argument: &str,
    what: &str,
    version: &str,
    found: &mut Vec<Finding>,
) {
    let (mut lower, mut upper) = (false, false);
    for part in version.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let operator: String = part.chars().take_while(|c| "<>=~!".contains(*c)).collect();
        match operator.as_str() {
            ">" | ">=" => lower = true,
            "<" | "<=" => upper = true,
            "!=" => {}
            // `~>` and an exact version bind both ends.
            _ => (lower, upper) = (true, true),
        }
    }
    if lower && upper {
        return;
    }
    let missing = match (lower, upper) {
        (false, false) => "both bounds are",
        (false, true) => "the lower bound is",
        _ => "the upper bound is",
    };
    let observed = format!("version {version:?} of {what}: {missing} missing");
    found.push(
        linter
            .at(block, Some(argument), "L3", Severity::Warning, observed)
            .required("a lower and an upper bound"),
    );
}

/// The azurerm provider does nothing without a block that has `features`.
fn azurerm(linter: &Linter<'_>, found: &mut Vec<Finding>) {
    let blocks = &linter.module.blocks;
    let uses = |b: &&Block| {
        matches!(b.kind.as_str(), "resource" | "data")
            && b.labels.first().is_some_and(|l| l.starts_with("azurerm_"))
    };
    let Some(first) = blocks.iter().find(uses) else {
        return;
    };
    let mut configured = blocks
        .iter()
        .filter(|b| b.kind == "provider" && b.labels.first().is_some_and(|l| l == "azurerm"));
    match configured.next() {
        None => found.push(
            linter
                .at(
                    first,
                    None,
                    "L2",
                    Severity::Error,
                    "no provider \"azurerm\" block",
                )
                .required("provider \"azurerm\" { features {} }"),
        ),
        Some(block) if block.inner("features").next().is_none() => found.push(
            linter
                .at(block, None, "L2", Severity::Error, "no features block")
                .required("features {}"),
        ),
        Some(_) => {}
    }
}
