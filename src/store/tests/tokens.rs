//! Shared tokens: the latest wins, and one fetches at a time.

use std::time::Duration;

use super::{engines, execute, open, postgres};
use crate::store::error::Error;
use crate::store::tokens::SharedToken;

const LIFE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn latest_generation_stays() {
    for (store, _folder) in engines().await {
        assert_eq!(store.token("a").await.unwrap(), None);
        assert!(store.put_token("a", b"one", 1, 100).await.unwrap());
        assert!(store.put_token("a", b"three", 3, 300).await.unwrap());
        assert!(!store.put_token("a", b"two", 2, 200).await.unwrap());
        assert!(!store.put_token("a", b"another", 3, 200).await.unwrap());
        let three = SharedToken {
            sealed: b"three".to_vec(),
            generation: 3,
            expires_at_ms: 300,
        };
        assert_eq!(store.token("a").await.unwrap(), Some(three));
        assert_eq!(store.token("b").await.unwrap(), None);
        let refused = store.put_token("a", b"zero", 0, 0).await;
        assert!(matches!(refused, Err(Error::OutOfStep(_))));
    }
}

#[tokio::test]
async fn one_process_need_not_wait_for_its_turn() {
    let store = open("sqlite::memory:").await.unwrap();
    assert!(store.lease_refresh("a", "one", LIFE).await.unwrap());
    assert!(store.lease_refresh("a", "two", LIFE).await.unwrap());
}

#[tokio::test]
async fn replicas_fetch_in_turn() {
    let store = open(&postgres::server().database()).await.unwrap();
    assert!(store.lease_refresh("a", "one", LIFE).await.unwrap());
    assert!(store.lease_refresh("a", "one", LIFE).await.unwrap());
    assert!(!store.lease_refresh("a", "two", LIFE).await.unwrap());
    assert!(store.lease_refresh("b", "two", LIFE).await.unwrap());
    assert_eq!(store.token("a").await.unwrap(), None, "there is none yet");
    store.put_token("a", b"one", 1, 100).await.unwrap();
    assert!(store.lease_refresh("a", "two", LIFE).await.unwrap(), "put");
    execute(&store, "UPDATE shared_tokens SET held_until_ms = 1").await;
    assert!(store.lease_refresh("a", "one", LIFE).await.unwrap(), "over");
}
