//! Runs the cases of clients/conformance; its README explains the protocol.

#![allow(
    clippy::unwrap_used,
    reason = "what does not hold here is a failed test"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use futures_util::stream;
use libtest_mimic::{Arguments, Trial};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};
use wecomgw_client::{BulkEvents, Client, GatewayError, Options};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let names = std::fs::read_dir(proto.join("wecomgw/v1")).unwrap();
    let files = names
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "proto"));
    DescriptorPool::from_file_descriptor_set(protox::compile(files, [proto]).unwrap()).unwrap()
});

fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("wecomgw.v1.{name}"))
        .unwrap()
}

fn from_json(of: &MessageDescriptor, json: &Value) -> DynamicMessage {
    DynamicMessage::deserialize(of.clone(), json).unwrap()
}

/// A message of the crate from its JSON form.
fn typed<T: prost::Message + Default>(name: &str, json: &Value) -> T {
    from_json(&descriptor(name), json).transcode_to().unwrap()
}

fn to_json(name: &str, message: &impl prost::Message) -> Value {
    json!(DynamicMessage::decode(descriptor(name), message.encode_to_vec().as_slice()).unwrap())
}

/// Any message by its descriptor.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        self.clone()
    }
    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;
    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(prost::Message::encode_to_vec(&item).as_slice());
        Ok(())
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(DynamicMessage::decode(self.0.clone(), bytes).unwrap()))
    }
}

