use super::{
    raw::{GOAWAY, SETTINGS, closed, connect, frame_of, greet},
    *,
};

#[tokio::test]
async fn neither_silence_nor_an_open_stream_nor_a_stuck_call_holds_the_drain() {
    let running = start(Settings {
        drain_grace: millis(100),
        ..settings()
    });
    let mut silent = connect(running.address).await;
    let mut idle = greet(running.address).await;
    frame_of(&mut idle, SETTINGS).await;
    let mut client = running.client().await;
    let mut watch = client.watch(named("")).await.expect("open").into_inner();
    watch.message().await.expect("open").expect("one message");
    let call = tokio::spawn(async move { client.check(named("stuck")).await });
    within_bound("the call", running.stuck.entered.notified()).await;

    running.shutdown.cancel();
    frame_of(&mut idle, GOAWAY).await;
    within_bound("the drain", running.task)
        .await
        .expect("no panic");
    assert_eq!(running.metrics.connections.get(), 0);
    closed(&mut silent).await;
    assert!(watch.message().await.is_err());
    assert!(
        within_bound("the answer", call)
            .await
            .expect("no panic")
            .is_err()
    );
    within_bound("the call's end", running.stuck.dropped.notified()).await;
}

#[tokio::test]
async fn a_running_call_is_answered_during_the_drain() {
    let running = start(settings());
    let mut client = running.client().await;
    let call = tokio::spawn(async move { client.check(named("stuck")).await });
    within_bound("the call", running.stuck.entered.notified()).await;
    let mut idle = greet(running.address).await;
    frame_of(&mut idle, SETTINGS).await;
    running.shutdown.cancel();
    frame_of(&mut idle, GOAWAY).await;
    running.stuck.release.notify_one();
    within_bound("the answer", call)
        .await
        .expect("no panic")
        .expect("OK");
    drop(idle);
    within_bound("the drain", running.task)
        .await
        .expect("no panic");
}

#[tokio::test]
async fn new_connections_are_served_until_the_listener_closes() {
    let running = start(Settings {
        drain_accept: millis(500),
        ..settings()
    });
    running.shutdown.cancel();
    let mut client = running.client().await;
    client
        .check(named(""))
        .await
        .expect("served while draining");
    drop(client);
    within_bound("the drain", running.task)
        .await
        .expect("no panic");
    assert!(
        tokio::net::TcpStream::connect(running.address)
            .await
            .is_err()
    );
}
