//! What differs between two states of an object, as sets of paths.

use serde_json::{Map, Value};

use super::path_set::{PathSet, Step};
use super::types::{List, Type};

/// The three kinds of difference.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: PathSet,
    pub(super) modified: PathSet,
    pub(super) removed: PathSet,
}

impl Comparison {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// What the new state sets.
    pub(super) fn changed(&self) -> PathSet {
        self.added.clone().union(&self.modified)
    }

    fn attach(&mut self, step: &Step, below: Self) {
        self.added.attach(step, below.added);
        self.modified.attach(step, below.modified);
        self.removed.attach(step, below.removed);
    }
}

/// Compares two whole objects.
pub(super) fn objects(root: Type<'_>, old: &Value, new: &Value) -> Comparison {
    let mut out = Comparison::default();
    maps(root, old.as_object(), new.as_object(), &mut out);
    out
}

fn maps(
    ty: Type<'_>,
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    out: &mut Comparison,
) {
    for (name, after) in new.into_iter().flatten() {
        if !ty.is_unowned(name) {
            let before = old.and_then(|old| old.get(name));
            values(
                ty.field(name).0,
                before,
                Some(after),
                &Step::Field(name.clone()),
                out,
            );
        }
    }
    for (name, before) in old.into_iter().flatten() {
        if !ty.is_unowned(name) && !new.is_some_and(|new| new.contains_key(name)) {
            values(
                ty.field(name).0,
                Some(before),
                None,
                &Step::Field(name.clone()),
                out,
            );
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Map,
    List,
    Scalar,
}

fn shape(value: &Value) -> Option<Shape> {
    match value {
        Value::Null => None,
        Value::Object(_) => Some(Shape::Map),
        Value::Array(_) => Some(Shape::List),
        _ => Some(Shape::Scalar),
    }
}

/// Compares one place; `old` or `new` may be absent, not both.
fn values(
    ty: Type<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    step: &Step,
    out: &mut Comparison,
) {
    if old == new {
        return;
    }
    let (old_shape, new_shape) = (old.and_then(shape), new.and_then(shape));
    match (old_shape, new_shape) {
        (Some(before), Some(after)) if before != after => {
            // The place changed its nature: all of the old is gone, all of the new is set.
            let mut gone = Comparison::default();
            values(ty, old, None, step, &mut gone);
            let mut fresh = Comparison::default();
            values(ty, None, new, step, &mut fresh);
            gone.removed.members.remove(step);
            fresh.added.members.remove(step);
            merge_into(&mut out.removed, gone.removed);
            merge_into(&mut out.added, fresh.added);
            out.modified.members.insert(step.clone());
        }
        (None, None) | (Some(Shape::Scalar), _) | (_, Some(Shape::Scalar)) => {
            leaf(ty, old, new, step, out)
        }
        (Some(Shape::Map), _) | (_, Some(Shape::Map)) => {
            let (before, after) = (
                old.and_then(Value::as_object),
                new.and_then(Value::as_object),
            );
            let empty = before.is_none_or(Map::is_empty) && after.is_none_or(Map::is_empty);
            if empty || ty.is_atomic_map() {
                return leaf(ty, old, new, step, out);
            }
            let mut inner = Comparison::default();
            maps(ty, before, after, &mut inner);
            out.attach(step, inner);
            container(ty, old, new, step, out);
        }
        (Some(Shape::List), _) | (_, Some(Shape::List)) => lists(ty, old, new, step, out),
    }
}

fn lists(
    ty: Type<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    step: &Step,
    out: &mut Comparison,
) {
    let before = old
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let after = new
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let atomic = matches!(ty.list(), List::Atomic) || (before.is_empty() && after.is_empty());
    let (Some(old_steps), Some(new_steps), false) = (ty.steps(before), ty.steps(after), atomic)
    else {
        return leaf(ty, old, new, step, out);
    };
    let index: std::collections::BTreeMap<&Step, &Value> = old_steps.iter().zip(before).collect();
    let mut inner = Comparison::default();
    for (item, item_step) in after.iter().zip(&new_steps) {
        values(
            ty.item(),
            index.get(item_step).copied(),
            Some(item),
            item_step,
            &mut inner,
        );
    }
    let kept: std::collections::BTreeSet<&Step> = new_steps.iter().collect();
    for (item, item_step) in before.iter().zip(&old_steps) {
        if !kept.contains(item_step) {
            values(ty.item(), Some(item), None, item_step, &mut inner);
        }
    }
    out.attach(step, inner);
    container(ty, old, new, step, out);
}

/// A container itself comes or goes with its first or last content.
fn container(
    ty: Type<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    step: &Step,
    out: &mut Comparison,
) {
    if ty.is_implicit() {
        return;
    }
    if old.is_none() {
        out.added.members.insert(step.clone());
    } else if new.is_none() {
        out.removed.members.insert(step.clone());
    }
}

fn leaf(ty: Type<'_>, old: Option<&Value>, new: Option<&Value>, step: &Step, out: &mut Comparison) {
    let target = match (old, new) {
        (None, Some(after)) if ty.is_implicit() && is_empty(after) => return,
        (Some(before), None) if ty.is_implicit() && is_empty(before) => return,
        (None, _) => &mut out.added,
        (_, None) => &mut out.removed,
        _ => &mut out.modified,
    };
    target.members.insert(step.clone());
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn merge_into(target: &mut PathSet, more: PathSet) {
    *target = std::mem::take(target).union(&more);
}
