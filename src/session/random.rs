//! Random bytes and texts that nobody can guess.

use ring::rand::{SecureRandom, SystemRandom};

/// Letters and digits, which is all that WeCom lets a state be made of.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes from here on would make the first letters of the alphabet likelier.
const FAIR: usize = 256 - 256 % ALPHABET.len();

/// `N` random bytes.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers once it is up");
    bytes
}

/// `length` random letters and digits, 5.95 bits each.
pub(super) fn alphanumeric(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let fair = bytes::<32>().into_iter().map(usize::from);
        let fair = fair.filter(|number| *number < FAIR);
        let letters = fair.map(|number| char::from(ALPHABET[number % ALPHABET.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_differ() {
        let texts: std::collections::HashSet<String> =
            (0..1000).map(|_| alphanumeric(27)).collect();
        assert_eq!(texts.len(), 1000);
        for text in texts {
            assert!(text.len() == 27 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}
