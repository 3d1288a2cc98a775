//! Everything goes wrong at once, and still every message is accounted for.

use std::collections::HashSet;

use pubsub_server::{Code, Config, Event, Rpc, RpcFault};

use super::reader::Reader;
use super::target::{eventually, start};

const MESSAGES: usize = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_received_and_acknowledged_once_under_faults() {
    let (server, target) = start(Config { event_log: Some(1_000_000), ..Config::for_testing() }).await;
    let pair = target.pair().await;
    let faults = server.faults();
    faults.duplicate_every(7);
    faults.rpc(Rpc::Acknowledge, 3, RpcFault::Fail(Code::Unavailable));
    faults.rpc(Rpc::ModifyAckDeadline, 2, RpcFault::Ignore);
    faults.end_streams_after_messages(900, Code::Unavailable);
    let mut reader = Reader::open(&target, &pair.subscription, 2_000).await;
    for _ in 0..2 {
        reader.join(&target, &pair.subscription, 2_000).await;
    }
    let published: HashSet<String> = target.publish(&pair.topic, MESSAGES).await.into_iter().collect();
    let mut received = HashSet::new();
    let mut taken = 0;
    while received.len() < MESSAGES {
        let (message, handler) = reader.next().await;
        received.insert(message.message_id);
        taken += 1;
        match taken % 50 {
            0 => handler.nack(),
            _ => handler.ack(),
        }
        if taken % 1_500 == 0 {
            faults.redeliver_outstanding();
        }
    }
    faults.clear();
    // What was lost comes back when its lease is over.
    let done = || server.stats().backlog + server.stats().outstanding == 0;
    tokio::select! {
        () = eventually("everything is acknowledged", done) => {}
        () = acknowledge_for_ever(&mut reader) => {}
    }
    assert_eq!(received, published);

    let acked: Vec<String> = server
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Acked { message_id, .. } => Some(message_id),
            _ => None,
        })
        .collect();
    assert_eq!(acked.iter().cloned().collect::<HashSet<_>>(), published);
    eventually("all memory is free", || server.stats().retained_messages == 0).await;
    assert_eq!(server.stats().retained_bytes, 0);
}

async fn acknowledge_for_ever(reader: &mut Reader) {
    loop {
        reader.next().await.1.ack();
    }
}
