//! Private keys in the forms that Go reads and writes: PKCS#1, SEC 1, PKCS#8.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use aws_lc_rs::{agreement, rsa as lc_rsa};

use super::der::{self, OCTET_STRING, OID, Reader, oid};
use super::pem::Block;
use super::rsa::Rsa;

/// The curves that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => oid::P256,
            Self::P384 => oid::P384,
            Self::P521 => oid::P521,
        }
    }

    fn from_oid(encoded: &[u8]) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|curve| curve.oid() == encoded)
    }

    /// The bytes of a coordinate.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    const fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        }
    }

    const fn signing(self) -> (&'static EcdsaSigningAlgorithm, &'static [u8]) {
        match self {
            Self::P256 => (&ECDSA_P256_SHA256_ASN1_SIGNING, oid::ECDSA_SHA256),
            Self::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, oid::ECDSA_SHA384),
            Self::P521 => (&ECDSA_P521_SHA512_ASN1_SIGNING, oid::ECDSA_SHA512),
        }
    }
}

/// A private key.
pub(crate) enum PrivateKey {
    Rsa(Rsa),
    Ec {
        curve: Curve,
        /// The secret number, as long as a coordinate.
        secret: Vec<u8>,
        /// The public point, uncompressed.
        point: Vec<u8>,
    },
    Ed25519([u8; 32]),
}

/// Left-pads with zeros; `None` when it is too long.
pub(crate) fn padded(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let digits = bytes.get(zeros..)?;
    let missing = size.checked_sub(digits.len())?;
    Some([&vec![0; missing], digits].concat())
}

impl PrivateKey {
    /// An elliptic key from its secret number.
    pub(crate) fn ec(curve: Curve, secret: &[u8]) -> Option<Self> {
        let secret = padded(secret, curve.size())?;
        let key = agreement::PrivateKey::from_private_key(curve.agreement(), &secret).ok()?;
        let point = key.compute_public_key().ok()?.as_ref().to_vec();
        Some(Self::Ec {
            curve,
            secret,
            point,
        })
    }

    /// Reads SEC 1; `curve` is known from around it or must stand inside.
    fn from_sec1(der: &[u8], curve: Option<Curve>) -> Option<Self> {
        let mut reader = Reader::whole_sequence(der)?;
        if reader.small()? != 1 {
            return None;
        }
        let secret = reader.take(OCTET_STRING)?;
        let mut inside = None;
        while !reader.is_empty() {
            let (tag, content) = reader.next()?;
            if tag == 0xa0 {
                inside = Curve::from_oid(Reader::new(content).take(OID)?);
            }
        }
        Self::ec(curve.or(inside)?, secret)
    }

