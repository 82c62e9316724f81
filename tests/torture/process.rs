//! The shipped binary as processes of its own: the witness, and gateways to be killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::verify::Line;

/// How long a process may take to open its ports, and to end.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between looks at something that tells nobody when it changes.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A sandbox that outlives the gateways.
pub(crate) struct Witness {
    child: Child,
    pub(crate) url: String,
    ledger: PathBuf,
    http: reqwest::Client,
}

impl Witness {
    pub(crate) fn start(folder: &Path, crowd: usize) -> Self {
        let ledger = folder.join("ledger");
        let mut child = Command::new(env!("CARGO_BIN_EXE_wecomgw"))
            .args(["sandbox", "--listen", "127.0.0.1:0", "--crowd"])
            .arg(crowd.to_string())
            .arg("--ledger")
            .arg(&ledger)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it says where it is").unwrap();
        let url = first.rsplit(' ').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            child,
            url,
            ledger,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder, body: Value) {
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        let status = response.status();
        assert!(
            status.is_success(),
            "{status}: {}",
            response.text().await.unwrap()
        );
    }

    /// Changes modes.
    pub(crate) async fn set(&self, modes: Value) {
        let request = self.http.put(format!("{}/sandbox/settings", self.url));
        self.ask(request, modes).await;
    }

    /// Orders a fault of message/send; `more` has how often and when.
    pub(crate) async fn fault(&self, fault: Value, more: Value) {
        let mut order = json!({"path": "message/send", "fault": fault});
        order
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let request = self.http.post(format!("{}/sandbox/faults", self.url));
        self.ask(request, order).await;
    }

    /// Orders a fault of each call of a path, `*` being all.
    pub(crate) async fn fault_of(&self, path: &str, fault: Value) {
        let request = self.http.post(format!("{}/sandbox/faults", self.url));
        self.ask(request, json!({"path": path, "fault": fault}))
            .await;
    }

    pub(crate) async fn no_faults(&self) {
        let request = self.http.delete(format!("{}/sandbox/faults", self.url));
        self.ask(request, Value::Null).await;
    }

    /// Everything that was sent by now.
    pub(crate) fn ledger(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.ledger).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// How long the ledger is: grows with each call.
    pub(crate) fn written(&self) -> u64 {
        std::fs::metadata(&self.ledger).unwrap().len()
    }

    /// A WeCom that is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Calls by now.
    pub(crate) fn calls(&self) -> usize {
        let text = std::fs::read(&self.ledger).unwrap();
        text.iter().filter(|&&byte| byte == b'\n').count()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A gateway; its ports stay the same over its lives.
pub(crate) struct Gateway {
    child: Option<Child>,
    settings: PathBuf,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    pub(crate) health: SocketAddr,
    /// Of every life.
    settings_set: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    /// What it is started with, such as `strace`.
    pub(crate) wrapper: Vec<String>,
}

impl Gateway {
    /// Not started yet.
    pub(crate) fn new(folder: &Path, name: &str, witness: &Witness, store_url: &str) -> Self {
        let [address, health, admin] = free_ports();
        let settings = folder.join(format!("{name}.toml"));
        let text = format!(
            "[grpc]\nlisten = \"{address}\"\ndrain_accept = \"0s\"\ndrain_grace = \"2s\"\n\
             [health]\nlisten = \"{health}\"\n[admin]\nlisten = \"{admin}\"\n\
             [store]\nurl = \"{store_url}\"\n[wecom]\nbase_url = \"{url}\"\n\
             [[apps]]\nname = \"youxiao\"\ncorp_id = \"ww5a9db0c5a9db0c5a\"\n\
             agent_id = 1000002\nsecret = \"sandbox-secret-youxiao\"\n",
            url = witness.url
        );
        std::fs::write(&settings, text).unwrap();
        Self {
            child: None,
            settings,
            log: folder.join(format!("{name}.log")),
            address,
            admin,
            health,
            settings_set: Vec::new(),
            environment: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// Changes a setting: `GRPC__DRAIN_ACCEPT` is that of `[grpc]`.
    pub(crate) fn set(&mut self, key: &str, value: impl ToString) {
        let name = format!("WECOMGW_{key}");
        self.settings_set.push((name, value.to_string()));
    }

    /// For the next life only: how it is to die.
    pub(crate) fn trap(&mut self, name: &str, value: impl ToString) {
        self.environment.push((name.to_owned(), value.to_string()));
    }

    /// Starts it; does not wait until it serves.
    pub(crate) fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let binary = env!("CARGO_BIN_EXE_wecomgw").to_owned();
        let mut words = self.wrapper.clone();
        words.push(binary);
        let log = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .unwrap();
        let child = Command::new(&words[0])
            .args(&words[1..])
            .args(["serve", "--config"])
            .arg(&self.settings)
            .envs(self.settings_set.iter().cloned())
            .envs(self.environment.drain(..))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts it, and waits until it serves.
    pub(crate) async fn start(&mut self) {
        self.spawn();
        assert!(self.serves().await, "it ended at once:\n{}", self.log());
    }

    /// Whether it serves, or ended before.
    pub(crate) async fn serves(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            if self.ended().is_some() {
                return false;
            }
            assert!(Instant::now() < until, "it does not serve:\n{}", self.log());
            sleep(TICK).await;
        }
        true
    }

    /// How it ended, if it did by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap();
        if status.is_some() {
            self.child = None;
        }
        status
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.log());
            sleep(TICK).await;
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Any other signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.unwrap().success());
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Of [`memory_kib`].
    pub(crate) fn memory_kib(&self, which: &str) -> u64 {
        memory_kib(self.id(), which)
    }

    /// Open descriptors, sockets among them. The process hides them from all but root.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.id()));
        open.expect("root may look").count()
    }

    /// CPU time by now. The kernel counts in hundredths of a second.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Time spent in the store by now: in all operations, and in the commits of bulk jobs.
    pub(crate) async fn store_time(&self) -> (Duration, Duration) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/metrics", self.admin);
        let metrics = http.get(url).send().await.unwrap().text().await.unwrap();
        let sums = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("wecomgw_store_tx_seconds_sum"));
        let (mut all, mut commits) = (0.0, 0.0);
        for line in sums {
            let (op, seconds) = line.split_once(' ').unwrap();
            let seconds: f64 = seconds.parse().unwrap();
            all += seconds;
            if op.contains("\"commit\"") {
                commits = seconds;
            }
        }
        (
            Duration::from_secs_f64(all),
            Duration::from_secs_f64(commits),
        )
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Resident memory in KiB: `VmRSS` is that of now, `VmHWM` the most there ever was.
pub(crate) fn memory_kib(process: u32, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(which));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

/// Ports that were free a moment ago, all different.
fn free_ports() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
