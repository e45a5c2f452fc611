//! Random templates on which Go and keyless can be compared: only functions whose answer depends
//! on nothing but their arguments.

use crate::Random;

const FIELDS: [&str; 16] = [
    ".user",
    ".password",
    ".host",
    ".port",
    ".empty",
    ".multi",
    ".html",
    ".uni",
    ".csv",
    ".num",
    ".neg",
    ".json",
    ".sentence",
    ".b64",
    ".nope",
    "$.user",
];
const LITERALS: [&str; 16] = [
    "\"a\"",
    "\"a,b\"",
    "`r\\n`",
    "\"\\t\\\"x\\\"\"",
    "0",
    "1",
    "-3",
    "7",
    "2.5",
    "1e3",
    "0x1f",
    "'c'",
    "true",
    "false",
    "\"\"",
    "\"%v\"",
];
/// Functions with how many arguments they take.
const FUNCTIONS: [(&str, usize); 62] = [
    ("upper", 1),
    ("lower", 1),
    ("trim", 1),
    ("quote", 1),
    ("squote", 1),
    ("b64enc", 1),
    ("b64dec", 1),
    ("default", 2),
    ("toJson", 1),
    ("len", 1),
    ("print", 2),
    ("println", 1),
    ("printf \"%v|%q\"", 2),
    ("printf \"%5d|%-6s|%x\"", 3),
    ("printf \"%08.3f %t\"", 2),
    ("index", 2),
    ("eq", 2),
    ("ne", 2),
    ("lt", 2),
    ("ge", 2),
    ("and", 2),
    ("or", 2),
    ("not", 1),
    ("list", 3),
    ("dict \"k\"", 1),
    ("splitList", 2),
    ("join", 2),
    ("replace", 3),
    ("contains", 2),
    ("hasPrefix", 2),
    ("hasSuffix", 2),
    ("trunc 3", 1),
    ("substr 0 2", 1),
    ("repeat 2", 1),
    ("indent 2", 1),
    ("nindent 2", 1),
    ("title", 1),
    ("snakecase", 1),
    ("kebabcase", 1),
    ("add", 2),
    ("sub", 2),
    ("mul", 2),
    ("max", 2),
    ("min", 2),
    ("int", 1),
    ("int64", 1),
    ("float64", 1),
    ("toString", 1),
    ("cat", 2),
    ("first", 1),
    ("last", 1),
    ("rest", 1),
    ("initial", 1),
    ("reverse", 1),
    ("ternary", 3),
    ("empty", 1),
    ("coalesce", 2),
    ("sha256sum", 1),
    ("urlquery", 1),
    ("html", 1),
    ("js", 1),
    ("trimSuffix", 2),
];
/// Pieces without grammar, for the parser.
const SOUP: [&str; 44] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{ end }}",
    "{{ else }}",
    "{{ else if ",
    "{{ if ",
    "{{ range ",
    "{{ with ",
    "{{ define \"t\" }}",
    "{{ template \"t\" . }}",
    "{{ block \"b\" . }}",
    "$x := ",
    "$x = ",
    "$x",
    "$i, $e := ",
    ".",
    ".user",
    ".a.b",
    "(",
    ")",
    "|",
    " ",
    "\n",
    "\"a\"",
    "`r`",
    "'c'",
    "1",
    "-1",
    "1.5",
    "1e9",
    "0x1f",
    "nil",
    "true",
    ",",
    "print ",
    "index ",
    "nofunc ",
    "{{ break }}",
    "{{ continue }}",
    "{{/* c */}}",
    "é",
    "\"open",
];

/// The template of number `seed`.
#[must_use]
pub fn template(seed: u64) -> String {
    let mut random = Random::new(seed);
    // The first numbers of neighbouring seeds are alike.
    for _ in 0..8 {
        random.below(2);
    }
    if random.below(3) == 0 {
        let pieces = 1 + random.below(14);
        return (0..pieces).filter_map(|_| random.pick(&SOUP)).collect();
    }
    let mut out = String::new();
    for _ in 0..=random.below(3) {
        node(&mut random, &mut out, 0);
    }
    out
}

fn node(random: &mut Random, out: &mut String, depth: usize) {
    let (left, right) = match random.below(6) {
        0 => ("{{- ", " }}"),
        1 => ("{{ ", " -}}"),
        _ => ("{{ ", " }}"),
    };
    let expression = pipeline(random, 0);
    match random.below(if depth < 2 { 9 } else { 4 }) {
        0 => out.push_str(
            random
                .pick(&[" text ", "\n", "a\tb", " é {} "])
                .unwrap_or_default(),
        ),
        1..=3 => out.push_str(&format!("{left}{expression}{right}")),
        4 => out.push_str(&format!("{left}$v := {expression}{right}{{{{ $v }}}}")),
        kind => {
            let word = match kind {
                5 => "if",
                6 => "with",
                7 => "range",
                _ => "range $i, $e :=",
            };
            out.push_str(&format!("{left}{word} {expression}{right}"));
            if kind == 8 {
                out.push_str("{{ $i }}={{ $e }};");
            }
            node(random, out, depth + 1);
            if random.below(2) == 0 {
                out.push_str("{{ else }}");
                node(random, out, depth + 1);
            }
            out.push_str("{{ end }}");
        }
    }
}

fn pipeline(random: &mut Random, depth: usize) -> String {
    let mut out = command(random, depth);
    for _ in 0..random.below(3) {
        let (name, count) = function(random);
        out.push_str(" | ");
        out.push_str(name);
        for _ in 1..count {
            out.push(' ');
            out.push_str(&operand(random, depth + 1));
        }
    }
    out
}

fn command(random: &mut Random, depth: usize) -> String {
    if random.below(3) == 0 {
        return operand(random, depth);
    }
    let (name, count) = function(random);
    let mut out = name.to_owned();
    for _ in 0..count {
        out.push(' ');
        out.push_str(&operand(random, depth + 1));
    }
    out
}

fn function(random: &mut Random) -> (&'static str, usize) {
    FUNCTIONS
        .get(random.below(FUNCTIONS.len()))
        .copied()
        .unwrap_or(("print", 1))
}

fn operand(random: &mut Random, depth: usize) -> String {
    match random.below(5) {
        0 if depth < 3 => format!("({})", pipeline(random, depth + 1)),
        0 | 1 => random.pick(&LITERALS).unwrap_or_default().to_owned(),
        2 if random.below(4) == 0 => ".".to_owned(),
        _ => random.pick(&FIELDS).unwrap_or_default().to_owned(),
    }
}
