//! S1 silent sockets, S2 a flood of streams, S3 floods of frames, S4 no descriptors left, S5
//! messages that are bombs.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use http_body_util::Full;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::body::Body;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt as _;
use wecomgw::grpc::pb::message_service_client::MessageServiceClient;

use super::beside::{self, Beside, Harm};
use super::channel;
use crate::http2::{self, ENHANCE_YOUR_CALM, Flood, REFUSED_STREAM};
use crate::process::Gateway;
use crate::world::{Engine, World};

/// Timings are those of the shipped binary; one that is not optimised gets this much more.
const SLACK: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

/// A gateway that takes from this machine alone what it takes from all.
async fn gateway(world: &World) -> Gateway {
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__CONNECTIONS_PER_IP", 1024);
    gateway.start().await;
    gateway
}

const SILENT: usize = 500;
/// The deadline of handshake and preface, and a second for 500 of them.
const CLOSED: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(6);
const SILENT_P99: Duration = Duration::from_millis(50);

/// How long after its connection each of these was closed: the first and the last.
async fn silence(address: SocketAddr, says: &[&'static [u8]]) -> (Duration, Duration) {
    let mut sockets = JoinSet::new();
    for number in 0..SILENT {
        let word = says[number % says.len()];
        sockets.spawn(async move {
            let begun = Instant::now();
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(word).await.unwrap();
            let mut rest = [0; 1024];
            while matches!(socket.read(&mut rest).await, Ok(1..)) {}
            begun.elapsed()
        });
    }
    let times = sockets.join_all().await;
    (
        times.iter().copied().min().unwrap(),
        times.iter().copied().max().unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings"]
async fn s1() {
    let world = World::new(Engine::Sqlite, 10);
    let mut gateway = gateway(&world).await;
    let beside = Beside::start(&gateway, channel(gateway.address)).await;
    let half = http2::PREFACE.split_at(10).0;
    let plain = silence(gateway.address, &[b"", half]).await;
    let plain_harm = beside.stop().await;

    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["gateway.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    for (setting, file, content) in [
        ("GRPC__TLS_CERT_FILE", "tls.crt", certificate.clone()),
        ("GRPC__TLS_KEY_FILE", "tls.key", key.serialize_pem()),
    ] {
        let path = folder.path().join(file);
        std::fs::write(&path, content).unwrap();
        gateway.set(setting, path.display());
    }
    gateway.kill();
    gateway.start().await;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(certificate))
        .domain_name("gateway.test");
    let secure = Endpoint::from_shared(format!("https://{}", gateway.address)).unwrap();
    let secure = secure.tls_config(tls).unwrap().connect().await.unwrap();
    let beside = Beside::start(&gateway, secure).await;
    // The head of a TLS record of 512 bytes, and of a ClientHello in it.
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let tls = silence(gateway.address, &[b"", hello]).await;
    let tls_harm = beside.stop().await;
    println!(
        "S1: {SILENT} sockets that say nothing or half a preface closed after {plain:?}, others {plain_harm:?}; {SILENT} that say nothing or half a ClientHello after {tls:?}, others {tls_harm:?}"
    );
    for (first, last) in [plain, tls] {
        assert!(CLOSED.contains(&first) && CLOSED.contains(&last));
    }
    for harm in [plain_harm, tls_harm] {
        assert!(harm.p99 < SILENT_P99 * SLACK, "{harm:?}");
    }
}

const STREAMS: u32 = 20_000;
const FLOOD_MIB: f64 = 20.0;
const FLOOD_P99: Duration = Duration::from_millis(100);

fn within(name: &str, harm: &Harm) {
    assert!(harm.grown_mib < FLOOD_MIB, "{name}: {harm:?}");
    assert!(harm.p99 < FLOOD_P99 * SLACK, "{name}: {harm:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings and memory"]
async fn s2() {
    let world = World::new(Engine::Sqlite, 10);
    let gateway = gateway(&world).await;
    let beside = Beside::start(&gateway, channel(gateway.address)).await;
    let stay = Duration::from_secs(1);
    let seen = http2::flood(gateway.address, vec![], http2::open, STREAMS, stay).await;
    let harm = beside.stop().await;
    println!("S2: {STREAMS} half-open calls on one connection: {seen:?}; others {harm:?}");
    assert_eq!(seen.max_concurrent_streams, Some(100));
    let refused = seen.resets.get(&REFUSED_STREAM).copied();
    let refused_all = refused == Some(STREAMS - 100);
    assert!(refused_all || seen.goaway == Some(ENHANCE_YOUR_CALM));
    within("streams", &harm);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings and memory"]
async fn s3() {
    let world = World::new(Engine::Sqlite, 10);
    let gateway = gateway(&world).await;
    for Flood {
        name,
        first,
        unit,
        count,
    } in http2::floods()
    {
        let beside = Beside::start(&gateway, channel(gateway.address)).await;
        let stay = Duration::from_millis(500);
        let seen = http2::flood(gateway.address, first, unit, count, stay).await;
        let harm = beside.stop().await;
        println!("S3 {name}: {count} times: {seen:?}; others {harm:?}");
        within(name, &harm);
        match name {
            "rapid reset" | "CONTINUATION" | "empty DATA" => {
                assert_eq!(seen.goaway, Some(ENHANCE_YOUR_CALM), "{name}");
            }
            // Each call ends with 431, or all of them with the connection.
            "20 KB headers" => {
                let refused = seen.all_resets() + seen.headers >= count;
                assert!(refused || seen.goaway.is_some(), "{name}");
            }
            _ => {}
        }
    }
}

const DESCRIPTORS: u32 = 256;
const CROWD: usize = 400;
/// Of one core.
const STARVED_CPU: f64 = 0.1;
const SERVES_AGAIN: Duration = Duration::from_secs(1);
const STARVE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "timings"]
async fn s4() {
    let world = World::new(Engine::Sqlite, 10);
    let mut gateway = world.gateway("gateway");
    gateway.set("GRPC__CONNECTIONS_PER_IP", 1024);
    let limit = format!("ulimit -n {DESCRIPTORS}; exec \"$@\"");
    gateway.wrapper = ["sh", "-c", &limit, "sh"].map(str::to_owned).into();
    gateway.start().await;
    let greet = (0..CROWD).map(|_| http2::greet(gateway.address));
    let crowd = futures_util::future::try_join_all(greet).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let (open, before) = (gateway.descriptors(), gateway.cpu());
    sleep(STARVE).await;
    let share = (gateway.cpu() - before).as_secs_f64() / STARVE.as_secs_f64();
    drop(crowd);
    let begun = Instant::now();
    let mut client = MessageServiceClient::new(channel(gateway.address));
    client.validate_message(beside::check(0)).await.unwrap();
    let again = begun.elapsed();
    println!(
        "S4: {CROWD} connections to a process of {DESCRIPTORS} descriptors, {open} of them open: {:.1} % of a core; calls again after {again:?}",
        share * 100.0
    );
    assert!(open >= DESCRIPTORS as usize - 8, "it had descriptors left");
    assert!(share < STARVED_CPU);
    assert!(again < SERVES_AGAIN);
}

const BOMB_MIB: f64 = 16.0;

/// A call made of these bytes, as a client would make it that has no library.
async fn raw_call(address: SocketAddr, encoding: Option<&str>, body: Vec<u8>) -> Status {
    let request = http::Request::post(format!(
        "http://{address}/wecomgw.v1.MessageService/SendMessage"
    ))
    .header("te", "trailers")
    .header("content-type", "application/grpc");
    let request = match encoding {
        Some(encoding) => request.header("grpc-encoding", encoding),
        None => request,
    };
    let request = request.body(Body::new(Full::from(body))).unwrap();
    let response = channel(address).oneshot(request).await.unwrap();
    Status::from_header_map(response.headers()).expect("an answer without a message")
}

fn framed(flag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "memory"]
async fn s5() {
    let world = World::new(Engine::Sqlite, 10);
    let gateway = gateway(&world).await;
    let zeros = "head -c 1073741824 /dev/zero | gzip -9";
    let zipped = Command::new("sh").args(["-c", zeros]).output().unwrap();
    let large = vec![0x0a; 5 * 1024 * 1024 + 1];
    for (name, encoding, body) in [
        ("5 MiB and a byte", None, framed(0, &large)),
        ("gzip of 1 GiB", Some("gzip"), framed(1, &zipped.stdout)),
    ] {
        let size = body.len();
        let beside = Beside::start(&gateway, channel(gateway.address)).await;
        let begun = Instant::now();
        let status = raw_call(gateway.address, encoding, body).await;
        let took = begun.elapsed();
        sleep(Duration::from_millis(500)).await;
        let harm = beside.stop().await;
        println!(
            "S5 {name}, {size} bytes: {:?} {:?} after {took:?}; others {harm:?}",
            status.code(),
            status.message()
        );
        assert_eq!(status.code(), Code::ResourceExhausted, "{name}: {status:?}");
        assert!(harm.grown_mib < BOMB_MIB, "{name}: {harm:?}");
    }
}
