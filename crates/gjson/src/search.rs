//! Following a path through a document.
//!
//! The document is read once from left to right; a component that matches nothing lets the
//! search go on behind it, which is how wildcards reach a second candidate.

use std::borrow::Cow;

use crate::budget::{Budget, Limit};
use crate::bytes::{at, span, tail};
use crate::modifier::Modifier;
use crate::path::{
    ArrayPart, ObjectPart, Query, Rest, Selector, is_simple_name, last_name, selectors, split_pipe,
};
use crate::scan::{Scalar, Start, nested_end, next_value, scalar, start, string};
use crate::value::{Kind, Value};
use crate::{number, query, text, valid};

/// Evaluates `path` on `json`.
pub fn get<'a>(json: &'a [u8], path: &[u8], budget: &mut Budget) -> Result<Value<'a>, Limit> {
    budget.charge(json.len() + path.len() + 16)?;
    budget.deeper(|budget| evaluate(json, path, budget))
}

/// Evaluates `path` on a text that was made on the way.
fn get_made(
    json: Cow<'_, [u8]>,
    path: &[u8],
    budget: &mut Budget,
) -> Result<Value<'static>, Limit> {
    Ok(get(&json, path, budget)?.into_owned())
}

/// Evaluates `path` on a text that is a piece of the document or was made on the way.
fn get_in<'a>(json: Cow<'a, [u8]>, path: &[u8], budget: &mut Budget) -> Result<Value<'a>, Limit> {
    match json {
        Cow::Borrowed(json) => get(json, path, budget),
        made => get_made(made, path, budget),
    }
}

fn evaluate<'a>(json: &'a [u8], path: &[u8], budget: &mut Budget) -> Result<Value<'a>, Limit> {
    let mut path = path;
    if path.len() > 1 {
        let produced = match at(path, 0) {
            Some(b'@') => Modifier::apply(json, path, budget)?,
            Some(b'!') => literal(path).map(|(raw, rest)| (Cow::Owned(raw.to_vec()), rest)),
            _ => None,
        };
        if let Some((made, rest)) = produced {
            budget.charge(made.len())?;
            return match at(rest, 0) {
                Some(b'|' | b'.') => get_in(made, tail(rest, 1), budget),
                _ => Ok(match made {
                    Cow::Borrowed(json) => Value::parse(json),
                    Cow::Owned(json) => Value::parse(&json).into_owned(),
                }),
            };
        }
        if let Some(open @ (b'[' | b'{')) = at(path, 0) {
            match selectors(path) {
                // As in gjson, what is left of a multipath that is none is the path.
                None => path = b"",
                Some((list, rest)) => {
                    path = rest;
                    if matches!(at(rest, 0), None | Some(b'|' | b'.')) {
                        let made = collect(json, open, &list, budget)?;
                        return if rest.is_empty() {
                            Ok(Value::made(Kind::Json, made))
                        } else {
                            get_made(Cow::Owned(made), tail(rest, 1), budget)
                        };
                    }
                }
            }
        }
    }
    let mut search = Search {
        json,
        value: Value::default(),
        pipe: None,
    };
    if let Some(path) = path.strip_prefix(b"..") {
        search.array(0, path, budget)?;
    } else if let Some(open) = json.iter().position(|byte| matches!(byte, b'{' | b'[')) {
        if at(json, open) == Some(b'{') {
            search.object(open + 1, path, budget)?;
        } else {
            search.array(open + 1, path, budget)?;
        }
    }
    match search.pipe {
        Some(pipe) => get_in(search.value.into_raw(), pipe, budget),
        None => Ok(search.value),
    }
}

