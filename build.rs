//! Compiles `proto/` to Rust types and a descriptor set for reflection, with a
//! compiler written in Rust: no protoc on any machine.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts by their output and the environment"
)]

use std::path::{Path, PathBuf};
use std::{env, fs};

const PROTO_ROOT: &str = "proto";
const PACKAGE: &str = "proto/wecomgw/v1";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The folder itself, so that a new file is noticed, and each file, so that
    // nothing else causes a rebuild.
    println!("cargo:rerun-if-changed={PACKAGE}");
    let mut files: Vec<PathBuf> = fs::read_dir(PACKAGE)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "proto")
    });
    files.sort();
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
    }

    let mut compiler = protox::Compiler::new([PROTO_ROOT])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;
    let out = env::var("OUT_DIR")?;
    fs::write(
        Path::new(&out).join("descriptors.binpb"),
        compiler.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        // Inline media stays one allocation from the socket to the upload.
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
