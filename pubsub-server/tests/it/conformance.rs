//! What every Pub/Sub server must do. Plain functions of a target; `suite!` runs them against each.

use std::collections::HashSet;

use google_cloud_pubsub::Error;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::subscriber::handler::Handler;
use serde_json::json;

use super::reader::Reader;
use super::target::{Target, fresh, ours};

macro_rules! suite {
    ($($test:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            let (_server, target) = ours().await;
            super::conformance::cases::$test(&target).await;
        })+

        /// All of the suite at once, each test by its name.
        pub(crate) fn all(target: &std::sync::Arc<Target>) -> Vec<(&'static str, tokio::task::JoinHandle<()>)> {
            vec![$((stringify!($test), {
                let target = std::sync::Arc::clone(target);
                tokio::spawn(async move { super::conformance::cases::$test(&target).await })
            })),+]
        }
    };
}

suite! {
    topics_are_created_read_listed_and_deleted,
    subscriptions_are_created_read_listed_and_deleted,
    bad_names_are_refused,
    publishing_to_no_topic_fails,
    an_empty_message_is_refused,
    message_ids_are_unique,
    a_message_arrives_as_it_was_sent,
    an_acknowledged_message_does_not_come_back,
    a_refused_message_comes_back,
    unary_pull_obeys_max_messages,
    every_subscription_gets_every_message,
    two_streams_share_a_subscription,
    a_longer_deadline_keeps_a_message_away,
    exactly_once_acknowledgements_are_confirmed,
    messages_of_a_key_stay_in_order,
}

pub(crate) fn code(error: &Error) -> String {
    format!("{:?}", error.status().expect("a status").code)
}

pub(crate) mod cases {
    use super::*;

    pub(crate) async fn topics_are_created_read_listed_and_deleted(target: &Target) {
        let name = target.topic().await;
        let again = target.topics.create_topic().set_name(&name).send().await.unwrap_err();
        assert_eq!(code(&again), "AlreadyExists");
        assert_eq!(target.topics.get_topic().set_topic(&name).send().await.unwrap().name, name);
        let listed = target.topics.list_topics().set_project("projects/test").set_page_size(1000).send().await.unwrap();
        assert!(listed.topics.iter().any(|topic| topic.name == name));
        target.topics.delete_topic().set_topic(&name).send().await.unwrap();
        let gone = target.topics.get_topic().set_topic(&name).send().await.unwrap_err();
        assert_eq!(code(&gone), "NotFound");
        let gone = target.topics.delete_topic().set_topic(&name).send().await.unwrap_err();
        assert_eq!(code(&gone), "NotFound");
    }

    pub(crate) async fn subscriptions_are_created_read_listed_and_deleted(target: &Target) {
        let pair = target.pair().await;
        let admin = &target.subscriptions;
        let create = || admin.create_subscription().set_name(&pair.subscription);
        assert_eq!(code(&create().set_topic(&pair.topic).send().await.unwrap_err()), "AlreadyExists");
        let orphan = admin.create_subscription().set_name(fresh("subscriptions")).set_topic(fresh("topics"));
        assert_eq!(code(&orphan.send().await.unwrap_err()), "NotFound");
        let read = admin.get_subscription().set_subscription(&pair.subscription).send().await.unwrap();
        assert_eq!((read.topic.as_str(), read.ack_deadline_seconds), (pair.topic.as_str(), 10));
        let listed = admin.list_subscriptions().set_project("projects/test").set_page_size(1000).send().await.unwrap();
        assert!(listed.subscriptions.iter().any(|one| one.name == pair.subscription));
        let of_topic = target.topics.list_topic_subscriptions().set_topic(&pair.topic).send().await.unwrap();
        assert_eq!(of_topic.subscriptions, std::slice::from_ref(&pair.subscription));
        admin.delete_subscription().set_subscription(&pair.subscription).send().await.unwrap();
        let gone = admin.get_subscription().set_subscription(&pair.subscription).send().await.unwrap_err();
        assert_eq!(code(&gone), "NotFound");
    }

    pub(crate) async fn bad_names_are_refused(target: &Target) {
        let short = target.topics.create_topic().set_name("projects/test/topics/t").send().await.unwrap_err();
        assert_eq!(code(&short), "InvalidArgument");
    }

    pub(crate) async fn publishing_to_no_topic_fails(target: &Target) {
        let publisher = target.publisher(&fresh("topics")).await;
        let error = publisher.publish(Message::new().set_data("x")).await.unwrap_err();
        assert!(
            error.to_string().to_lowercase().contains("not") && format!("{error:?}").contains("NotFound"),
            "{error:?}"
        );
    }