fn connect(task: &Value) -> Option<Client> {
    if let Some(env) = task.get("env") {
        return Client::from_variables(|name| Some(env[name].as_str()?.to_owned())).ok();
    }
    let connect = &task["connect"];
    let file = |name: &str| Some(std::fs::read(connect[name].as_str()?).unwrap());
    let mut options = Options {
        token: connect["token"].as_str().unwrap_or_default().to_owned(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        insecure_token: connect["insecure_token"] == true,
        retry: connect["retry"] != false,
        ..Options::default()
    };
    if let Some(timeout) = connect["timeout_ms"].as_u64() {
        options.timeout = Duration::from_millis(timeout);
    }
    for (name, value) in connect["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap().to_owned();
        options.headers.push((name.clone(), value));
    }
    Client::connect(connect["address"].as_str().unwrap(), options).ok()
}

async fn events(mut events: BulkEvents, take: Option<u64>) -> Value {
    let mut seen = Vec::new();
    while take != Some(seen.len() as u64) {
        match events.next().await {
            Ok(Some(event)) => seen.push(to_json("BulkEvent", &event)),
            Ok(None) => break,
            Err(error) => return json!({"stream": seen, "error": failure(error)}),
        }
    }
    json!({"stream": seen})
}

/// Makes the call of a task, whatever it is.
async fn call(client: &Client, task: &Value) -> Value {
    let (request, take) = (&task["request"], task["take"].as_u64());
    let path = match task["call"].as_str().unwrap() {
        "send_bulk" => {
            let items = request["items"].as_array().unwrap().iter();
            let items = items.map(|item| typed("BulkItem", item)).collect();
            let header = typed("BulkHeader", &request["header"]);
            return events(client.send_bulk(header, items), take).await;
        }
        "watch_bulk" => {
            let after = request["afterSequence"].as_u64().unwrap_or(0);
            let job_id = request["jobId"].as_str().unwrap();
            return events(client.watch_bulk(job_id, after), take).await;
        }
        path => path,
    };
    let (service, method) = path.split_once('/').unwrap();
    let service = POOL
        .get_service_by_name(&format!("wecomgw.v1.{service}"))
        .unwrap();
    let method = service
        .methods()
        .find(|found| found.name() == method)
        .unwrap();
    let requests = match task["requests"].as_array() {
        Some(requests) => requests.clone(),
        None => vec![request.clone()],
    };
    let requests = requests.iter().map(|json| from_json(&method.input(), json));
    let mut request = Request::new(stream::iter(requests.collect::<Vec<_>>()));
    if let Some(timeout) = task["timeout_ms"].as_u64() {
        request.set_timeout(Duration::from_millis(timeout));
    }
    let mut grpc = tonic::client::Grpc::new(client.channel());
    grpc.ready().await.unwrap();
    let path = format!("/wecomgw.v1.{path}").parse().unwrap();
    let mut answer = match grpc
        .streaming(request, path, Dynamic(method.output()))
        .await
    {
        Ok(answer) => answer.into_inner(),
        Err(status) if method.is_server_streaming() => {
            return json!({"stream": [], "error": failure(status.into())});
        }
        Err(status) => return json!({"error": failure(status.into())}),
    };
    let mut seen = Vec::new();
    while take != Some(seen.len() as u64) {
        match answer.message().await {
            Ok(Some(message)) => seen.push(json!(message)),
            Ok(None) => break,
            Err(status) if method.is_server_streaming() => {
                return json!({"stream": seen, "error": failure(status.into())});
            }
            Err(status) => return json!({"error": failure(status.into())}),
        }
    }
    match method.is_server_streaming() {
        true => json!({"stream": seen}),
        false => json!({"response": seen[0]}),
    }
}

fn failure(error: GatewayError) -> Value {
    let violations = error.violations.iter();
    let violations = violations.map(|v| json!({"field": v.field, "description": v.description}));
    let code = format!("{:?}", error.code);
    let letters = code
        .chars()
        .enumerate()
        .map(|(place, letter)| match letter {
            letter if letter.is_uppercase() && place > 0 => format!("_{letter}"),
            letter => letter.to_uppercase().to_string(),
        });
    let mut seen = json!({
        "code": letters.collect::<String>(), "message": error.message, "reason": error.reason,
        "domain": error.domain, "metadata": error.metadata, "errcode": error.errcode,
        "errmsg": error.errmsg, "retryable": error.retryable, "request_id": error.request_id,
        "violations": violations.collect::<Value>(), "native": error.cause.code() == error.code,
    });
    if let Some(wait) = error.retry_after {
        seen["retry_after_ms"] = json!(wait.as_millis() as u64);
    }
    seen
}

fn helper(name: &str, arguments: &[Value]) -> Value {
    let text = |index: usize| arguments[index].as_str().unwrap_or_default();
    let texts = || arguments.iter().filter_map(Value::as_str);
    let numbers = || arguments.iter().filter_map(Value::as_u64).map(|n| n as u32);
    let content = |made| to_json("Content", &made);
    let recipients = |made| to_json("Recipients", &made);
    match name {
        "text" => content(wecomgw_client::text(text(0))),
        "markdown" => content(wecomgw_client::markdown(text(0))),
        "text_card" => content(wecomgw_client::text_card(text(0), text(1), text(2))),
        "image" => content(wecomgw_client::image(text(0))),
        "file" => content(wecomgw_client::file(text(0))),
        "users" => recipients(wecomgw_client::users(texts())),
        "departments" => recipients(wecomgw_client::departments(numbers())),
        "tags" => recipients(wecomgw_client::tags(numbers())),
        "everyone" => recipients(wecomgw_client::everyone()),
        other => panic!("no such helper: {other}"),
    }
}

async fn run(task: &Value) -> Value {
    if let Some(name) = task["helper"].as_str() {
        return json!({"response": helper(name, task["args"].as_array().unwrap())});
    }
    let Some(client) = connect(task) else {
        return json!({"refused": true});
    };
    let mut seen = json!({"connected": true});
    let times = if task["call"] == "connect" {
        0
    } else {
        task["times"].as_u64().unwrap_or(1)
    };
    for _ in 0..times {
        seen = call(&client, task).await;
    }
    seen
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut server = Command::new(root.join("target/debug/examples/conformance-server"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("build it with: cargo build --example conformance-server");
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let control = serde_json::from_str::<Value>(&line).unwrap()["control"]
        .as_str()
        .unwrap()
        .to_owned();
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async {
        http.get(format!("{control}/cases"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let cases: Value = serde_json::from_str(&runtime.block_on(get)).unwrap();
    let trials = cases.as_array().unwrap().iter().map(|case| {
        let name = case["name"].as_str().unwrap().to_owned();
        let (http, control, runtime) = (http.clone(), control.clone(), Arc::clone(&runtime));
        Trial::test(name.clone(), move || {
            let post = async |path: &str, body: Value| {
                let request = http
                    .post(format!("{control}{path}"))
                    .header("content-type", "application/json");
                request
                    .body(body.to_string())
                    .send()
                    .await
                    .unwrap()
                    .text()
                    .await
                    .unwrap()
            };
            runtime.block_on(async {
                let task = post(&format!("/begin/rust/{name}"), json!({})).await;
                let outcome = run(&serde_json::from_str(&task).unwrap()).await;
                let mistakes = post("/end/rust", outcome).await;
                if mistakes.is_empty() {
                    Ok(())
                } else {
                    Err(mistakes.into())
                }
            })
        })
    });
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(server.stdin.take());
    server.wait().unwrap();
    conclusion.exit();
}
