//! New private keys and certificates.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::rsa::KeySize;

use super::args::{Answer, int, list, text, utf8};
use super::encoding::base64;
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{AnyList, Int, Opaque as Structure, Text as Str};
use crate::functions::{Declared, Type, fixed};
use crate::pki::certificate::{Certificate, Request, Signer, create};
use crate::pki::key::PrivateKey;
use crate::pki::pem::{self, Block};
use crate::value::{Opaque, Shown, Value};

const PAIR: Type = Structure("sprig.certificate");

pub(crate) static TABLE: &[Declared] = &[
    fixed("genPrivateKey", &[Str], gen_private_key),
    fixed("genCA", &[Str, Int], |call, args| {
        let key = new_key(call)?;
        certificate_authority(call, args, &key)
    }),
    fixed("genCAWithKey", &[Str, Int, Str], |call, args| {
        let key = given_key(text(args, 2))?;
        certificate_authority(call, args, &key)
    }),
    fixed(
        "genSelfSignedCert",
        &[Str, AnyList, AnyList, Int],
        |call, args| {
            let key = new_key(call)?;
            self_signed(call, args, &key)
        },
    ),
    fixed(
        "genSelfSignedCertWithKey",
        &[Str, AnyList, AnyList, Int, Str],
        |call, args| {
            let key = given_key(text(args, 4))?;
            self_signed(call, args, &key)
        },
    ),
    fixed(
        "genSignedCert",
        &[Str, AnyList, AnyList, Int, PAIR],
        |call, args| {
            let key = new_key(call)?;
            signed(call, args, &key)
        },
    ),
    fixed(
        "genSignedCertWithKey",
        &[Str, AnyList, AnyList, Int, PAIR, Str],
        |call, args| {
            let key = given_key(text(args, 5))?;
            signed(call, args, &key)
        },
    ),
    fixed("buildCustomCert", &[Str, Str], build_custom),
];

/// A certificate and its key, both PEM.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Opaque for Pair {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn shown(&self) -> Shown {
        Shown::Fields(vec![
            ("Cert", Value::text(&self.cert)),
            ("Key", Value::text(&self.key)),
        ])
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::text(&self.cert)),
            "Key" => Some(Value::text(&self.key)),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What making a key costs, in slow calls.
const RSA_2048: u32 = 4;
const RSA_4096: u32 = 16;

fn gen_private_key(call: &mut Call<'_>, args: &[Value]) -> Answer {
    const FAILED: &str = "failed to generate private key";
    let key = match text(args, 0) {
        b"" | b"rsa" => {
            call.slow(RSA_4096)?;
            PrivateKey::generate_rsa(KeySize::Rsa4096).ok_or(FAILED)?
        }
        b"ecdsa" => {
            call.slow(1)?;
            PrivateKey::generate_ec().ok_or(FAILED)?
        }
        b"ed25519" => {
            let mut seed = [0; 32];
            call.random(&mut seed);
            PrivateKey::Ed25519(seed)
        }
        b"dsa" => return Err("DSA keys are not supported: use rsa, ecdsa or ed25519".into()),
        other => return Ok(call.text([b"Unknown type ", other].concat())?),
    };
    Ok(call.text(key.to_block().encode())?)
}

fn new_key(call: &mut Call<'_>) -> Result<PrivateKey, CallError> {
    call.slow(RSA_2048)?;
    PrivateKey::generate_rsa(KeySize::Rsa2048).ok_or_else(|| "error generating rsa key".into())
}

fn parse_key(pem: &[u8]) -> Result<PrivateKey, String> {
    let (block, _) = pem::decode(pem).ok_or("no PEM data in input")?;
    Ok(PrivateKey::from_block(&block)?)
}

fn given_key(pem: &[u8]) -> Result<PrivateKey, CallError> {
    parse_key(pem).map_err(|reason| format!("parsing private key: {reason}").into())
}

