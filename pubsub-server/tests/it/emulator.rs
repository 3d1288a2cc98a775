//! The conformance suite against Google's emulator, where its jar and a Java runtime are installed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::conformance;
use super::target::{PATIENCE, Target, skipped};

/// A process that does not outlive the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _it_ended_before = self.0.kill();
        let _it_ended_before = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn googles_emulator_passes_the_same_suite() {
    let Some(jar) = jar() else {
        return skipped("Google's emulator", "set PUBSUB_EMULATOR_JAR or install google-cloud-cli-pubsub-emulator");
    };
    let Some((_process, endpoint)) = start(&jar) else { return skipped("Google's emulator", "there is no `java`") };
    wait_until_it_answers(&endpoint).await;
    let target = Arc::new(Target::at(endpoint).await);
    let mut failed = Vec::new();
    for (name, test) in conformance::all(&target) {
        if let Err(error) = test.await {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn jar() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("PUBSUB_EMULATOR_JAR") {
        return Some(PathBuf::from(given));
    }
    let listed = Command::new("dpkg").args(["-L", "google-cloud-cli-pubsub-emulator"]).output().ok()?;
    let paths = String::from_utf8(listed.stdout).ok()?;
    paths.lines().find(|path| path.ends_with("-all.jar")).map(PathBuf::from)
}

fn start(jar: &Path) -> Option<(Killed, String)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut java = Command::new("java");
    java.arg("-jar").arg(jar).arg("--host=127.0.0.1").arg(format!("--port={port}"));
    let process = java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    Some((Killed(process), format!("http://127.0.0.1:{port}")))
}

async fn wait_until_it_answers(endpoint: &str) {
    let answers = async {
        while reqwest::get(endpoint).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answers).await.expect("the emulator does not start");
}
