//! Every switch that changes what streams and calls do.

use std::time::Duration;

use prost::Message as _;
use pubsub_server::{Code, Event, Rpc, RpcFault, Server};
use serde_json::json;
use tonic::codec::Streaming;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use super::conformance::code;
use super::reader::Reader;
use super::target::{Pair, Target, eventually, ours};

fn streams_opened(server: &Server) -> usize {
    server.events().iter().filter(|event| matches!(event, Event::StreamOpened { .. })).count()
}

fn streams_closed_with(server: &Server, with: Code) -> usize {
    let closed = |event: &&Event| matches!(event, Event::StreamClosed { code: Some(code), .. } if *code == with);
    server.events().iter().filter(closed).count()
}

#[tokio::test]
async fn streams_end_with_any_code() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    for with in [Code::Ok, Code::PermissionDenied, Code::NotFound] {
        let mut reader = Reader::open(&target, &pair.subscription, 10).await;
        eventually("the stream is open", || server.stats().open_streams == 1).await;
        server.faults().end_streams(with);
        match reader.try_next().await {
            None => assert_eq!(with, Code::Ok),
            Some(next) => assert_eq!(code(&next.unwrap_err()), format!("{with:?}")),
        }
        eventually("the stream is closed", || server.stats().open_streams == 0).await;
        assert_eq!(streams_closed_with(&server, with), 1);
    }
}

#[tokio::test]
async fn the_client_opens_an_unavailable_stream_again() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let mut reader = Reader::open(&target, &pair.subscription, 10).await;
    eventually("the stream is open", || server.stats().open_streams == 1).await;
    server.faults().end_streams(Code::Unavailable);
    eventually("it is open again", || streams_opened(&server) == 2).await;
    let ids = target.publish(&pair.topic, 1).await;
    assert_eq!(reader.acknowledge(1).await, ids);
}

#[tokio::test]
async fn streams_end_after_so_many_messages() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let mut ids = target.publish(&pair.topic, 9).await;
    ids.sort();
    server.faults().end_streams_after_messages(3, Code::Unavailable);
    assert_eq!(Reader::open(&target, &pair.subscription, 100).await.acknowledge(9).await, ids);
    assert!(streams_closed_with(&server, Code::Unavailable) >= 2);
    server.faults().let_streams_live();
}

#[tokio::test]
async fn streams_end_after_some_time() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    server.faults().end_streams_after(Duration::from_millis(1), Code::Aborted);
    let _reader = Reader::open(&target, &pair.subscription, 10).await;
    eventually("streams end", || streams_closed_with(&server, Code::Aborted) >= 2).await;
    server.faults().clear();
    eventually("one stays", || server.stats().open_streams == 1).await;
}

#[tokio::test]
async fn outstanding_messages_are_delivered_early() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let ids = target.publish(&pair.topic, 1).await;
    let mut reader = Reader::open(&target, &pair.subscription, 10).await;
    let (_, first) = reader.next().await;
    assert_eq!(server.faults().redeliver_outstanding(), 1);
    let (again, second) = reader.next().await;
    assert_eq!(again.message_id, ids[0]);
    first.ack();
    eventually("the first acknowledgement is stale", || {
        server.events().iter().any(|event| matches!(event, Event::AckOfUnknown { .. }))
    })
    .await;
    assert_eq!(server.unacked(&pair.subscription), ids);
    second.ack();
    eventually("the second counts", || server.unacked(&pair.subscription).is_empty()).await;
}

#[tokio::test]
async fn every_second_message_is_delivered_twice() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    server.faults().duplicate_every(2);
    let ids = target.publish(&pair.topic, 4).await;
    let received = Reader::open(&target, &pair.subscription, 100).await.acknowledge(6).await;
    let times = |id: &String| received.iter().filter(|other| *other == id).count();
    let mut counts: Vec<usize> = ids.iter().map(times).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2, 2]);
    eventually("all are acknowledged", || server.unacked(&pair.subscription).is_empty()).await;
}

async fn one_pulled(target: &Target) -> (Pair, super::target::Pulled) {
    let pair = target.pair().await;
    target.publish(&pair.topic, 1).await;
    let pulled = target.pull_all(&pair.subscription, 1).await.remove(0);
    (pair, pulled)
}

