//! Runs the cases of clients/conformance; its README explains the protocol. Messages are bytes
//! here: prost has no JSON.

#![allow(
    clippy::unwrap_used,
    reason = "what does not hold here is a failed test"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use futures_util::stream;
use libtest_mimic::{Arguments, Trial};
use prost::Message;
use serde_json::{Value, from_value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use wecomgw_client as client;
use wecomgw_client::v1::{BulkHeader, BulkItem};
use wecomgw_client::{Client, GatewayError, Options};

/// A message as its bytes.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.as_slice());
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

fn typed<M: Message + Default>(bytes: &Value) -> M {
    M::decode(from_value::<Vec<u8>>(bytes.clone()).unwrap().as_slice()).unwrap()
}

fn millis(of: &Value) -> Option<Duration> {
    of["timeout_ms"].as_u64().map(Duration::from_millis)
}

fn connect(task: &Value) -> Option<Client> {
    if let Some(env) = task.get("env") {
        return Client::from_variables(|name| Some(env[name].as_str()?.to_owned())).ok();
    }
    let connect = &task["connect"];
    let file = |name: &str| Some(std::fs::read(connect[name].as_str()?).unwrap());
    let headers = connect["headers"].as_object().unwrap().iter();
    let options = Options {
        token: connect["token"].as_str().unwrap().to_owned(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        insecure_token: connect["insecure_token"] == true,
        timeout: millis(connect),
        without_retry: connect["retry"] == false,
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    };
    Client::connect(connect["address"].as_str().unwrap(), options).ok()
}

/// Makes the call of a task, whatever it is, and keeps the messages that come.
async fn call(of: &Client, task: &Value, seen: &mut Vec<Vec<u8>>) -> Result<(), GatewayError> {
    let (name, take) = (
        task["call"].as_str().unwrap(),
        task["take"].as_u64().unwrap(),
    );
    let Some(requests) = task.get("requests") else {
        let request = &task["request"];
        let mut events = if name == "send_bulk" {
            let items = request["items"].as_array().unwrap();
            let header: BulkHeader = typed(&request["header"]);
            of.send_bulk(header, items.iter().map(typed::<BulkItem>).collect())
        } else {
            let after = request["afterSequence"].as_u64().unwrap_or(0);
            of.watch_bulk(request["jobId"].as_str().unwrap(), after)
        };
        while (seen.len() as u64) < take
            && let Some(event) = events.next().await?
        {
            seen.push(event.encode_to_vec());
        }
        return Ok(());
    };
    let requests: Vec<Vec<u8>> = from_value(requests.clone()).unwrap();
    let mut request = Request::new(stream::iter(requests));
    if let Some(timeout) = millis(task) {
        request.set_timeout(timeout);
    }
    let mut grpc = tonic::client::Grpc::new(of.channel());
    grpc.ready().await.unwrap();
    let path = format!("/wecomgw.v1.{name}").parse().unwrap();
    let mut answer = grpc.streaming(request, path, Raw).await?.into_inner();
    while (seen.len() as u64) < take
        && let Some(message) = answer.message().await?
    {
        seen.push(message);
    }
    Ok(())
}

fn failure(error: &GatewayError) -> Value {
    let violations = error.violations.iter();
    let violations = violations.map(|v| json!({"field": v.field, "description": v.description}));
    json!({
        "code": format!("{:?}", error.code), "message": error.message, "reason": error.reason,
        "domain": error.domain, "metadata": error.metadata, "errcode": error.errcode,
        "errmsg": error.errmsg, "retryable": error.retryable, "request_id": error.request_id,
        "violations": violations.collect::<Value>(), "native": error.cause.code() == error.code,
        "retry_after_ms": error.retry_after.map(|wait| wait.as_millis() as u64),
    })
}

fn helper(task: &Value) -> Vec<u8> {
    let arguments = task["args"].as_array().unwrap();
    let text = |index: usize| arguments[index].as_str().unwrap();
    let texts = || arguments.iter().filter_map(Value::as_str);
    let numbers = || arguments.iter().filter_map(Value::as_u64).map(|n| n as u32);
    match task["helper"].as_str().unwrap() {
        "text" => client::text(text(0)).encode_to_vec(),
        "markdown" => client::markdown(text(0)).encode_to_vec(),
        "text_card" => client::text_card(text(0), text(1), text(2)).encode_to_vec(),
        "image" => client::image(text(0)).encode_to_vec(),
        "file" => client::file(text(0)).encode_to_vec(),
        "users" => client::users(texts()).encode_to_vec(),
        "departments" => client::departments(numbers()).encode_to_vec(),
        "tags" => client::tags(numbers()).encode_to_vec(),
        _ => client::everyone().encode_to_vec(),
    }
}

async fn run(task: &Value) -> Value {
    if task["call"] == "helper" {
        return json!({"messages": [helper(task)]});
    }
    let Some(client) = connect(task) else {
        return json!({"refused": true});
    };
    let mut seen = json!({"connected": true});
    for _ in 0..task["times"].as_u64().unwrap() {
        let mut messages = Vec::new();
        let failed = call(&client, task, &mut messages).await.err();
        seen = json!({"messages": messages});
        if let Some(error) = failed {
            seen["error"] = failure(&error);
        }
    }
    seen
}

async fn text(request: reqwest::RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    response.text().await.unwrap()
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut server = Command::new(root.join("target/debug/examples/conformance-server"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("build it with: cargo build --example conformance-server");
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let control = line["control"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let cases = handle.block_on(text(http.get(format!("{control}/cases"))));
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    let trials = cases.iter().map(|case| {
        let name = case["name"].as_str().unwrap().to_owned();
        let begin = http.post(format!("{control}/begin/rust/{name}?bytes"));
        let (end, handle) = (http.post(format!("{control}/end/rust")), handle.clone());
        let test = async move {
            let task = serde_json::from_str(&text(begin).await).unwrap();
            let mistakes = text(end.body(run(&task).await.to_string())).await;
            mistakes.is_empty().then_some(()).ok_or(mistakes.into())
        };
        Trial::test(name, move || handle.block_on(test))
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(server.stdin.take());
    server.wait().unwrap();
    conclusion.exit();
}
