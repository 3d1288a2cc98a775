//! Messages that come in over HTTP, and out of files.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use super::crew::Addresses;
use crate::support::process::Process;
use crate::support::sent::{Expected, KEY, Sent};

/// How long whoever was turned away waits.
const PAUSE: Duration = Duration::from_millis(200);

/// A process that ingests a file and is killed, and then others until one gets to the end.
pub async fn back_fill(file: Vec<Sent>, killed_after: Duration, flags: [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("purchases.ndjson");
    let lines: Vec<&[u8]> = file.iter().map(|sent| &sent.payload[..]).collect();
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    let start = || {
        let words = ["ingest", "purchase", "--batch-events=20"].map(str::to_owned).into_iter();
        Process::start(words.chain([path.display().to_string()]).chain(flags.clone()), Stdio::null())
    };
    let mut first = start();
    tokio::time::sleep(killed_after).await;
    // It may have been faster.
    let _ = first.kill();
    first.ended().await;
    // Where Postgres is away when it begins, it says so and ends.
    while !start().ended().await.success() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Posts to one worker after the other until each message is decided.
pub async fn post_all(messages: Vec<Sent>, addresses: Addresses) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
    let posting = messages.into_iter().enumerate().map(|(number, sent)| {
        let (client, addresses) = (client.clone(), addresses.clone());
        async move {
            for attempt in number.. {
                let now = addresses.now();
                if post_one(&client, now[attempt % now.len()], &sent).await {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
    futures::future::join_all(posting).await;
}

/// Whether it is decided, and as it must be.
async fn post_one(client: &reqwest::Client, address: SocketAddr, sent: &Sent) -> bool {
    let kind = sent.kind.name;
    let request = client.post(format!("http://{address}/events/{kind}")).body(sent.payload.clone());
    let key = sent.attribute(KEY).map(|key| ("Idempotency-Key", key));
    let request = key.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let Ok(answer) = request.send().await else { return false };
    let right = match (answer.status().as_u16(), &sent.expected[..]) {
        (503 | 504, _) => return false,
        (200 | 201, [Expected::Row(_)]) | (422, [Expected::Letter { .. }]) => true,
        (200 | 201 | 422, [Expected::RowInTheEnd(_)]) => true,
        // Another message of the same id was faster.
        (409, [Expected::Row(_)]) => true,
        _ => false,
    };
    assert!(right, "{kind} was answered {answer:?}: {}", String::from_utf8_lossy(&sent.payload));
    true
}
