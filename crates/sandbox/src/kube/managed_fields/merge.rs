//! Merging an applied configuration into a live object, and removing what nobody applies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path_set::{PathSet, Step};
use super::types::Type;

/// `live` with everything that `applied` says.
pub(super) fn merge(ty: Type<'_>, live: Value, applied: &Value) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !ty.is_atomic_map() => {
            Value::Object(merge_maps(ty, live, applied))
        }
        (Value::Array(live), Value::Array(applied)) => match (ty.steps(&live), ty.steps(applied)) {
            (Some(live_steps), Some(steps)) => Value::Array(merge_lists(
                ty,
                live.into_iter().zip(live_steps).collect(),
                applied,
                &steps,
            )),
            _ => Value::Array(applied.clone()),
        },
        (_, applied) => applied.clone(),
    }
}

fn merge_maps(
    ty: Type<'_>,
    mut live: Map<String, Value>,
    applied: &Map<String, Value>,
) -> Map<String, Value> {
    for (name, value) in applied {
        let merged = match live.get_mut(name) {
            Some(before) => merge(ty.field(name).0, before.take(), value),
            None => value.clone(),
        };
        live.insert(name.clone(), merged);
    }
    live
}

/// Shared items come in the applied order; items that only the live list has keep their place
/// before the next shared item, as the real server's merge leaves them.
fn merge_lists(
    ty: Type<'_>,
    live: Vec<(Value, Step)>,
    applied: &[Value],
    steps: &[Step],
) -> Vec<Value> {
    let wanted: BTreeSet<&Step> = steps.iter().collect();
    let mut shared: BTreeMap<Step, Value> = BTreeMap::new();
    let mut order: Vec<(Step, Option<Value>)> = Vec::with_capacity(live.len());
    for (item, step) in live {
        if wanted.contains(&step) {
            shared.insert(step.clone(), item);
            order.push((step, None));
        } else {
            order.push((step, Some(item)));
        }
    }
    let mut out = Vec::with_capacity(order.len() + applied.len());
    let mut next_shared = steps
        .iter()
        .filter(|step| shared.contains_key(step))
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    let mut left = order.into_iter().peekable();
    for (item, step) in applied.iter().zip(steps) {
        // Shared items of the live list are passed over until the next one in applied order.
        while let Some((_, own)) =
            left.next_if(|(live_step, own)| own.is_some() || Some(&live_step) != next_shared.peek())
        {
            out.extend(own);
        }
        out.push(match shared.remove(step) {
            Some(before) => {
                next_shared.next();
                left.next_if(|(live_step, _)| live_step == step);
                merge(ty.item(), before, item)
            }
            None => item.clone(),
        });
    }
    out.extend(left.filter_map(|(_, own)| own));
    out
}

/// Removes the members of `set` from `value`.
pub(super) fn remove(ty: Type<'_>, value: &mut Value, set: &PathSet) {
    match value {
        Value::Object(map) => {
            for step in &set.members {
                if let Step::Field(name) = step
                    && !ty.is_unowned(name)
                {
                    map.remove(name);
                }
            }
            for (step, below) in &set.children {
                if let Step::Field(name) = step
                    && let Some(child) = map.get_mut(name)
                {
                    remove(ty.field(name).0, child, below);
                }
            }
        }
        Value::Array(items) => {
            let Some(steps) = ty.steps(items) else {
                return;
            };
            let old = std::mem::take(items);
            for (mut item, step) in old.into_iter().zip(steps) {
                if set.members.contains(&step) {
                    continue;
                }
                if let Some(below) = set.children.get(&step) {
                    remove(ty.item(), &mut item, below);
                }
                items.push(item);
            }
        }
        _ => {}
    }
}
