//! CPU, latency, memory, start and size: every cell in turn, round after round.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::process::{Gateway, Process, binary, configuration, cpu, cpu_between, memory_kib};

/// What one cell of one round brought.
#[derive(Clone, Copy)]
struct Sample {
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
}

/// The measured time, as in `load.rs`.
const MEASURED_SECONDS: f64 = 2.5;
/// Goals of the whole gateway as a share of E + H.
const CELLS: [(&str, &str, f64); 3] = [
    ("rate=2000", "CPU at 2000/s", 1.15),
    ("closed=64", "CPU, 64 in flight", 1.35),
    ("closed=1", "p50, one in flight", 1.25),
];

pub(crate) fn run(rounds: usize) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let start = start_times(folder.path(), rounds)?;
    let mut upstream = Process::own(&["upstream"])?;
    let upstream_address = upstream.line()?;
    let mut echo = Process::own(&["echo"])?;
    let echo_address = echo.line()?;
    let gateway = Gateway::start(folder.path(), &upstream_address, &[])?;
    std::thread::sleep(Duration::from_secs(1));
    let idle_kib = memory_kib(gateway.process.id(), "VmRSS")?;

    println!("round by round: E echo, H client, G gateway; CPU in µs a call");
    let mut samples: Vec<[Vec<Sample>; 3]> = Vec::new();
    samples.resize_with(CELLS.len(), Default::default);
    for round in 1..=rounds {
        for (cell, (plan, name, _)) in CELLS.iter().enumerate() {
            let round_samples = [
                under_load(plan, &echo_address, echo.id())?,
                client(plan, &upstream_address)?,
                under_load(plan, &gateway.address, gateway.process.id())?,
            ];
            let [e, h, g] = round_samples.map(|sample| sample.cpu_us);
            println!(
                "  {round}  {name:<20} E {e:6.1}  H {h:6.1}  G {g:6.1}  G/(E+H) {:.2}",
                g / (e + h)
            );
            for (all, one) in samples[cell].iter_mut().zip(round_samples) {
                all.push(one);
            }
        }
    }
    // Last, for it leaves its mark on memory.
    under_load("closed=256", &gateway.address, gateway.process.id())?;
    let peak_kib = memory_kib(gateway.process.id(), "VmHWM")?;

    println!("\nmedians of {rounds} rounds [least to most]");
    for ((_, name, goal), [e, h, g]) in CELLS.iter().zip(&samples) {
        let latency = name.starts_with("p50");
        let pick = |sample: &Sample| {
            if latency {
                sample.p50_us
            } else {
                sample.cpu_us
            }
        };
        let [e_us, h_us, g_us] = [e, h, g].map(|all| spread(all.iter().map(pick)));
        let ratios = (0..rounds).map(|round| pick(&g[round]) / (pick(&e[round]) + pick(&h[round])));
        let ratio = spread(ratios);
        println!(
            "  {name:<20} E {e_us}  H {h_us}  G {g_us} µs  ratio {ratio}  goal ≤ {goal}  {}",
            verdict(ratio.0 <= *goal)
        );
        let [p50, p99, rate] = [
            spread(g.iter().map(|sample| sample.p50_us)),
            spread(g.iter().map(|sample| sample.p99_us)),
            spread(g.iter().map(|sample| sample.per_second)),
        ];
        println!(
            "  {:<20} gateway: p50 {p50} µs, p99 {p99} µs, {rate} calls/s",
            ""
        );
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!(
        "  memory idle          {:.1} MiB  goal ≤ 16  {}",
        mib(idle_kib),
        verdict(idle_kib <= 16 * 1024)
    );
    println!(
        "  memory peak, 256     {:.1} MiB  goal ≤ 64  {}",
        mib(peak_kib),
        verdict(peak_kib <= 64 * 1024)
    );
    println!(
        "  start to SERVING     {start} ms  goal ≤ 100  {}",
        verdict(start.0 <= 100.0)
    );
    let size = std::fs::metadata(binary())?.len() as f64 / 1024.0 / 1024.0;
    println!(
        "  binary, stripped     {size:.1} MiB  goal ≤ 15  {}",
        verdict(size <= 15.0)
    );
    gateway.process.terminate()
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// Median, least and most.
struct Spread(f64, f64, f64);

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.0 < 10.0 {
            2
        } else {
            usize::from(self.0 < 1000.0)
        };
        write!(
            f,
            "{:.digits$} [{:.digits$} to {:.digits$}]",
            self.0, self.1, self.2
        )
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    Spread(
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}

/// A server that another process loads.
fn under_load(plan: &str, address: &str, id: u32) -> Outcome<Sample> {
    sample(Process::own(&["load", plan, address])?, Some(id))
}

/// The client, which is its own load.
fn client(plan: &str, upstream: &str) -> Outcome<Sample> {
    sample(Process::own(&["client", plan, upstream])?, None)
}

fn sample(mut load: Process, id: Option<u32>) -> Outcome<Sample> {
    let id = id.unwrap_or(load.id());
    load.line()?;
    let before = cpu(id)?;
    load.line()?;
    let used = cpu_between(&before, &cpu(id)?);
    let report = load.line()?;
    let numbers: Vec<f64> = report
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [calls, p50_us, p99_us] = numbers[..] else {
        return Err("a report has three numbers".into());
    };
    load.wait()?;
    Ok(Sample {
        cpu_us: used.as_secs_f64() * 1e6 / calls,
        p50_us,
        p99_us,
        per_second: calls / MEASURED_SECONDS,
    })
}

/// From the start of the process until its health port says SERVING, by the
/// binary's own probe, in milliseconds; the probe's own start is in it.
fn start_times(folder: &std::path::Path, rounds: usize) -> Outcome<Spread> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (path, _, health) = configuration(folder, "http://127.0.0.1:9")?;
        let begun = Instant::now();
        let mut command = Command::new(binary());
        command
            .args(["serve", "--config"])
            .arg(path)
            .stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        loop {
            let mut probe = Command::new(binary());
            probe
                .args(["health", "--address", &health])
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if probe.status()?.success() {
                break;
            }
        }
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        process.terminate()?;
    }
    Ok(spread(times.into_iter()))
}
