//! X.509 certificates: what templates read from them, and the ones that Sprig makes.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::der::{self, oid};
use super::key::PrivateKey;
use crate::time::civil::Civil;

/// What is read from a certificate.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// The encoded subject.
    pub(crate) subject: Vec<u8>,
    /// The encoded `SubjectPublicKeyInfo`.
    public_info: Vec<u8>,
    /// The subject as one line.
    pub(crate) subject_text: String,
    pub(crate) subject_key_id: Vec<u8>,
    pub(crate) authority_key_id: Vec<u8>,
    /// DNS names, IP addresses, mail addresses, URIs.
    pub(crate) names: Vec<String>,
}

impl Certificate {
    /// Reads one certificate with nothing after it.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, &'static str> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|_| "x509: malformed certificate")?;
        if !rest.is_empty() {
            return Err("x509: trailing data");
        }
        let mut certificate = Self {
            der: der.to_vec(),
            subject: parsed.subject().as_raw().to_vec(),
            public_info: parsed.public_key().raw.to_vec(),
            subject_text: parsed.subject().to_string(),
            subject_key_id: Vec::new(),
            authority_key_id: Vec::new(),
            names: Vec::new(),
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    certificate.subject_key_id = id.0.to_vec();
                }
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    let id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                    certificate.authority_key_id = id.unwrap_or_default();
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    certificate.names = shown_names(&names.general_names);
                }
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Whether nobody else has signed it, as far as key identifiers tell.
    pub(crate) fn is_root(&self) -> bool {
        self.authority_key_id.is_empty() || self.authority_key_id == self.subject_key_id
    }
}

fn shown_names(names: &[GeneralName<'_>]) -> Vec<String> {
    let (mut dns, mut addresses, mut mail, mut uris) = (vec![], vec![], vec![], vec![]);
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => mail.push((*name).to_owned()),
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
            _ => {}
        }
    }
    [dns, addresses, mail, uris].concat()
}

fn address(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    // An IPv4 address in IPv6's clothes is shown as what it is.
    Some(address.to_canonical().to_string())
}

/// What a new certificate says.
pub(crate) struct Request<'r> {
    pub(crate) common_name: &'r str,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) dns_names: Vec<Vec<u8>>,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) serial: [u8; 16],
    pub(crate) is_ca: bool,
}

/// Who signs.
pub(crate) struct Signer<'s> {
    pub(crate) key: &'s PrivateKey,
    /// The certificate of the signer; `None` for a certificate that signs itself.
    pub(crate) certificate: Option<&'s Certificate>,
}

const UNSIGNABLE: &str = "error creating certificate: the key cannot sign";

/// Makes a certificate for `key`.
pub(crate) fn create(
    request: &Request<'_>,
    key: &PrivateKey,
    signer: &Signer<'_>,
) -> Result<Vec<u8>, &'static str> {
    let (bits, public_info) = key.public().ok_or(UNSIGNABLE)?;
    let (_, signing_info) = signer.key.public().ok_or(UNSIGNABLE)?;
    if signer
        .certificate
        .is_some_and(|parent| parent.public_info != signing_info)
    {
        return Err(
            "error creating certificate: x509: provided PrivateKey doesn't match parent's PublicKey",
        );
    }
    let subject = common_name(request.common_name);
    let issuer = signer
        .certificate
        .map_or(&subject, |signer| &signer.subject);
    let validity = der::sequence(&[
        &time(request.not_before).ok_or("error creating certificate: cannot represent time")?,
        &time(request.not_after).ok_or("error creating certificate: cannot represent time")?,
    ]);
    let algorithm = signer.key.signature_algorithm();
    let to_sign = der::sequence(&[
        &der::explicit(0, &der::small(2)),
        &der::unsigned(&request.serial),
        &algorithm,
        issuer,
        &validity,
        &subject,
        &public_info,
        &der::explicit(3, &extensions(request, &bits, issuer != &subject, signer)),
    ]);
    let signature = signer.key.sign(&to_sign).ok_or(UNSIGNABLE)?;
    Ok(der::sequence(&[
        &to_sign,
        &algorithm,
        &der::bits(&signature),
    ]))
}

/// A name of one common name; none for an empty text, as Go has it.
fn common_name(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return der::sequence(&[]);
    }
    let printable = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b));
    let tag = if printable { 0x13 } else { 0x0c };
    let attribute = der::sequence(&[&der::oid(oid::COMMON_NAME), &der::tlv(tag, text.as_bytes())]);
    der::sequence(&[&der::set(&[&attribute])])
}

/// Two digits of the year up to 2049, four after that.
fn time(seconds: i64) -> Option<Vec<u8>> {
    let date = Civil::of(seconds);
    let rest = format!(
        "{:02}{:02}{:02}{:02}{:02}Z",
        date.month, date.day, date.hour, date.minute, date.second
    );
    match date.year {
        1950..2050 => Some(der::tlv(
            0x17,
            format!("{:02}{rest}", date.year % 100).as_bytes(),
        )),
        0..10_000 => Some(der::tlv(0x18, format!("{:04}{rest}", date.year).as_bytes())),
        _ => None,
    }
}

fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mark: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    der::sequence(&[&der::oid(identifier), mark, &der::octets(value)])
}

fn extensions(request: &Request<'_>, bits: &[u8], signed: bool, signer: &Signer<'_>) -> Vec<u8> {
    // Digital signature and key encipherment; a CA also signs certificates.
    let usage: &[u8] = if request.is_ca {
        &[3, 2, 2, 0xa4]
    } else {
        &[3, 2, 5, 0xa0]
    };
    let constraints = if request.is_ca {
        der::sequence(&[&[1, 1, 0xff]])
    } else {
        der::sequence(&[])
    };
    let purposes = der::sequence(&[&der::oid(oid::SERVER_AUTH), &der::oid(oid::CLIENT_AUTH)]);
    let mut all = vec![
        extension(oid::KEY_USAGE, true, usage),
        extension(oid::EXTENDED_KEY_USAGE, false, &purposes),
        extension(oid::BASIC_CONSTRAINTS, true, &constraints),
    ];
    if request.is_ca {
        // Half of SHA-256 would do as well; a whole SHA-1 is what others expect.
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bits);
        all.push(extension(
            oid::SUBJECT_KEY_ID,
            false,
            &der::octets(digest.as_ref()),
        ));
    }
    if let Some(parent) = signer
        .certificate
        .filter(|parent| signed && !parent.subject_key_id.is_empty())
    {
        let id = der::sequence(&[&der::tlv(0x80, &parent.subject_key_id)]);
        all.push(extension(oid::AUTHORITY_KEY_ID, false, &id));
    }
    let mut names = Vec::new();
    for name in &request.dns_names {
        names.extend(der::tlv(0x82, name));
    }
    for address in &request.addresses {
        names.extend(match address {
            IpAddr::V4(address) => der::tlv(0x87, &address.octets()),
            IpAddr::V6(address) => der::tlv(0x87, &address.octets()),
        });
    }
    if !names.is_empty() {
        // Without a subject the names are all there is.
        let critical = request.common_name.is_empty();
        all.push(extension(
            oid::SUBJECT_ALT_NAME,
            critical,
            &der::sequence(&[&names]),
        ));
    }
    der::tlv(der::SEQUENCE, &all.concat())
}
