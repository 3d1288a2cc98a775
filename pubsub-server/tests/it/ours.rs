//! What our server promises beyond the conformance suite.

use std::collections::HashSet;

use google_cloud_pubsub::model::DeadLetterPolicy;
use pubsub_server::{Code, Config, Event, Server, StartError};
use serde_json::json;

use super::conformance::code;
use super::reader::Reader;
use super::target::{eventually, fresh, ours, start};

#[tokio::test]
async fn the_health_check_answers() {
    let (_server, target) = ours().await;
    assert_eq!(target.get("/").await, "Ok\n");
}

/// Google's emulator does not pass this: it sends a sixth message.
#[tokio::test]
async fn flow_control_is_respected() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    target.publish(&pair.topic, 20).await;
    let mut reader = Reader::open(&target, &pair.subscription, 5).await;
    let mut held = reader.take(5).await;
    for acked in 1..=15 {
        held.remove(0).1.ack();
        held.push(reader.next().await);
        let stats = server.subscription_stats(&pair.subscription).unwrap();
        assert!(stats.outstanding <= 5 && stats.delivered <= 5 + acked, "{stats:?}");
    }
}

/// Each stream may hold half of the messages, so the other half must go to the other one.
#[tokio::test]
async fn a_full_stream_leaves_the_rest_to_another() {
    let (_server, target) = ours().await;
    let pair = target.pair().await;
    let mut one = Reader::open(&target, &pair.subscription, 10).await;
    let mut two = Reader::open(&target, &pair.subscription, 10).await;
    let ids: HashSet<String> = target.publish(&pair.topic, 20).await.into_iter().collect();
    let held = (one.take(10).await, two.take(10).await);
    let received: HashSet<String> =
        held.0.iter().chain(&held.1).map(|(message, _)| message.message_id.clone()).collect();
    assert_eq!(received, ids);
}

#[tokio::test]
async fn message_ids_are_unique_across_a_restart() {
    let (server, target) = ours().await;
    let config = Config { addr: server.addr(), ..Config::for_testing() };
    let mut ids = target.publish(&target.pair().await.topic, 100).await;
    server.shutdown().await;
    let (_server, target) = start(config).await;
    ids.extend(target.publish(&target.pair().await.topic, 100).await);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 200);
}

#[tokio::test]
async fn a_stale_ack_id_of_an_earlier_server_does_nothing() {
    let (server, target) = ours().await;
    let config = Config { addr: server.addr(), ..Config::for_testing() };
    let pair = target.pair().await;
    target.publish(&pair.topic, 1).await;
    let stale = target.pull_all(&pair.subscription, 1).await;
    server.crash().await;
    let (server, target) = start(config).await;
    target.topics.create_topic().set_name(&pair.topic).send().await.unwrap();
    target
        .subscriptions
        .create_subscription()
        .set_name(&pair.subscription)
        .set_topic(&pair.topic)
        .send()
        .await
        .unwrap();
    let ids = target.publish(&pair.topic, 1).await;
    target.pull_all(&pair.subscription, 1).await;
    assert_eq!(target.acknowledge(&pair.subscription, &stale[0]).await.0, 200);
    assert_eq!(server.unacked(&pair.subscription), ids);
}

