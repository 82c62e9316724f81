use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;
const SUBJECT: &str = "system:serviceaccount:pay:billing";

/// An API server's signing key.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap())
    }

    fn jwk(&self, id: &str) -> Value {
        let point = &self.0.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    fn token(&self, header: &str, claims: &Value) -> String {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
        let signature = self
            .0
            .sign(&SystemRandom::new(), message.as_bytes())
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://kubernetes.default.svc", "aud": ["other", "wecomgw"], "sub": SUBJECT,
        "exp": NOW + 3600, "nbf": NOW, "iat": NOW,
        "kubernetes.io": {"namespace": "pay", "serviceaccount": {"name": "billing"}},
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

struct World {
    accounts: ServiceAccounts,
    file: tempfile::NamedTempFile,
}

impl World {
    async fn new(keys: Value) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = ServiceAccountSettings {
            issuer: Some("https://kubernetes.default.svc".into()),
            audience: "wecomgw".into(),
            jwks_file: Some(file.path().to_owned()),
            jwks_url: None,
            ca_file: None,
            token_file: None,
        };
        let accounts = ServiceAccounts::new(&settings).unwrap().unwrap();
        let world = Self { accounts, file };
        world.publish(keys);
        assert!(world.accounts.load().await);
        world
    }

    fn publish(&self, keys: Value) {
        std::fs::write(self.file.path(), json!({ "keys": keys }).to_string()).unwrap();
    }

    fn verify(&self, token: &str) -> Result<String, Error> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        self.accounts.verify(token, now)
    }
}

const HEADER: &str = r#"{"alg":"ES256","kid":"k1"}"#;

#[tokio::test]
async fn a_token_that_holds_names_its_subject() {
    let signer = Signer::new();
    let world = World::new(json!([signer.jwk("k1")])).await;
    let good = [
        claims(),
        with("aud", json!("wecomgw")),
        with("exp", json!(NOW - 59)),
        with("nbf", json!(NOW + 60)),
    ];
    for claims in good {
        let verified = world.verify(&signer.token(HEADER, &claims));
        assert_eq!(verified.as_deref(), Ok(SUBJECT), "{claims}");
    }
}

#[tokio::test]
async fn abuse_is_refused() {
    let signer = Signer::new();
    let mut twice = signer.jwk("twice");
    twice["x"] = Signer::new().jwk("")["x"].clone();
    let keys = json!([signer.jwk("k1"), signer.jwk("twice"), twice, {"kty": "oct", "k": "AA", "kid": "oct"}]);
    let world = World::new(keys).await;
    let token = signer.token(HEADER, &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();

    let by_header = [
        r#"{"alg":"none","kid":"k1"}"#,
        r#"{"alg":"HS256","kid":"k1"}"#,
        r#"{"alg":"RS256","kid":"k1"}"#,
        r#"{"alg":"ES256","kid":"k2"}"#,
        r#"{"alg":"ES256","kid":"twice"}"#,
        r#"{"alg":"ES256","kid":"oct"}"#,
        r#"{"alg":"ES256","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"k1","crit":["exp"]}"#,
        "{}",
        "",
    ];
    let mut tokens: Vec<String> = by_header
        .iter()
        .map(|header| signer.token(header, &claims()))
        .collect();
    let by_claims = [
        with("iss", json!("https://kubernetes.default.svc.evil")),
        with("aud", json!("wecom")),
        with("aud", json!([])),
        with("aud", Value::Null),
        with("nbf", json!(NOW + 61)),
        with("exp", json!(NOW - 61)),
        with("exp", json!("never")),
        with("exp", Value::Null),
        with("sub", Value::Null),
        json!([]),
    ];
    tokens.extend(by_claims.iter().map(|claims| signer.token(HEADER, claims)));
    tokens.extend([
        format!("{message}."),
        format!("{message}.{}", &signature[..signature.len() - 2]),
        // Signed by another, under the name of ours.
        Signer::new().token(HEADER, &claims()),
        // HS256 with the public key as the secret.
        {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
            let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims().to_string()));
            let secret =
                ring::hmac::Key::new(ring::hmac::HMAC_SHA256, signer.0.public_key().as_ref());
            let tag = ring::hmac::sign(&secret, message.as_bytes());
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
        },
        format!("{}.a.b", "A".repeat(1 << 20)),
        "..".into(),
        "a.b.c".into(),
    ]);
    for token in tokens {
        let shown: String = token.chars().take(80).collect();
        let began = Instant::now();
        assert_eq!(world.verify(&token), Err(Error::TokenRefused), "{shown}");
        // The bar is 1 ms for the shipped binary; this one is not optimised.
        assert!(began.elapsed() < Duration::from_millis(50), "{shown}");
    }
    assert_eq!(world.verify(&token).as_deref(), Ok(SUBJECT));
}

#[tokio::test]
async fn rsa_is_verified_as_the_rfc_says() {
    // RFC 7515, appendix A.2.
    let keys = json!({"keys": [{"kty": "RSA", "kid": "rfc", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]});
    let keys = Keys::parse(keys.to_string().as_bytes()).unwrap();
    let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = keys.find("rfc").unwrap();
    assert_eq!(key.algorithm, Algorithm::RS256);
    assert!(key.verifies(message.as_bytes(), &signature));
    assert!(!key.verifies(&message.as_bytes()[1..], &signature));
}

#[tokio::test]
async fn keys_serve_an_hour_while_they_cannot_be_read_and_no_longer() {
    let signer = Signer::new();
    let world = World::new(json!([signer.jwk("k1")])).await;
    let token = signer.token(HEADER, &claims());
    tokio::time::pause();
    std::fs::write(world.file.path(), "<html>away</html>").unwrap();
    tokio::time::advance(STALE_MOST - Duration::from_secs(1)).await;
    assert!(!world.accounts.load().await);
    assert_eq!(world.verify(&token).as_deref(), Ok(SUBJECT));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(world.verify(&token), Err(Error::KeysUnavailable));
}

#[tokio::test]
async fn rotated_keys_are_noticed_and_the_old_ones_end() {
    let (old, new) = (Signer::new(), Signer::new());
    let world = World::new(json!([old.jwk("k1")])).await;
    let by_new = new.token(r#"{"alg":"ES256","kid":"k2"}"#, &claims());
    assert_eq!(world.verify(&by_new), Err(Error::TokenRefused));
    world.publish(json!([new.jwk("k2")]));
    tokio::time::pause();
    let stop = CancellationToken::new();
    let running = tokio::spawn(world.accounts.clone().run(stop.clone()));
    tokio::time::sleep(FILE_INTERVAL * 2).await;
    assert_eq!(world.verify(&by_new).as_deref(), Ok(SUBJECT));
    let by_old = old.token(HEADER, &claims());
    assert_eq!(world.verify(&by_old), Err(Error::TokenRefused));
    stop.cancel();
    running.await.unwrap();
}
