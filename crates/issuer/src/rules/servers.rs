//! The API servers: K1, K3, K8, K12, K13, K14, K21, and their documents and tokens.

use std::collections::BTreeSet;

use super::token::{self, Against, skew};
use super::{discovery, issuer, keys};
use crate::documents::{Discovery, KeySet};
use crate::facts::{Refused, Server};
use crate::finding::{Code, Finding, Parties, Severity};

/// What one API server says, as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Its name.
    pub name: String,
    /// Its issuer.
    pub issuer: Option<String>,
    /// Where it says that its keys are.
    pub jwks_uri: Option<String>,
    /// Its keys.
    pub keys: Option<KeySet>,
    /// The name of the key that it signs with.
    pub signs_with: Option<String>,
    /// The issuer that it writes into tokens.
    pub token_issuer: Option<String>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// By server.
    pub said: Vec<Said>,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Judged {
    /// The issuer that all servers which answered agree on.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        let mut all = self.said.iter().filter_map(|s| s.issuer.as_deref());
        let first = all.next()?;
        all.all(|i| i == first).then_some(first)
    }

    /// Whether every server gave its keys.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.said.is_empty() && self.said.iter().all(|s| s.keys.is_some())
    }
}

/// Judges what the servers said at `now`. Whether the world can use it is another question: see
/// [`super::outside`].
#[must_use]
pub fn judge(servers: &[Server], now: i64) -> Judged {
    let mut judged = Judged::default();
    for server in servers {
        let said = one(server, now, &mut judged.findings);
        judged.said.push(said);
    }
    differences(&judged.said, &mut judged.findings);
    judged
}

fn one(server: &Server, now: i64, found: &mut Vec<Finding>) -> Said {
    let name = server.name.as_str();
    let mut said = Said {
        name: name.to_owned(),
        ..Said::default()
    };
    match &server.discovery {
        Err(refused) => found.push(unserved(name, refused)),
        Ok(body) => match Discovery::parse(body) {
            Err(what) => found.push(discovery::unreadable(name, &what)),
            Ok(document) => {
                let issuer = document.issuer.clone().unwrap_or_default();
                found.extend(issuer::judge(&issuer));
                found.extend(discovery::judge(name, &issuer, &document));
                // K1 says already that the issuer is the cluster's own name.
                said.jwks_uri = document.jwks_uri;
                said.issuer = Some(issuer);
            }
        },
    }
    match &server.keys {
        Err(refused) if server.discovery.is_ok() => found.push(unserved(name, refused)),
        Err(_) => {}
        Ok(body) => match KeySet::parse(body) {
            Err(what) => found.push(keys::unreadable(name, &what)),
            Ok(set) => {
                found.extend(keys::judge(name, &set));
                said.keys = Some(set);
            }
        },
    }
    if let Some(ahead) = server.ahead
        && ahead.abs() > 30
    {
        found.push(skew(name, ahead));
    }
    match &server.token {
        None => {}
        Some(Err(refused)) => found.push(unminted(name, refused)),
        Some(Ok(minted)) => {
            let parsed = keyless_trust::token::Token::parse(&minted.token).ok();
            said.signs_with = parsed.as_ref().and_then(|t| t.header.kid.clone());
            said.token_issuer = parsed.as_ref().and_then(|t| t.issuer().map(str::to_owned));
            let own = said.issuer.clone().or_else(|| said.token_issuer.clone());
            let against = Against {
                subject: name,
                issuer: own.as_deref().unwrap_or_default(),
                keys: said.keys.as_ref(),
                withdrawn: &[],
                audience: Some(&minted.audience),
                expected_subject: None,
                seconds: Some(minted.seconds),
                now,
            };
            // The key set's own findings name the algorithm already.
            let about = token::judge(&minted.token, &against);
            found.extend(about.into_iter().filter(|f| f.code != Code::K6));
            if said.issuer.is_none()
                && let Some(issuer) = &said.token_issuer
            {
                found.extend(issuer::judge(issuer));
            }
        }
    }
    said
}

fn unserved(name: &str, refused: &Refused) -> Finding {
    let observed = match refused.status {
        Some(status) => format!("status {status}: {}", refused.message),
        None => refused.message.clone(),
    };
    let finding = Finding::new(Code::K3, name).observed(observed);
    match refused.status {
        Some(404) => finding
            .required("both documents: they are served when --service-account-issuer is an https URL without query")
            .fix("Set --service-account-issuer to an https URL; the API server's log says why it serves none"),
        Some(401 | 403) => finding
            .required("the ClusterRole system:service-account-issuer-discovery, which service accounts have by default")
            .fix("Use a service account's token, or bind that ClusterRole to this user")
            .hurts(Parties::NONE),
        _ => finding
            .required("an answer of every API server")
            .fix("Bring the API server back, or leave it out; what it signs with cannot be checked")
            .hurts(Parties::NONE),
    }
}

fn unminted(name: &str, refused: &Refused) -> Finding {
    let observed = match refused.status {
        Some(status) => format!("status {status}: {}", refused.message),
        None => refused.message.clone(),
    };
    if refused.message.contains("less than 10 minutes") {
        return Finding::new(Code::K14, name)
            .observed(observed)
            .required("600 s or more")
            .fix("Ask for at least 600 s")
            .hurts(Parties::NONE);
    }
    match refused.status {
        Some(403) => Finding::new(Code::K21, name)
            .observed(observed)
            .required("the verb create on serviceaccounts/token")
            .fix("Bind a Role with create on serviceaccounts/token, restricted by resourceNames, to this user")
            .hurts(Parties::NONE),
        Some(404) => Finding::new(Code::K19, name)
            .observed(observed)
            .required("a service account that exists")
            .fix("Name an existing namespace and service account (--service-account)")
            .hurts(Parties::NONE),
        _ => Finding::new(Code::K13, name)
            .observed(observed)
            .required("a token for the asking")
            .fix("Look at the API server's log")
            .hurts(Parties::NONE),
    }
}

fn differences(said: &[Said], found: &mut Vec<Finding>) {
    let Some((first, rest)) = said.split_first() else {
        return;
    };
    for other in rest {
        if let (Some(one), Some(two)) = (&first.issuer, &other.issuer)
            && one != two
        {
            found.push(
                Finding::new(Code::K8, &other.name)
                    .observed(format!("the issuer {two:?}; {} has {one:?}", first.name))
                    .required("the same flags at every API server")
                    .fix("Give every API server the same --service-account-issuer"),
            );
        }
    }
    let names = |said: &Said| -> Option<BTreeSet<String>> {
        Some(said.keys.as_ref()?.names().into_iter().collect())
    };
    let all: BTreeSet<String> = said.iter().filter_map(names).flatten().collect();
    for one in said {
        let Some(own) = names(one) else { continue };
        let lacks: Vec<String> = all.difference(&own).cloned().collect();
        if !lacks.is_empty() {
            found.push(
                Finding::new(Code::K8, &one.name)
                    .observed(format!("lacks the keys {}, which another API server has", lacks.join(", ")))
                    .required("the same --service-account-key-file everywhere, so that each accepts the others' tokens")
                    .fix("Copy the same public keys to every API server; the union is what must be published")
                    .severity(Severity::Warning),
            );
        }
    }
}