/// What a certificate is to say, from now on for some days.
fn request<'a>(call: &mut Call<'_>, common_name: &'a str, days: i64) -> Request<'a> {
    let now = call.context().now().seconds();
    let mut serial = [0; 16];
    call.random(&mut serial);
    Request {
        common_name,
        addresses: Vec::new(),
        dns_names: Vec::new(),
        not_before: now,
        not_after: now.saturating_add(days.saturating_mul(86_400)),
        serial,
        is_ca: false,
    }
}

fn pair(
    request: &Request<'_>,
    key: &PrivateKey,
    signer: &Signer<'_>,
    call: &mut Call<'_>,
) -> Answer {
    call.slow(1)?;
    let der = create(request, key, signer)?;
    let pair = Pair {
        cert: Block::new("CERTIFICATE", der).encode(),
        key: key.to_block().encode(),
    };
    call.reserve(pair.cert.len() + pair.key.len())?;
    Ok(Value::Opaque(Arc::new(pair)))
}

fn certificate_authority(call: &mut Call<'_>, args: &[Value], key: &PrivateKey) -> Answer {
    let name = utf8(args, 0);
    let mut request = request(call, &name, int(args, 1));
    request.is_ca = true;
    let signer = Signer {
        key,
        certificate: None,
    };
    pair(&request, key, &signer, call)
}

/// Reads the arguments that self-signed and signed certificates share.
fn host_request<'a>(
    call: &mut Call<'_>,
    name: &'a str,
    args: &[Value],
) -> Result<Request<'a>, CallError> {
    let mut request = request(call, name, int(args, 3));
    for address in list(args, 1).map(|list| list.items()).unwrap_or_default() {
        let text = address.as_text().ok_or("error parsing ip: not a string")?;
        let address: Option<IpAddr> = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        request
            .addresses
            .push(address.ok_or("error parsing ip")?.to_canonical());
    }
    for name in list(args, 2).map(|list| list.items()).unwrap_or_default() {
        let text = name
            .as_text()
            .ok_or("error processing alternate dns name: not a string")?;
        if !text.is_ascii() {
            return Err("error creating certificate: a name is not ASCII".into());
        }
        request.dns_names.push(text.to_vec());
    }
    Ok(request)
}

fn self_signed(call: &mut Call<'_>, args: &[Value], key: &PrivateKey) -> Answer {
    let name = utf8(args, 0);
    let request = host_request(call, &name, args)?;
    let signer = Signer {
        key,
        certificate: None,
    };
    pair(&request, key, &signer, call)
}

fn signed(call: &mut Call<'_>, args: &[Value], key: &PrivateKey) -> Answer {
    let Some(Value::Opaque(authority)) = args.get(4) else {
        return Err("unable to decode certificate".into());
    };
    let authority = authority
        .as_any()
        .downcast_ref::<Pair>()
        .ok_or("unable to decode certificate")?;
    let (block, _) = pem::decode(&authority.cert).ok_or("unable to decode certificate")?;
    let certificate = Certificate::parse(&block.bytes).map_err(|reason| {
        format!("error parsing certificate: decodedSignerCert.Bytes: {reason}")
    })?;
    let signing_key = parse_key(&authority.key)
        .map_err(|reason| format!("error parsing private key: {reason}"))?;
    let name = utf8(args, 0);
    let request = host_request(call, &name, args)?;
    let signer = Signer {
        key: &signing_key,
        certificate: Some(&certificate),
    };
    pair(&request, key, &signer, call)
}

fn build_custom(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let cert = base64::decode(text(args, 0)).map_err(|_| "unable to decode base64 certificate")?;
    let key = base64::decode(text(args, 1)).map_err(|_| "unable to decode base64 private key")?;
    let (block, _) = pem::decode(&cert).ok_or("unable to decode certificate")?;
    Certificate::parse(&block.bytes)
        .map_err(|reason| format!("error parsing certificate: decodedCert.Bytes: {reason}"))?;
    parse_key(&key).map_err(|reason| format!("error parsing private key: {reason}"))?;
    Ok(Value::Opaque(Arc::new(Pair { cert, key })))
}
