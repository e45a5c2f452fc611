use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

#[test]
fn codes_are_unique_and_numbered_within_their_family() {
    for family in FAMILIES {
        for (n, row) in family.rows.iter().enumerate() {
            assert_eq!(row.code, format!("{}{}", family.letter, n + 1));
            for text in [row.title, row.cause, row.check, row.fix] {
                assert!(!text.is_empty(), "{}", row.code);
                assert_eq!(text.trim(), text, "{}", row.code);
            }
            for text in [row.cause, row.check, row.fix] {
                assert!(text.ends_with('.'), "{}: {text}", row.code);
            }
            assert!(!row.title.ends_with('.'), "{}", row.code);
        }
    }
    let files: BTreeSet<_> = FAMILIES.iter().map(|family| family.file).collect();
    assert_eq!(files.len(), FAMILIES.len());
}

/// The ways that the reference knows, by family; rows are added, never taken away.
#[test]
fn no_row_is_lost() {
    let least = [
        ('K', 21),
        ('P', 18),
        ('A', 26),
        ('Z', 25),
        ('G', 22),
        ('V', 8),
        ('W', 10),
        ('O', 5),
    ];
    for (letter, count) in least {
        let family = FAMILIES.iter().find(|f| f.letter == letter).unwrap();
        assert!(family.rows.len() >= count, "{letter}");
    }
    assert!(rows().count() >= 135);
}

#[test]
fn providers_answers_are_recognised() {
    for (text, code) in [
        (
            "An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: No OpenIDConnect provider found in your account for https://oidc.example.com",
            "A1",
        ),
        ("InvalidIdentityToken: Incorrect token audience", "A2"),
        (
            "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "A3",
        ),
        (
            "AADSTS700213: No matching federated identity record found for presented assertion subject 'x'",
            "Z3",
        ),
        (
            "AADSTS7002138: The subject matches with case-insensitive comparison",
            "Z3",
        ),
        ("AADSTS700211: No matching federated identity record", "Z1"),
        ("AADSTS7000272: x", "Z8"),
        ("AADSTS700027: x", "P12"),
        (
            "{\"error\":\"unauthorized_client\",\"error_description\":\"The given credential is rejected by the attribute condition.\"}",
            "G7",
        ),
        (
            "invalid audience (aud) claim: audience claim does not match any expected audience",
            "V3",
        ),
        (
            "FAILED_PRECONDITION: Org Policy violated for value: 'https://oidc.example.com/c1'.",
            "G15",
        ),
        (
            "no matches for kind \"ExternalSecret\" in version \"external-secrets.io/v1beta1\"",
            "O4",
        ),
    ] {
        let found = recognise(text);
        assert_eq!(found.first().map(|row| row.code), Some(code), "{text}");
    }
    assert!(recognise("all is well").is_empty());
}

#[test]
fn every_page_has_every_row() {
    let index = index();
    for family in FAMILIES {
        let page = page(family.file).unwrap();
        for row in family.rows {
            assert!(index.contains(&format!("[{}]", row.code)));
            assert!(page.contains(&format!("## {}: ", row.code)));
        }
    }
    assert_eq!(place("A3").unwrap(), "docs/errors/aws.md#a3");
    assert_eq!(place("A99"), None);
    assert_eq!(super::page("moon"), None);
}

/// Every code that the code base speaks of is in the catalogue.
#[test]
fn codes_in_use_have_a_row() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for krate in [
        "cli",
        "controller",
        "identity",
        "providers",
        "issuer",
        "admission",
    ] {
        collect(&crates.join(krate).join("src"), &mut files);
    }
    let mut used = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        for word in text.split('"').skip(1).step_by(2) {
            let mut chars = word.chars();
            let family = chars.next().is_some_and(|c| "KPAZGVWOL".contains(c));
            let number = chars.as_str();
            let digits = !number.is_empty() && number.len() <= 2;
            if family && digits && number.bytes().all(|b| b.is_ascii_digit()) {
                used.insert(word.to_owned());
            }
        }
    }
    assert!(used.len() > 40, "{used:?}");
    let unknown: Vec<_> = used.iter().filter(|code| row(code).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
