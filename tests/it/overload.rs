//! More than the gateway takes: too many calls, and frames that no honest client sends.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wecomgw::grpc::pb;

use super::harness::{Process, SandboxHandle, World, text_to, verdict};

#[tokio::test]
async fn calls_over_the_limit_are_refused_at_once_and_told_when_to_return() {
    let overlay = "[grpc]\nunary_calls = 4\n";
    let world = World::start_with(SandboxHandle::start().await, overlay).await;
    world
        .messages()
        .send_message(text_to("zhangsan", "first"))
        .await
        .unwrap();
    let slow = json!({"kind": "latency_ms", "latency_ms": 1500});
    world.sandbox.fault("message/send", slow, 4).await;
    let send = |user: usize| {
        let mut client = world.messages();
        let request = text_to("lisi", &format!("text {user}"));
        tokio::spawn(async move {
            let began = Instant::now();
            let answer = client.send_message(request).await.map(drop);
            (answer, began.elapsed())
        })
    };
    let admitted: Vec<_> = (0..4).map(send).collect();
    while world.sandbox.calls("message/send").await.len() < 5 {
        tokio::task::yield_now().await;
    }
    for refused in (4..24).map(send).collect::<Vec<_>>() {
        let (answer, took) = refused.await.unwrap();
        let status: Status = answer.unwrap_err();
        let expected = (Code::ResourceExhausted, "OVERLOADED".to_owned());
        assert_eq!(verdict(&status), expected);
        let details = status.get_error_details();
        let wait = details.retry_info().unwrap().retry_delay.unwrap();
        let bounds = Duration::from_millis(100)..=Duration::from_millis(500);
        assert!(bounds.contains(&wait), "{wait:?}");
        assert!(took < Duration::from_millis(1000), "{took:?}");
    }
    for admitted in admitted {
        admitted.await.unwrap().0.unwrap();
    }
    // Who was refused reached nobody, and now there is room again.
    assert_eq!(world.sandbox.calls("message/send").await.len(), 5);
    world
        .messages()
        .send_message(text_to("zhangsan", "again"))
        .await
        .unwrap();
    let metrics = world.metrics().await;
    assert!(
        metrics.contains("wecomgw_shed_total{reason=\"unary\"} 20"),
        "{metrics}"
    );
    world.stop().await;
}

// HTTP/2 frames, RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 0xb;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a SendMessage, in HPACK without a table (RFC 7541 §6.2.2).
fn call_headers() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    };
    literal(&[0x04], "/wecomgw.v1.MessageService/SendMessage");
    literal(&[0x01], "gateway");
    literal(&[0x0f, 0x10], "application/grpc");
    literal(&[0x00, 2, b't', b'e'], "trailers");
    block
}

/// What came back during a flood.
#[derive(Debug, Default)]
struct Seen {
    goaway: Option<u32>,
    resets: u32,
    headers: u32,
}

/// Opens a connection, writes `first` and then `unit` again and again.
async fn flood(address: &str, first: Vec<u8>, unit: impl Fn(u32) -> Vec<u8>, count: u32) -> Seen {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut seen = Seen::default();
        let mut head = [0; 9];
        while reader.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if reader.read_exact(&mut payload).await.is_err() {
                break;
            }
            match head[3] {
                GOAWAY => {
                    let code = payload[4..8].try_into().unwrap();
                    seen.goaway = Some(u32::from_be_bytes(code));
                }
                RST_STREAM => seen.resets += 1,
                HEADERS => seen.headers += 1,
                _ => {}
            }
        }
        seen
    });
    let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opening.extend(frame(SETTINGS, 0, 0, &[]));
    opening.extend(first);
    let write = async {
        writer.write_all(&opening).await?;
        for index in 0..count {
            writer.write_all(&unit(index)).await?;
        }
        std::io::Result::Ok(())
    };
    // A peer that stops reading has defended itself too.
    let _ = tokio::time::timeout(Duration::from_secs(5), write).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(writer);
    let ended = tokio::time::timeout(Duration::from_secs(5), reading).await;
    ended.expect("the connection ends").unwrap()
}

