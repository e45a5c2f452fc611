//! What several clients share while one of them holds it, such as the rate of one account.
//!
//! Owns: that there is one for each key while a client holds it. Refuses: keeping it longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Values by key, kept while somebody else keeps them.
#[derive(Debug)]
pub(crate) struct WeakMap<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K, V> Default for WeakMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V> WeakMap<K, V> {
    /// The value of `key`, made if nobody has it.
    pub(crate) fn of(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(key).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, value| value.strong_count() > 0);
        let new = Arc::new(make());
        all.insert(key.clone(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_as_long_as_its_users() {
        let all: WeakMap<u8, u8> = WeakMap::default();
        let first = all.of(&1, || 10);
        assert!(Arc::ptr_eq(&first, &all.of(&1, || 11)));
        drop(first);
        assert_eq!(*all.of(&1, || 12), 12);
        let _other = all.of(&2, || 20);
        assert_eq!(all.0.lock().unwrap().len(), 1);
    }
}
