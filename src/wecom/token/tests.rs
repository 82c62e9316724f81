//! The token under every behaviour that gettoken may have, against a small
//! server that shows each of them. Time is paused and moved by hand.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::advance;
use tokio_util::sync::CancellationToken;

use super::*;

/// How gettoken answers a question while its last token still lives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// The same token with the life it has left.
    Same,
    /// The same token with a new life.
    SameRenewed,
    /// A new token each time; whether the old one lives on does not show here.
    New,
    /// Refuses the secret.
    Refuse,
    /// Closes the connection.
    Down,
}

struct Gettoken {
    mode: Mutex<Mode>,
    asked: AtomicUsize,
    /// Number and end of the last token.
    last: Mutex<(usize, Instant)>,
    /// Answers are on their way while it is held.
    gate: AsyncMutex<()>,
}

const LIFE: Duration = Duration::from_secs(7200);

impl Gettoken {
    async fn start(mode: Mode) -> (Arc<Self>, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let server = Arc::new(Self {
            mode: Mutex::new(mode),
            asked: AtomicUsize::new(0),
            last: Mutex::new((0, Instant::now())),
            gate: AsyncMutex::default(),
        });
        let this = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let Some(answer) = this.answer() else { return };
                        drop(this.gate.lock().await);
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                            answer.len()
                        );
                        stream.write_all((head + &answer).as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (server, url)
    }

