//! What a session token says, and how it is read. The rules of RFC 8725: one algorithm,
//! a type of its own, a known key, and a header that holds nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::key::Keys;
use super::random;

/// `typ` of every token: other tokens signed by the same key are none of these.
pub(super) const TYPE: &str = "wecomgw-session+jwt";
/// Longest token.
pub const SESSION_TOKEN_MAX_BYTES: usize = 4096;
/// How far the clock of the replica that issued a token may be ahead of ours.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;
/// Departments of a member in WeCom, at most
/// (<https://developer.work.weixin.qq.com/document/path/90195>, `department`).
const DEPARTMENTS_MOST: usize = 100;
/// Longest name of a member, in characters
/// (<https://developer.work.weixin.qq.com/document/path/90195>, `name`). With 4 bytes each,
/// and 100 departments of 10 digits, a token stays under 3 KiB.
const NAME_MAX_CHARACTERS: usize = 64;

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name of the app.
    pub app: String,
    /// Id of the app's corp.
    pub corp_id: String,
    /// The member.
    pub user_id: String,
    /// The member's name, if the app may see it.
    pub name: String,
    /// The member's departments that the app may see.
    pub department_ids: Vec<u32>,
}

/// A person's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Random; names the session when it is ended.
    pub id: [u8; 16],
    /// Whose it is.
    pub person: Person,
    /// When it ends.
    pub expires_at: SystemTime,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The member.
    sub: String,
    /// The app.
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
    corp_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default)]
    department_ids: Vec<u32>,
}

/// Signs a session of `person` that lives for `lifetime` from `now`.
pub(super) fn sign(
    keys: &Keys,
    issuer: &str,
    mut person: Person,
    lifetime: Duration,
    now: SystemTime,
) -> (SecretString, Session) {
    person.department_ids.truncate(DEPARTMENTS_MOST);
    if let Some((end, _)) = person.name.char_indices().nth(NAME_MAX_CHARACTERS) {
        person.name.truncate(end);
    }
    let id = random::bytes();
    let iat = unix_seconds(now);
    let exp = iat + lifetime.as_secs();
    let key = keys.active();
    let claims = Claims {
        iss: issuer.to_owned(),
        sub: person.user_id.clone(),
        aud: person.app.clone(),
        iat,
        exp,
        jti: URL_SAFE_NO_PAD.encode(id),
        corp_id: person.corp_id.clone(),
        name: person.name.clone(),
        department_ids: person.department_ids.clone(),
    };
    let token = jsonwebtoken::encode(&header(&key.id), &claims, &key.signing)
        .expect("the key was read at start, and strings and numbers always render");
    let session = Session {
        id,
        person,
        expires_at: UNIX_EPOCH + Duration::from_secs(exp),
    };
    (token.into(), session)
}

/// Reads a token of ours. Whether its time is over is for the caller to look at.
pub(super) fn read(
    keys: &Keys,
    issuer: &str,
    token: &str,
    now: SystemTime,
) -> Result<Session, Error> {
    // Before anything is decoded: what is too long costs nothing.
    if token.len() > SESSION_TOKEN_MAX_BYTES {
        return Err(Error::Invalid);
    }
    let found = jsonwebtoken::decode_header(token).map_err(|_| Error::Invalid)?;
    let key = found.kid.as_deref().and_then(|id| keys.find(id));
    let key = key.ok_or(Error::Invalid)?;
    // Nothing but what we write: no other algorithm or type, no key or address of a
    // key, no critical extension.
    if found != header(&key.id) {
        return Err(Error::Invalid);
    }
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.set_issuer(&[issuer]);
    // The audience is an app, and the time our caller's: both are looked at elsewhere.
    validation.validate_aud = false;
    validation.validate_exp = false;
    let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, &validation)
        .map_err(|_| Error::Invalid)?;
    let Claims {
        iss: _,
        sub,
        aud,
        iat,
        exp,
        jti,
        corp_id,
        name,
        department_ids,
    } = data.claims;
    if iat > unix_seconds(now) + CLOCK_TOLERANCE_SECONDS {
        return Err(Error::Invalid);
    }
    let id = URL_SAFE_NO_PAD.decode(jti).ok();
    let id = id.and_then(|id| id.try_into().ok()).ok_or(Error::Invalid)?;
    let expires_at = UNIX_EPOCH.checked_add(Duration::from_secs(exp));
    Ok(Session {
        id,
        person: Person {
            app: aud,
            corp_id,
            user_id: sub,
            name,
            department_ids,
        },
        expires_at: expires_at.ok_or(Error::Invalid)?,
    })
}

/// The header of every token that the key signs.
fn header(key_id: &str) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key_id.to_owned());
    header
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

#[cfg(test)]
pub(super) mod tests;
