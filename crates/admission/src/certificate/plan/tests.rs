use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400;

fn lives() -> Lives {
    Lives::default()
}

fn validity(from: i64, days: i64) -> Validity {
    Validity {
        not_before: from,
        not_after: from + days * DAY,
    }
}

fn facts(authorities: &[Validity], leaf: Option<(Validity, usize)>) -> Facts {
    Facts {
        authorities: authorities.to_vec(),
        newest_key: true,
        leaf: leaf.map(|(validity, issuer)| LeafFacts {
            validity,
            issuer: Some(issuer),
            serves: true,
        }),
    }
}

#[test]
fn step_by_step() {
    let (young, old) = (validity(0, 1825), validity(-1300 * DAY, 1825));
    let now = 10 * DAY;
    let fresh = (validity(now - 1000, 90), 0);
    let settled = Some(Duration::from_secs(60));
    for (name, facts, trusted, wanted) in [
        ("nothing", Facts::default(), None, Step::Fresh),
        (
            "no certificate",
            facts(&[young], None),
            None,
            Step::Certificate,
        ),
        (
            "all is well",
            facts(&[young], Some(fresh)),
            None,
            Step::Wait(now - 1000 + 60 * DAY - now),
        ),
        (
            "old certificate",
            facts(&[young], Some((validity(now - 61 * DAY, 90), 0))),
            None,
            Step::Certificate,
        ),
        (
            "old authority",
            facts(&[old], Some((validity(now - DAY, 90), 0))),
            settled,
            Step::Authority,
        ),
        (
            "the new authority is not trusted",
            facts(&[young, old], Some((validity(now - DAY, 90), 1))),
            None,
            Step::Wait(60),
        ),
        (
            "it has been for a moment",
            facts(&[young, old], Some((validity(now - DAY, 90), 1))),
            Some(Duration::from_secs(20)),
            Step::Wait(40),
        ),
        (
            "it has been for long enough",
            facts(&[young, old], Some((validity(now - DAY, 90), 1))),
            settled,
            Step::Certificate,
        ),
        (
            "replicas are changing over",
            facts(&[young, old], Some((validity(now - 400, 90), 0))),
            settled,
            Step::Wait(500),
        ),
        (
            "all have changed over",
            facts(&[young, old], Some((validity(now - 1000, 90), 0))),
            settled,
            Step::Drop(vec![1]),
        ),
        (
            "an ended certificate waits for nobody",
            facts(&[young, old], Some((validity(now - 91 * DAY, 90), 1))),
            None,
            Step::Certificate,
        ),
    ] {
        assert_eq!(next(&facts, now, trusted, &lives()), wanted, "{name}");
    }
}

#[test]
fn without_its_key_an_authority_is_replaced_and_stays_trusted() {
    let now = DAY;
    let mut facts = facts(&[validity(0, 1825)], Some((validity(0, 90), 0)));
    facts.newest_key = false;
    assert_eq!(next(&facts, now, None, &lives()), Step::Authority);
    facts.leaf = None;
    assert_eq!(next(&facts, now, None, &lives()), Step::Fresh);
}

/// A small world that does what the plan says. Configurations learn of authorities late, replicas
/// of certificates too.
#[derive(Debug)]
struct World {
    now: i64,
    /// Authorities by serial, with their validity; those in the Secret, newest first.
    secret: Vec<(u32, Validity)>,
    leaf: Option<(u32, Validity)>,
    serial: u32,
    /// What the API server trusts.
    bundle: Vec<u32>,
    trusted_since: Option<i64>,
    /// What the slowest replica still serves, and until when.
    late: Option<(u32, Validity, i64)>,
}

impl World {
    fn facts(&self) -> Facts {
        let place = |serial: u32| self.secret.iter().position(|(s, _)| *s == serial);
        Facts {
            authorities: self.secret.iter().map(|(_, v)| *v).collect(),
            newest_key: !self.secret.is_empty(),
            leaf: self.leaf.map(|(serial, validity)| LeafFacts {
                validity,
                issuer: place(serial),
                serves: place(serial).is_some(),
            }),
        }
    }

    fn certify(&mut self, lives: &Lives, lag: i64) {
        if let Some((serial, validity)) = self.leaf {
            self.late = Some((serial, validity, self.now + lag));
        }
        let (serial, authority) = self.secret[0];
        let end = authority
            .not_after
            .min(self.now + seconds(lives.certificate));
        let begin = self.now - super::super::material::SKEW;
        self.leaf = Some((
            serial,
            Validity {
                not_before: begin,
                not_after: end,
            },
        ));
    }

    fn authority(&mut self, lives: &Lives) {
        self.serial += 1;
        let validity = Validity {
            not_before: self.now - super::super::material::SKEW,
            not_after: self.now + seconds(lives.authority),
        };
        self.secret.insert(0, (self.serial, validity));
    }

    fn act(&mut self, step: Step, lives: &Lives, lag: i64) {
        match step {
            Step::Wait(_) => {}
            Step::Authority => self.authority(lives),
            Step::Certificate => self.certify(lives, lag),
            Step::Fresh => {
                self.authority(lives);
                self.certify(lives, lag);
            }
            Step::Drop(places) => {
                let mut place = 0;
                self.secret.retain(|_| {
                    place += 1;
                    !places.contains(&(place - 1))
                });
            }
        }
    }

    /// The configuration is corrected at each look, and API servers are as late as replicas.
    fn spread(&mut self) {
        let wanted: Vec<u32> = self.secret.iter().map(|(s, _)| *s).collect();
        if self.bundle != wanted {
            self.bundle = wanted;
            self.trusted_since = Some(self.now);
        }
    }
}

proptest! {
    /// Years of rotations: whatever a replica serves, however late it is, is trusted.
    #[test]
    fn nobody_meets_a_certificate_that_they_do_not_trust(
        authority in 2_000_i64..200_000, share in 2_i64..20, ticks in prop::collection::vec(1_i64..200, 400), lag in 0_i64..500,
    ) {
        let lives = Lives {
            authority: Duration::from_secs(authority.unsigned_abs()),
            certificate: Duration::from_secs((authority / share).unsigned_abs()),
            ..Lives::default()
        };
        let mut world = World { now: 1_000_000, secret: vec![], leaf: None, serial: 0, bundle: vec![], trusted_since: None, late: None };
        let step = next(&world.facts(), world.now, None, &lives);
        prop_assert_eq!(&step, &Step::Fresh);
        world.act(step, &lives, lag);
        world.spread();
        for tick in ticks {
            world.now += tick;
            // As many steps as there are to do.
            for _ in 0..4 {
                let trusted = world.trusted_since.map(|since| Duration::from_secs((world.now - since).unsigned_abs()));
                let step = next(&world.facts(), world.now, trusted, &lives);
                let waits = matches!(step, Step::Wait(_));
                world.act(step, &lives, lag);
                world.spread();
                let (serial, leaf) = world.leaf.unwrap();
                prop_assert!(leaf.not_after > world.now, "{:?}", world);
                prop_assert!(world.bundle.contains(&serial), "{:?}", world);
                if let Some((serial, leaf, until)) = world.late && until > world.now && leaf.not_after > world.now {
                    prop_assert!(world.bundle.contains(&serial), "late replica: {:?}", world);
                }
                if waits { break; }
            }
        }
    }
}
