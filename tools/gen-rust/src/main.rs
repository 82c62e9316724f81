//! Writes the generated code of the Rust client: `gen-rust PROTO_FOLDER POLICY CLIENT_FOLDER`.
//!
//! It is committed, so that the published crate has no build script. What stands in `src/gen` are
//! the messages and a face for each service, whose methods make their calls by `src/calls.rs`;
//! what stands in `tests/gen` finds a method by its name, for the runner of the cases.

mod services;

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

use services::Services;

/// The form of generated code is not ours to choose.
const LINTS: &str = "#![allow(missing_docs, clippy::all, rustdoc::all)]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(proto), Some(policy), Some(client)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: gen-rust PROTO_FOLDER POLICY CLIENT_FOLDER".into());
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
    let out = client.join("src/gen");
    let services = Services::new(
        &set,
        repeatable(&policy)?,
        client.join("tests/gen/calls.rs"),
    );
    prost_build::Config::new()
        .bytes(["."])
        .out_dir(&out)
        .service_generator(Box::new(services))
        .compile_fds(set)?;
    let contract = out.join("wecomgw.v1.rs");
    let (generated, more) = (fs::read_to_string(&contract)?, constants(&policy)?);
    fs::write(&contract, format!("{LINTS}\n{generated}{more}"))?;
    Ok(())
}

/// The paths of the methods that may be repeated.
fn repeatable(policy: &Value) -> Result<Vec<String>, Box<dyn Error>> {
    let methods = policy["methodConfig"][0]["name"].as_array();
    let methods = methods.ok_or("the policy names no methods")?.iter();
    let part = |method: &Value, key: &str| method[key].as_str().map(str::to_owned);
    let path = |method| {
        Some(format!(
            "/{}/{}",
            part(method, "service")?,
            part(method, "method")?
        ))
    };
    let paths: Option<_> = methods.map(path).collect();
    Ok(paths.ok_or("a method without a name")?)
}

/// The retry policy.
fn constants(policy: &Value) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let retry = &policy["methodConfig"][0]["retryPolicy"];
    let throttling = &policy["retryThrottling"];
    for (name, kind, value) in [
        ("ATTEMPTS", "i32", &retry["maxAttempts"]),
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
