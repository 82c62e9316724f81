//! Ways to WeCom other than the straight one: a relay under a path, a proxy, a
//! certificate authority of one's own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use tokio_util::sync::CancellationToken;
use wecomgw::grpc::pb::GetAccessTokenRequest;
use wecomgw::sandbox;

use super::harness::{Process, SandboxHandle, World, text_to, verdict};

/// Hands requests on to the sandbox, the request line rewritten.
struct Relay {
    address: String,
    requests: Arc<AtomicUsize>,
    gone: CancellationToken,
}

impl Relay {
    async fn start(
        sandbox: &SandboxHandle,
        tls: Option<TlsAcceptor>,
        rewrite: fn(&str) -> String,
    ) -> Self {
        Self::start_at("127.0.0.1:0", sandbox, tls, rewrite).await
    }

    async fn start_at(
        address: &str,
        sandbox: &SandboxHandle,
        tls: Option<TlsAcceptor>,
        rewrite: fn(&str) -> String,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(AtomicUsize::new(0));
        let gone = CancellationToken::new();
        let target = sandbox.url.trim_start_matches("http://").to_owned();
        let count = requests.clone();
        let end = gone.clone();
        let serve = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, target, count) = (tls.clone(), target.clone(), count.clone());
                let relay = async move {
                    // A client that goes away ends its relay.
                    let _ = match tls {
                        Some(tls) => {
                            relay(tls.accept(stream).await.unwrap(), &target, rewrite, &count).await
                        }
                        None => relay(stream, &target, rewrite, &count).await,
                    };
                };
                tokio::spawn(end.clone().run_until_cancelled_owned(relay));
            }
        };
        tokio::spawn(gone.clone().run_until_cancelled_owned(serve));
        Self {
            address,
            requests,
            gone,
        }
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

#[tokio::test]
async fn an_address_of_ipv6_is_written_in_brackets() {
    let demo = sandbox::Settings::demo("[::1]:0".parse().unwrap());
    let sandbox = SandboxHandle::start_with(demo).await;
    assert!(sandbox.url.starts_with("http://[::1]:"), "{}", sandbox.url);
    let world = World::start_with(sandbox, "").await;
    let send = text_to("zhangsan", "over IPv6");
    world.messages().send_message(send).await.unwrap();
    assert_eq!(world.sandbox.messages().await.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_unavailable() {
    let overlay = "[wecom]\nbase_url = \"http://wecom.invalid\"\ninsecure_http = true\n";
    let world = World::start_with(SandboxHandle::start().await, overlay).await;
    let mut send = tonic::Request::new(text_to("zhangsan", "to nowhere"));
    send.set_timeout(Duration::from_secs(3));
    let status = world.messages().send_message(send).await.unwrap_err();
    let unreachable = (tonic::Code::Unavailable, "WECOM_UNREACHABLE".to_owned());
    assert_eq!(verdict(&status), unreachable);
    world.stop().await;
}

/// The bar: a new address behind a name is used so soon.
const MOVED: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "as root: it puts a file in the place of /etc/hosts, for one process"]
#[expect(
    clippy::disallowed_macros,
    reason = "a figure for docs/RELIABILITY.md, seen with --nocapture"
)]
async fn a_name_that_moves_is_followed() {
    let sandbox = SandboxHandle::start().await;
    let old = Relay::start_at("127.0.0.2:0", &sandbox, None, str::to_owned).await;
    let port = old.address.rsplit(':').next().unwrap();
    let new = format!("127.0.0.3:{port}");
    let new = Relay::start_at(&new, &sandbox, None, str::to_owned).await;
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let point_to = |address: &str| {
        let line = format!("127.0.0.1 localhost\n{address} wecom.localhost\n");
        std::fs::write(hosts.path(), line).unwrap();
    };
    point_to("127.0.0.2");
    let mount = format!(
        "mount --bind {} /etc/hosts && exec \"$@\"",
        hosts.path().display()
    );
    let by = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
    let url = format!("http://wecom.localhost:{port}");
    let by = [&by[..], &["env", "WECOMGW_WECOM__INSECURE_HTTP=true"]].concat();
    let process = Process::start_by(&by, &url).await;
    let mut messages = process.messages();
    let mut send = async || messages.send_message(text_to("zhangsan", "hello")).await;
    send().await.unwrap();
    assert!(old.requests() >= 2 && new.requests() == 0);
    point_to("127.0.0.3");
    old.gone.cancel();
    let begun = tokio::time::Instant::now();
    while send().await.is_err() {
        assert!(begun.elapsed() < MOVED);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("followed after {:?}", begun.elapsed());
    assert!(new.requests() >= 1);
    process.kill();
}

/// Shifts the wall clock of a process by a file that libfaketime reads; the monotonic
/// clock goes on.
#[tokio::test]
#[ignore = "needs Debian's package libfaketime"]
async fn a_wall_clock_that_jumps_an_hour_changes_nothing() {
    const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";
    let sandbox = SandboxHandle::start().await;
    let shift = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(shift.path(), "+0").unwrap();
    let by = [
        "env".to_owned(),
        format!("LD_PRELOAD={LIBRARY}"),
        format!("FAKETIME_TIMESTAMP_FILE={}", shift.path().display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
    ];
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let process = Process::start_by(&by, &sandbox.url).await;
    let mut messages = process.messages();
    let mut auth = process.auth();
    // What the process takes for now.
    let mut clock = async || {
        let request: GetAccessTokenRequest =
            super::harness::example("GetAccessTokenRequest", "get_access_token");
        let reply = auth.get_access_token(request).await.unwrap().into_inner();
        reply.expires_at.unwrap().seconds
    };
    let mut sent = 0;
    let mut send = async || {
        for _ in 0..50 {
            let user = format!("nobody{sent}");
            sent += 1;
            // Nobody of that name is there, which WeCom says with a good token only.
            let status = messages
                .send_message(text_to(&user, "tick"))
                .await
                .unwrap_err();
            assert_eq!(verdict(&status).1, "ALL_RECIPIENTS_INVALID", "{status:?}");
        }
    };
    send().await;
    let fetched = sandbox.calls("gettoken").await.len();
    let begun = clock().await;
    for (jump, seconds) in [("+3600", 3600), ("-3600", -3600), ("+0", 0)] {
        std::fs::write(shift.path(), jump).unwrap();
        send().await;
        let now = clock().await;
        assert!(
            (begun + seconds..begun + seconds + 60).contains(&now),
            "{jump}: {begun} {now}"
        );
    }
    assert_eq!(sandbox.calls("gettoken").await.len(), fetched);
    process.kill();
}
