//! Two gateways on one PostgreSQL: what they share, and how one takes over from the other.

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::bulk_event::Event;

use super::super::harness::{SandboxHandle, World, text_to};
use super::super::postgres;
use super::{SEND, crowd_settings, totals, upload};

/// Two gateways that share a store and a WeCom.
async fn pair(count: u32) -> (World, World) {
    let url = postgres::server().database();
    let store = format!("[store]\nurl = \"{url}\"\n");
    let sandbox = SandboxHandle::start_with(crowd_settings(count)).await;
    let second = sandbox.again();
    let first = World::start_with(sandbox, &store).await;
    (first, World::start_with(second, &store).await)
}

#[tokio::test]
async fn replicas_fetch_one_token_between_them() {
    let (first, second) = pair(1).await;
    let send = async |text: &str| {
        let sends = [&first, &second].map(|world| async {
            let mut messages = world.messages();
            messages
                .send_message(text_to("zhangsan", text))
                .await
                .unwrap();
        });
        join_all(sends).await;
    };
    send("one").await;
    let fetched = async || {
        let calls = first.sandbox.calls("gettoken").await;
        // Both apps are kept supplied; each in the ledger is one app's.
        calls.len()
    };
    let apps = 2;
    assert_eq!(
        fetched().await,
        apps,
        "one for each app, not for each replica"
    );
    first.sandbox.post("tokens/kill", json!({})).await;
    send("two").await;
    assert!(fetched().await <= 2 * apps);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_job_is_watched_on_one_replica_and_taken_over_by_it() {
    let (first, second) = pair(6000).await;
    let latency = json!({"kind": "latency_ms", "latency_ms": 300});
    first.sandbox.fault(SEND, latency, 100).await;
    let mut events = first
        .bulk()
        .send_bulk(stream::iter(upload("moving house", 6000)))
        .await
        .unwrap()
        .into_inner();
    let accepted = events.message().await.unwrap().unwrap();
    let watch = pb::WatchBulkJobRequest {
        job_id: accepted.job_id.clone(),
        after_sequence: 0,
    };
    let mut watched = second
        .bulk()
        .watch_bulk_job(watch)
        .await
        .unwrap()
        .into_inner();
    let mut seen = vec![watched.message().await.unwrap().unwrap()];
    assert_eq!(seen[0], accepted, "the other replica shows the same");
    // Not before the first replica works on it.
    loop {
        let event = watched.message().await.unwrap().unwrap();
        let working = matches!(event.event, Some(Event::BatchFinished(_)));
        seen.push(event);
        if working {
            break;
        }
    }
    // Its WeCom lives on.
    let (_sandbox, _folder) = first.stop().await;
    seen.extend(watched.map(Result::unwrap).collect::<Vec<_>>().await);
    seen.retain(|event| !matches!(event.event, Some(Event::Heartbeat(_))));
    let sequences: Vec<u64> = seen.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=seen.len() as u64).collect::<Vec<_>>());
    assert_eq!(totals(&seen).1.accepted, 6000);
    let deliveries = super::lanes::deliveries(&second.sandbox).await;
    assert!(deliveries.len() == 6000 && deliveries.values().all(|times| *times == 1));
    second.stop().await;
}

#[tokio::test]
async fn one_request_id_on_two_replicas_at_once_is_one_call_even_without_the_duplicate_check() {
    let (first, second) = pair(1).await;
    for round in 0..10 {
        let sends = [&first, &second].map(|world| async {
            let mut request = text_to("zhangsan", "once");
            request.request_id = format!("order-{round}");
            request.duplicate_check = Some(pb::DuplicateCheck::default());
            world.messages().send_message(request).await
        });
        let answers = join_all(sends).await;
        // One that comes while the other's call is under way cannot know how it ends.
        let told: Vec<_> = answers.into_iter().flatten().collect();
        assert!(!told.is_empty());
        let ids: std::collections::HashSet<_> = told
            .iter()
            .map(|answer| answer.get_ref().message_id.clone())
            .collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(first.sandbox.calls(SEND).await.len(), round + 1);
    }
    first.stop().await;
    second.stop().await;
}
