//! Bytes as a request for a login page: redirect address and state.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wecomgw::grpc::fuzzing::login_page(data));
