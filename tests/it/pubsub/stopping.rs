//! The end of a run loses nothing.

use super::*;

/// A process that ends right after its last settlement loses it.
#[tokio::test]
async fn nothing_that_was_settled_before_the_end_is_lost() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 500).await;
    let held = pull.take(500).await;
    let draining = pull.stop().await;
    assert!(pull.received.recv().await.is_none(), "the worker would never end");
    held.into_iter().for_each(settle);
    draining.finish().await;
    assert!(all_acknowledged(&server), "{:?}", server.stats());
    assert_eq!((server.stats().outstanding, server.stats().nacked), (0, 0));
}

/// What was not settled goes back without waiting for its lease to end.
#[tokio::test]
async fn what_was_not_settled_before_the_end_goes_back() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 20).await;
    let mut held = pull.take(20).await;
    let draining = pull.stop().await;
    held.drain(..5).for_each(settle);
    drop(held);
    draining.finish().await;
    assert_eq!((server.unacked(SUBSCRIPTION).len(), server.stats().outstanding), (15, 0));
}

/// The server is dead when we are to stop: acknowledging would never end.
#[tokio::test]
async fn it_stops_although_its_connection_is_frozen() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 1).await;
    let held = pull.next().await;
    server.faults().freeze_connections();
    settle(held);
    let draining = pull.stop().await;
    timeout(Draining::PATIENCE * 2, draining.finish()).await.expect("it hangs");
}

#[tokio::test]
async fn it_ends_when_nobody_receives() {
    let (_server, pull) = Pull::from_server(|options| options).await;
    drop(pull.received);
    let ended = timeout(PATIENCE, pull.running).await.expect("the run does not end");
    ended.expect("the run panicked").finish().await;
}