#[tokio::test]
async fn the_retention_limit_says_what_to_do_and_acknowledging_makes_room() {
    let (server, target) = start(Config { max_messages: 3, ..Config::for_testing() }).await;
    let pair = target.pair().await;
    let publish = format!("{}:publish", pair.topic);
    let message = json!({"messages": [{"data": "eA=="}]});
    for _ in 0..3 {
        assert_eq!(target.post(&publish, &message).await.0, 200);
    }
    let (status, body) = target.post(&publish, &message).await;
    assert_eq!((status, &body["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    let text = body["error"]["message"].as_str().unwrap();
    assert!(text.contains("3 messages") && text.contains("--max-messages"), "{text}");
    for pulled in target.pull_all(&pair.subscription, 3).await {
        target.acknowledge(&pair.subscription, &pulled).await;
    }
    assert_eq!(server.stats().retained_messages, 0);
    assert_eq!(target.post(&publish, &message).await.0, 200);
}

#[tokio::test]
async fn messages_without_a_subscription_take_no_room() {
    let (server, target) = ours().await;
    let topic = target.topic().await;
    target.publish(&topic, 10).await;
    let stats = server.stats();
    assert_eq!((stats.published, stats.retained_messages, stats.retained_bytes), (10, 0, 0));
}

#[tokio::test]
async fn the_event_log_tells_the_life_of_a_message() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let message_id = target.publish(&pair.topic, 1).await.remove(0);
    let first = target.pull_all(&pair.subscription, 1).await.remove(0);
    target.modify(&pair.subscription, &first, 0).await;
    let second = target.pull_all(&pair.subscription, 1).await.remove(0);
    target.acknowledge(&pair.subscription, &first).await;
    target.acknowledge(&pair.subscription, &second).await;
    let (subscription, topic) = (pair.subscription, pair.topic);
    let delivered =
        |attempt| Event::Delivered { subscription: subscription.clone(), message_id: message_id.clone(), attempt };
    let expected = [
        Event::Published { topic, message_id: message_id.clone() },
        delivered(1),
        Event::Nacked { subscription: subscription.clone(), message_id: message_id.clone() },
        delivered(2),
        Event::AckOfUnknown { subscription: subscription.clone(), ack_id: first.ack_id },
        Event::Acked { subscription: subscription.clone(), message_id: message_id.clone() },
    ];
    assert_eq!(server.events(), expected);
}

#[tokio::test]
async fn attempts_are_told_under_a_dead_letter_policy() {
    let (_server, target) = ours().await;
    let topic = target.topic().await;
    let name = fresh("subscriptions");
    let policy = DeadLetterPolicy::new().set_dead_letter_topic(&topic).set_max_delivery_attempts(5);
    let create = target.subscriptions.create_subscription().set_name(&name).set_topic(&topic);
    create.set_dead_letter_policy(policy).send().await.unwrap();
    target.publish(&topic, 1).await;
    for attempt in 1..=7 {
        let pulled = target.pull_all(&name, 1).await.remove(0);
        assert_eq!(pulled.attempt, Some(attempt));
        target.modify(&name, &pulled, 0).await;
    }
}

#[tokio::test]
async fn exactly_once_refuses_an_acknowledgement_that_comes_too_late() {
    let (_server, target) = ours().await;
    let topic = target.topic().await;
    let name = fresh("subscriptions");
    let create = target.subscriptions.create_subscription().set_name(&name).set_topic(&topic);
    create.set_enable_exactly_once_delivery(true).send().await.unwrap();
    target.publish(&topic, 1).await;
    let pulled = target.pull_all(&name, 1).await.remove(0);
    assert_eq!(target.acknowledge(&name, &pulled).await.0, 200);
    let (status, body) = target.acknowledge(&name, &pulled).await;
    assert_eq!((status, &body["error"]["status"]), (400, &json!("FAILED_PRECONDITION")));
}

#[tokio::test]
async fn deleting_a_subscription_ends_its_streams() {
    let (server, target) = ours().await;
    let pair = target.pair().await;
    let mut reader = Reader::open(&target, &pair.subscription, 10).await;
    eventually("the stream is open", || server.stats().open_streams == 1).await;
    target.subscriptions.delete_subscription().set_subscription(&pair.subscription).send().await.unwrap();
    assert_eq!(code(&reader.try_next().await.unwrap().unwrap_err()), "NotFound");
    assert!(server.subscription_stats(&pair.subscription).is_none());
}

#[tokio::test]
async fn a_subscription_can_be_changed() {
    let (_server, target) = ours().await;
    let pair = target.pair().await;
    let change = json!({"subscription": {"ackDeadlineSeconds": 45}, "updateMask": "ackDeadlineSeconds"});
    let (status, changed) = target.patch(&pair.subscription, &change).await;
    assert_eq!((status, &changed["ackDeadlineSeconds"], &changed["topic"]), (200, &json!(45), &json!(pair.topic)));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (server, _target) = ours().await;
    let addr = server.addr();
    let error = Server::start(Config { addr, ..Config::for_testing() }).await.err().unwrap();
    assert!(matches!(error, StartError::AddressInUse { addr: taken } if taken == addr));
    assert!(error.to_string().contains(&addr.to_string()));
}

/// Leases of a stream that has gone are capped when that is asked for.
#[tokio::test]
async fn a_closed_stream_gives_its_messages_back_early_if_told_to() {
    let closed_stream_lease = Some(std::time::Duration::ZERO);
    let (server, target) = start(Config { closed_stream_lease, ..Config::for_testing() }).await;
    let pair = target.pair().await;
    let ids = target.publish(&pair.topic, 1).await;
    let mut reader = Reader::open(&target, &pair.subscription, 10).await;
    let _held = reader.next().await;
    server.faults().end_streams(Code::Ok);
    assert!(reader.try_next().await.is_none());
    assert_eq!(target.pull_all(&pair.subscription, 1).await[0].message_id, ids[0]);
}
