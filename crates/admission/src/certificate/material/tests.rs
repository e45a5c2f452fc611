use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn names() -> Vec<String> {
    ["webhook.ns.svc", "127.0.0.1"].map(str::to_owned).to_vec()
}

fn reread(material: &Material) -> Material {
    let data = material.data().into_iter();
    Material::read(&data.map(|(k, v)| (k.to_owned(), v.into_bytes())).collect())
}

#[test]
fn what_is_made_can_be_kept_served_and_judged() {
    let now = 1_800_000_000;
    let made = Material::default()
        .with_authority(now, DAY * 100)
        .and_then(|m| m.with_certificate(now, DAY, &names()))
        .unwrap();
    let made = reread(&made);
    let facts = made.facts(&names());
    assert!(facts.newest_key);
    assert_eq!(facts.authorities.len(), 1);
    let leaf = facts.leaf.unwrap();
    assert_eq!((leaf.issuer, leaf.serves), (Some(0), true));
    assert_eq!(leaf.validity.not_after, now + 86_400);
    assert_eq!(made.serve("x").unwrap().1, now + 86_400);
    // Another name of the Service.
    let others = [names(), vec!["other.ns.svc".to_owned()]].concat();
    let leaf = made.facts(&others).leaf.unwrap();
    assert_eq!((leaf.issuer, leaf.serves), (Some(0), false));
}

#[test]
fn a_new_authority_stands_beside_the_old_one() {
    let now = 1_800_000_000;
    let old = Material::default()
        .with_authority(now, DAY * 100)
        .and_then(|m| m.with_certificate(now, DAY, &names()))
        .unwrap();
    let both = old.with_authority(now + 1000, DAY * 100).unwrap();
    let facts = both.facts(&names());
    assert_eq!(facts.authorities.len(), 2);
    assert_eq!(facts.leaf.unwrap().issuer, Some(1), "of the old one still");
    assert!(facts.leaf.unwrap().serves);
    let next = both.with_certificate(now + 2000, DAY, &names()).unwrap();
    assert_eq!(next.facts(&names()).leaf.unwrap().issuer, Some(0));
    let alone = reread(&next.without(&[1]));
    let facts = alone.facts(&names());
    assert_eq!(
        (facts.authorities.len(), facts.leaf.unwrap().issuer),
        (1, Some(0))
    );
}

#[test]
fn a_certificate_ends_with_its_authority() {
    let now = 1_800_000_000;
    let made = Material::default()
        .with_authority(now, DAY)
        .and_then(|m| m.with_certificate(now, DAY * 90, &names()))
        .unwrap();
    assert_eq!(
        made.facts(&names()).leaf.unwrap().validity.not_after,
        now + 86_400
    );
}

#[test]
fn what_cannot_be_read_is_as_if_it_were_not_there() {
    let now = 1_800_000_000;
    let made = Material::default()
        .with_authority(now, DAY)
        .and_then(|m| m.with_certificate(now, DAY, &names()))
        .unwrap();
    for key in [AUTHORITIES, AUTHORITY_KEY, CERTIFICATE, KEY] {
        for text in [
            "",
            "hunter2",
            "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n",
        ] {
            let mut data: BTreeMap<String, Vec<u8>> = made
                .data()
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.into_bytes()))
                .collect();
            data.insert(key.to_owned(), text.into());
            let read = Material::read(&data);
            let facts = read.facts(&names());
            match key {
                AUTHORITY_KEY => assert!(!facts.newest_key && facts.leaf.is_some()),
                AUTHORITIES => assert!(facts.leaf.is_some_and(|l| l.issuer.is_none() && !l.serves)),
                _ => assert!(facts.leaf.is_none()),
            }
            if let Err(error) = read.serve("Secret a/b") {
                assert!(!error.to_string().contains("hunter2"), "{error}");
            }
        }
    }
    // Another pair's key.
    let other = made.with_certificate(now, DAY, &names()).unwrap();
    let mut data: BTreeMap<String, Vec<u8>> = made
        .data()
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.into_bytes()))
        .collect();
    data.insert(KEY.into(), other.data()[KEY].clone().into_bytes());
    assert!(Material::read(&data).serve("x").is_err());
}
