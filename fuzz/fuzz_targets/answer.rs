//! Bytes as WeCom's answer to any call.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wecomgw::grpc::fuzzing::answer(data));