/// The literal at the beginning of a path (`!"text"`, `!true`) and what follows it.
fn literal(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let body = tail(path, 1);
    if let Some(b'{' | b'[' | b'"' | b'+' | b'-' | b'0'..=b'9') = at(body, 0) {
        let end = nested_end(body, 0).min(body.len());
        return Some((span(body, 0, end), tail(body, end)));
    }
    let end = body
        .iter()
        .position(|byte| matches!(byte, b'|' | b'.'))
        .unwrap_or(body.len());
    let word = span(body, 0, end);
    [&b"true"[..], b"false", b"null", b"nan", b"inf"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
        .then_some((word, tail(body, end)))
}

/// Evaluates a multipath into an object or array of what exists.
fn collect(
    json: &[u8],
    open: u8,
    list: &[Selector<'_>],
    budget: &mut Budget,
) -> Result<Vec<u8>, Limit> {
    let mut out = vec![open];
    for selector in list {
        let value = get(json, selector.path, budget)?;
        if !value.exists() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        if open == b'{' {
            let name = selector.name;
            if name.first() == Some(&b'"') && valid::is_valid(name) {
                out.extend_from_slice(name);
            } else if !name.is_empty() {
                text::append_string(&mut out, name);
            } else {
                let last = last_name(selector.path);
                let name = if is_simple_name(last) { last } else { b"_" };
                text::append_string(&mut out, name);
            }
            out.push(b':');
        }
        budget.charge(value.raw().len())?;
        out.extend_from_slice(value.raw());
    }
    out.push(open + 2);
    Ok(out)
}

/// One pass over a document.
struct Search<'a, 'p> {
    json: &'a [u8],
    /// What was found so far.
    value: Value<'a>,
    /// The path that is to be taken from what is found.
    pipe: Option<&'p [u8]>,
}

/// Where a pass stopped, and whether that was because it found its value.
type Stop = (usize, bool);

impl<'a, 'p> Search<'a, 'p> {
    /// Looks through the members of the object whose bracket is just before `i`.
    fn object(&mut self, mut i: usize, path: &'p [u8], budget: &mut Budget) -> Result<Stop, Limit> {
        budget.charge(path.len())?;
        let part = ObjectPart::of(path);
        if let Rest::Pipe(pipe) = part.rest {
            self.pipe = Some(pipe);
        }
        let below = part.rest.path();
        loop {
            let Some(offset) = tail(self.json, i)
                .iter()
                .position(|byte| matches!(byte, b'"' | b'}'))
            else {
                return Ok((self.json.len().max(i), false));
            };
            i += offset;
            if at(self.json, i) == Some(b'}') {
                return Ok((i + 1, false));
            }
            let key = string(self.json, i + 1);
            i = key.next;
            if !key.closed {
                return Ok((i, false));
            }
            let inside = if key.escaped {
                Cow::Owned(text::unescape(key.inside))
            } else {
                Cow::Borrowed(key.inside)
            };
            let matches = if part.wild {
                query::fits(&inside, &part.key, budget)?
            } else {
                inside == part.key
            };
            let Some((at_value, start)) = self.next_start(i) else {
                return Ok((self.json.len(), false));
            };
            let (next, found) = self.member(at_value, start, matches, below, budget)?;
            i = next;
            if found {
                return Ok((i, true));
            }
        }
    }

    /// The next place at or after `i` where a value begins.
    fn next_start(&self, i: usize) -> Option<(usize, Start)> {
        (i..self.json.len()).find_map(|i| start(self.json, i).map(|start| (i, start)))
    }

    /// Takes, enters or skips the value at `i`, whose place in its parent fits the path or not.
    fn member(
        &mut self,
        i: usize,
        start: Start,
        matches: bool,
        below: Option<&'p [u8]>,
        budget: &mut Budget,
    ) -> Result<Stop, Limit> {
        let take = matches && below.is_none();
        match (start, below) {
            (Start::Object, Some(path)) if matches => {
                budget.deeper(|budget| self.object(i + 1, path, budget))
            }
            (Start::Array, Some(path)) if matches => {
                budget.deeper(|budget| self.array(i + 1, path, budget))
            }
            (Start::Object | Start::Array, _) => {
                let end = nested_end(self.json, i);
                if take {
                    self.value = Value::new(Kind::Json, span(self.json, i, end));
                }
                Ok((end, take))
            }
            _ => {
                let Scalar { next, value } = scalar(self.json, i, start);
                match value {
                    Some(value) if take => {
                        self.value.replace(value);
                        Ok((next, true))
                    }
                    Some(_) => Ok((next, false)),
                    // A string that never ends: nothing can follow.
                    None => Ok((usize::MAX, false)),
                }
            }
        }
    }

    /// Looks through the elements of the array whose bracket is just before `i`; with `i` 0,
    /// through the lines of a document.
    fn array(&mut self, mut i: usize, path: &'p [u8], budget: &mut Budget) -> Result<Stop, Limit> {
        budget.charge(path.len())?;
        let part = ArrayPart::of(path);
        if let Rest::Pipe(pipe) = part.rest {
            self.pipe = Some(pipe);
        }
        let index = if part.hash {
            None
        } else {
            number::parse_digits(part.text)
        };
        let mut filter = part.query.map(|query| Filter {
            query,
            below: part.rest.path(),
            all: Vec::new(),
        });
        let mut starts = Vec::new();
        let mut count = 0_u64;
        while i <= self.json.len() {
            let matches = index == Some(count);
            if part.each.is_some() {
                starts.push(i);
            }
            let Some((at_value, start)) = self.next_element(i) else {
                // The end of the array, or of a document that breaks off.
                let close = i + tail(self.json, i)
                    .iter()
                    .take_while(|b| **b != b']')
                    .count();
                let found = match &mut filter {
                    _ if part.hash && part.text == b"#" => {
                        self.summary(part.each, &starts, count, budget)?;
                        true
                    }
                    filter => {
                        self.matched(filter.take());
                        false
                    }
                };
                return Ok((close + 1, found));
            };
            count += 1;
            let (next, found) = match &mut filter {
                Some(filter) => self.element(at_value, start, filter, budget)?,
                None => self.member(at_value, start, matches, part.rest.path(), budget)?,
            };
            i = next;
            if found {
                return Ok((i, true));
            }
        }
        Ok((i.min(self.json.len() + 1), false))
    }

    /// The next place where an element begins, unless the array closes before.
    fn next_element(&self, i: usize) -> Option<(usize, Start)> {
        for i in i..self.json.len() {
            if at(self.json, i) == Some(b']') {
                return None;
            }
            if let Some(start) = start(self.json, i) {
                return Some((i, start));
            }
        }
        None
    }

    /// Puts the element at `i` through a query.
    fn element(
        &mut self,
        i: usize,
        start: Start,
        filter: &mut Filter<'p>,
        budget: &mut Budget,
    ) -> Result<Stop, Limit> {
        let (next, value) = match start {
            Start::Object | Start::Array => {
                let end = nested_end(self.json, i);
                (end, Value::new(Kind::Json, span(self.json, i, end)))
            }
            start => match scalar(self.json, i, start) {
                Scalar {
                    next,
                    value: Some(value),
                } => (next, value),
                _ => return Ok((usize::MAX, false)),
            },
        };
        let Some(found) = self.filtered(value, filter, budget)? else {
            return Ok((next, false));
        };
        if !filter.query.all {
            self.value = found;
            return Ok((next, true));
        }
        if found.exists() {
            budget.charge(found.raw().len())?;
            filter
                .all
                .push(if filter.all.is_empty() { b'[' } else { b',' });
            filter.all.extend_from_slice(found.raw());
        }
        Ok((next, false))
    }

    /// What an element contributes if it meets the query.
    fn filtered(
        &mut self,
        element: Value<'a>,
        filter: &mut Filter<'p>,
        budget: &mut Budget,
    ) -> Result<Option<Value<'a>>, Limit> {
        let raw = match element.clone().into_raw() {
            Cow::Borrowed(raw) => raw,
            Cow::Owned(_) => b"",
        };
        let met = if element.kind() == Kind::Json {
            let compared = get(raw, filter.query.path, budget)?;
            query::meets(&filter.query, &compared, budget)?
        } else {
            filter.query.path.is_empty() && query::meets(&filter.query, &element, budget)?
        };
        if !met {
            return Ok(None);
        }
        let Some(path) = filter.below else {
            return Ok(Some(element));
        };
        if let Some((left, pipe)) = split_pipe(path) {
            filter.below = Some(left);
            self.pipe = Some(pipe);
        }
        get(raw, filter.below.unwrap_or_default(), budget).map(Some)
    }

    /// Ends a query over an array: all that matched, unless something was found before.
    fn matched(&mut self, filter: Option<Filter<'p>>) {
        let Some(filter) = filter else { return };
        if self.value.exists() {
            return;
        }
        if !filter.all.is_empty() {
            let mut all = filter.all;
            all.push(b']');
            self.value = Value::made(Kind::Json, all);
        } else if filter.query.all {
            self.value = Value::made(Kind::Json, b"[]".to_vec());
        }
    }

    /// Ends `#` and `#.path`: the number of elements, or what the path finds in each.
    fn summary(
        &mut self,
        each: Option<&'p [u8]>,
        starts: &[usize],
        count: u64,
        budget: &mut Budget,
    ) -> Result<(), Limit> {
        let Some(mut path) = each else {
            self.value = Value::made(Kind::Number, count.to_string().into_bytes());
            return Ok(());
        };
        if let Some((left, pipe)) = split_pipe(path) {
            path = left;
            self.pipe = Some(pipe);
        }
        let mut out = vec![b'['];
        for &start in starts {
            let space = tail(self.json, start)
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
                .count();
            let start = start + space;
            if at(self.json, start).is_none_or(|byte| byte == b']') {
                continue;
            }
            let Some((_, element)) = next_value(self.json, start) else {
                continue;
            };
            let raw = element.into_raw();
            let found = get(&raw, path, budget)?;
            if found.exists() {
                if out.len() > 1 {
                    out.push(b',');
                }
                budget.charge(found.raw().len())?;
                out.extend_from_slice(found.raw());
            }
        }
        out.push(b']');
        self.value = Value::made(Kind::Json, out);
        Ok(())
    }
}

/// A query in use.
struct Filter<'p> {
    query: Query<'p>,
    /// The path to take from an element that meets it.
    below: Option<&'p [u8]>,
    /// The array of what all matching elements gave, its end still open.
    all: Vec<u8>,
}
