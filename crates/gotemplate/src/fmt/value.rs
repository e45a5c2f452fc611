//! Values of every kind under a verb.

use super::Printer;
use crate::limits::{Limit, MAX_NESTING};
use crate::value::{IntType, List, Map, Opaque, Shown, Value};

impl Printer {
    /// Prints an operand.
    pub(super) fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::NoValue | Value::Nil, 'v' | 'T') => self.pad(b"<nil>"),
            (Value::NoValue | Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => {
                let name = value.type_name();
                self.text(name.as_bytes(), 's');
            }
            _ => self.value(value, verb),
        }
    }

    fn value(&mut self, value: &Value, verb: char) {
        if self.failed.is_some() {
            return;
        }
        let fits = match value {
            Value::NoValue | Value::Nil => {
                let nil: &[u8] = if self.flags.sharp_v {
                    b"interface {}(nil)"
                } else {
                    b"<nil>"
                };
                self.push(nil);
                true
            }
            Value::Bool(value) => self.boolean(*value, verb),
            Value::Int(value, kind) => self.named_integer(*value, *kind, verb),
            Value::Uint(value, _) => self.unsigned(*value, verb),
            Value::Float(value) => self.float(*value, verb),
            Value::Complex(re, im) => self.complex((*re, *im), verb),
            Value::Text(text) => self.text(text, verb),
            Value::Bytes(bytes) => self.bytes(bytes, verb),
            Value::List(list) => self.nested(|printer| printer.list(list, verb)),
            Value::Map(map) => self.nested(|printer| printer.map(map, verb)),
            Value::Time(time) => {
                let text = time.to_string();
                self.stringer(text.as_bytes(), verb)
            }
            Value::Opaque(value) => self.nested(|printer| printer.opaque(&**value, verb)),
        };
        if !fits {
            self.bad_verb(value, verb);
        }
    }

    fn nested(&mut self, print: impl FnOnce(&mut Self) -> bool) -> bool {
        if self.depth >= MAX_NESTING {
            self.failed = self.failed.or(Some(Limit::Nesting(MAX_NESTING)));
            return true;
        }
        self.depth += 1;
        let fits = print(self);
        self.depth -= 1;
        fits
    }

    fn named_integer(&mut self, value: i64, kind: IntType, verb: char) -> bool {
        let text = match kind {
            IntType::Int | IntType::Int32 | IntType::Int64 => None,
            IntType::Duration => Some(crate::time::duration::text(value)),
            IntType::Month => Some(crate::time::month_name(value)),
            IntType::Weekday => Some(crate::time::weekday_name(value)),
        };
        if let Some(text) = text
            && self.stringer(text.as_bytes(), verb)
        {
            return true;
        }
        self.signed(value, verb)
    }

    fn list(&mut self, list: &List, verb: char) -> bool {
        let go = self.flags.sharp_v;
        if go {
            self.push_str(&format!("[]{}", list.elem().name()));
            if list.is_nil() {
                self.push(b"(nil)");
                return true;
            }
        }
        self.push(if go { b"{" } else { b"[" });
        for (i, item) in list.items().iter().enumerate() {
            if self.failed.is_some() {
                break;
            }
            if i > 0 {
                self.push(if go { b", " } else { b" " });
            }
            self.value(item, verb);
        }
        self.push(if go { b"}" } else { b"]" });
        true
    }

    fn map(&mut self, map: &Map, verb: char) -> bool {
        let go = self.flags.sharp_v;
        if go {
            self.push_str(&format!("map[string]{}", map.elem().name()));
        }
        self.push(if go { b"{" } else { b"map[" });
        for (i, (key, item)) in map.snapshot().iter().enumerate() {
            if self.failed.is_some() {
                break;
            }
            if i > 0 {
                self.push(if go { b", " } else { b" " });
            }
            self.value(&Value::Text(key.clone()), verb);
            self.push(b":");
            self.value(item, verb);
        }
        self.push(if go { b"}" } else { b"]" });
        true
    }

    fn opaque(&mut self, value: &dyn Opaque, verb: char) -> bool {
        match value.shown() {
            Shown::Text(text) => self.stringer(&text, verb),
            Shown::Fields(fields) => {
                if self.flags.sharp_v {
                    self.push_str(value.type_name());
                }
                self.push(b"{");
                for (i, (name, field)) in fields.iter().enumerate() {
                    if i > 0 {
                        self.push(if self.flags.sharp_v { b", " } else { b" " });
                    }
                    if self.flags.plus_v || self.flags.sharp_v {
                        self.push_str(name);
                        self.push(b":");
                    }
                    self.value(field, verb);
                }
                self.push(b"}");
                true
            }
        }
    }
}
