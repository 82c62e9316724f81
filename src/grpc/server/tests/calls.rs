use super::{
    raw::{GOAWAY, closed, frame_of, greet},
    *,
};

#[tokio::test]
async fn an_old_connection_gets_goaway() {
    let running = start(Settings {
        connection_age: millis(50),
        ..settings()
    });
    let mut stream = greet(running.address).await;
    let frame = frame_of(&mut stream, GOAWAY).await;
    // Last stream id, then error code: NO_ERROR.
    assert_eq!(frame.payload[4..8], [0; 4]);
}

#[tokio::test]
async fn a_call_outlives_its_connections_age() {
    let age = millis(50);
    let running = start(Settings {
        connection_age: age,
        ..settings()
    });
    let mut client = running.client().await;
    let call = tokio::spawn(async move { client.check(named("stuck")).await });
    within_bound("the call", running.stuck.entered.notified()).await;
    // A connection that began later got its GOAWAY: so has the call's, which is older by more
    // than the jitter.
    tokio::time::sleep(age).await;
    frame_of(&mut greet(running.address).await, GOAWAY).await;
    running.stuck.release.notify_one();
    let answer = within_bound("the answer", call)
        .await
        .expect("no panic")
        .expect("OK");
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    running.connections(0).await;
}

#[tokio::test]
async fn after_the_grace_the_connection_is_cut_and_its_call_dropped() {
    let running = start(Settings {
        connection_age: millis(20),
        connection_age_grace: millis(20),
        ..settings()
    });
    let mut client = running.client().await;
    let call = client.check(named("stuck"));
    let answer = within_bound("the cut", call).await;
    assert!(answer.is_err(), "{answer:?}");
    within_bound("the call's end", running.stuck.dropped.notified()).await;
    running.connections(0).await;
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing_running() {
    let running = start(settings());
    let mut client = running.client().await;
    let call = tokio::spawn(async move { client.check(named("stuck")).await });
    within_bound("the call", running.stuck.entered.notified()).await;
    let mut silent = greet(running.address).await;
    running.task.abort();
    within_bound("the call's end", running.stuck.dropped.notified()).await;
    closed(&mut silent).await;
    assert!(
        within_bound("the answer", call)
            .await
            .expect("no panic")
            .is_err()
    );
}
