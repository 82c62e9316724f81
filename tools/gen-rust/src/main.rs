//! Writes the generated code of the Rust client: `gen-rust PROTO_FOLDER POLICY OUT_FOLDER`.
//!
//! It is committed, so that the published crate has no build script.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use prost_types::FileDescriptorSet;
use serde_json::Value;

/// The services that are named for what there are many of: their accessor is a plural.
const PLURALS: [&str; 3] = ["app_chat", "message", "user"];

/// The form of generated code is not ours to choose.
const LINTS: &str = "#![allow(missing_docs, clippy::all, rustdoc::all)]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(proto), Some(policy), Some(out)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: gen-rust PROTO_FOLDER POLICY OUT_FOLDER".into());
    };
    let mut files: Vec<PathBuf> = fs::read_dir(proto.join("wecomgw/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut compiler = protox::Compiler::new([&proto])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    let set = compiler.file_descriptor_set();
    let policy = serde_json::from_slice(&fs::read(policy)?)?;
    let more = constants(&policy)? + &by_contract(&set)?;
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".")
        .out_dir(&out)
        .compile_fds(set)?;
    let contract = out.join("wecomgw.v1.rs");
    let generated = fs::read_to_string(&contract)?;
    fs::write(&contract, format!("{LINTS}\n{generated}{more}"))?;
    Ok(())
}

/// The retry policy.
fn constants(policy: &Value) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for (index, name) in ["REPEATABLE", "ONCE"].into_iter().enumerate() {
        writeln!(text, "pub(crate) const {name}: &[&str] = &[")?;
        let methods = policy["methodConfig"][index]["name"].as_array();
        for method in methods.ok_or("the policy names no methods")? {
            let part = |key: &str| method[key].as_str().ok_or("a method without a name");
            writeln!(text, "    \"/{}/{}\",", part("service")?, part("method")?)?;
        }
        writeln!(text, "];")?;
    }
    let retry = &policy["methodConfig"][0]["retryPolicy"];
    let throttling = &policy["retryThrottling"];
    for (name, kind, value) in [
        ("ATTEMPTS", "u64", &retry["maxAttempts"]),
        ("FIRST_WAIT_SECONDS", "f64", &retry["initialBackoff"]),
        ("LONGEST_WAIT_SECONDS", "f64", &retry["maxBackoff"]),
        ("MULTIPLIER", "f64", &retry["backoffMultiplier"]),
        ("TOKENS", "f64", &throttling["maxTokens"]),
        ("TOKEN_RATIO", "f64", &throttling["tokenRatio"]),
    ] {
        let value = value.to_string().replace(['"', 's'], "");
        writeln!(text, "pub(crate) const {name}: {kind} = {value}_{kind};")?;
    }
    Ok(text)
}

/// An accessor for each service, and a request_id for each message that has one.
fn by_contract(set: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let (mut accessors, mut ids, mut fills) = (String::new(), String::new(), String::new());
    let files = || {
        set.file
            .iter()
            .filter(|file| file.package() == "wecomgw.v1")
    };
    let mut requests = Vec::new();
    for message in files().flat_map(|file| &file.message_type) {
        if message
            .field
            .iter()
            .any(|field| field.name() == "request_id")
        {
            requests.push(format!(".wecomgw.v1.{}", message.name()));
            writeln!(
                ids,
                "impl crate::through::HasRequestId for {} {{
    fn request_id(&mut self) -> &mut ::prost::alloc::string::String {{
        &mut self.request_id
    }}
}}",
                message.name()
            )?;
        }
    }
    for service in files().flat_map(|file| &file.service) {
        let name = service.name();
        let mut module = String::new();
        for letter in name.trim_end_matches("Service").chars() {
            if letter.is_uppercase() && !module.is_empty() {
                module.push('_');
            }
            module.extend(letter.to_lowercase());
        }
        let plural = if PLURALS.contains(&module.as_str()) {
            "s"
        } else {
            ""
        };
        writeln!(
            accessors,
            "    /// The stub of {name}.
    pub fn {module}{plural}(&self) -> {module}_service_client::{name}Client<crate::Through> {{
        {module}_service_client::{name}Client::new(self.channel())
    }}"
        )?;
        for method in &service.method {
            let unary = !method.client_streaming() && !method.server_streaming();
            if unary && requests.iter().any(|name| name == method.input_type()) {
                let input = method.input_type().trim_start_matches(".wecomgw.v1.");
                writeln!(
                    fills,
                    "        \"/wecomgw.v1.{name}/{}\" => crate::through::fill::<{input}>(body),",
                    method.name()
                )?;
            }
        }
    }
    Ok(format!(
        "impl crate::Client {{
{accessors}}}
{ids}/// The body of a call, with a request_id where the method takes one, and that id.
pub(crate) fn with_request_id(
    path: &str,
    body: ::prost::bytes::Bytes,
) -> (::prost::bytes::Bytes, ::prost::alloc::string::String) {{
    match path {{
{fills}        _ => (body, ::prost::alloc::string::String::new()),
    }}
}}
"
    ))
}
