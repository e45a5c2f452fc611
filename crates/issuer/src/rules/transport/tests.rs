use super::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fetched {
    Fetched {
        url: "https://i.example.com/.well-known/openid-configuration".into(),
        addresses: Vec::new(),
        reach: Reach::Answered(Answer {
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: body.into(),
            ..Answer::default()
        }),
    }
}

fn codes(fetched: &Fetched, document: Document) -> Vec<(Code, Severity)> {
    let (found, _) = judge(fetched, document, Roots::Public);
    found.into_iter().map(|f| (f.code, f.severity)).collect()
}

#[test]
fn refusals_by_who_answers() {
    let xml = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    for (status, headers, body, code) in [
        (403, vec![], xml("AccessDenied"), Code::P1),
        (404, vec![], xml("NoSuchBucket"), Code::P15),
        (
            409,
            vec![("x-ms-error-code", "PublicAccessNotPermitted")],
            String::new(),
            Code::P3,
        ),
        (
            404,
            vec![("x-ms-error-code", "ResourceNotFound")],
            String::new(),
            Code::P3,
        ),
        (
            403,
            vec![("x-guploader-uploadid", "x")],
            xml("AccessDenied"),
            Code::P4,
        ),
        (404, vec![], String::new(), Code::P7),
        (
            403,
            vec![("server", "cloudflare")],
            "<html>".into(),
            Code::P6,
        ),
        (503, vec![], String::new(), Code::P6),
        (500, vec![], String::new(), Code::P6),
        (
            302,
            vec![("location", "https://www.i.example.com/")],
            String::new(),
            Code::P11,
        ),
    ] {
        let found = codes(&answer(status, &headers, &body), Document::Discovery);
        assert_eq!(
            found,
            [(code, Severity::Error)],
            "{status} {headers:?} {body}"
        );
    }
}

#[test]
fn delivery_of_a_document() {
    let json = ("content-type", "application/json; charset=utf-8");
    let none: [(Code, Severity); 0] = [];
    assert_eq!(
        codes(&answer(200, &[json], "{}"), Document::Discovery),
        none
    );
    assert_eq!(
        codes(
            &answer(200, &[("content-type", "application/jwk-set+json")], "{}"),
            Document::Keys
        ),
        none
    );
    assert_eq!(
        codes(&answer(200, &[], "{}"), Document::Keys),
        [(Code::P8, Severity::Note)]
    );
    for (name, value) in [
        ("age", "90000"),
        ("cache-control", "public, max-age=604800"),
    ] {
        assert_eq!(
            codes(&answer(200, &[json, (name, value)], "{}"), Document::Keys),
            [(Code::P10, Severity::Warning)]
        );
    }
    let mut late = answer(200, &[json], "{}");
    if let Reach::Answered(answer) = &mut late.reach {
        answer.took = Duration::from_secs(6);
    }
    assert_eq!(
        codes(&late, Document::Discovery),
        [(Code::P6, Severity::Error)]
    );
    late.addresses = vec!["2001:db8::1".parse().unwrap()];
    assert_eq!(codes(&late, Document::Discovery).len(), 2);
}

#[test]
fn keys_at_a_private_address() {
    let mut fetched = answer(200, &[], "");
    fetched.reach = Reach::Connect("refused".into());
    fetched.addresses = vec!["10.0.0.1".parse().unwrap()];
    let found = codes(&fetched, Document::Keys);
    assert!(found.iter().all(|(code, _)| *code == Code::K4), "{found:?}");
}
