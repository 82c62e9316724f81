//! HTTP/2 frames by hand, for what a well-behaved client never shows.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) payload: Vec<u8>,
}

pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connected")
}

/// Connects and says what a client says first.
pub(super) async fn greet(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(PREFACE).await.expect("written");
    stream.write_all(&EMPTY_SETTINGS).await.expect("written");
    stream
}

/// The next frame, or `None` at the connection's end.
pub(super) async fn frame(stream: &mut TcpStream) -> Option<Frame> {
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.ok()?;
    let [a, b, c, kind, ..] = header;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, payload })
}

/// The first frame of `kind`, skipping others.
pub(super) async fn frame_of(stream: &mut TcpStream, kind: u8) -> Frame {
    within_bound("a frame of the kind", async {
        loop {
            let frame = frame(stream).await.expect("the connection is open");
            if frame.kind == kind {
                return frame;
            }
        }
    })
    .await
}

/// Waits for the connection's end, by close or reset, whatever comes before it.
pub(super) async fn closed(stream: &mut TcpStream) {
    within_bound("the connection's end", async {
        let mut buffer = [0; 1024];
        while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
    })
    .await;
}
