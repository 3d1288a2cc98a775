//! What is delivered, settled, held and dropped.

use super::*;

#[tokio::test]
async fn a_message_is_delivered_as_it_was_published() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    assert_eq!(pull.says(), Health::OK, "topic and subscription were created");
    let message = Message::new().set_data("{}").set_attributes([("from", "shop")]).set_ordering_key("u1");
    let ids = publish_all(&server, [message].into_iter()).await;
    let delivery = pull.next().await;
    assert_eq!(delivery.payload, "{}");
    let Origin::PubSub { subscription, message_id, publish_time, ordering_key, attributes, .. } = &delivery.origin
    else {
        panic!("{:?}", delivery.origin)
    };
    assert_eq!((&**subscription, message_id, ordering_key.as_str()), (SUBSCRIPTION, &ids[0], "u1"));
    assert_eq!(attributes.iter().collect::<Vec<_>>(), [(&"from".to_owned(), &"shop".to_owned())]);
    assert_eq!(delivery.published_at, *publish_time);
    let time = publish_time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    assert_eq!(delivery.id, format!("pubsub:{SUBSCRIPTION}:{message_id}:{time}"));
    settle(delivery);
    eventually("it is acknowledged", || all_acknowledged(&server)).await;
    assert_eq!(pull.metrics.pubsub_connects.get(), 1);
}

#[tokio::test]
async fn two_messages_with_one_idempotency_key_are_one_delivery() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    let message = || Message::new().set_data("{}").set_attributes([("idempotency_key", "order-1")]);
    publish_all(&server, [message(), message()].into_iter()).await;
    for delivery in pull.take(2).await {
        assert_eq!(delivery.id, format!("pubsub:{SUBSCRIPTION}:key:order-1"));
    }
}

/// Acknowledgements are sent and forgotten.
#[tokio::test]
async fn what_was_settled_in_vain_comes_again_under_the_same_id() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    server.faults().rpc(Rpc::Acknowledge, 1, RpcFault::Ignore);
    publish(&server, 1).await;
    let first = pull.next().await;
    let id = first.id.clone();
    settle(first);
    let again = pull.next().await;
    assert_eq!(again.id, id);
    server.faults().clear();
    settle(again);
    eventually("it is acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn what_is_held_longer_than_its_lease_is_not_delivered_again() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 3).await;
    let held = pull.take(3).await;
    let since = Instant::now();
    eventually("a lease and more has passed", || since.elapsed() > Duration::from_secs(12)).await;
    held.into_iter().for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
    assert_eq!((server.stats().delivered, server.stats().expired), (3, 0));
}

/// The streams that delivered them are gone, their leases and acknowledgements are not.
#[tokio::test]
async fn what_a_former_stream_delivered_can_be_settled() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 3).await;
    let held = pull.take(3).await;
    server.faults().end_streams(Code::Ok);
    eventually("it is open again", || streams_opened(&server) == 2).await;
    held.into_iter().for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
    assert_eq!(server.stats().delivered, 3);
}

#[tokio::test]
async fn what_is_dropped_comes_again_at_once() {
    let (server, mut pull) = Pull::from_server(|options| options).await;
    publish(&server, 1).await;
    let dropped = pull.next().await;
    let id = dropped.id.clone();
    drop(dropped);
    let again = pull.next().await;
    assert_eq!(again.id, id);
    assert_eq!((server.stats().nacked, server.stats().expired), (1, 0));
}

#[tokio::test]
async fn two_processes_share_a_subscription() {
    let limited = |options: Options| Options { max_outstanding_messages: 10, ..options };
    let (server, mut one) = Pull::from_server(limited).await;
    let mut other = Pull::start(limited(options(server.addr())));
    eventually("both pull", || server.stats().open_streams == 2).await;
    let ids = publish(&server, 20).await;
    let (mine, yours) = (one.take(10).await, other.take(10).await);
    assert_eq!(message_ids(mine.iter().chain(&yours)), ids.into_iter().collect());
    mine.into_iter().chain(yours).for_each(settle);
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn a_process_may_pull_several_streams() {
    let (server, mut pull) =
        Pull::from_server(|options| Options { streams: 3, max_outstanding_messages: 10, ..options }).await;
    eventually("all are open", || server.stats().open_streams == 3).await;
    let ids = publish(&server, 30).await;
    let held = pull.take(30).await;
    assert_eq!(message_ids(&held), ids.into_iter().collect());
    let draining = pull.stop().await;
    held.into_iter().for_each(settle);
    draining.finish().await;
    assert!(all_acknowledged(&server));
}