    pub(crate) async fn an_empty_message_is_refused(target: &Target) {
        let topic = target.topic().await;
        let (status, body) = target.post(format!("{topic}:publish"), &json!({"messages": [{}]})).await;
        assert_eq!((status, &body["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    }

    pub(crate) async fn message_ids_are_unique(target: &Target) {
        let pair = target.pair().await;
        let ids: HashSet<String> = target.publish(&pair.topic, 500).await.into_iter().collect();
        assert_eq!(ids.len(), 500);
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_digit())));
    }

    pub(crate) async fn a_message_arrives_as_it_was_sent(target: &Target) {
        let pair = target.pair().await;
        let publisher = target.publisher(&pair.topic).await;
        let sent = Message::new().set_data(vec![0u8, 255, 10]).set_attributes([("k", "v"), ("empty", "")]);
        let id = publisher.publish(sent).await.unwrap();
        let (message, handler) = Reader::open(target, &pair.subscription, 10).await.next().await;
        assert_eq!((message.message_id, message.data.as_ref()), (id, [0u8, 255, 10].as_slice()));
        assert_eq!((message.attributes["k"].as_str(), message.attributes["empty"].as_str()), ("v", ""));
        assert!(message.publish_time.is_some());
        assert!(handler.delivery_attempt().is_none(), "counted only under a dead-letter policy");
        handler.ack();
    }

    /// The message that was not acknowledged tells when the leases of both are over.
    pub(crate) async fn an_acknowledged_message_does_not_come_back(target: &Target) {
        let pair = target.pair().await;
        target.publish(&pair.topic, 2).await;
        let pulled = target.pull_all(&pair.subscription, 2).await;
        assert_eq!(target.acknowledge(&pair.subscription, &pulled[0]).await.0, 200);
        let back = target.pull_all(&pair.subscription, 1).await;
        assert_eq!(back[0].message_id, pulled[1].message_id);
        assert_ne!(back[0].ack_id, pulled[1].ack_id);
    }

    pub(crate) async fn a_refused_message_comes_back(target: &Target) {
        let pair = target.pair().await;
        let ids = target.publish(&pair.topic, 1).await;
        let mut reader = Reader::open(target, &pair.subscription, 10).await;
        reader.next().await.1.nack();
        assert_eq!(reader.acknowledge(1).await, ids);
    }

    pub(crate) async fn unary_pull_obeys_max_messages(target: &Target) {
        let pair = target.pair().await;
        target.publish(&pair.topic, 10).await;
        let few = target.pull(&pair.subscription, 3).await;
        assert!((1..=3).contains(&few.len()), "{}", few.len());
        let rest = target.pull_all(&pair.subscription, 10 - few.len()).await;
        let ids: HashSet<&String> = few.iter().chain(&rest).map(|pulled| &pulled.message_id).collect();
        assert_eq!(ids.len(), 10);
    }

    pub(crate) async fn every_subscription_gets_every_message(target: &Target) {
        let pair = target.pair().await;
        let second = target.subscription(&pair.topic).await;
        let mut ids = target.publish(&pair.topic, 50).await;
        ids.sort();
        for subscription in [&pair.subscription, &second] {
            assert_eq!(Reader::open(target, subscription, 100).await.acknowledge(50).await, ids);
        }
    }

    pub(crate) async fn two_streams_share_a_subscription(target: &Target) {
        let pair = target.pair().await;
        let mut both = Reader::open(target, &pair.subscription, 100).await;
        both.join(target, &pair.subscription, 100).await;
        let mut ids = target.publish(&pair.topic, 50).await;
        ids.sort();
        assert_eq!(both.acknowledge(50).await, ids);
    }

    /// Again the other message tells when the shorter deadline is over.
    pub(crate) async fn a_longer_deadline_keeps_a_message_away(target: &Target) {
        let pair = target.pair().await;
        target.publish(&pair.topic, 2).await;
        let pulled = target.pull_all(&pair.subscription, 2).await;
        assert_eq!(target.modify(&pair.subscription, &pulled[0], 60).await.0, 200);
        let back = target.pull_all(&pair.subscription, 1).await;
        assert_eq!(back[0].message_id, pulled[1].message_id);
        assert_eq!(target.acknowledge(&pair.subscription, &pulled[0]).await.0, 200, "the longer lease still stands");
    }

    pub(crate) async fn exactly_once_acknowledgements_are_confirmed(target: &Target) {
        let topic = target.topic().await;
        let name = fresh("subscriptions");
        let create = target.subscriptions.create_subscription().set_name(&name).set_topic(&topic);
        create.set_enable_exactly_once_delivery(true).send().await.unwrap();
        target.publish(&topic, 3).await;
        for (_, handler) in Reader::open(target, &name, 10).await.take(3).await {
            let Handler::ExactlyOnce(handler) = handler else {
                panic!("the stream does not say that it is exactly-once")
            };
            handler.confirmed_ack().await.unwrap();
        }
    }

    pub(crate) async fn messages_of_a_key_stay_in_order(target: &Target) {
        let topic = target.topic().await;
        let name = fresh("subscriptions");
        let create = target.subscriptions.create_subscription().set_name(&name).set_topic(&topic);
        create.set_enable_message_ordering(true).send().await.unwrap();
        let publisher = target.publisher(&topic).await;
        let message =
            |number: usize| Message::new().set_data(number.to_string()).set_ordering_key(format!("key-{}", number % 2));
        let published: Vec<_> = (0..20).map(|number| publisher.publish(message(number))).collect();
        for id in published {
            id.await.unwrap();
        }
        let mut reader = Reader::open(target, &name, 3).await;
        let mut last = [None; 2];
        for _ in 0..20 {
            let (message, handler) = reader.next().await;
            let number: usize = std::str::from_utf8(&message.data).unwrap().parse().unwrap();
            assert!(last[number % 2] < Some(number), "{number} after {last:?}");
            last[number % 2] = Some(number);
            handler.ack();
        }
    }
}
