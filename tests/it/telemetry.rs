//! What a process tells of itself.

mod alerts;
mod logs;
mod metrics;
mod promtool;
mod traces;

use crate::support::process::Process;

/// Stops a process as Ctrl-C does, and waits until it has ended well.
fn stop(mut process: Process) {
    let id = process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(tokio::task::block_in_place(|| process.wait()).unwrap().success());
}
