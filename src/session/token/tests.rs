//! A token is ours, whole and of its type, or it is nothing.

use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "wecomgw";
const HOUR: Duration = Duration::from_secs(3600);

pub(in crate::session) fn person() -> Person {
    Person {
        app: "youxiao".into(),
        corp_id: "ww1".into(),
        user_id: "zhangsan".into(),
        name: "张三".into(),
        department_ids: vec![2, 5],
    }
}

/// The PEM of a key made of one byte, as openssl writes it.
pub(in crate::session) fn pem(seed: u8) -> String {
    use base64::engine::general_purpose::STANDARD;
    let head = hex::decode("302e020100300506032b657004220420").expect("hexadecimal");
    let der = STANDARD.encode([head, vec![seed; 32]].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

/// Keys of these seeds, the first of which signs.
fn keys(seeds: &[u8]) -> Keys {
    let folder = tempfile::tempdir().expect("a folder");
    let files = seeds.iter().map(|seed| {
        let path = folder.path().join(format!("{seed}.pem"));
        std::fs::write(&path, pem(*seed)).expect("written");
        path
    });
    Keys::load(&files.collect::<Vec<_>>()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

fn signed(keys: &Keys, person: Person) -> (String, Session) {
    use secrecy::ExposeSecret as _;
    let (token, session) = sign(keys, ISSUER, person, HOUR, now());
    (token.expose_secret().to_owned(), session)
}

fn is_invalid(keys: &Keys, token: &str) -> bool {
    matches!(read(keys, ISSUER, token, now()), Err(Error::Invalid))
}

fn base64url(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with any header and claims, rightly signed by the active key.
fn forged(keys: &Keys, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", base64url(header), base64url(claims));
    let signing = &keys.active().signing;
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), signing, Algorithm::EdDSA).expect("signed");
    format!("{message}.{signature}")
}

fn good_header(keys: &Keys) -> Value {
    json!({"typ": TYPE, "alg": "EdDSA", "kid": keys.active().id})
}

fn good_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "zhangsan", "aud": "youxiao", "iat": 1_790_000_000,
        "exp": 1_790_003_600, "jti": URL_SAFE_NO_PAD.encode([1; 16]), "corp_id": "ww1",
    })
}

fn with(mut value: Value, key: &str, change: Value) -> Value {
    let fields = value.as_object_mut().expect("an object");
    match change {
        Value::Null => drop(fields.remove(key)),
        change => drop(fields.insert(key.into(), change)),
    }
    value
}

#[test]
fn what_is_signed_is_read_again() {
    let keys = keys(&[1]);
    let (token, session) = signed(&keys, person());
    assert_eq!(session.person, person());
    assert_eq!(session.expires_at, now() + HOUR);
    assert_eq!(read(&keys, ISSUER, &token, now()).expect("ours"), session);
    let (_, other) = signed(&keys, person());
    assert_ne!(session.id, other.id);
    // The control of the forgeries below.
    let token = forged(&keys, &good_header(&keys), &good_claims());
    assert_eq!(
        read(&keys, ISSUER, &token, now())
            .expect("ours")
            .person
            .user_id,
        "zhangsan"
    );
}

#[test]
fn longest_token_fits_its_limit() {
    let longest = Person {
        app: "a".repeat(64),
        corp_id: "w".repeat(18),
        user_id: format!("{}/{}", "w".repeat(18), "u".repeat(64)),
        name: "😀".repeat(1000),
        department_ids: vec![u32::MAX; 1000],
    };
    let keys = keys(&[1]);
    let (token, session) = signed(&keys, longest);
    // With room for the name: browsers keep cookies of 4096 bytes, name and value.
    assert!(
        token.len() < SESSION_TOKEN_MAX_BYTES - 256,
        "{}",
        token.len()
    );
    assert_eq!(session.person.department_ids.len(), DEPARTMENTS_MOST);
    assert_eq!(read(&keys, ISSUER, &token, now()).expect("ours"), session);
}

#[test]
fn no_bit_of_a_token_can_change() {
    let keys = keys(&[1]);
    let (token, _) = signed(&keys, person());
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(bytes).expect("ASCII");
        assert!(is_invalid(&keys, &damaged), "byte {index}");
    }
    for cut in 0..token.len() {
        assert!(is_invalid(&keys, &token[..cut]), "{cut} bytes");
    }
    for more in ["=", "A", ".", " ", "\n"] {
        assert!(is_invalid(&keys, &format!("{token}{more}")), "{more:?}");
        assert!(is_invalid(&keys, &format!("{more}{token}")), "{more:?}");
    }
}

