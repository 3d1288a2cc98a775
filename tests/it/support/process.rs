//! Workers: inside the test process, and in processes of their own.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use purser::config::Config;
use purser::service::{Roles, Service};
use purser::shutdown::Shutdown;
use purser::telemetry::Metrics;
use tokio::task::JoinHandle;

use super::stack::PATIENCE;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    config: Config,
}

/// A worker inside the test process.
pub struct Worker {
    addr: std::net::SocketAddr,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Worker {
    /// With these flags.
    pub async fn start(flags: impl IntoIterator<Item = String>) -> Worker {
        let flags = Flags::parse_from(["worker".to_owned()].into_iter().chain(flags));
        let shutdown = Shutdown::default();
        let service = Service::new(flags.config, Arc::new(Metrics::default()), shutdown.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let running = tokio::spawn(service.run(Roles { worker: true, api: false }, listener));
        Worker { addr, shutdown, running }
    }

    /// What `/readyz` says of one service.
    pub async fn readiness(&self, service: &str) -> String {
        let ready = reqwest::get(format!("http://{}/readyz", self.addr)).await.unwrap();
        let ready: serde_json::Value = ready.json().await.unwrap();
        ready["checks"][service].as_str().unwrap_or_default().to_owned()
    }

    /// What `/metrics` says of one series.
    pub async fn metric(&self, series: &str) -> f64 {
        let value = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
        };
        value(&self.metrics().await)
    }

    /// All that `/metrics` says.
    pub async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.addr)).await.unwrap().text().await.unwrap()
    }

    /// Stops it as Ctrl-C would, and waits until it is done.
    pub async fn stop(self) {
        self.shutdown.stop();
        self.running.await.unwrap().unwrap();
    }
}

/// A worker in a process of its own, which ends with the test, however that ends.
pub struct Process(Child);

impl Process {
    /// Of the program, whatever it is to do. What it says goes to `log`.
    pub fn start(arguments: impl IntoIterator<Item = String>, log: Stdio) -> Process {
        Process::start_with(arguments, &[], log)
    }

    /// The same, with these variables.
    pub fn start_with(arguments: impl IntoIterator<Item = String>, variables: &[(&str, &str)], log: Stdio) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.args(arguments).envs(variables.iter().copied());
        Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(sent.success(), "nobody there for {name}");
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(tokio::time::Instant::now() < give_up, "process {} does not end", self.id());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl std::ops::Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
