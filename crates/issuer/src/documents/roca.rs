//! The fingerprint of RSA keys made by Infineon's broken library (ROCA, CVE-2017-15361): their
//! modulus is, modulo each small prime, a power of 65537.
//!
//! Source: Nemec et al., "The Return of Coppersmith's Attack", section 3.

/// The odd primes of the fingerprint.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether `modulus`, big-endian, has the fingerprint. One good key in 2^27 has it by chance.
pub fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let rest = modulus
            .iter()
            .fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime);
        is_power(rest, prime)
    })
}

/// Whether `number` is a power of 65537 modulo `prime`.
fn is_power(number: u32, prime: u32) -> bool {
    let base = 65_537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == number {
            return true;
        }
        power = power * base % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers() {
        // 65537 is 2 modulo 3 and modulo 17.
        assert!(is_power(2, 3) && is_power(1, 3) && !is_power(0, 3));
        assert!(is_power(4, 17) && !is_power(3, 17));
        assert!(has_fingerprint(&[1]));
        assert!(!has_fingerprint(&[3]));
    }
}
