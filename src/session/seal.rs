//! Answers to codes, sealed with the code itself. The store knows a code's SHA-256 only,
//! so nobody can read an answer there but who brings the code again.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use super::random;

/// Keeps the key apart from every other use of a code.
const PURPOSE: &[u8] = b"wecomgw kept login answer v1";

/// Seals `answer` so that `code` opens it.
pub(super) fn seal(code: &str, answer: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_LEN] = random::bytes();
    let mut sealed = answer.to_vec();
    key(code)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut sealed,
        )
        .expect("answers are far shorter than AES-GCM's limit of 64 GiB");
    [nonce.as_slice(), &sealed].concat()
}

/// Opens what was sealed with `code`; nothing when it was damaged or sealed with another.
pub(super) fn open(code: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let answer = key(code)
        .open_in_place(nonce, Aad::empty(), &mut sealed)
        .ok()?;
    Some(answer.to_vec())
}

fn key(code: &str) -> LessSafeKey {
    let secret = Salt::new(HKDF_SHA256, &[]).extract(code.as_bytes());
    let material = secret
        .expand(&[PURPOSE], &AES_256_GCM)
        .expect("one key is shorter than HKDF's limit of 255 hashes");
    LessSafeKey::new(UnboundKey::from(material))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_opens_what_it_sealed() {
        let sealed = seal("code-1", b"the answer");
        assert_eq!(open("code-1", &sealed).as_deref(), Some(&b"the answer"[..]));
        assert_eq!(open("code-2", &sealed), None);
        assert!(!sealed.windows(6).any(|window| window == b"answer"));
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert_eq!(open("code-1", &damaged), None, "{index}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open("code-1", &sealed[..length]), None, "{length}");
        }
    }
}