    /// Reads PKCS#8.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let mut reader = Reader::whole_sequence(der)?;
        if reader.small()? > 1 {
            return None;
        }
        let mut algorithm = reader.sequence()?;
        let inner = reader.take(OCTET_STRING)?;
        match algorithm.take(OID)? {
            found if found == oid::RSA => Rsa::from_pkcs1(inner).map(Self::Rsa),
            found if found == oid::EC => {
                let curve = Curve::from_oid(algorithm.take(OID)?)?;
                Self::from_sec1(inner, Some(curve))
            }
            found if found == oid::ED25519 => {
                let seed = Reader::new(inner).take(OCTET_STRING)?;
                Some(Self::Ed25519(seed.try_into().ok()?))
            }
            _ => None,
        }
    }

    /// Reads whatever of the three forms it is.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        Rsa::from_pkcs1(der)
            .map(Self::Rsa)
            .or_else(|| Self::from_pkcs8(der))
            .or_else(|| Self::from_sec1(der, None))
    }

    /// Reads a block by its label, as Sprig does.
    pub(crate) fn from_block(block: &Block) -> Result<Self, &'static str> {
        match &*block.label {
            b"PRIVATE KEY" => Self::from_pkcs8(&block.bytes).ok_or("decoding PEM as PKCS#8"),
            b"RSA PRIVATE KEY" => Rsa::from_pkcs1(&block.bytes)
                .map(Self::Rsa)
                .ok_or("parsing RSA private key from PEM"),
            b"EC PRIVATE KEY" => {
                Self::from_sec1(&block.bytes, None).ok_or("parsing EC private key from PEM")
            }
            b"DSA PRIVATE KEY" => Err("DSA keys are not supported"),
            label if label.ends_with(b" PRIVATE KEY") => Err("invalid private key type"),
            _ => Err("no private key data in PEM block"),
        }
    }

    /// PKCS#8 as Go writes it.
    pub(crate) fn to_pkcs8(&self) -> Vec<u8> {
        let (algorithm, inner) = match self {
            Self::Rsa(rsa) => (der::algorithm(oid::RSA, der::NULL), rsa.to_pkcs1()),
            Self::Ec { curve, .. } => (
                der::algorithm(oid::EC, &der::oid(curve.oid())),
                self.sec1(false),
            ),
            Self::Ed25519(seed) => (der::algorithm(oid::ED25519, &[]), der::octets(seed)),
        };
        der::sequence(&[&der::small(0), &algorithm, &der::octets(&inner)])
    }

    fn sec1(&self, with_curve: bool) -> Vec<u8> {
        let Self::Ec {
            curve,
            secret,
            point,
        } = self
        else {
            return Vec::new();
        };
        let named = if with_curve {
            der::explicit(0, &der::oid(curve.oid()))
        } else {
            Vec::new()
        };
        der::sequence(&[
            &der::small(1),
            &der::octets(secret),
            &named,
            &der::explicit(1, &der::bits(point)),
        ])
    }

    /// The block that Sprig writes a key as: PKCS#1, SEC 1 or PKCS#8 by kind.
    pub(crate) fn to_block(&self) -> Block {
        match self {
            Self::Rsa(rsa) => Block::new("RSA PRIVATE KEY", rsa.to_pkcs1()),
            Self::Ec { .. } => Block::new("EC PRIVATE KEY", self.sec1(true)),
            Self::Ed25519(_) => Block::new("PRIVATE KEY", self.to_pkcs8()),
        }
    }

    /// The bits of the public key and the `SubjectPublicKeyInfo` around them.
    pub(crate) fn public(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        Some(match self {
            Self::Rsa(rsa) => {
                let bits = rsa.public();
                let info = public_info(&der::algorithm(oid::RSA, der::NULL), &bits);
                (bits, info)
            }
            Self::Ec { curve, point, .. } => (point.clone(), ec_public_info(*curve, point)),
            Self::Ed25519(seed) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
                let bits = pair.public_key().as_ref().to_vec();
                let info = public_info(&der::algorithm(oid::ED25519, &[]), &bits);
                (bits, info)
            }
        })
    }

    /// The algorithm that the key signs with, encoded.
    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => der::algorithm(oid::RSA_SHA256, der::NULL),
            Self::Ec { curve, .. } => der::algorithm(curve.signing().1, &[]),
            Self::Ed25519(_) => der::algorithm(oid::ED25519, &[]),
        }
    }

    /// Signs; `None` for a key that cannot, such as a short RSA key.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(_) => {
                let pair = RsaKeyPair::from_pkcs8(&self.to_pkcs8()).ok()?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Self::Ec { curve, .. } => {
                let pair = EcdsaKeyPair::from_pkcs8(curve.signing().0, &self.to_pkcs8()).ok()?;
                Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
            }
            Self::Ed25519(seed) => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
                Some(pair.sign(message).as_ref().to_vec())
            }
        }
    }

    /// A new RSA key.
    pub(crate) fn generate_rsa(size: lc_rsa::KeySize) -> Option<Self> {
        let pair = lc_rsa::KeyPair::generate(size).ok()?;
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
        Self::from_pkcs8(der.as_ref())
    }

    /// A new key on P-256.
    pub(crate) fn generate_ec() -> Option<Self> {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).ok()?;
        Self::from_pkcs8(der.as_ref())
    }
}

/// A `SubjectPublicKeyInfo`.
pub(crate) fn public_info(algorithm: &[u8], bits: &[u8]) -> Vec<u8> {
    der::sequence(&[algorithm, &der::bits(bits)])
}

/// The `SubjectPublicKeyInfo` of a point.
pub(crate) fn ec_public_info(curve: Curve, point: &[u8]) -> Vec<u8> {
    public_info(&der::algorithm(oid::EC, &der::oid(curve.oid())), point)
}
