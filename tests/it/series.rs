//! How many series `/metrics` has when each RPC has gone well, been refused by WeCom for
//! each app, and been asked in a way that cannot be understood.

use serde_json::json;

use super::dynamic::methods;
use super::far::{Far, ask, calls};
use super::harness::{API_TOKEN, APP, SandboxHandle, World};

/// The bar: so many series of a gateway with five apps.
const MOST: usize = 2000;
/// Beside the demo's two.
const MORE_APPS: [&str; 3] = ["hr", "it-desk", "canteen"];

fn errcode(code: i64) -> Vec<u8> {
    json!({"errcode": code, "errmsg": "refused"})
        .to_string()
        .into_bytes()
}

#[tokio::test]
#[expect(
    clippy::disallowed_macros,
    reason = "a figure for docs/RELIABILITY.md, seen with --nocapture"
)]
async fn five_apps_and_every_rpc_stay_below_two_thousand_series() {
    let (far, url) = Far::start().await;
    let apps = MORE_APPS.iter().zip(2000001..).map(|(name, agent)| {
        format!(
            "[[apps]]\nname = \"{name}\"\ncorp_id = \"ww9\"\nagent_id = {agent}\nsecret = \"s\"\n"
        )
    });
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(
        super::harness::API_TOKEN,
    ));
    let overlay = format!(
        "[wecom]\nbase_url = \"{url}\"\n\
         [[callers]]\nname = \"tests\"\ntoken_sha256 = \"{digest}\"\npermissions = [\"*\", \"AuthService/GetAccessToken\"]\n\
         apps = [\"*\"]\napi_paths = [\"get_api_domain_ip\", \"getcallbackip\", \"media/upload_by_url\", \"media/get_upload_by_url_result\"]\n"
    );
    let apps: String = apps.collect();
    let world = World::start_beside(SandboxHandle::start().await, &apps, &overlay).await;
    let other = world.other_app();
    let apps = [APP, other.as_str()].into_iter().chain(MORE_APPS);
    for (app, first) in apps.zip(std::iter::once(true).chain(std::iter::repeat(false))) {
        for (call, _, rpc, mut request) in calls() {
            request["app"] = app.into();
            // What comes of it is counted here; other tests say what it must be.
            if first {
                let _ = ask(&world, rpc, &request).await;
            }
            if call != "gettoken" {
                far.say(call, [errcode(60020)]);
            }
            let _ = ask(&world, rpc, &request).await;
        }
    }
    // As no caller means it.
    for method in methods() {
        let _ = world
            .rpc_of(&method, vec![Vec::new()], Some(API_TOKEN))
            .await;
    }
    let nobody = world.rpc_of(&methods()[0], vec![Vec::new()], None).await;
    nobody.unwrap_err();
    let metrics = world.metrics().await;
    let series = metrics.lines().filter(|line| !line.starts_with('#'));
    let count = series.count();
    println!("{count} series");
    assert!(count <= MOST, "{count} series:\n{metrics}");
    let shown = |part: &str| metrics.matches(part).count();
    assert!(shown("api=\"message/send\",errcode=") >= 5, "{metrics}");
    assert!(count > 1200, "has everything happened? {count} series");
    world.stop().await;
}
