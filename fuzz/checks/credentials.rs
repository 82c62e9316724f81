//! Text as what a caller shows of itself: an API token, a service account's JWT, a session token.

use std::sync::OnceLock;

use wecomgw::access::{Access, ServiceAccountSettings, ServiceAccounts, Settings};
use wecomgw::session::{self, Person, Sessions};
use wecomgw::store::{self, Store};

/// SHA-256 of the only API token, of which no input is.
const TOKEN_SHA256: &str = "7c1f0b6e7c1f0b6e7c1f0b6e7c1f0b6e7c1f0b6e7c1f0b6e7c1f0b6e7c1f0b6e";
/// The public keys of the cluster: the first of RFC 7517, appendix A.1.
const JWKS: &str = "fuzz/checks/jwks.json";

struct World {
    access: Access,
    sessions: Sessions,
    /// A token of `sessions`.
    issued: String,
}

/// Looks at a credential: nobody comes in by one that was made up.
pub(crate) fn credentials(data: &[u8]) {
    static WORLD: OnceLock<World> = OnceLock::new();
    let world = WORLD.get_or_init(world);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for authorization in [text.to_owned(), format!("Bearer {text}")] {
        let caller = world.access.identify(Some(&authorization), &[]);
        assert!(caller.is_err(), "let in");
    }
    let names = [text.to_owned()];
    let caller = world.access.identify(None, &names);
    assert_eq!(caller.is_ok(), text == "spiffe://example.org/billing");
    assert!(world.sessions.read(text).is_err(), "a session");
    altered(world, data);
}

/// A token of ours with a byte changed or put in is none of ours.
fn altered(world: &World, data: &[u8]) {
    let [high, low, byte, ..] = data else {
        return;
    };
    let place = usize::from(u16::from_be_bytes([*high, *low])) % world.issued.len();
    let mut changed = world.issued.clone().into_bytes();
    changed[place] = *byte;
    let mut longer = world.issued.clone().into_bytes();
    longer.insert(place, *byte);
    for bytes in [changed, longer] {
        let Ok(token) = String::from_utf8(bytes) else {
            continue;
        };
        let read = world.sessions.read(&token).is_ok();
        assert_eq!(read, token == world.issued, "{token}");
    }
}

fn world() -> World {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let accounts = ServiceAccounts::new(&ServiceAccountSettings {
            issuer: Some("https://kubernetes.default.svc".into()),
            audience: "wecomgw".into(),
            jwks_file: Some(JWKS.into()),
            jwks_url: None,
            ca_file: None,
            token_file: None,
        })
        .expect("good settings")
        .expect("an issuer is set");
        assert!(accounts.load().await, "{JWKS}");
        let caller = Settings {
            name: "billing".into(),
            token_file: None,
            token_sha256: Some(TOKEN_SHA256.into()),
            certificate: Some("spiffe://example.org/billing".into()),
            service_account: Some("default/billing".into()),
            permissions: vec!["*".into()],
            apps: vec!["*".into()],
            api_paths: None,
        };
        let access = Access::new(&[caller], Some(accounts)).map_err(|faults| faults.join(", "));
        let store = store::Settings {
            url: "sqlite::memory:".into(),
        };
        let store = Store::open(&store).await.expect("a store");
        let settings = session::Settings {
            redirect_uris: Vec::new(),
            require_state: true,
            session_lifetime: std::time::Duration::from_secs(3600),
            issuer: "wecomgw".into(),
            signing_key_files: Vec::new(),
        };
        let sessions = Sessions::new(&settings, store).expect("a key");
        let issued = sessions.issue(Person {
            app: "youxiao".into(),
            corp_id: "ww0123456789abcdef".into(),
            user_id: "zhangsan".into(),
            name: "张三".into(),
            department_ids: vec![1, 2],
        });
        World {
            access: access.expect("a caller"),
            sessions,
            issued: secrecy::ExposeSecret::expose_secret(&issued.token).to_owned(),
        }
    })
}
