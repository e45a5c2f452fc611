//! Templates that try to use everything up, and random ones: an answer or a clear error, soon.

use std::time::{Duration, Instant};

use keyless_gotemplate::{Engine, Functions, Limit, Limits, Value};
use proptest::prelude::*;

use crate::oracle::context;

const DATA: [(&str, &str); 3] = [("user", "ada"), ("secret", "hunter2-canary"), ("empty", "")];

/// Renders on a small stack; what limit stopped it.
fn stopped_by(text: &str) -> Option<Limit> {
    let text = text.to_owned();
    let started = Instant::now();
    let run = move || {
        let template = Engine::eso().parse("h", &text).unwrap();
        let root = Value::text_map(DATA);
        template
            .execute(&root, &mut context())
            .err()
            .and_then(|error| {
                assert!(!error.to_string().contains("canary"), "{error}");
                error.limit
            })
    };
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap();
    let limit = thread.join().expect("no panic, no overflow");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "took {:?}",
        started.elapsed()
    );
    limit
}

/// Whether the right limit stopped a template.
type Expected<'e> = &'e dyn Fn(Option<Limit>) -> bool;

#[test]
fn exhaustion_is_refused() {
    let steps = |limit| matches!(limit, Some(Limit::Steps(_)));
    let bytes = |limit| {
        matches!(
            limit,
            Some(Limit::ValueBytes(_) | Limit::TotalBytes(_) | Limit::OutputBytes(_))
        )
    };
    let nested = |limit| matches!(limit, Some(Limit::Depth(_) | Limit::Nesting(_)));
    let cases: Vec<(&str, Expected<'_>)> = vec![
        (r#"{{ repeat 1000000000 "x" }}"#, &bytes),
        (r#"{{ range until 100000000 }}{{ end }}"#, &bytes),
        (r#"{{ range 1000000000 }}{{ end }}"#, &steps),
        (
            r#"{{ range 10000 }}{{ range 10000 }}{{ range 10000 }}{{ end }}{{ end }}{{ end }}"#,
            &steps,
        ),
        (r#"{{ range 1000000 }}0123456789{{ end }}"#, &bytes),
        (r#"{{ untilStep 0 9223372036854775807 1 }}"#, &bytes),
        (r#"{{ seq 1 1 9223372036854775807 }}"#, &bytes),
        (
            r#"{{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }}"#,
            &nested,
        ),
        (
            r#"{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ if true }}{{ template "a" . }}{{ end }}{{ end }}{{ template "a" . }}"#,
            &nested,
        ),
        (
            r#"{{ $x := "ab" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}"#,
            &bytes,
        ),
        (
            r#"{{ $x := list 1 }}{{ range 64 }}{{ $x = concat $x $x }}{{ end }}"#,
            &bytes,
        ),
        (
            r#"{{ $d := dict "a" 1 }}{{ range 64 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ $d }}"#,
            &bytes,
        ),
        (
            r#"{{ $d := dict "a" 1 }}{{ range 64 }}{{ $d = dict "a" $d "b" $d }}{{ end }}{{ deepEqual $d (deepCopy $d) }}"#,
            &|limit| limit.is_some(),
        ),
        (
            r#"{{ $d := dict }}{{ range 50000 }}{{ $d = dict "a" $d }}{{ end }}{{ $d | toJson }}"#,
            &nested,
        ),
        (
            r#"{{ $d := list }}{{ range 50000 }}{{ $d = list $d }}{{ end }}{{ print $d }}"#,
            &nested,
        ),
        (
            r#"{{ $d := list }}{{ range 50000 }}{{ $d = list $d }}{{ end }}{{ toYaml $d }}"#,
            &nested,
        ),
        (
            r#"{{ $d := list }}{{ range 50000 }}{{ $d = list $d }}{{ end }}{{ deepCopy $d | len }}"#,
            &nested,
        ),
        (
            r#"{{ $d := list }}{{ range 50000 }}{{ $d = list $d }}{{ end }}{{ deepEqual $d (list $d) }}"#,
            &nested,
        ),
        (
            r#"{{ printf "%1000000d%1000000d%1000000d%1000000d%1000000d" 1 2 3 4 5 }}"#,
            &bytes,
        ),
        (r#"{{ printf "%1000000v" (until 1000) }}"#, &bytes),
        (r#"{{ indent 1000000 (repeat 1000 "\n") }}"#, &bytes),
        (
            r#"{{ replace "" (repeat 100000 "y") (repeat 100000 "x") }}"#,
            &bytes,
        ),
        (r#"{{ join (repeat 100000 "y") (until 1000) }}"#, &bytes),
        (
            r#"{{ regexReplaceAll "" (repeat 10000 "x") (repeat 10000 "y") }}"#,
            &bytes,
        ),
        (r#"{{ regexFind (repeat 2000 "a") "a" }}"#, &|limit| {
            matches!(limit, Some(Limit::RegexBytes(_)))
        }),
        (
            r#"{{ regexFind "(((a{30}){30})|[\\pL]{1000}){1}" "a" }}"#,
            &|limit| matches!(limit, Some(Limit::RegexBytes(_))),
        ),
        (r#"{{ range 100 }}{{ bcrypt "x" }}{{ end }}"#, &|limit| {
            matches!(limit, Some(Limit::SlowCalls(_)))
        }),
        (
            r#"{{ range 100 }}{{ genPrivateKey "ecdsa" }}{{ end }}"#,
            &|limit| matches!(limit, Some(Limit::SlowCalls(_))),
        ),
        (r#"{{ randAlphaNum 1000000000 }}"#, &bytes),
        (r#"{{ randBytes 1000000000 }}"#, &bytes),
        (
            r#"{{ $x := repeat 1000000 "a" }}{{ range 10000 }}{{ contains "b" $x }}{{ end }}"#,
            &steps,
        ),
        (
            r#"{{ $x := repeat 1000000 "(" }}{{ range 10000 }}{{ fromJson $x }}{{ end }}"#,
            &|limit| limit.is_some(),
        ),
        (r#"{{ $l := until 20000 }}{{ uniq $l | len }}"#, &steps),
        (
            r#"{{ mulf 1e300 1e300 1e300 | print }}{{ range 1000000 }}{{ addf 1e300 1e-300 }}{{ end }}"#,
            &steps,
        ),
        (
            r#"{{ $d := dict }}{{ range $i, $_ := until 100000 }}{{ $_ := set $d (toString $i) (repeat 1000 "x") }}{{ end }}"#,
            &bytes,
        ),
    ];
    for (text, expected) in cases {
        let limit = stopped_by(text);
        assert!(expected(limit), "{text}: {limit:?}");
    }
}

#[test]
fn searches_are_charged() {
    let limits = Limits {
        steps: 5_000,
        ..Limits::default()
    };
    let engine = Engine::builder()
        .functions(Functions::eso())
        .limits(limits)
        .build();
    for text in [
        // Many states for each byte.
        r#"{{ $x := repeat 10000 "ab" }}{{ regexFind "(?i)[ab]*a[ab]{500}c" $x }}"#,
        // Each search looks at all that is left.
        r#"{{ $x := repeat 20000 "a" }}{{ regexFindAll ".*z|a" $x -1 | len }}"#,
        r#"{{ $x := repeat 20000 "a" }}{{ regexReplaceAll ".*z|a" $x "b" | len }}"#,
    ] {
        let template = engine.parse("h", text).unwrap();
        let error = template
            .execute(&Value::text_map(DATA), &mut context())
            .unwrap_err();
        assert_eq!(error.limit, Some(Limit::Steps(5_000)), "{text}");
    }
}

#[test]
fn parsing_is_bounded() {
    let engine = Engine::eso();
    for text in [
        "{{".repeat(100_000),
        format!("{{{{ {} }}}}", "(".repeat(100_000)),
        "{{ if 1 }}".repeat(100_000),
        format!(
            "{}{{{{ end }}}}",
            "{{ if 1 }}{{ else if 2 }}".repeat(50_000)
        ),
        format!("{{{{ .a{} }}}}", ".b".repeat(100_000)),
        format!("{{{{ 1{} }}}}", " | print".repeat(100_000)),
    ] {
        // An error or a template, but an answer.
        let _ = engine.parse("h", &text).map(drop);
    }
}

#[test]
fn a_dict_never_contains_itself() {
    for text in [
        r#"{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ $d }}"#,
        r#"{{ $d := dict }}{{ $e := dict "d" (list $d) }}{{ $_ := set $d "e" $e }}"#,
        r#"{{ $d := dict "a" (dict) }}{{ $_ := merge $d.a (dict "d" $d) }}"#,
    ] {
        let template = Engine::eso().parse("h", text).unwrap();
        let error = template
            .execute(&Value::text_map(DATA), &mut context())
            .unwrap_err();
        assert!(
            error.to_string().contains("a dict cannot contain itself"),
            "{error}"
        );
    }
}

#[test]
fn errors_quote_no_data() {
    for text in [
        "{{ fail .secret }}",
        r#"{{ fail (printf "x %s" .secret) }}"#,
        "{{ index (list) .secret }}",
        "{{ mustFromJson .secret }}",
        "{{ mustToDate .secret .secret }}",
        r#"{{ mustToDate "2006" .secret }}"#,
        "{{ mustRegexMatch (print \"(\" .secret) .user }}",
        "{{ urlParse (print \":\" .secret) }}",
        r#"{{ urlJoin (dict "userinfo" (print .secret "/")) }}"#,
        "{{ semver .secret }}",
        r#"{{ semverCompare .secret "1" }}"#,
        r#"{{ semverCompare "1" .secret }}"#,
        "{{ rsaDecrypt .secret .secret .secret .secret }}",
        r#"{{ rsaDecrypt "RSA-OAEP" .secret .secret .secret }}"#,
        "{{ pkcs12key .secret }}",
        "{{ pemToPkcs12 .secret .secret }}",
        "{{ jwkPublicKeyPem .secret }}",
        "{{ filterPEM .secret .secret }}",
        "{{ certSANs .secret }}",
        "{{ decryptAES .secret .secret }}",
        "{{ mustDateModify .secret now }}",
        "{{ genCAWithKey .secret 1 .secret }}",
        r#"{{ genSelfSignedCert "x" (list .secret) nil 1 }}"#,
        "{{ buildCustomCert (b64enc .secret) (b64enc .secret) }}",
        "{{ range .secret }}{{ end }}",
        "{{ .secret.x }}",
        "{{ dig .secret 1 (dict) .secret }}",
        "{{ lt .secret 1 }}",
        "{{ slice .secret 1 }}",
        "{{ call .secret }}",
        "{{ template .secret }}",
    ] {
        let error = match Engine::eso().parse("h", text) {
            Ok(template) => match template.execute(&Value::text_map(DATA), &mut context()) {
                Ok(_) => continue,
                Err(error) => format!("{error} {error:?}"),
            },
            Err(error) => error.to_string(),
        };
        assert!(!error.contains("canary"), "{text}: {error}");
    }
}

#[test]
fn random_functions_have_their_shape() {
    let render = |text: &str| {
        let engine = Engine::eso();
        String::from_utf8(engine.render("h", text, DATA, &mut context()).unwrap()).unwrap()
    };
    assert_eq!(render("{{ randAlphaNum 40 | len }}"), "40");
    assert_ne!(
        render("{{ randAlphaNum 40 }}"),
        render("{{ $_ := uuidv4 }}{{ randAlphaNum 40 }}")
    );
    let text = r#"{{ $ca := genCA "ca" 365 }}{{ $c := genSignedCert "h" (list "10.0.0.1" "::1") (list "a.example") 30 $ca }}{{ certSANs $c.Cert | join "," }}|{{ (buildCustomCert (b64enc $ca.Cert) (b64enc $ca.Key)).Cert | eq $ca.Cert }}|{{ pemToPkcs12Pass $c.Cert $c.Key "pw" | b64dec | pkcs12certPass "pw" | eq $c.Cert }}"#;
    assert_eq!(render(text), "a.example,10.0.0.1,::1|true|true");
    for kind in ["ecdsa", "ed25519"] {
        let text = format!(
            r#"{{{{ $k := genPrivateKey "{kind}" }}}}{{{{ $ca := genCAWithKey "ca" 1 $k }}}}{{{{ eq $ca.Key $k }}}}{{{{ len (certSANs $ca.Cert) }}}}"#
        );
        assert_eq!(render(&text), "true0");
    }
    assert!(
        render(r#"{{ genPrivateKey "rsa" }}"#).starts_with("-----BEGIN RSA PRIVATE KEY-----\n")
    );
    assert_eq!(render(r#"{{ genPrivateKey "nope" }}"#), "Unknown type nope");
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let engine = Engine::eso();
    shared(&engine);
    shared(&engine.parse("t", "{{ .user }}").unwrap());
    shared(&Value::text_map(DATA));
}

/// Pieces that make random texts likely to be templates.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{{ end }}",
        "{{ else }}",
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
        ".secret",
        ".nope",
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
        "list ",
        "dict ",
        "set ",
        "print ",
        "printf \"%v %d %q\" ",
        "index ",
        "slice ",
        "len ",
        "eq ",
        "and ",
        "or ",
        "not ",
        "upper ",
        "trunc 2 ",
        "splitList \",\" ",
        "toJson ",
        "fromJson ",
        "toYaml ",
        "fromYaml ",
        "regexReplaceAll ",
        "repeat 3 ",
        "until 5 ",
        "merge ",
        "default ",
        "now",
        "date \"2006\" ",
        "b64dec ",
        "semver ",
        "urlParse ",
        "html ",
        "js ",
        "{{ break }}",
        "{{ continue }}",
        "/* c */",
        "é",
        "\u{0}",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_templates_never_panic(pieces in proptest::collection::vec(piece(), 0..25)) {
        let limits = Limits { steps: 20_000, total_bytes: 1 << 20, ..Limits::default() };
        let engine = Engine::builder()
            .functions(Functions::eso())
            .limits(limits)
            .build();
        if let Ok(template) = engine.parse("p", &pieces.concat()) {
            let _ = template.execute(&Value::text_map(DATA), &mut context());
        }
    }

    #[test]
    fn functions_take_any_argument(
        name in proptest::sample::select(function_names()),
        args in proptest::collection::vec(argument(), 0..4),
    ) {
        let text = format!("{{{{ {name} {} }}}}", args.join(" "));
        if let Ok(template) = Engine::eso().parse("p", &text) {
            let result = template.execute(&Value::text_map(DATA), &mut context());
            if let Err(error) = result {
                prop_assert!(!error.to_string().contains("canary"), "{text}: {error}");
            }
        }
    }
}

/// All but those that are slow by design.
fn function_names() -> Vec<String> {
    let slow = [
        "genPrivateKey",
        "genCA",
        "genSelfSignedCert",
        "genSignedCert",
        "derivePassword",
        "bcrypt",
        "htpasswd",
    ];
    let mut names: Vec<String> = Functions::eso().names().map(str::to_owned).collect();
    names.retain(|name| !slow.contains(&name.as_str()));
    names.sort();
    names
}

fn argument() -> impl Strategy<Value = String> {
    let fixed = [
        "nil",
        "true",
        "0",
        "1",
        "-1",
        "3",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "\"\"",
        "\"a\"",
        "\"2006-01-02\"",
        "\"[a-z]+\"",
        "\"(\"",
        "\"1.2.3\"",
        ".user",
        ".secret",
        ".",
        "$",
        "(list 1 \"a\" nil)",
        "(dict \"a\" 1)",
        "now",
        "(until 3)",
        "(splitList \",\" \"a,b\")",
        "\"{\\\"a\\\":1}\"",
        "\"a: 1\"",
        "\"aGk=\"",
        "1i",
        "(int64 5)",
        "(semver \"1.0.0\")",
        "\"\\xff\\xfe\"",
        "\"日本\"",
        "(list)",
        "(dict)",
        "(duration 5)",
        "1e308",
    ];
    proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned)
}

#[test]
fn the_set_of_functions_is_complete() {
    let functions = Functions::eso();
    let names: std::collections::BTreeSet<&str> = functions.names().collect();
    for outside in ["env", "expandenv", "getHostByName", "tpl"] {
        assert!(!names.contains(outside), "{outside}");
    }
    // 19 of Go, 209 of Sprig (of which slice is also Go's), 18 of the operator.
    assert_eq!(names.len(), 245, "{names:?}");
}
