//! The command line of wecomgw.

use std::process::ExitCode;

fn main() -> ExitCode {
    wecomgw::cli::main()
}
