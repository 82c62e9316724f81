//! Bytes as any request: what is taken becomes JSON that holds nothing else, what is not is told why.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wecomgw::grpc::fuzzing::request(data));
