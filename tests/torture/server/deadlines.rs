//! S7 deadlines, S9 the age of connections.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Request, Status};
use wecomgw::grpc::pb;
use wecomgw::grpc::pb::user_service_client::UserServiceClient;

use super::channel;
use crate::caller::{Order, user};
use crate::http2::{self, END_HEADERS, GOAWAY, HEADERS};
use crate::process::TICK;
use crate::world::{Engine, World};

const DEADLINE: &str = "200m";
const ANSWER: Duration = Duration::from_millis(250);
const UPSTREAM_MS: u64 = 5000;

fn hurried<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    // Not by `set_timeout`: tonic's client would then end the call by itself.
    let deadline = DEADLINE.parse().unwrap();
    request.metadata_mut().insert("grpc-timeout", deadline);
    request
}

fn exceeded(name: &str, begun: Instant, status: &Status) -> String {
    let took = begun.elapsed();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{name}: {status:?}");
    assert!(took <= ANSWER, "{name}: {took:?}");
    format!("{name} {took:.0?}")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings"]
async fn s7() {
    let world = World::new(Engine::Sqlite, 100);
    let (gateway, mut caller) = world.running().await;
    let mut users = UserServiceClient::new(channel(gateway.address));
    let app = "youxiao".to_owned();
    let get = pb::GetUserRequest {
        app: app.clone(),
        user_id: user(0),
    };
    users.get_user(get.clone()).await.unwrap();
    let slow = json!({"kind": "latency_ms", "latency_ms": UPSTREAM_MS});
    world.witness.fault_of("*", slow).await;
    let mut told = Vec::new();

    let before = gateway.descriptors();
    let begun = Instant::now();
    let status = users.get_user(hurried(get)).await.unwrap_err();
    told.push(exceeded("GetUser", begun, &status));
    // The call to WeCom went out on the connection that was open, and ended with it.
    let dropped = async {
        while gateway.descriptors() >= before {
            sleep(TICK).await;
        }
    };
    let dropped = timeout(Duration::from_secs(1), dropped).await;
    dropped.expect("the call to WeCom is dropped");

    let list = pb::ListUsersRequest {
        app,
        department_id: 2,
        ..pb::ListUsersRequest::default()
    };
    let begun = Instant::now();
    let status = match users.list_users(hurried(list)).await {
        Err(status) => status,
        Ok(response) => response.into_inner().message().await.unwrap_err(),
    };
    told.push(exceeded("ListUsers", begun, &status));

    // A stream that has begun: its job waits for WeCom.
    let job_id = caller.submit(&Order::new("S7", 0..100)).await.job_id;
    let mut bulk = pb::bulk_service_client::BulkServiceClient::new(channel(gateway.address));
    let watch = pb::WatchBulkJobRequest {
        job_id,
        after_sequence: 0,
    };
    let begun = Instant::now();
    let mut events = bulk
        .watch_bulk_job(hurried(watch))
        .await
        .unwrap()
        .into_inner();
    let mut seen = 0;
    let status = loop {
        match events.message().await {
            Ok(event) => seen += usize::from(event.is_some()),
            Err(status) => break status,
        }
    };
    assert!(seen > 0, "the stream had begun");
    told.push(exceeded("WatchBulkJob, begun", begun, &status));
    println!(
        "S7: grpc-timeout {DEADLINE}, WeCom {UPSTREAM_MS} ms: DEADLINE_EXCEEDED after {}; the call to WeCom is dropped",
        told.join(", ")
    );
}

/// Age and grace of the test. The age is spread by a tenth.
const AGE: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(5);
/// What the machine may add.
const LATE: Duration = Duration::from_millis(300);

fn near(what: &str, took: Duration, expected: Duration) {
    let spread = AGE.mul_f64(0.1);
    let bounds = expected - spread..=expected + spread + LATE;
    assert!(bounds.contains(&took), "{what} after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings"]
async fn s9() {
    let world = World::new(Engine::Sqlite, 10);
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__CONNECTION_AGE", "5s");
    gateway.set("GRPC__CONNECTION_AGE_GRACE", "5s");
    gateway.start().await;
    let slow = json!({"kind": "latency_ms", "latency_ms": 3000});
    world.witness.fault_of("user/get", slow).await;
    let address = gateway.address;

    // Begun before the age, answered after it.
    let call = tokio::spawn(async move {
        let mut users = UserServiceClient::new(channel(address));
        let begun = Instant::now();
        let request = pb::GetDepartmentRequest {
            app: "youxiao".to_owned(),
            department_id: 2,
        };
        users.get_department(request).await.unwrap();
        sleep(AGE.mul_f64(0.8)).await;
        let request = pb::GetUserRequest {
            app: "youxiao".to_owned(),
            user_id: user(0),
        };
        users.get_user(request).await.unwrap();
        begun.elapsed()
    });
    // With a call that never ends: its message never comes.
    let mut socket = http2::greet(address).await.unwrap();
    let begun = Instant::now();
    let headers = http2::headers_of("/wecomgw.v1.BulkService/SendBulk", true);
    let headers = http2::frame(HEADERS, END_HEADERS, 1, &headers);
    socket.write_all(&headers).await.unwrap();
    let mut told = None;
    while let Some((kind, _)) = http2::next(&mut socket).await {
        if kind == GOAWAY {
            told.get_or_insert(begun.elapsed());
        }
    }
    let cut = begun.elapsed();
    let told = told.expect("GOAWAY");
    let answered = call.await.unwrap();
    println!(
        "S9: age 5 s, grace 5 s: GOAWAY after {told:.1?}, cut after {cut:.1?}; a call that began before the age was answered {answered:.1?} after its connection"
    );
    near("GOAWAY", told, AGE);
    near("the end", cut, AGE + GRACE);
    assert!(answered > AGE.mul_f64(1.1), "the call ended before the age");
}
