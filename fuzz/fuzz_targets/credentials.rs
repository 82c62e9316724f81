//! See `checks/credentials.rs`.

#![no_main]

#[path = "../checks/credentials.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::credentials(data));
