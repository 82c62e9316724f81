//! The inputs that are kept for the fuzz targets that need nothing but the public parts; those
//! for the others are run beside them, in `grpc::fuzzing`.

#[path = "../../fuzz/checks/config.rs"]
mod config;
#[path = "../../fuzz/checks/credentials.rs"]
mod credentials;

#[test]
fn the_inputs_that_are_kept_break_no_promise() {
    for (target, check) in [
        ("config", config::config as fn(&[u8])),
        ("credentials", credentials::credentials),
    ] {
        let inputs = std::fs::read_dir(format!("fuzz/corpus/{target}")).unwrap();
        let inputs: Vec<_> = inputs.map(|input| input.unwrap().path()).collect();
        assert!(inputs.len() > 5, "{target}: {} inputs", inputs.len());
        inputs
            .iter()
            .for_each(|input| check(&std::fs::read(input).unwrap()));
    }
}
