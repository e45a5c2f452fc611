//! Documents and paths made to cost much: an answer or a clear refusal, soon.

use std::time::{Duration, Instant};

use keyless_gjson::{Limit, MAX_DEPTH, try_get};

/// Far above what any of these takes, far below what an unbounded one would.
const SOON: Duration = Duration::from_secs(20);

fn soon<T>(run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    let took = start.elapsed();
    assert!(took < SOON, "took {took:?}");
    result
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

#[test]
fn deep_documents_are_read_or_refused() {
    let deep = nested(200_000);
    for path in [
        "0", "#", "@valid", "@ugly", "@reverse", "@keys", "@tostr", "@flatten", "..0", "x",
    ] {
        assert!(soon(|| try_get(deep.as_bytes(), path)).is_ok(), "{path}");
    }
    for path in [
        "@pretty",
        "@pretty:{\"width\":0}",
        "@dig:x",
        "@flatten:{\"deep\":true}",
    ] {
        let result = soon(|| try_get(deep.as_bytes(), path));
        assert!(matches!(result, Err(Limit::Depth | Limit::Work)), "{path}");
    }
}

#[test]
fn deep_paths_are_followed_up_to_the_limit() {
    let path = |depth: usize| vec!["0"; depth].join(".");
    let document = nested(MAX_DEPTH * 2);
    let found = try_get(document.as_bytes(), &path(MAX_DEPTH - 2)).unwrap();
    assert!(found.is_array());
    for path in [
        path(MAX_DEPTH + 1),
        "@this|".repeat(100_000),
        "#(".repeat(100_000) + &")".repeat(100_000),
        "#.".repeat(100_000),
        "[".repeat(100_000) + &"]".repeat(100_000),
    ] {
        // Whatever the answer is, it comes.
        let _ = soon(|| try_get(document.as_bytes(), &path));
    }
}

#[test]
fn documents_do_not_multiply() {
    let json = format!("[{}]", vec!["\"some text\""; 1000].join(","));
    let doubling = vec!["[@this,@this]"; 40].join("|");
    assert_eq!(
        soon(|| try_get(json.as_bytes(), &doubling)),
        Err(Limit::Work)
    );
    let quoting = vec!["@tostr"; 60].join("|");
    assert_eq!(soon(|| try_get(b"\"\\\\\"", &quoting)), Err(Limit::Work));
    let wide = format!("@pretty:{{\"indent\":\"{}\"}}", " ".repeat(1 << 20));
    let nested = format!("{}{}{}", "[".repeat(100), "{}", "]".repeat(100));
    assert_eq!(soon(|| try_get(nested.as_bytes(), &wide)), Err(Limit::Work));
}

#[test]
fn wildcards_do_not_explode() {
    let key = "a".repeat(20_000);
    let json = format!("{{\"{key}\":1}}");
    let path = "*a".repeat(30) + "*b";
    assert!(!soon(|| try_get(json.as_bytes(), &path)).unwrap().exists());
    let path = "*a".repeat(10_000) + "*b";
    assert_eq!(soon(|| try_get(json.as_bytes(), &path)), Err(Limit::Work));
    let json = format!("[\"{key}\"]");
    let path = format!("#(%\"{}\")", "*a".repeat(30) + "*b");
    assert!(!soon(|| try_get(json.as_bytes(), &path)).unwrap().exists());
}

#[test]
fn large_ordinary_documents_are_well_inside_the_bounds() {
    let items: Vec<String> = (0..20_000)
        .map(|n| format!("{{\"id\":{n},\"name\":\"name {n}\",\"tags\":[\"a\",\"b\"]}}"))
        .collect();
    let json = format!("{{\"items\":[{}]}}", items.join(","));
    for (path, text) in [
        ("items.19999.name", "name 19999"),
        ("items.#", "20000"),
        ("items.#(id==19999).tags.1", "b"),
        ("items.#(name%\"*19999\").id", "19999"),
        ("items.#.name|19999", "name 19999"),
        ("items.#(tags.#(==\"a\"))#|#", "20000"),
        ("items|@reverse|0.id", "19999"),
        ("@pretty|items.#", "20000"),
    ] {
        let value = soon(|| try_get(json.as_bytes(), path)).unwrap();
        assert_eq!(value.text().as_ref(), text.as_bytes(), "{path}");
    }
}
