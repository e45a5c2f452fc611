//! The numbers of an RSA private key.

use num_bigint::BigUint;

use super::der::{Reader, sequence, small, unsigned};

/// A two-prime key.
pub(crate) struct Rsa {
    pub(crate) modulus: BigUint,
    pub(crate) exponent: BigUint,
    secret: BigUint,
    primes: [BigUint; 2],
}

/// The largest modulus that is computed with, in bits.
const MAX_BITS: u64 = 16_384;

impl Rsa {
    /// A key from its numbers; `None` unless the primes make the modulus.
    pub(crate) fn new(
        modulus: BigUint,
        exponent: BigUint,
        secret: BigUint,
        primes: [BigUint; 2],
    ) -> Option<Self> {
        let [p, q] = &primes;
        let one = BigUint::from(1u8);
        let fits = modulus.bits() <= MAX_BITS
            && *p > one
            && *q > one
            && p * q == modulus
            && exponent.bit(0)
            && exponent.bits() <= 64
            && secret < modulus;
        fits.then_some(Self {
            modulus,
            exponent,
            secret,
            primes,
        })
    }

    /// Reads a PKCS#1 `RSAPrivateKey`.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Option<Self> {
        let mut reader = Reader::whole_sequence(der)?;
        if reader.small()? != 0 {
            return None;
        }
        let mut next = || reader.unsigned().map(BigUint::from_bytes_be);
        let (modulus, exponent, secret) = (next()?, next()?, next()?);
        let primes = [next()?, next()?];
        for _ in 0..3 {
            next()?;
        }
        Self::new(modulus, exponent, secret, primes)
    }

    /// The PKCS#1 `RSAPrivateKey` with the numbers for the Chinese remainder theorem.
    pub(crate) fn to_pkcs1(&self) -> Vec<u8> {
        let [p, q] = &self.primes;
        let one = BigUint::from(1u8);
        let number = |value: &BigUint| unsigned(&value.to_bytes_be());
        // By Fermat; both are prime in a valid key.
        let inverse = q.modpow(&(p - BigUint::from(2u8)), p);
        sequence(&[
            &small(0),
            &number(&self.modulus),
            &number(&self.exponent),
            &number(&self.secret),
            &number(p),
            &number(q),
            &number(&(&self.secret % (p - &one))),
            &number(&(&self.secret % (q - &one))),
            &number(&inverse),
        ])
    }

    /// The PKCS#1 `RSAPublicKey`.
    pub(crate) fn public(&self) -> Vec<u8> {
        public(&self.modulus, &self.exponent)
    }
}

/// The PKCS#1 `RSAPublicKey` of two numbers.
pub(crate) fn public(modulus: &BigUint, exponent: &BigUint) -> Vec<u8> {
    sequence(&[
        &unsigned(&modulus.to_bytes_be()),
        &unsigned(&exponent.to_bytes_be()),
    ])
}
