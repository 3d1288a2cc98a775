//! The workers: processes that are killed, stopped, frozen, and started again.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::schedule::WORKERS;
use crate::support::process::Process;
use crate::support::stack::free_address;

/// Where the workers listen at the moment.
#[derive(Clone)]
pub struct Addresses(Arc<Mutex<[SocketAddr; WORKERS]>>);

impl Addresses {
    pub fn now(&self) -> [SocketAddr; WORKERS] {
        *self.0.lock().unwrap()
    }
}

/// All workers. What they say is kept in a folder, which stays when the test fails.
pub struct Crew {
    flags: Vec<String>,
    processes: Vec<Process>,
    pub addresses: Addresses,
    logs: Option<TempDir>,
    pub started: usize,
    /// What workers said last that ended although nobody told them.
    pub deserters: Vec<String>,
}

impl Crew {
    pub fn start(flags: Vec<String>) -> Crew {
        let addresses = Addresses(Arc::new(Mutex::new([free_address(); WORKERS])));
        let logs = Some(tempfile::tempdir().unwrap());
        let mut crew = Crew { flags, processes: Vec::new(), addresses, logs, started: 0, deserters: Vec::new() };
        for worker in 0..WORKERS {
            let process = crew.process(worker);
            crew.processes.push(process);
        }
        crew
    }

    /// A new process in the place of one that has ended. It listens elsewhere: the port may be taken by now.
    fn process(&mut self, worker: usize) -> Process {
        self.started += 1;
        let address = free_address();
        self.addresses.0.lock().unwrap()[worker] = address;
        let log = OpenOptions::new().create(true).append(true).open(self.log(worker)).unwrap();
        let arguments = ["serve".to_owned()].into_iter().chain(self.flags.clone());
        Process::start(arguments.chain([format!("--http-addr={address}")]), log.into())
    }

    pub fn kill(&mut self, worker: usize) {
        self.processes[worker].kill().unwrap();
    }

    pub fn signal(&mut self, worker: usize, name: &str) {
        // One that has just ended has not been waited for: there is still somebody to signal to.
        self.processes[worker].signal(name);
    }

    /// Waits for its end, and starts another.
    pub async fn replace(&mut self, worker: usize) {
        self.processes[worker].ended().await;
        self.processes[worker] = self.process(worker);
    }

    /// Replaces those that have ended although nobody told them.
    pub async fn muster(&mut self) {
        for worker in 0..WORKERS {
            if self.processes[worker].try_wait().unwrap().is_some() {
                let log = std::fs::read_to_string(self.log(worker)).unwrap_or_default();
                self.deserters.push(log.lines().last().unwrap_or_default().to_owned());
                self.replace(worker).await;
            }
        }
    }

    /// Stops all, and waits until they have.
    pub async fn stop(&mut self) {
        for process in &self.processes {
            process.signal("TERM");
        }
        for process in &mut self.processes {
            let status = process.ended().await;
            assert!(status.success(), "a worker ended with {status}");
        }
        for worker in 0..WORKERS {
            let log = std::fs::read_to_string(self.log(worker)).unwrap();
            assert!(!log.contains("panicked"), "worker {worker} panicked");
        }
    }

    fn log(&self, worker: usize) -> PathBuf {
        self.logs.as_ref().unwrap().path().join(format!("worker-{worker}.log"))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.logs.take().map(TempDir::keep);
            let _ = writeln!(std::io::stderr(), "the workers' logs are kept in {}", kept.unwrap_or_default().display());
        }
    }
}
