//! Servers that misbehave, go away and come back.

use super::*;

#[tokio::test]
async fn an_emulator_may_come_up_later() {
    // Bound and not listened on: refused, and out of reach of the servers of other tests.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.set_reuseaddr(true).unwrap();
    reserved.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let free = reserved.local_addr().unwrap();
    let mut pull = Pull::start(options(free));
    eventually("it says so", || !pull.says().is_empty() && !pull.works()).await;
    drop(reserved);
    let server = server_at(free).await;
    eventually("the stream is open", || server.stats().open_streams > 0).await;
    a_message_gets_through(&server, &mut pull).await;
}

/// Google's emulator sends response headers with the first message; a reader that stops waiting and starts
/// again closes the stream each time and never gets one.
#[tokio::test]
async fn response_headers_may_come_with_the_first_message() {
    let server = server().await;
    server.faults().hold_response_headers(true);
    let mut pull = Pull::start(options(server.addr()));
    eventually("the stream is open", || server.stats().open_streams > 0).await;
    // Longer than a probe of the silent stream takes to come.
    let silent = Instant::now();
    eventually("it was silent", || silent.elapsed() > Duration::from_secs(6)).await;
    for _ in 0..3 {
        a_message_gets_through(&server, &mut pull).await;
    }
    assert_eq!(streams_opened(&server), 1, "the stream was given up in between");
}

/// The client opens some of these again by itself, calls some an end and some an error.
#[tokio::test]
async fn a_stream_that_ended_is_opened_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let codes = [Code::Ok, Code::Cancelled, Code::NotFound, Code::Unavailable, Code::PermissionDenied, Code::Unknown];
    for (already, code) in codes.into_iter().enumerate() {
        server.faults().end_streams(code);
        eventually("it is open again", || streams_opened(&server) == already + 2 && server.stats().open_streams == 1)
            .await;
        a_message_gets_through(&server, &mut pull).await;
    }
}

#[tokio::test]
async fn a_deleted_subscription_is_made_again_on_an_emulator() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let url = format!("{}/v1/{SUBSCRIPTION}", server.endpoint());
    assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    eventually("it is open again", || streams_opened(&server) == 2).await;
    a_message_gets_through(&server, &mut pull).await;
}

#[tokio::test]
async fn a_refusal_is_told_and_tried_again() {
    let server = server().await;
    server.faults().rpc(Rpc::StreamingPull, 1, RpcFault::Fail(Code::PermissionDenied));
    let mut pull = Pull::start(options(server.addr()));
    eventually("it says why", || pull.says().contains("PERMISSION_DENIED")).await;
    server.faults().clear();
    a_message_gets_through(&server, &mut pull).await;
}

/// Nothing tells the client that its connection is dead; only another one helps.
#[tokio::test]
async fn a_frozen_connection_is_replaced() {
    let (server, mut pull) = Pull::from_server(|options| Options {
        idle_rebuild: Duration::from_secs(1),
        max_outstanding_messages: 10,
        ..options
    })
    .await;
    server.faults().freeze_connections();
    server.faults().unfreeze_new_connections();
    let published = publish(&server, 30).await;
    // The server sends the dead connection ten, and again ten when their leases are over.
    let mut received = pull.settle_distinct(20).await;
    server.faults().unfreeze_connections();
    while received.len() < 30 {
        received.extend(pull.settle_distinct(1).await);
    }
    assert_eq!(received, published.into_iter().collect());
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn a_server_that_was_away_for_a_while_is_noticed_and_found_again() {
    let (server, mut pull) =
        Pull::from_server(|options| Options { idle_rebuild: Duration::from_secs(3600), ..options }).await;
    server.faults().refuse_connections();
    server.faults().cut_connections();
    eventually("it says so", || !pull.works()).await;
    eventually("and counts itself", || pull.metrics.holding(Dependency::PubSub) == 1).await;
    server.faults().accept_connections();
    eventually("it works again", || pull.works()).await;
    eventually("and holds no longer", || pull.metrics.holding(Dependency::PubSub) == 0).await;
    // The client's own back-off grows to a minute.
    eventually("it did not wait for the client", || pull.metrics.pubsub_connects.get() == 2).await;
    a_message_gets_through(&server, &mut pull).await;
}

/// A load balancer without a backend.
#[tokio::test]
async fn connections_that_are_closed_at_once_are_an_outage() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    server.faults().close_connections_at_once();
    server.faults().cut_connections();
    eventually("it says so", || !pull.works()).await;
    server.faults().accept_connections();
    a_message_gets_through(&server, &mut pull).await;
}

/// An emulator has forgotten everything when it starts again.
#[tokio::test]
async fn a_server_that_starts_again_on_its_port_is_found_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    a_message_gets_through(&server, &mut pull).await;
    let addr = server.addr();
    server.shutdown().await;
    let server = server_at(addr).await;
    eventually("topic and subscription are back", || server.subscription_stats(SUBSCRIPTION).is_some()).await;
    a_message_gets_through(&server, &mut pull).await;
}