#[tokio::test]
async fn acknowledgements_fail_get_lost_or_lose_their_reply() {
    let (server, target) = ours().await;
    let cases = [
        (RpcFault::Fail(Code::Internal), 500, 1),
        (RpcFault::Ignore, 200, 1),
        (RpcFault::LoseReply(Code::Unavailable), 503, 0),
    ];
    for (fault, status, left) in cases {
        let (pair, pulled) = one_pulled(&target).await;
        server.faults().rpc(Rpc::Acknowledge, 1, fault);
        assert_eq!(target.acknowledge(&pair.subscription, &pulled).await.0, status, "{fault:?}");
        assert_eq!(server.unacked(&pair.subscription).len(), left, "{fault:?}");
        server.faults().clear();
    }
}

#[tokio::test]
async fn a_nack_can_fail() {
    let (server, target) = ours().await;
    let (pair, pulled) = one_pulled(&target).await;
    server.faults().rpc(Rpc::ModifyAckDeadline, 2, RpcFault::Fail(Code::Internal));
    assert_eq!(target.modify(&pair.subscription, &pulled, 20).await.0, 200);
    assert_eq!(target.modify(&pair.subscription, &pulled, 0).await.0, 500, "every second one");
    assert_eq!(server.subscription_stats(&pair.subscription).unwrap().outstanding, 1);
}

#[tokio::test]
async fn publishing_fails_gets_lost_or_loses_its_reply() {
    let (server, target) = ours().await;
    let cases = [
        (RpcFault::Fail(Code::Aborted), 409, 0),
        (RpcFault::Ignore, 200, 0),
        (RpcFault::LoseReply(Code::Unavailable), 503, 1),
    ];
    for (fault, status, stored) in cases {
        let pair = target.pair().await;
        server.faults().rpc(Rpc::Publish, 1, fault);
        let (answered, body) =
            target.post(format!("{}:publish", pair.topic), &json!({"messages": [{"data": "eA=="}]})).await;
        assert_eq!(answered, status, "{fault:?} {body}");
        assert_eq!(server.unacked(&pair.subscription).len(), stored, "{fault:?}");
    }
}

/// The reply is lost, so the client publishes again: one purchase, two messages with two ids.
#[tokio::test]
async fn a_lost_publish_reply_makes_the_client_publish_twice() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    server.faults().rpc(Rpc::Publish, 2, RpcFault::LoseReply(Code::Unavailable));
    target.publish(&pair.topic, 1).await;
    target.publish(&pair.topic, 1).await;
    assert_eq!(server.unacked(&pair.subscription).len(), 3);
}

#[tokio::test]
async fn pulls_and_streams_can_be_refused() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    server.faults().rpc(Rpc::StreamingPull, 1, RpcFault::Fail(Code::PermissionDenied));
    let refused = Reader::open(&target, &pair.subscription, 10).await.try_next().await.unwrap().unwrap_err();
    assert_eq!(code(&refused), "PermissionDenied");
    server.faults().rpc(Rpc::Pull, 1, RpcFault::Fail(Code::NotFound));
    assert_eq!(target.post(format!("{}:pull", pair.subscription), &json!({"maxMessages": 1})).await.0, 404);
}

/// The two fields of a first request that this test needs.
#[derive(Clone, prost::Message)]
struct Open {
    #[prost(string, tag = "1")]
    subscription: String,
    #[prost(int32, tag = "5")]
    stream_ack_deadline_seconds: i32,
}

/// Returns when the response headers are there.
async fn open_stream(server: &Server, subscription: String) -> Streaming<Open> {
    let channel = Channel::from_shared(server.endpoint()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let first = Open { subscription, stream_ack_deadline_seconds: 10 };
    assert!(first.encoded_len() > 0);
    let requests = futures::StreamExt::chain(futures::stream::iter([first]), futures::stream::pending());
    let path = PathAndQuery::from_static("/google.pubsub.v1.Subscriber/StreamingPull");
    let codec = tonic_prost::ProstCodec::<Open, Open>::default();
    client.streaming(tonic::Request::new(requests), path, codec).await.unwrap().into_inner()
}

#[tokio::test]
async fn response_headers_come_at_once() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    open_stream(&server, pair.subscription).await;
}

#[tokio::test]
async fn response_headers_can_be_held_back_until_the_first_message() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    server.faults().hold_response_headers(true);
    let held = open_stream(&server, pair.subscription.clone());
    tokio::pin!(held);
    let long_enough = async {
        eventually("the stream is open", || server.stats().open_streams == 1).await;
        // Headers that were sent would arrive while other calls come and go.
        for _ in 0..20 {
            target.get("/").await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut held => panic!("headers came without a message"),
        () = long_enough => {}
    }
    target.publish(&pair.topic, 1).await;
    let _stream = held.await;
    assert_eq!(server.subscription_stats(&pair.subscription).unwrap().delivered, 1);
    server.faults().clear();
}
