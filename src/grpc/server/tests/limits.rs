use std::collections::HashMap;

use tokio::io::AsyncWriteExt;

use super::{
    raw::{SETTINGS, closed, connect, frame, frame_of, greet},
    *,
};

#[tokio::test]
async fn a_socket_that_says_nothing_or_half_is_closed_at_the_deadline() {
    let running = start(Settings {
        preface_timeout: millis(50),
        ..settings()
    });
    let mut silent = connect(running.address).await;
    let mut half = connect(running.address).await;
    half.write_all(&raw::PREFACE[..12]).await.expect("written");
    closed(&mut silent).await;
    closed(&mut half).await;
    running.connections(0).await;
    assert_eq!(running.metrics.refused.preface.get(), 2);
}

#[tokio::test]
async fn another_protocol_is_closed_without_waiting() {
    let running = start(Settings {
        preface_timeout: BOUND * 2,
        ..settings()
    });
    let mut stream = connect(running.address).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\n")
        .await
        .expect("written");
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_preface_in_pieces_is_accepted() {
    let running = start(settings());
    let mut stream = connect(running.address).await;
    for piece in raw::PREFACE.chunks(5) {
        stream.write_all(piece).await.expect("written");
        stream.flush().await.expect("flushed");
        tokio::task::yield_now().await;
    }
    frame_of(&mut stream, SETTINGS).await;
}

#[tokio::test]
async fn the_first_frame_tells_the_limits() {
    let running = start(settings());
    let mut stream = greet(running.address).await;
    let frame = frame_of(&mut stream, SETTINGS).await;
    let values: HashMap<u16, u32> = frame
        .payload
        .chunks_exact(6)
        .map(|entry| {
            let [a, b, c, d, e, f] = entry.try_into().expect("six bytes");
            (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))
        })
        .collect();
    // RFC 9113 §6.5.2: MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE.
    assert_eq!(values.get(&3), Some(&100));
    assert_eq!(values.get(&4), Some(&262_144));
    assert_eq!(values.get(&6), Some(&16_384));
}

#[tokio::test]
async fn a_burst_of_connections_waits_in_the_kernels_queue() {
    let server = Server::bind(settings(), Metrics::default()).expect("bound");
    // Nobody accepts. Beyond the queue a connection would be tried again after a second, and so on.
    let burst = (0..500).map(|_| connect(server.address()));
    let burst = futures_util::future::join_all(burst);
    assert_eq!(within_bound("500 connections", burst).await.len(), 500);
}

#[tokio::test]
async fn one_address_cannot_take_more_than_its_share() {
    let running = start(Settings {
        connections_per_ip: 2,
        ..settings()
    });
    let first = connect(running.address).await;
    let mut second = greet(running.address).await;
    frame_of(&mut second, SETTINGS).await;
    let mut third = connect(running.address).await;
    closed(&mut third).await;
    assert_eq!(running.metrics.refused.per_ip.get(), 1);
    drop(first);
    running.connections(1).await;
    let mut fourth = greet(running.address).await;
    frame_of(&mut fourth, SETTINGS).await;
}

#[tokio::test]
async fn beyond_the_total_a_connection_waits_for_room() {
    let running = start(Settings {
        connections: 1,
        ..settings()
    });
    let mut first = greet(running.address).await;
    frame_of(&mut first, SETTINGS).await;
    let mut second = greet(running.address).await;
    let early = tokio::time::timeout(millis(50), frame(&mut second)).await;
    assert!(early.is_err(), "served beyond the limit: {early:?}");
    drop(first);
    frame_of(&mut second, SETTINGS).await;
}
