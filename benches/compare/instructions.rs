//! Instructions per call, counted by callgrind: the steady figure. Each subject
//! runs twice with one worker thread and one call in flight; the difference of
//! the two runs leaves its start and end out.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::process::{Gateway, Process};

/// Calls of the short and of the long run.
const CALLS: [u32; 2] = [300, 1300];
/// The gateway may cost this much of E + H.
const GOAL: f64 = 1.15;

pub(crate) fn run(gate: bool) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut upstream = Process::own(&["upstream"])?;
    let upstream = (upstream.line()?, upstream);
    let mut counts = Vec::new();
    for subject in ["echo", "client", "gateway"] {
        let [short, long] = CALLS.map(|calls| count(subject, calls, &upstream.0, folder.path()));
        let each = (long? - short?) / f64::from(CALLS[1] - CALLS[0]);
        println!("{subject:<8} {each:>10.0} instructions a call");
        counts.push(each);
    }
    let ratio = counts[2] / (counts[0] + counts[1]);
    println!("gateway / (echo + client) = {ratio:.3}, goal ≤ {GOAL}");
    if gate && ratio > GOAL {
        return Err("the gateway costs more instructions than its goal allows".into());
    }
    Ok(())
}

/// Instructions of a whole run with `calls` calls.
fn count(subject: &str, calls: u32, upstream: &str, folder: &Path) -> Outcome<f64> {
    let out = folder.join(format!("{subject}.{calls}"));
    let file = format!("--callgrind-out-file={}", out.display());
    let valgrind = [
        "env",
        "TOKIO_WORKER_THREADS=1",
        "valgrind",
        "--tool=callgrind",
        "-q",
        &file,
    ];
    let plan = format!("count={calls}");
    let own = std::env::current_exe()?;
    let under_valgrind = |arguments: &[&str]| {
        let mut command = Command::new(valgrind[0]);
        command
            .args(&valgrind[1..])
            .arg(&own)
            .args(arguments)
            .stderr(Stdio::null());
        Process::start(&mut command)
    };
    match subject {
        "client" => under_valgrind(&["client", &plan, upstream])?.wait()?,
        "echo" => {
            let mut echo = under_valgrind(&["echo"])?;
            let address = echo.line()?;
            Process::own(&["load", &plan, &address])?.wait()?;
            echo.terminate()?;
        }
        _ => {
            let gateway = Gateway::start(folder, upstream, &valgrind)?;
            Process::own(&["load", &plan, &gateway.address])?.wait()?;
            gateway.process.terminate()?;
        }
    }
    let text = std::fs::read_to_string(out)?;
    let line = text
        .lines()
        .find(|line| line.starts_with("summary:") || line.starts_with("totals:"));
    Ok(line
        .and_then(|line| line.split_whitespace().nth(1))
        .ok_or("callgrind wrote no sum")?
        .parse()?)
}
