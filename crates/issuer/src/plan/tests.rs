use super::*;
use crate::keygen::{KeyKind, SigningKey};

fn key() -> Jwk {
    SigningKey::generate(KeyKind::Rsa2048)
        .unwrap()
        .jwk()
        .clone()
}

struct Case {
    issuer: Issuer,
    owner: &'static str,
    servers: Vec<KeySet>,
    retire: BTreeSet<String>,
    adopt: bool,
    self_federated: bool,
    now: i64,
    current: Current,
}

impl Case {
    fn new(keys: &[&Jwk]) -> Self {
        Self {
            issuer: Issuer::parse("https://i.example.com/c").unwrap(),
            owner: "one",
            servers: vec![KeySet::of(keys.iter().map(|k| (*k).clone()))],
            retire: BTreeSet::new(),
            adopt: false,
            self_federated: false,
            now: 1000,
            current: Current::default(),
        }
    }

    fn plan(&self) -> Result<Plan, Vec<Finding>> {
        plan(
            &Wish {
                issuer: &self.issuer,
                owner: self.owner,
                servers: &self.servers,
                complete: true,
                announced: &[],
                retire: &self.retire,
                keep: 100,
                adopt: self.adopt,
                self_federated: self.self_federated,
                now: self.now,
            },
            &self.current,
        )
    }

    fn carry_out(&mut self, plan: Plan) {
        for (object, bytes) in plan.writes {
            self.write(object, bytes);
        }
    }

    fn write(&mut self, object: Object, bytes: Vec<u8>) {
        let place = match object {
            Object::Marker => &mut self.current.marker,
            Object::Keys => &mut self.current.keys,
            Object::Discovery => &mut self.current.discovery,
        };
        *place = Some(bytes);
    }

    fn code(&self) -> Code {
        self.plan().unwrap_err()[0].code
    }
}

fn order(plan: &Plan) -> Vec<Object> {
    plan.writes.iter().map(|(o, _)| *o).collect()
}

#[test]
fn at_first_the_record_then_keys_then_the_document_and_then_nothing() {
    let key = key();
    let mut case = Case::new(&[&key]);
    let first = case.plan().unwrap();
    assert_eq!(
        order(&first),
        [Object::Marker, Object::Keys, Object::Discovery]
    );
    case.carry_out(first);
    case.now = 5000;
    assert_eq!(order(&case.plan().unwrap()), []);
}

#[test]
fn a_rotation_writes_keys_and_record_only() {
    let (old, new) = (key(), key());
    let mut case = Case::new(&[&old]);
    let first = case.plan().unwrap();
    case.carry_out(first);
    case.servers.push(KeySet::of([new]));
    let plan = case.plan().unwrap();
    assert_eq!(order(&plan), [Object::Keys, Object::Marker]);
}

#[test]
fn two_clusters_never_share_a_place() {
    let (ours, theirs) = (key(), key());
    let mut case = Case::new(&[&theirs]);
    case.owner = "two";
    let first = case.plan().unwrap();
    case.carry_out(first);
    case.owner = "one";
    case.servers = vec![KeySet::of([ours])];
    assert_eq!(case.code(), Code::K20);
    // Without the record the keys tell.
    case.current.marker = None;
    assert_eq!(case.code(), Code::K20);
    // And the issuer's name.
    case.current.keys = None;
    case.issuer = Issuer::parse("https://other.example.com").unwrap();
    assert_eq!(case.code(), Code::K20);
    case.adopt = true;
    assert!(case.plan().is_ok());
}

#[test]
fn documents_that_someone_copied_by_hand_are_taken_over_if_a_key_is_ours() {
    let (ours, old) = (key(), key());
    let mut case = Case::new(&[&ours]);
    case.current.keys = Some(KeySet::of([ours.clone(), old]).to_bytes());
    let plan = case.plan().unwrap();
    assert_eq!(order(&plan)[0], Object::Marker);
    assert_eq!(plan.merged.keys.len(), 2);
}

#[test]
fn what_is_damaged_is_written_anew_and_named() {
    let key = key();
    let mut case = Case::new(&[&key]);
    let first = case.plan().unwrap();
    case.carry_out(first.clone());
    let keys = case.current.keys.clone().unwrap();
    case.current.keys = Some(keys[..keys.len() / 2].to_vec());
    let plan = case.plan().unwrap();
    assert_eq!(plan.findings[0].code, Code::P8);
    case.carry_out(plan);
    assert_eq!(case.current.keys, Some(keys));
}

#[test]
fn nothing_is_published_that_nobody_could_use() {
    let mut case = Case::new(&[]);
    assert_eq!(case.code(), Code::P9);
    let key = key();
    case = Case::new(&[&key]);
    let first = case.plan().unwrap();
    case.carry_out(first);
    case.retire = [key.kid.clone()].into();
    assert_eq!(case.code(), Code::P9);
}

#[test]
fn who_logs_in_with_what_it_publishes_removes_nothing() {
    let (old, new) = (key(), key());
    let mut case = Case::new(&[&old, &new]);
    let first = case.plan().unwrap();
    case.carry_out(first);
    case.retire = [old.kid.clone()].into();
    case.self_federated = true;
    let plan = case.plan().unwrap();
    assert_eq!(
        (plan.merged.keys.len(), plan.findings[0].code),
        (2, Code::P18)
    );
}

/// Between any two writes whoever reads finds a valid pair, or no document yet.
#[test]
fn every_moment_is_a_valid_pair() {
    let (old, new) = (key(), key());
    let mut case = Case::new(&[&old]);
    let mut wanted = vec![];
    for (servers, retire) in [
        (vec![&old], None),
        (vec![&old, &new], None),
        (vec![&new], Some(&old)),
    ] {
        case.servers = vec![KeySet::of(servers.into_iter().cloned())];
        case.retire = retire.into_iter().map(|k| k.kid.clone()).collect();
        let plan = case.plan().unwrap();
        wanted.push(plan.writes.len());
        for (object, bytes) in plan.writes {
            case.write(object, bytes);
            let Some(document) = &case.current.discovery else {
                continue;
            };
            let document = Discovery::parse(document).unwrap();
            assert!(rules::discovery::judge("u", case.issuer.as_str(), &document).is_empty());
            let keys = KeySet::parse(case.current.keys.as_ref().unwrap()).unwrap();
            assert!(rules::keys::judge("u", &keys).is_empty());
        }
    }
    assert_eq!(wanted, [3, 2, 2]);
}