/// Resident bytes of a process.
fn resident(id: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{id}/statm")).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn floods_of_frames_cost_their_own_connection_and_nobody_else_anything() {
    let sandbox = SandboxHandle::start().await;
    let gateway = Process::start(&sandbox).await;
    let address = gateway.grpc.trim_start_matches("http://").to_owned();
    gateway
        .messages()
        .send_message(text_to("zhangsan", "first"))
        .await
        .unwrap();

    let open = |index: u32| frame(HEADERS, END_HEADERS, 2 * index + 1, &call_headers());
    let mut large = vec![0x00, 5];
    large.extend(b"x-big");
    // A length of 20 000 behind a prefix of 7 bits (RFC 7541 §5.1).
    large.extend([0x7f, 0xa1, 0x9b, 0x01]);
    large.extend(vec![b'a'; 20_000]);
    let large = [call_headers(), large].concat();
    type Unit = Box<dyn Fn(u32) -> Vec<u8>>;
    let floods: [(&str, Vec<u8>, Unit, u32); 6] = [
        (
            "rapid reset",
            vec![],
            Box::new(move |index| {
                let reset = frame(RST_STREAM, 0, 2 * index + 1, &8u32.to_be_bytes());
                [open(index), reset].concat()
            }),
            5000,
        ),
        (
            "CONTINUATION",
            frame(HEADERS, 0, 1, &call_headers()),
            Box::new(|_| frame(CONTINUATION, 0, 1, &[0x00, 1, b'x', 1, b'y'])),
            100_000,
        ),
        (
            "20 KB headers",
            vec![],
            Box::new(move |index| {
                let (first, rest) = large.split_at(16_384);
                let stream = 2 * index + 1;
                [
                    frame(HEADERS, 0, stream, first),
                    frame(CONTINUATION, END_HEADERS, stream, rest),
                ]
                .concat()
            }),
            50,
        ),
        (
            "empty DATA",
            frame(HEADERS, END_HEADERS, 1, &call_headers()),
            Box::new(|_| frame(DATA, 0, 1, &[])),
            200_000,
        ),
        (
            "PING",
            vec![],
            Box::new(|_| frame(PING, 0, 0, &[7; 8])),
            100_000,
        ),
        (
            "SETTINGS",
            vec![],
            Box::new(|_| frame(SETTINGS, 0, 0, &[])),
            100_000,
        ),
    ];
    for (name, first, unit, count) in floods {
        let before = resident(gateway.id());
        let other = tokio::spawn({
            let mut client = gateway.messages();
            async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..20 {
                    let began = Instant::now();
                    let check = pb::ValidateMessageRequest {
                        message: Some(text_to("zhangsan", "hello")),
                    };
                    client.validate_message(check).await.unwrap();
                    slowest = slowest.max(began.elapsed());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                slowest
            }
        });
        let seen = flood(&address, first, unit, count).await;
        let slowest = other.await.unwrap();
        let grown = resident(gateway.id()).saturating_sub(before);
        match name {
            "rapid reset" | "CONTINUATION" | "empty DATA" => {
                assert_eq!(seen.goaway, Some(ENHANCE_YOUR_CALM), "{name}: {seen:?}");
            }
            "20 KB headers" => {
                let refused = seen.goaway.is_some() || seen.resets + seen.headers >= 50;
                assert!(refused, "{name}: {seen:?}");
            }
            _ => {}
        }
        assert!(grown < 20 << 20, "{name}: {grown} bytes");
        // The bar is 100 ms for the shipped binary; this one is not optimised.
        assert!(slowest < Duration::from_secs(1), "{name}: {slowest:?}");
    }
    gateway.kill();
}
