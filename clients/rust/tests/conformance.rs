//! Runs the cases of clients/conformance; its README explains the protocol. Messages are bytes
//! here: prost has no JSON. `cargo test -p wecomgw-client --test conformance -- NAME` runs those
//! with NAME in their names.

#[path = "gen/calls.rs"]
mod calls;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message;
use serde_json::{Value, from_str, from_value, json};
use wecomgw_client::v1::WatchBulkJobRequest;
use wecomgw_client::{self as client, BulkEvents, Client, FieldViolation, GatewayError, Options};

use calls::{Answer, typed};

fn connect(task: &Value) -> Option<Client> {
    if let Some(env) = task.get("env") {
        return Client::from_variables(|name| Some(env[name].as_str()?.to_owned())).ok();
    }
    let connect = &task["connect"];
    let file = |name: &str| Some(std::fs::read(connect[name].as_str()?).unwrap());
    let options = Options {
        token: from_value(connect["token"].clone()).unwrap(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        insecure_token: connect["insecure_token"] == true,
        timeout: connect["timeout_ms"].as_u64().map(Duration::from_millis),
        without_retry: connect["retry"] == false,
        headers: from_value(connect["headers"].clone()).unwrap(),
    };
    Client::connect(connect["address"].as_str().unwrap(), options).ok()
}

fn helper(name: &Value, arguments: &Value) -> Vec<u8> {
    let texts: Vec<String> = from_value(arguments.clone()).unwrap_or_default();
    let numbers: Vec<u32> = from_value(arguments.clone()).unwrap_or_default();
    match name.as_str().unwrap() {
        "text" => client::text(&texts[0]).encode_to_vec(),
        "markdown" => client::markdown(&texts[0]).encode_to_vec(),
        "text_card" => client::text_card(&texts[0], &texts[1], &texts[2]).encode_to_vec(),
        "image" => client::image(&texts[0]).encode_to_vec(),
        "file" => client::file(&texts[0]).encode_to_vec(),
        "users" => client::users(texts).encode_to_vec(),
        "departments" => client::departments(numbers).encode_to_vec(),
        "tags" => client::tags(numbers).encode_to_vec(),
        _ => client::everyone().encode_to_vec(),
    }
}

fn events(events: BulkEvents) -> Answer {
    Box::pin(stream::try_unfold(events, async |mut events| {
        let event = events.next().await?;
        Ok(event.map(|event| (event.encode_to_vec(), events)))
    }))
}

/// Makes the call of a task, whatever it is.
async fn call(of: &Client, task: &Value) -> Result<Answer, GatewayError> {
    let timeout = task["timeout_ms"].as_u64().map(Duration::from_millis);
    let mut requests: Vec<Vec<u8>> = from_value(task["requests"].clone()).unwrap_or_default();
    Ok(match task["call"].as_str().unwrap() {
        "helper" => calls::just(helper(&task["helper"], &task["args"])),
        "send_bulk" => {
            let header = typed(requests.remove(0));
            events(of.send_bulk(header, requests.into_iter().map(typed).collect()))
        }
        "watch_bulk" => {
            let watch: WatchBulkJobRequest = typed(requests.remove(0));
            events(of.watch_bulk(watch.job_id, watch.after_sequence))
        }
        name => calls::call(of, name, requests, timeout).await?,
    })
}

fn failure(error: &GatewayError) -> Value {
    let violation = |of: &FieldViolation| json!({"field": of.field, "description": of.description});
    json!({
        "code": format!("{:?}", error.code), "message": error.message, "reason": error.reason,
        "domain": error.domain, "metadata": error.metadata, "errcode": error.errcode,
        "errmsg": error.errmsg, "retryable": error.retryable, "request_id": error.request_id,
        "violations": error.violations.iter().map(violation).collect::<Value>(),
        "native": error.cause.code() == error.code,
        "retry_after_ms": error.retry_after.map(|wait| wait.as_millis() as u64),
    })
}

/// What was seen, and the client, which is open until the server has judged: or a stream that
/// should have been left would end with it.
async fn run(task: &Value) -> (Value, Option<Client>) {
    let number = |name: &str| task[name].as_u64().unwrap() as usize;
    let client = connect(task);
    let mut seen = json!({"refused": client.is_none()});
    for client in client.iter().cycle().take(number("times")) {
        let answer = stream::once(call(client, task)).try_flatten();
        let all: Vec<_> = answer.take(number("take")).collect().await;
        let messages: Vec<_> = all.iter().flatten().collect();
        let error = all.iter().find_map(|one| one.as_ref().err());
        seen = json!({"messages": messages, "error": error.map(failure)});
    }
    (seen, client)
}

#[tokio::main]
async fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/examples");
    let mut server = Command::new(format!("{folder}/conformance-server"))
        .arg("rust")
        .args(std::env::args().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("build it with: cargo build --example conformance-server");
    let (mut outcomes, tasks) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
    let mut open = None;
    for task in BufReader::new(tasks).lines() {
        // That the next task is here says that the last one was judged: its client may go.
        let (seen, client) = run(&from_str(&task.unwrap()).unwrap()).await;
        open.replace(client);
        writeln!(outcomes, "{seen}").unwrap();
    }
    assert!(server.wait().unwrap().success(), "some cases failed");
}
