//! Findings: rows of the catalogue of broken chains (`keyless_trust::catalogue`) as they are met in
//! one issuer's documents and tokens, how bad each is, and whom it hurts.
//!
//! Owns: the codes that the issuer's rules use. Refuses: their texts, which are the catalogue's.

use std::fmt;

use keyless_fault::Link;
use serde::Serialize;

macro_rules! codes {
    ($($code:ident)*) => {
        /// A row of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[allow(missing_docs, reason = "the rows say what they mean")]
        pub enum Code { $($code,)* }

        impl Code {
            /// Every row.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The code as users see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }
        }
    };
}

codes! {
    K1 K2 K3 K4 K5 K6 K7 K8 K9 K10 K11 K12 K13 K14 K15 K16 K17 K18 K19 K20 K21
    P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15 P16 P17 P18
}

impl Code {
    fn row(self) -> Option<&'static keyless_trust::catalogue::Row> {
        keyless_trust::catalogue::row(self.as_str())
    }

    /// The row's title.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().map_or("", |row| row.title)
    }

    /// The link of the chain of trust that is broken.
    #[must_use]
    pub fn link(self) -> Link {
        self.row().map_or(Link::IssuerDocument, |row| row.link)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works today, for most, or until something else happens.
    Warning,
    /// Someone refuses tokens because of it.
    Error,
    /// Whoever knows it can make tokens of this cluster.
    Critical,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Someone who would trust the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Party {
    /// AWS STS and IAM.
    #[serde(rename = "aws")]
    Aws,
    /// Microsoft Entra ID.
    #[serde(rename = "entra")]
    Entra,
    /// Google's token service, reading the issuer's documents.
    #[serde(rename = "google")]
    Google,
    /// Vault and OpenBao, auth method jwt.
    #[serde(rename = "vault")]
    Vault,
    /// A kube-apiserver with an AuthenticationConfiguration.
    #[serde(rename = "kube-apiserver")]
    KubeApiserver,
}

impl Party {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Aws,
        Self::Entra,
        Self::Google,
        Self::Vault,
        Self::KubeApiserver,
    ];

    /// The name as users know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Entra => "Entra",
            Self::Google => "Google",
            Self::Vault => "Vault",
            Self::KubeApiserver => "kube-apiserver",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parties(u8);

impl Parties {
    /// Nobody.
    pub const NONE: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(0b1_1111);
    /// The three clouds, which look from outside and know only public authorities.
    pub const CLOUDS: Self = Self(Party::Aws.bit() | Party::Entra.bit() | Party::Google.bit());

    /// One party.
    #[must_use]
    pub const fn only(party: Party) -> Self {
        Self(party.bit())
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, party: Party) -> Self {
        Self(self.0 | party.bit())
    }

    /// All but one.
    #[must_use]
    pub const fn without(self, party: Party) -> Self {
        Self(self.0 & !party.bit())
    }

    /// Whether the party belongs to the set.
    #[must_use]
    pub const fn has(self, party: Party) -> bool {
        self.0 & party.bit() != 0
    }
}

impl Serialize for Parties {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(Party::ALL.into_iter().filter(|p| self.has(*p)))
    }
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The row of the catalogue.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a URL, an API server, a key's name.
    pub subject: String,
    /// What was seen.
    pub observed: String,
    /// What would be right.
    pub required: String,
    /// What to do, in the imperative.
    pub fix: String,
    /// Who refuses tokens because of it, or might.
    pub hurts: Parties,
}

impl Finding {
    /// An error that hurts everybody; change the rest with the methods below.
    #[must_use]
    pub fn new(code: Code, subject: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            subject: subject.into(),
            observed: String::new(),
            required: String::new(),
            fix: String::new(),
            hurts: Parties::ALL,
        }
    }

    /// With what was seen.
    #[must_use]
    pub fn observed(mut self, observed: impl Into<String>) -> Self {
        self.observed = observed.into();
        self
    }

    /// With what would be right.
    #[must_use]
    pub fn required(mut self, required: impl Into<String>) -> Self {
        self.required = required.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// With another severity.
    #[must_use]
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// With those it hurts.
    #[must_use]
    pub const fn hurts(mut self, hurts: Parties) -> Self {
        self.hurts = hurts;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.subject, self.code.title())?;
        if !self.observed.is_empty() {
            write!(f, "; observed {}", self.observed)?;
        }
        if !self.required.is_empty() {
            write!(f, "; required {}", self.required)?;
        }
        if !self.fix.is_empty() {
            write!(f, ". {}", self.fix)?;
        }
        Ok(())
    }
}

/// The worst of them.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|f| f.severity).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_parties() {
        assert!(Party::ALL.into_iter().all(|p| Parties::ALL.has(p)));
        assert!(!Party::ALL.into_iter().any(|p| Parties::NONE.has(p)));
        let some = Parties::CLOUDS.without(Party::Aws).and(Party::Vault);
        assert_eq!(
            serde_json::to_string(&some).unwrap(),
            r#"["entra","google","vault"]"#
        );
    }

    #[test]
    fn a_finding_in_one_line() {
        let finding = Finding::new(Code::P11, "https://a.example/x")
            .observed("302")
            .required("200")
            .fix("Serve it there.");
        assert_eq!(
            finding.to_string(),
            format!(
                "P11 https://a.example/x: {}; observed 302; required 200. Serve it there.",
                Code::P11.title()
            )
        );
    }

    #[test]
    fn codes_are_their_names() {
        assert!(Code::ALL.iter().all(|code| !code.title().is_empty()));
        assert_eq!(Code::P18.to_string(), "P18");
    }
}