    fn answer(&self) -> Option<String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mode = *self.mode.lock().unwrap();
        let now = Instant::now();
        let mut last = self.last.lock().unwrap();
        match mode {
            Mode::Refuse => {
                return Some(r#"{"errcode":40001,"errmsg":"invalid credential"}"#.into());
            }
            Mode::Down => return None,
            Mode::Same if last.1 > now => {}
            Mode::SameRenewed if last.1 > now => last.1 = now + LIFE,
            _ => *last = (last.0 + 1, now + LIFE),
        }
        let left = (last.1 - now).as_secs();
        Some(format!(
            r#"{{"errcode":0,"access_token":"token-{}","expires_in":{left}}}"#,
            last.0
        ))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

async fn source(mode: Mode) -> (Arc<Gettoken>, Source) {
    let (server, base_url) = Gettoken::start(mode).await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let app = Resolved {
        call_timeout: FETCH_TIMEOUT,
        name: "youxiao".into(),
        corp_id: "ww1".into(),
        agent_id: 1,
        secret: SecretString::from("secret"),
        contacts_secret: None,
        contacts_details: false,
        base_url,
        proxy: None,
        ca_file: None,
        daily_person_messages: None,
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    (
        server,
        Source::new(app, http, Tokens::new(None), Metrics::default()),
    )
}

/// Keeps paused time from running ahead by itself while sockets are at work:
/// tokio does not while a blocking task runs. Ends with the returned sender.
fn hold_time() -> std::sync::mpsc::Sender<()> {
    let (sender, receiver) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || receiver.recv());
    sender
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Lets everything that is ready run, sockets included.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Like `yield_now`, which lets all others go first; this one keeps its place among
/// the tasks that are ready.
async fn next_in_line() {
    let mut asked = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_cold_callers_make_one_gettoken() {
    let (server, source) = source(Mode::New).await;
    let tokens = join_all((0..10_000).map(|_| source.get(soon()))).await;
    assert_eq!(server.asked(), 1);
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().generation == 1)
    );
}

#[tokio::test]
async fn ten_thousand_refusals_of_one_token_make_one_gettoken() {
    let (server, source) = source(Mode::New).await;
    let dead = source.get(soon()).await.unwrap();
    let renewed = join_all((0..10_000).map(|_| async {
        source.rejected(dead.generation).await;
        source.get(soon()).await.unwrap()
    }))
    .await;
    assert_eq!(server.asked(), 2);
    assert!(renewed.iter().all(|token| token.generation == 2));
}

#[tokio::test]
async fn a_late_refusal_never_drops_a_newer_token() {
    let (server, source) = source(Mode::New).await;
    let old = source.get(soon()).await.unwrap();
    source.rejected(old.generation).await;
    let new = source.get(soon()).await.unwrap();
    source.rejected(old.generation).await;
    assert_eq!(source.get(soon()).await.unwrap().generation, new.generation);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_token_refused_as_it_arrives_does_not_come_back() {
    let (server, source) = source(Mode::New).await;
    let first = tokio::spawn({
        let source = source.clone();
        async move { source.get(soon()).await }
    });
    // Finds it in the cache before the one who asked for it wakes.
    let second = tokio::spawn({
        let source = source.clone();
        async move {
            let token = loop {
                match source.live().await {
                    Some(token) => break token,
                    None => next_in_line().await,
                }
            };
            source.rejected(token.generation).await;
            source.get(soon()).await
        }
    });
    assert_eq!(second.await.unwrap().unwrap().generation, 2);
    first.await.unwrap().unwrap();
    assert_eq!(source.get(soon()).await.unwrap().generation, 2);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_token_refused_while_it_is_handed_out_again_is_asked_for_once_more() {
    let (server, source) = source(Mode::Same).await;
    let old = source.get(soon()).await.unwrap();
    let gate = server.gate.lock().await;
    let refresher = tokio::spawn({
        let (source, old) = (source.clone(), old.clone());
        async move { source.fetch(Some(&old)).await }
    });
    while server.asked() < 2 {
        tokio::task::yield_now().await;
    }
    source.rejected(old.generation).await;
    server.set(Mode::New);
    drop(gate);
    let token = source.get(soon()).await.unwrap();
    assert_eq!(token.secret.expose_secret(), "token-2");
    refresher.await.unwrap().unwrap();
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_token_for_the_others() {
    let (server, source) = source(Mode::New).await;
    let leader = tokio::spawn({
        let source = source.clone();
        async move { source.get(soon()).await }
    });
    tokio::task::yield_now().await;
    leader.abort();
    source.get(soon()).await.unwrap();
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_makes_fewer_than_ten_calls_in_ten_minutes() {
    let (server, source) = source(Mode::Refuse).await;
    let hold = hold_time();
    let refresher = tokio::spawn(source.clone().run(CancellationToken::new()));
    for _ in 0..600 {
        let error = source.get(soon()).await.unwrap_err();
        assert!(matches!(error, Error::Credential { .. }), "{error}");
        advance(Duration::from_secs(1)).await;
    }
    assert!((2..10).contains(&server.asked()), "{}", server.asked());
    let state = source.state().await;
    assert_eq!(state.last_errcode, Some(40001));
    assert!(state.retry_after.is_some() && state.failures_in_row > 1);

    // Mended in WeCom's console: it comes back without a restart.
    server.set(Mode::New);
    advance(REFUSED_REST.1).await;
    source.get(soon()).await.unwrap();
    assert_eq!(source.state().await.failures_in_row, 0);
    refresher.abort();
    drop(hold);
}

#[tokio::test(start_paused = true)]
async fn tokens_refused_again_and_again_are_kept_after_the_fifth() {
    let (server, source) = source(Mode::New).await;
    let hold = hold_time();
    for _ in 0..20 {
        let token = source.get(soon()).await.unwrap();
        source.rejected(token.generation).await;
    }
    assert_eq!(server.asked(), FORCED_REFRESHES + 1);
    // Calls of other paths go on with it, and it can be refused again later.
    let kept = source.get(soon()).await.unwrap();
    advance(FORCED_WINDOW).await;
    source.rejected(kept.generation).await;
    assert!(source.get(soon()).await.unwrap().generation > kept.generation);
    drop(hold);
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_in_its_last_second_is_replaced_whatever_was_refused_before() {
    let (_server, source) = source(Mode::New).await;
    let hold = hold_time();
    let token = source.get(soon()).await.unwrap();
    advance(LIFE - Duration::from_millis(500)).await;
    while source.may_force() {}
    source.rejected(token.generation).await;
    assert!(source.get(soon()).await.unwrap().generation > token.generation);
    drop(hold);
}

/// A day of virtual time in the given mode; gives how often gettoken was called
/// after the first token, and how many of the calls of every second waited for it.
async fn a_day(mode: Mode) -> (usize, usize) {
    let (server, source) = source(mode).await;
    let hold = hold_time();
    let refresher = tokio::spawn(source.clone().run(CancellationToken::new()));
    let mut waited = 0;
    for second in 0..86_400 {
        // Near the ends of tokens the refresher and its socket need a moment.
        if second % 7200 > 6500 || second % 7200 < 100 {
            tokio::task::yield_now().await;
        }
        waited += usize::from(source.live().await.is_none());
        source.get(soon()).await.unwrap();
        advance(Duration::from_secs(1)).await;
    }
    refresher.abort();
    drop(hold);
    (server.asked() - 1, waited - 1)
}

#[tokio::test(start_paused = true)]
async fn a_day_of_new_tokens_takes_thirteen_calls() {
    let (asked, waited) = a_day(Mode::New).await;
    assert!((12..=13).contains(&asked), "{asked}");
    assert_eq!(waited, 0);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_the_same_token_takes_at_most_forty_calls() {
    for mode in [Mode::Same, Mode::SameRenewed] {
        let (asked, waited) = a_day(mode).await;
        assert!((12..=40).contains(&asked), "{mode:?}: {asked}");
        // At the end of each token that WeCom does not replace before, and when a call
        // came in its last second.
        assert!(waited <= 2 * 12, "{mode:?}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_token_serves_while_gettoken_is_down() {
    let (server, source) = source(Mode::New).await;
    let hold = hold_time();
    let refresher = tokio::spawn(source.clone().run(CancellationToken::new()));
    source.get(soon()).await.unwrap();
    server.set(Mode::Down);
    advance(LIFE - Duration::from_secs(660)).await;
    for _ in 0..300 {
        settle().await;
        assert_eq!(source.get(soon()).await.unwrap().generation, 1);
        advance(Duration::from_secs(1)).await;
    }
    assert!(server.asked() > 2, "the refresher tries");
    server.set(Mode::New);
    for _ in 0..60 {
        settle().await;
        advance(Duration::from_secs(1)).await;
    }
    assert!(source.get(soon()).await.unwrap().generation > 1);
    refresher.abort();
    drop(hold);
}

#[tokio::test]
async fn nothing_prints_the_token() {
    let (_, source) = source(Mode::New).await;
    let token = source.get(soon()).await.unwrap();
    assert!(token.url("message/send").as_str().contains("token-1"));
    assert!(!format!("{token:?}").contains("token-1"));
    assert!(!format!("{:?}", source.state().await).contains("token-1"));
}
