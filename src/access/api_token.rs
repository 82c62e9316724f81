//! API tokens: random, so a plain hash hides them, and compared in constant time.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::settings::Settings;

/// Tokens of one caller at once: the old, the new, and one that was forgotten.
const TOKENS_MOST: usize = 4;

/// SHA-256 of a token.
pub(super) type TokenDigest = [u8; 32];

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// The tokens of a caller; none when it is known otherwise.
pub(super) fn read(settings: &Settings) -> Result<Vec<TokenDigest>, String> {
    match (&settings.token_file, &settings.token_sha256) {
        (None, None) => Ok(Vec::new()),
        (Some(path), None) => read_file(path),
        (None, Some(hexadecimal)) => {
            let mut digest = [0; 32];
            hex::decode_to_slice(hexadecimal, &mut digest)
                .map_err(|_| "`token_sha256` must be 64 hexadecimal digits".to_owned())?;
            Ok(vec![digest])
        }
        (Some(_), Some(_)) => Err("set only one of `token_file` and `token_sha256`".into()),
    }
}

fn read_file(path: &Path) -> Result<Vec<TokenDigest>, String> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read token_file {shown}: {error}"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<_> = lines.map(digest).collect();
    match tokens.len() {
        0 => Err(format!("token_file {shown} is empty")),
        1..=TOKENS_MOST => Ok(tokens),
        _ => Err(format!(
            "token_file {shown} holds more than {TOKENS_MOST} tokens"
        )),
    }
}
