//! Slices. They never change: every function that "changes" a list makes a new one.

use std::sync::Arc;

use super::{Elem, Value};

/// A shared, immutable slice.
#[derive(Clone)]
pub struct List(Arc<Inner>);

struct Inner {
    elem: Elem,
    items: Vec<Value>,
    nil: bool,
}

impl List {
    /// A list whose elements have Go's type `elem`.
    #[must_use]
    pub fn new(elem: Elem, items: Vec<Value>) -> Self {
        Self(Arc::new(Inner {
            elem,
            items,
            nil: false,
        }))
    }

    /// Go's nil slice: empty, but `null` in JSON.
    #[must_use]
    pub fn nil(elem: Elem) -> Self {
        Self(Arc::new(Inner {
            elem,
            items: Vec::new(),
            nil: true,
        }))
    }

    /// Whether this is a nil slice.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// The type of the elements.
    #[must_use]
    pub fn elem(&self) -> Elem {
        self.0.elem
    }

    /// The elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.0.items
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.items.is_empty()
    }

    pub(super) fn into_children(self, out: &mut Vec<Value>) {
        if let Some(mut inner) = Arc::into_inner(self.0) {
            out.append(&mut inner.items);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        super::map::release(std::mem::take(&mut self.items));
    }
}
