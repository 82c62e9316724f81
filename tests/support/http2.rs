//! HTTP/2 frames by hand, for what no honest client sends. Knows nothing of the gateway but the
//! path of a call; include it with `#[path]`.

#![allow(dead_code, reason = "no one user needs all of it")]
#![allow(unreachable_pub, reason = "its users stand in different places")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

// Frames, RFC 9113 §6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
// Flags.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
// Error codes, RFC 9113 §7.
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;
/// Setting, RFC 9113 §6.5.2.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;

/// What a client says first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a SendMessage, in HPACK without a table (RFC 7541 §6.2.2).
pub(crate) fn call_headers() -> Vec<u8> {
    headers_of("/wecomgw.v1.MessageService/SendMessage", true)
}

/// The headers of a call, with or without the `te` that gRPC asks for.
pub(crate) fn headers_of(path: &str, te: bool) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    };
    literal(&[0x04], path);
    literal(&[0x01], "gateway");
    literal(&[0x0f, 0x10], "application/grpc");
    if te {
        literal(&[0x00, 2, b't', b'e'], "trailers");
    }
    block
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of the server's first SETTINGS.
    pub(crate) max_concurrent_streams: Option<u32>,
    pub(crate) goaway: Option<u32>,
    /// Streams that were reset, by error code.
    pub(crate) resets: BTreeMap<u32, u32>,
    pub(crate) headers: u32,
}

impl Seen {
    pub(crate) fn all_resets(&self) -> u32 {
        self.resets.values().sum()
    }

    fn take(&mut self, kind: u8, payload: &[u8]) {
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match kind {
            GOAWAY => self.goaway = Some(number(4)),
            RST_STREAM => *self.resets.entry(number(0)).or_default() += 1,
            HEADERS => self.headers += 1,
            SETTINGS => {
                let max = payload
                    .chunks_exact(6)
                    .find(|entry| entry[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
                let max = max.map(|entry| u32::from_be_bytes(entry[2..].try_into().unwrap()));
                self.max_concurrent_streams = self.max_concurrent_streams.or(max);
            }
            _ => {}
        }
    }
}

/// Kind and payload of the next frame; `None` at the end.
pub(crate) async fn next(reader: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload).await.ok()?;
    Some((head[3], payload))
}

async fn read(mut reader: OwnedReadHalf) -> Seen {
    let mut seen = Seen::default();
    while let Some((kind, payload)) = next(&mut reader).await {
        seen.take(kind, &payload);
    }
    seen
}

/// Connects and says what a client says first.
pub(crate) async fn greet(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&greeting).await?;
    Ok(stream)
}

/// Opens a connection, writes `first` and then `unit` again and again, stays for `stay`, and
/// leaves. A peer that stops reading for five seconds has defended itself too.
pub(crate) async fn flood(
    address: SocketAddr,
    first: Vec<u8>,
    unit: impl Fn(u32) -> Vec<u8>,
    count: u32,
    stay: Duration,
) -> Seen {
    let stream = greet(address).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(read(reader));
    let write = async {
        writer.write_all(&first).await?;
        for index in 0..count {
            writer.write_all(&unit(index)).await?;
        }
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), write).await;
    tokio::time::sleep(stay).await;
    drop(writer);
    let ended = tokio::time::timeout(Duration::from_secs(5), reading).await;
    ended.expect("the connection ends").unwrap()
}

/// A flood of frames: its name, what goes before it, what is repeated, how often.
pub(crate) struct Flood {
    pub(crate) name: &'static str,
    pub(crate) first: Vec<u8>,
    pub(crate) unit: Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>,
    pub(crate) count: u32,
}

fn a_flood(
    name: &'static str,
    first: Vec<u8>,
    count: u32,
    unit: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static,
) -> Flood {
    let unit = Box::new(unit);
    Flood {
        name,
        first,
        unit,
        count,
    }
}

/// A call without its message.
pub(crate) fn open(index: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 2 * index + 1, &call_headers())
}

/// Every kind that a server must live with.
pub(crate) fn floods() -> Vec<Flood> {
    let mut large = [&call_headers()[..], &[0x00, 5], b"x-big"].concat();
    // A length of 20 000 behind a prefix of 7 bits (RFC 7541 §5.1).
    large.extend([0x7f, 0xa1, 0x9b, 0x01]);
    large.extend(vec![b'a'; 20_000]);
    let large_headers = move |index: u32| {
        let (first, rest) = large.split_at(16_384);
        let stream = 2 * index + 1;
        let rest = frame(CONTINUATION, END_HEADERS, stream, rest);
        [frame(HEADERS, 0, stream, first), rest].concat()
    };
    let reset = |index: u32| {
        let reset = frame(RST_STREAM, 0, 2 * index + 1, &CANCEL.to_be_bytes());
        [open(index), reset].concat()
    };
    let endless = frame(HEADERS, 0, 1, &call_headers());
    // The head of a message that would be as long as messages may be.
    let began = frame(DATA, 0, 1, &[0, 0, 0x40, 0, 0]);
    vec![
        a_flood("rapid reset", vec![], 5000, reset),
        a_flood("CONTINUATION", endless, 100_000, |_| {
            frame(CONTINUATION, 0, 1, &[0x00, 1, b'x', 1, b'y'])
        }),
        a_flood("20 KB headers", vec![], 50, large_headers),
        a_flood("empty DATA", open(0), 200_000, |_| frame(DATA, 0, 1, &[])),
        a_flood("tiny DATA", [open(0), began].concat(), 200_000, |_| {
            frame(DATA, 0, 1, &[0])
        }),
        a_flood("PING", vec![], 100_000, |_| frame(PING, 0, 0, &[7; 8])),
        a_flood("SETTINGS", vec![], 100_000, |_| frame(SETTINGS, 0, 0, &[])),
    ]
}
