//! Ways to WeCom other than the straight one: a relay under a path, a proxy, a
//! certificate authority of one's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::harness::{SandboxHandle, World, text_to};

/// Hands requests on to the sandbox, the request line rewritten.
struct Relay {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(
        sandbox: &SandboxHandle,
        tls: Option<TlsAcceptor>,
        rewrite: fn(&str) -> String,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let target = sandbox.url.trim_start_matches("http://").to_owned();
        let count = requests.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, target, count) = (tls.clone(), target.clone(), count.clone());
                tokio::spawn(async move {
                    // A client that goes away ends its relay.
                    let _ = match tls {
                        Some(tls) => {
                            relay(tls.accept(stream).await.unwrap(), &target, rewrite, &count).await
                        }
                        None => relay(stream, &target, rewrite, &count).await,
                    };
                });
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn relay(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    target: &str,
    rewrite: fn(&str) -> String,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    loop {
        let (head, body) = message(&mut client).await?;
        count.fetch_add(1, Ordering::SeqCst);
        let (line, rest) = head.split_once("\r\n").unwrap();
        server
            .write_all(format!("{}\r\n{rest}", rewrite(line)).as_bytes())
            .await?;
        server.write_all(&body).await?;
        let (head, body) = message(&mut server).await?;
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await?;
    }
}

/// One HTTP/1.1 message with a length: head and body.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

#[tokio::test]
async fn a_path_prefix_stands_before_every_call() {
    let sandbox = SandboxHandle::start().await;
    let relay = Relay::start(&sandbox, None, |line| {
        line.replacen(" /wecom/cgi-bin/", " /cgi-bin/", 1)
    })
    .await;
    let overlay = format!("[wecom]\nbase_url = \"http://{}/wecom\"\n", relay.address);
    let world = World::start_with(sandbox, &overlay).await;
    world
        .messages()
        .send_message(text_to("zhangsan", "by a relay"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    assert!(relay.requests() >= 2, "gettoken and message/send");
    world.stop().await;
}

#[tokio::test]
async fn a_proxy_carries_every_call() {
    let sandbox = SandboxHandle::start().await;
    // To a plain address a proxy gets the whole URL in the request line.
    let relay = Relay::start(&sandbox, None, |line| {
        let (method, rest) = line
            .split_once(" http://wecom.example.com")
            .expect("absolute form");
        format!("{method} {rest}")
    })
    .await;
    let overlay = format!(
        "[wecom]\nbase_url = \"http://wecom.example.com\"\ninsecure_http = true\nproxy = \"http://{}\"\n",
        relay.address
    );
    let world = World::start_with(sandbox, &overlay).await;
    world
        .messages()
        .send_message(text_to("zhangsan", "by a proxy"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    assert!(relay.requests() >= 2);
    world.stop().await;
}

#[tokio::test]
async fn a_certificate_authority_of_ones_own_is_trusted_where_it_is_named() {
    let sandbox = SandboxHandle::start().await;
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let relay = Relay::start(&sandbox, Some(Arc::new(tls).into()), str::to_owned).await;
    let port = relay.address.rsplit(':').next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();

    let trusting = format!(
        "[wecom]\nbase_url = \"https://localhost:{port}\"\nca_file = \"{}\"\n",
        ca_file.display()
    );
    let world = World::start_with(sandbox, &trusting).await;
    world
        .messages()
        .send_message(text_to("zhangsan", "by TLS"))
        .await
        .unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    let (sandbox, _) = world.stop().await;

    let strange = format!("[wecom]\nbase_url = \"https://localhost:{port}\"\n");
    let world = World::start_with(sandbox, &strange).await;
    let status = world
        .messages()
        .send_message(text_to("zhangsan", "no"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

/// A CONNECT proxy that leads every name to `target`, and keeps what it is told.
async fn tunnel(target: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (target, kept) = (target.clone(), kept.clone());
            tokio::spawn(async move {
                let (head, _) = message(&mut client).await.unwrap();
                kept.lock().unwrap().push(head);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                // Either side may end it.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn over_https_a_proxy_sees_the_name_of_wecom_and_nothing_more() {
    let sandbox = SandboxHandle::start().await;
    let certified = rcgen::generate_simple_self_signed(["wecom.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let relay = Relay::start(&sandbox, Some(Arc::new(tls).into()), str::to_owned).await;
    let (proxy, heads) = tunnel(relay.address.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();
    let overlay = format!(
        "[wecom]\nbase_url = \"https://wecom.test\"\nproxy = \"http://user:password@{proxy}\"\nca_file = \"{}\"\n",
        ca_file.display()
    );
    let world = World::start_with(sandbox, &overlay).await;
    let send = text_to("zhangsan", "through a tunnel");
    world.messages().send_message(send).await.unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    assert!(relay.requests() >= 2, "gettoken and message/send");
    let heads = heads.lock().unwrap().clone();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(
            head.starts_with("CONNECT wecom.test:443 HTTP/1.1\r\n"),
            "{head}"
        );
        let credentials = head
            .to_ascii_lowercase()
            .contains("proxy-authorization: basic ");
        assert!(credentials && !head.contains("cgi-bin"), "{head}");
    }
    world.stop().await;
}
