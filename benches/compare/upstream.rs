//! The trivial upstream: HTTP/1.1 with keep-alive, two constant answers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Outcome, process};

/// As long as a real token.
pub(crate) const TOKEN_LENGTH: usize = 214;

/// Listens on a free port, prints it, and answers for ever.
pub(crate) async fn run() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    process::ready(&format!("http://{}", listener.local_addr()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let token = format!(
        r#"{{"errcode":0,"errmsg":"ok","access_token":"{}","expires_in":7200}}"#,
        "t".repeat(TOKEN_LENGTH)
    );
    let token = answer(&token);
    let sent = answer(
        r#"{"errcode":0,"errmsg":"ok","msgid":"bench-message-0123456789012345678901234567890123"}"#,
    );
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        while let Some(length) = whole_request(&buffer) {
            let is_token = buffer.starts_with(b"GET");
            buffer.drain(..length);
            stream
                .write_all(if is_token { &token } else { &sent })
                .await?;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

fn answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Length of the first request in `buffer`, once all of it is there.
fn whole_request(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let body = text
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    (buffer.len() >= head + body).then_some(head + body)
}
