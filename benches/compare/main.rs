//! What the gateway costs beside what it is made of: a bare tonic echo (E) and a
//! bare reqwest POST (H), built from the same tree with the same profile and run
//! in turn with the shipped binary against one trivial upstream.
//!
//! ```text
//! cargo bench --bench compare -- measure [ROUNDS]      CPU, latency, memory, start, size
//! cargo bench --bench compare -- instructions [gate]   instructions per call, by callgrind
//! ```

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_types,
    reason = "it watches processes, whose time is real, and prints what it found"
)]

mod instructions;
mod load;
mod measure;
mod process;
mod subject;
mod upstream;

/// What one process of the bench may fail with.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["upstream"] => process::block_on(upstream::run()),
        ["echo"] => process::block_on(subject::echo()),
        ["client", plan, upstream] => process::block_on(subject::client(plan.parse()?, upstream)),
        ["load", plan, server] => process::block_on(load::run(plan.parse()?, server)),
        ["instructions"] => instructions::run(false),
        ["instructions", "gate"] => instructions::run(true),
        ["measure", rounds] => measure::run(rounds.parse()?),
        ["measure"] | [] => measure::run(5),
        other => Err(format!("unknown arguments {other:?}").into()),
    }
}
