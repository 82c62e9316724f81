//! Sessions: verified, ended, and verified by others with the published keys.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use tonic::Code;

use super::super::harness::{SandboxHandle, World, verdict};
use super::{ANYONE, PAYROLL, PORTAL, WIKI, fields, world_with_callers};

/// PKCS #8 of the key made of one byte, as openssl writes it.
fn pkcs8(seed: u8) -> Vec<u8> {
    let head = hex::decode("302e020100300506032b657004220420").unwrap();
    [head, vec![seed; 32]].concat()
}

/// A file with the key made of one byte.
pub(crate) fn key_file(folder: &Path, seed: u8) -> PathBuf {
    let path = folder.join(format!("session-{seed}.pem"));
    let der = STANDARD.encode(pkcs8(seed));
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&path, pem).unwrap();
    path
}

fn keys(files: &[PathBuf]) -> String {
    format!("[login]\nsigning_key_files = {files:?}\n")
}

/// A session token.
pub(crate) async fn log_in(world: &World) -> String {
    let login = ANYONE.walk(world, "zhangsan").await;
    ANYONE.login(world, &login).await.unwrap().session_token
}

async fn jwks(world: &World) -> Value {
    let url = format!("{}/.well-known/jwks.json", world.admin);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(answer.headers()["cache-control"], "public, max-age=900");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// What a service does that verifies tokens by itself, with any JWT library.
fn verify_offline(jwks: &Value, token: &str) -> Result<Value, &'static str> {
    let mut parts = token.split('.');
    let [header, claims, signature] = [(); 3].map(|()| parts.next().unwrap());
    let head = part(header);
    if head["alg"] != "EdDSA" || head["typ"] != "wecomgw-session+jwt" {
        return Err("another kind of token");
    }
    let mut keys = jwks["keys"].as_array().unwrap().iter();
    let key = keys.find(|key| key["kid"] == head["kid"]);
    let key = key.ok_or("an unknown key")?;
    assert_eq!(
        (&key["kty"], &key["crv"]),
        (&json!("OKP"), &json!("Ed25519"))
    );
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ED25519, public)
        .verify(message.as_bytes(), &signature)
        .map_err(|_| "a wrong signature")?;
    Ok(part(claims))
}

/// A token as the gateway would sign it, with changes.
fn sign(seed: u8, header: Value, claims: Value) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8(seed)).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn refused(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.to_owned())
}

#[tokio::test]
async fn others_verify_a_token_with_the_published_keys() {
    let world = World::start().await;
    let token = log_in(&world).await;
    // The beginning by which the suite looks for leaked tokens.
    assert!(token.starts_with("eyJ0eXAiOiJ3ZWNvbWd3LXNlc3Npb24"));
    let jwks = jwks(&world).await;
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    let private = ["d", "p", "k"].map(|name| jwks["keys"][0].get(name).is_some());
    assert_eq!(private, [false; 3]);
    let claims = verify_offline(&jwks, &token).unwrap();
    assert_eq!(claims["iss"], "wecomgw");
    assert_eq!(claims["sub"], "zhangsan");
    assert_eq!(claims["aud"], "youxiao");
    assert_eq!(claims["corp_id"], "ww5a9db0c5a9db0c5a");
    assert_eq!(claims["name"], "张三");
    assert_eq!(claims["department_ids"], json!([2]));
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 43_200);
    world.stop().await;
}

#[tokio::test]
async fn logout_ends_a_session_for_everyone() {
    let world = world_with_callers().await;
    let login = PORTAL.walk(&world, "zhangsan").await;
    let one = PORTAL.login(&world, &login).await.unwrap().session_token;
    let login = PORTAL.walk(&world, "zhangsan").await;
    let two = PORTAL.login(&world, &login).await.unwrap().session_token;
    WIKI.verify(&world, &one).await.unwrap();
    WIKI.logout(&world, &one).await.unwrap();
    for caller in [PORTAL, WIKI] {
        let status = caller.verify(&world, &one).await.unwrap_err();
        assert_eq!(verdict(&status), refused("SESSION_REVOKED"));
    }
    PORTAL.logout(&world, &one).await.unwrap();
    PORTAL.verify(&world, &two).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn sessions_of_an_app_are_nothing_to_those_who_may_not_use_it() {
    let world = world_with_callers().await;
    let login = PORTAL.walk(&world, "zhangsan").await;
    let token = PORTAL.login(&world, &login).await.unwrap().session_token;
    let status = PAYROLL.verify(&world, &token).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_INVALID"));
    let status = PAYROLL.logout(&world, &token).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_INVALID"));
    PORTAL.verify(&world, &token).await.unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_session_that_was_ended_stays_ended_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&[key_file(folder.path(), 1)]);
    let world = World::start_with(SandboxHandle::start().await, &keys).await;
    let token = log_in(&world).await;
    ANYONE.logout(&world, &token).await.unwrap();
    let (sandbox, store) = world.stop().await;
    let world = World::start_in(sandbox, &keys, store).await;
    let status = ANYONE.verify(&world, &token).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_REVOKED"));
    world.stop().await;
}

