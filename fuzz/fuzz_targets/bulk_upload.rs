//! Bytes as the messages of a bulk upload: how they are cut is of no account.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wecomgw::grpc::fuzzing::bulk_upload(data));
