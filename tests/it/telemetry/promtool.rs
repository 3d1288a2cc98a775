//! Prometheus's own opinion.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What `promtool` says of its input, and whether it found nothing wrong. `None` where it is not installed,
/// which is told; where `PROMTOOL` names it, as in CI, it must be there.
pub(super) fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let named = std::env::var_os("PROMTOOL");
    let mut command = Command::new(named.clone().unwrap_or_else(|| "promtool".into()));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            let why = "promtool is not installed: it comes with Prometheus (Debian: `prometheus`), or set PROMTOOL";
            let said = format!("SKIPPED: promtool {}: {why}\n", arguments.join(" "));
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        }
        Err(error) => panic!("PROMTOOL cannot be run: {error}"),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(said).unwrap()))
}

/// Fails the test with whatever promtool finds wrong.
pub(super) fn assert_approved(arguments: &[&str], input: &str) {
    if let Some((approved, said)) = promtool(arguments, input) {
        assert!(approved, "promtool {}: {said}\n{input}", arguments.join(" "));
    }
}
