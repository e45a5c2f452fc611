//! Renders a typical template many times, as `testbed/oracle/template bench` does in Go.
//!
//! `cargo run --release -p keyless-gotemplate --example bench`

use std::time::Instant;

use keyless_gotemplate::{Context, Engine, Value};

const TYPICAL: &str = r#"postgresql://{{ .user }}:{{ .password | urlquery }}@{{ .host }}:{{ .port }}/{{ .db }}
{{- if .options }}?{{ .options }}{{ end }}
{"auths":{"{{ .registry }}":{"username":{{ .user | quote }},"password":{{ .password | quote }},"auth":"{{ printf "%s:%s" .user .password | b64enc }}"}}}
{{ range $i, $h := splitList "," .hosts }}{{ $i }}={{ $h | upper }};{{ end }}
{{ .ca | trim | indent 2 }}
{{ .note | default "none" | toJson }}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = "line of a certificate\n".repeat(20);
    let data = [
        ("user", "app"),
        ("password", "p@ss\"w0rd&more"),
        ("host", "db.example.com"),
        ("port", "5432"),
        ("db", "app"),
        ("options", "sslmode=require"),
        ("registry", "registry.example.com"),
        ("hosts", "a.example,b.example,c.example"),
        ("ca", &ca),
        ("note", ""),
    ];
    let rounds = 100_000;
    let engine = Engine::eso();
    let mut context = Context::new(0, 0, |bytes: &mut [u8]| bytes.fill(0));

    let started = Instant::now();
    let mut size = 0;
    for _ in 0..rounds {
        size += engine.render("t", TYPICAL, data, &mut context)?.len();
    }
    println!("parse and execute: {:?} each", started.elapsed() / rounds);

    let template = engine.parse("t", TYPICAL)?;
    let started = Instant::now();
    for _ in 0..rounds {
        size += template
            .execute(&Value::text_map(data), &mut context)?
            .len();
    }
    println!("execute: {:?} each", started.elapsed() / rounds);
    println!("{size} bytes");
    Ok(())
}
