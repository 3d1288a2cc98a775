//! The switches that break connections.

use std::net::TcpStream;

use pubsub_server::Event;
use tokio::io::AsyncReadExt as _;

use super::reader::Reader;
use super::target::{Target, eventually, ours};

/// The frozen stream still takes what it has room for, as a half-open connection does; the rest must
/// reach a client with a new connection.
#[tokio::test]
async fn a_frozen_connection_stays_frozen_and_a_new_one_works() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let mut frozen = Reader::open(&target, &pair.subscription, 1).await;
    target.publish(&pair.topic, 1).await;
    frozen.acknowledge(1).await;
    eventually("the acknowledgement is there", || server.stats().acked == 1).await;

    server.faults().freeze_connections();
    server.faults().unfreeze_new_connections();
    let later = Target::at(server.endpoint()).await;
    later.publish(&pair.topic, 2).await;
    Reader::open(&later, &pair.subscription, 10).await.acknowledge(1).await;
    assert!(frozen.is_idle(), "a frozen connection moved");
    assert!(server.stats().open_connections >= 2, "a frozen connection closed");

    server.faults().unfreeze_connections();
    frozen.acknowledge(1).await;
}

#[tokio::test]
async fn new_connections_freeze_too_until_told_otherwise() {
    let (server, target) = ours().await;
    server.faults().freeze_connections();
    let answer = target.get("/");
    tokio::pin!(answer);
    let connected = eventually("the frozen connection is open", || server.stats().open_connections == 1);
    tokio::select! {
        biased;
        _ = &mut answer => panic!("a frozen connection answered"),
        () = connected => {}
    }
    server.faults().clear();
    assert_eq!(answer.await, "Ok\n");
}

#[tokio::test]
async fn connections_are_refused_and_accepted_again() {
    let (server, target) = ours().await;
    server.faults().refuse_connections();
    eventually("it refuses", || TcpStream::connect(server.addr()).is_err()).await;
    server.faults().accept_connections();
    eventually("it accepts", || TcpStream::connect(server.addr()).is_ok()).await;
    assert_eq!(target.get("/").await, "Ok\n");
}

#[tokio::test]
async fn connections_are_accepted_and_closed() {
    let (server, target) = ours().await;
    server.faults().close_connections_at_once();
    assert!(reqwest::get(server.endpoint()).await.is_err());
    server.faults().accept_connections();
    assert_eq!(target.get("/").await, "Ok\n");
}

#[tokio::test]
async fn cut_connections_are_made_again_by_the_client() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let mut reader = Reader::open(&target, &pair.subscription, 10).await;
    eventually("the stream is open", || server.stats().open_streams == 1).await;
    server.faults().cut_connections();
    let opened = || server.events().iter().filter(|event| matches!(event, Event::StreamOpened { .. })).count();
    eventually("the stream is open again", || opened() == 2).await;
    assert!(server.events().iter().any(|event| matches!(event, Event::StreamClosed { code: None, .. })));
    let ids = target.publish(&pair.topic, 1).await;
    assert_eq!(reader.acknowledge(1).await, ids);
}

#[tokio::test]
async fn a_stopped_server_closes_even_frozen_connections() {
    let (server, _target) = ours().await;
    let mut connection = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    eventually("the connection is accepted", || server.stats().open_connections == 1).await;
    server.faults().freeze_connections();
    server.shutdown().await;
    let read = connection.read(&mut [0; 1024]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
