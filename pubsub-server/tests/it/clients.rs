//! The official clients of other languages, where they are installed.

use std::path::Path;
use std::process::{Command, Output};

use pubsub_server::{Config, Server};

use super::target::skipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_works() {
    let python = std::env::var("PUBSUB_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !succeeds(Command::new(&python).args(["-c", "import google.cloud.pubsub_v1"])) {
        return skipped("the Python client", "set PUBSUB_PYTHON to a python that can import google.cloud.pubsub_v1");
    }
    run(Command::new(python).arg(script("python_client.py"))).await;
}

/// `PUBSUB_NODE_MODULES` names a folder that holds `@google-cloud/pubsub`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_client_works() {
    let modules = std::env::var("PUBSUB_NODE_MODULES").unwrap_or_default();
    if !Path::new(&modules).join("@google-cloud/pubsub").is_dir() {
        return skipped(
            "the Node client",
            "set PUBSUB_NODE_MODULES to a node_modules folder that has @google-cloud/pubsub",
        );
    }
    run(Command::new("node").arg(script("node_client.mjs")).env("PUBSUB_NODE_MODULES", modules)).await;
}

async fn run(client: &mut Command) {
    let server = Server::start(Config::for_testing()).await.unwrap();
    client.env("PUBSUB_EMULATOR_HOST", server.addr().to_string());
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| client.output()).unwrap();
    let said = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{}\n{}", said.0, said.1);
    let stats = server.stats();
    assert_eq!((stats.published, stats.backlog, stats.outstanding), (1010, 0, 0), "{}\n{}", said.0, said.1);
    assert!(stats.acked >= 1010, "{stats:?}");
}

fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