#[test]
fn header_holds_what_we_write_and_nothing_else() {
    let keys = keys(&[1]);
    let header = good_header(&keys);
    for (key, change) in [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES256")),
        ("alg", Value::Null),
        ("typ", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("typ", Value::Null),
        ("kid", json!("unknown")),
        ("kid", json!("")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!(1)),
        ("kid", Value::Null),
        (
            "jwk",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        ),
        ("jku", json!("https://evil.example.com/jwks.json")),
        ("x5u", json!("https://evil.example.com/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("anything", json!("else")),
    ] {
        let header = with(header.clone(), key, change.clone());
        let token = forged(&keys, &header, &good_claims());
        assert!(is_invalid(&keys, &token), "{key}: {change}");
    }
    let twice = format!(
        r#"{{"typ":"{TYPE}","alg":"none","alg":"EdDSA","kid":"{}"}}"#,
        keys.active().id
    );
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(twice),
        base64url(&good_claims())
    );
    let signing = &keys.active().signing;
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), signing, Algorithm::EdDSA).expect("signed");
    assert!(
        is_invalid(&keys, &format!("{message}.{signature}")),
        "a key twice"
    );
}

#[test]
fn public_key_is_no_secret_to_sign_with() {
    let keys = keys(&[1]);
    let jwks = keys.jwks();
    let x = jwks["keys"][0]["x"].as_str().expect("the public key");
    let raw = URL_SAFE_NO_PAD.decode(x).expect("base64url");
    for secret in [raw, x.as_bytes().to_vec(), jwks.to_string().into_bytes()] {
        let header = with(good_header(&keys), "alg", json!("HS256"));
        let message = format!("{}.{}", base64url(&header), base64url(&good_claims()));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let tag = ring::hmac::sign(&key, message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert!(is_invalid(&keys, &token));
    }
    let unsigned = with(good_header(&keys), "alg", json!("none"));
    let message = format!("{}.{}", base64url(&unsigned), base64url(&good_claims()));
    assert!(is_invalid(&keys, &format!("{message}.")));
}

#[test]
fn claims_must_be_there_and_right() {
    let keys = keys(&[1]);
    for (key, change) in [
        ("iss", json!("other")),
        ("iss", json!(["wecomgw"])),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("exp", json!(u64::MAX)),
        ("iat", Value::Null),
        ("iat", json!(1_790_000_061)),
        ("jti", Value::Null),
        ("jti", json!("short")),
        ("department_ids", json!([-1])),
    ] {
        let claims = with(good_claims(), key, change.clone());
        let token = forged(&keys, &good_header(&keys), &claims);
        assert!(is_invalid(&keys, &token), "{key}: {change}");
    }
    let tolerated = with(good_claims(), "iat", json!(1_790_000_060));
    let token = forged(&keys, &good_header(&keys), &tolerated);
    assert!(!is_invalid(&keys, &token), "a clock that is a minute ahead");
}

#[test]
fn what_is_too_long_is_not_even_decoded() {
    let keys = keys(&[1]);
    for token in [
        "a".repeat(1 << 20),
        ".".repeat(1 << 20),
        "e30.".repeat(1 << 18),
    ] {
        // The best of a few, since the machine may be busy with something else.
        let took = (0..5).map(|_| {
            let begun = tokio::time::Instant::now();
            assert!(is_invalid(&keys, &token));
            begun.elapsed()
        });
        assert!(took.min() < Some(Duration::from_millis(1)));
    }
}

#[test]
fn keys_rotate_without_ending_a_session() {
    let (old, next) = (keys(&[1]), keys(&[1, 2]));
    let (by_old, _) = signed(&old, person());
    // Published ahead: the old one goes on signing, both verify.
    assert_eq!(next.active().id, old.active().id);
    assert!(read(&next, ISSUER, &by_old, now()).is_ok());
    // Switched: the new one signs, and who still has the list of before knows it.
    let switched = keys(&[2, 1]);
    let (by_new, _) = signed(&switched, person());
    assert!(read(&next, ISSUER, &by_new, now()).is_ok());
    assert!(read(&switched, ISSUER, &by_old, now()).is_ok());
    // Retired: sessions of the old key are nobody's.
    let retired = keys(&[2]);
    assert!(is_invalid(&retired, &by_old));
    assert!(read(&retired, ISSUER, &by_new, now()).is_ok());
    assert!(is_invalid(&old, &by_new), "a key that was not published");
    let ids: Vec<_> = switched.jwks()["keys"].as_array().expect("a list").clone();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0]["kid"], switched.active().id);
}
