//! The server that every client is tested against: the real gateway over the sandbox, made anew
//! for each case, behind a door that can fail on demand and remembers what came through it.
//! `clients/conformance/README.md` tells how a client's runner talks to it.

#![allow(
    clippy::unwrap_used,
    reason = "what does not hold here is a failed test"
)]
#![expect(
    clippy::disallowed_macros,
    reason = "a program of the tests speaks to its runner by its arguments and its output"
)]

mod case;
mod contract;
mod door;
mod judge;
mod outcome;
mod pki;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use case::Case;
use door::Door;
use world::World;

struct Server {
    cases: BTreeMap<String, Case>,
    door: Arc<Door>,
    /// Where cases find TLS and certificates, by name.
    addresses: [(&'static str, String); 3],
    /// The case under way, and its gateway and sandbox.
    current: Mutex<Option<Current>>,
    /// Which cases each language passed, for the grid.
    results: Mutex<BTreeMap<String, BTreeMap<String, bool>>>,
    results_folder: PathBuf,
}

struct Current {
    case: Case,
    world: World,
    listener: JoinHandle<()>,
}

#[tokio::main]
async fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let door = Arc::new(Door::default());
    let pki = pki::Pki::new();
    let (tls, _) = listen(&door, Some(pki.server(false))).await;
    let (mutual, _) = listen(&door, Some(pki.server(true))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control = format!("http://{}", listener.local_addr().unwrap());
    let pki_folder = pki.folder().display().to_string();
    let server = Arc::new(Server {
        cases: case::load(&root.join("clients/conformance")),
        door,
        addresses: [("tls", tls), ("mutual", mutual), ("pki", pki_folder)],
        current: Mutex::default(),
        results: Mutex::default(),
        results_folder: root.join("target/conformance"),
    });
    let mut arguments = std::env::args().skip(1);
    if let Some(language) = arguments.next() {
        // `cargo test` passes options of its own on.
        let filter = arguments.find(|argument| !argument.starts_with('-'));
        let filter = filter.unwrap_or_default();
        return match drive(&server, &language, &filter).await {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        };
    }
    println!("{}", json!({"control": control}));
    let control = Router::new()
        .route("/cases", get(cases))
        .route("/begin/{language}/{case}", post(begin))
        .route("/end/{language}", post(end))
        // An outcome may hold every item of a bulk job.
        .layer(DefaultBodyLimit::disable())
        .with_state(server);
    tokio::spawn(async move { axum::serve(listener, control).await });
    // The runner holds the other end: when it dies, this ends.
    let wait = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let _ = tokio::task::spawn_blocking(wait).await;
    ExitCode::SUCCESS
}

async fn cases(State(server): State<Arc<Server>>) -> Json<Value> {
    let name = |case: &Case| json!({"name": case.name, "raw": case.raw});
    let cases = server.cases.values();
    let cases = cases.filter(|case| !case.is_example());
    Json(cases.map(name).collect())
}

/// Opens the door on a free port.
async fn listen(door: &Arc<Door>, tls: Option<Arc<ServerConfig>>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (
        address,
        tokio::spawn(Arc::clone(door).listen(listener, tls)),
    )
}

async fn begin(
    State(server): State<Arc<Server>>,
    Path((language, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    // Read, or the connection is reset.
    _: Bytes,
) -> Response {
    let Some(mut task) = server.begin(&language, &name).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let query = query.unwrap_or_default();
    if query.contains("bytes") {
        outcome::to_bytes(&mut task);
    }
    if query.contains("files") {
        outcome::read_files(&mut task);
    }
    Json(task).into_response()
}

async fn end(
    State(server): State<Arc<Server>>,
    Path(language): Path<String>,
    outcome: String,
) -> Response {
    match server.end(&language, &outcome).await {
        Some(mistakes) => mistakes.into_response(),
        None => StatusCode::CONFLICT.into_response(),
    }
}

/// Runs the cases with `filter` in their names: writes each task, with messages as bytes, in a line
/// and reads the outcome from the next line. Gives whether all were good.
async fn drive(server: &Server, language: &str, filter: &str) -> bool {
    let (mut passed, mut failed) = (0, 0);
    let mut outcomes = std::io::stdin().lines();
    for case in server.cases.values() {
        if case.is_example() || !case.name.contains(filter) {
            continue;
        }
        let mut task = server.begin(language, &case.name).await.unwrap();
        outcome::to_bytes(&mut task);
        println!("{task}");
        let outcome = outcomes.next().expect("a runner that reports").unwrap();
        let mistakes = server.end(language, &outcome).await.unwrap();
        if mistakes.is_empty() {
            passed += 1;
        } else {
            failed += 1;
            eprintln!("{} failed\n{mistakes}", case.name);
        }
    }
    eprintln!("{passed} cases passed, {failed} failed");
    failed == 0 && passed > 0
}

impl Server {
    /// Sets a case up, and gives what the client has to do. Each case has a port of its own: some
    /// stacks remember by address which servers failed.
    async fn begin(&self, language: &str, name: &str) -> Option<Value> {
        let mut case = self.cases.get(name)?.clone();
        let mut current = self.current.lock().await;
        let mut world = match current.take() {
            // It was not set up in any way, and takes a third of a second to build.
            Some(last) if last.case.setup.is_empty() => {
                last.listener.abort();
                last.world
            }
            Some(last) => {
                last.stop().await;
                World::start().await
            }
            None => World::start().await,
        };
        world.prepare(&case, language).await;
        let (address, listener) = listen(&self.door, None).await;
        for (name, value) in &self.addresses {
            world.keep(name, value);
        }
        world.keep("port", address.rsplit(':').next().unwrap());
        world.keep("address", &address);
        case.fill_in(&world.kept);
        self.door.begin(world.channel(), case.faults.clone());
        let task = case.task.clone();
        *current = Some(Current {
            case,
            world,
            listener,
        });
        Some(task)
    }

    /// Compares what the client saw, and what was seen of it, with what the case expects; gives
    /// the mistakes.
    async fn end(&self, language: &str, outcome: &str) -> Option<String> {
        let current = self.current.lock().await;
        let current = current.as_ref()?;
        let case = &current.case;
        let outcome = outcome::read(outcome, &case.task);
        let seen = self.door.end(case.cancelled()).await;
        let mut judge = judge::Judge::new(&current.world.kept);
        judge.compare("outcome", &case.expect, &outcome);
        judge.observe(&case.observe, &seen, &current.world.calls().await);
        let mistakes = judge.mistakes;
        let mut results = self.results.lock().await;
        let of_language = results.entry(language.to_owned()).or_default();
        of_language.insert(case.name.clone(), mistakes.is_empty());
        std::fs::create_dir_all(&self.results_folder).unwrap();
        let file = self.results_folder.join(format!("{language}.json"));
        std::fs::write(file, json!(of_language).to_string()).unwrap();
        Some(match mistakes.is_empty() {
            true => String::new(),
            false => format!(
                "{}\nthe client saw {outcome}\nthe door saw {:#}",
                mistakes.join("\n"),
                seen.iter().map(door::Seen::to_json).collect::<Value>()
            ),
        })
    }
}

impl Current {
    async fn stop(self) {
        self.listener.abort();
        self.world.stop().await;
    }
}
