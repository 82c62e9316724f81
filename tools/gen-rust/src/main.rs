//! Writes the generated code of the Rust client: `gen-rust PROTO_FOLDER OUT_FOLDER`.
//!
//! It is committed, so that the published crate has no build script.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a tool of the build reads its arguments itself"
)]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(proto), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: gen-rust PROTO_FOLDER OUT_FOLDER".into());
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
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".")
        .out_dir(out)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