#[tokio::test]
async fn without_a_key_file_sessions_end_with_the_process() {
    let world = World::start().await;
    let token = log_in(&world).await;
    let (sandbox, store) = world.stop().await;
    let world = World::start_in(sandbox, "", store).await;
    let status = ANYONE.verify(&world, &token).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_INVALID"));
    world.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_without_logging_anybody_out() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = [1, 2].map(|seed| key_file(folder.path(), seed));
    let sandbox = SandboxHandle::start().await;
    let world = World::start_with(sandbox, &keys(std::slice::from_ref(&old))).await;
    let by_old = log_in(&world).await;
    let (sandbox, store) = world.stop().await;

    let world = World::start_in(sandbox, &keys(&[old.clone(), new.clone()]), store).await;
    ANYONE.verify(&world, &by_old).await.unwrap();
    let ahead = jwks(&world).await;
    verify_offline(&ahead, &by_old).unwrap();
    let (sandbox, store) = world.stop().await;

    let world = World::start_in(sandbox, &keys(&[new.clone(), old]), store).await;
    let by_new = log_in(&world).await;
    ANYONE.verify(&world, &by_old).await.unwrap();
    ANYONE.verify(&world, &by_new).await.unwrap();
    verify_offline(&ahead, &by_new).expect("published before it signed");
    let (sandbox, store) = world.stop().await;

    let world = World::start_in(sandbox, &keys(&[new]), store).await;
    ANYONE.verify(&world, &by_new).await.unwrap();
    let status = ANYONE.verify(&world, &by_old).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_INVALID"));
    let retired = verify_offline(&jwks(&world).await, &by_old);
    assert_eq!(retired.unwrap_err(), "an unknown key");
    world.stop().await;
}

#[tokio::test]
async fn forged_and_ended_tokens_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let keys = keys(&[key_file(folder.path(), 1)]);
    let world = World::start_with(SandboxHandle::start().await, &keys).await;
    let kid = jwks(&world).await["keys"][0]["kid"].clone();
    let header = |alg: &str| json!({"typ": "wecomgw-session+jwt", "alg": alg, "kid": kid});
    let claims = |aud: &str, exp: u64| {
        json!({
            "iss": "wecomgw", "sub": "zhangsan", "aud": aud, "iat": now() - 100, "exp": exp,
            "jti": URL_SAFE_NO_PAD.encode([9; 16]), "corp_id": "ww1",
        })
    };
    let good = sign(1, header("EdDSA"), claims("youxiao", now() + 100));
    ANYONE.verify(&world, &good).await.unwrap();
    let ended = sign(1, header("EdDSA"), claims("youxiao", now()));
    let status = ANYONE.verify(&world, &ended).await.unwrap_err();
    assert_eq!(verdict(&status), refused("SESSION_EXPIRED"));
    ANYONE
        .logout(&world, &ended)
        .await
        .expect("it has ended already");
    let unsigned = {
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = encode(claims("youxiao", now() + 100));
        format!("{}.{claims}.", encode(header("none")))
    };
    for (what, token) in [
        (
            "another key",
            sign(2, header("EdDSA"), claims("youxiao", now() + 100)),
        ),
        (
            "another algorithm",
            sign(1, header("HS256"), claims("youxiao", now() + 100)),
        ),
        ("no signature", unsigned),
        (
            "an app that is not there",
            sign(1, header("EdDSA"), claims("other", now() + 100)),
        ),
        (
            "an app that is not there, ended",
            sign(1, header("EdDSA"), claims("other", 1)),
        ),
        ("nonsense", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
    ] {
        for status in [
            ANYONE.verify(&world, &token).await.unwrap_err(),
            ANYONE.logout(&world, &token).await.unwrap_err(),
        ] {
            assert_eq!(verdict(&status), refused("SESSION_INVALID"), "{what}");
        }
    }
    for token in [String::new(), "a".repeat(4097), "a".repeat(1 << 20)] {
        for status in [
            ANYONE.verify(&world, &token).await.unwrap_err(),
            ANYONE.logout(&world, &token).await.unwrap_err(),
        ] {
            assert_eq!(fields(&status), ["session_token"]);
        }
    }
    world.stop().await;
}
