//! The harness of the linter, the reader of HCL and the doctor: files that others wrote.

use keyless_trust::doctor::{self, Facts};
use keyless_trust::hcl::Module;
use keyless_trust::hcl::write::quote;
use keyless_trust::lint::{Expect, File, lint};

/// Any file is read to its end or refused, findings point into it, whatever a text holds comes back
/// from HCL as it was, and a diagnosis names at most one broken link.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let expect = Expect {
        issuer: Some("https://oidc.example.com/c1".into()),
        subject: Some("system:serviceaccount:shop:web".into()),
        audience: Some("sts.amazonaws.com".into()),
    };
    let lines = text.lines().count().max(1) + 1;
    for name in ["a.tf", "a.json", "a.yaml"] {
        let report = lint(&[File { name, text }], &expect);
        for finding in &report.findings {
            assert!(
                finding.line.is_none_or(|line| (1..=lines).contains(&line)),
                "{finding:?}"
            );
        }
    }
    let mut module = Module::new();
    let file = format!("block {} {{\n  a = {}\n}}\n", quote(text), quote(text));
    assert!(module.add(0, &file).is_ok(), "{file}");
    let block = module.blocks.first();
    let value = block.and_then(|block| module.text(block, "a"));
    assert_eq!(value.as_deref(), Some(text), "{file}");
    if let Ok(facts) = serde_json::from_str::<Facts>(text) {
        let diagnosis = doctor::diagnose(&facts);
        let broken = diagnosis.chain.iter();
        let broken = broken.filter(|step| step.state == doctor::State::Broken);
        assert_eq!(broken.count(), usize::from(diagnosis.broken.is_some()));
        let page = doctor::html(&[diagnosis]);
        assert!(!page.contains("<script"), "{page}");
    }
}
