//! The shop and the worker share no types: what the one sends is what the other expects, for every kind.

use std::sync::Arc;

use chrono::Utc;
use purser::events::{KINDS, Kind};
use purser::intake::{Delivery, Origin, Source};
use purser::pipeline::Outcome;
use purser::pipeline::worker::BatchLimits;
use purser_producer::{Message, Run, Shop};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::support::{Rig, delivery_with, word};

/// A rig whose tables hold everything that the shop's messages name.
async fn rig(shop: &Shop) -> Rig {
    let rig = Rig::new().await;
    purser_producer::stock(shop, rig.pool()).await.unwrap();
    purser_producer::register(shop.shoppers(), rig.pool()).await.unwrap();
    rig
}

fn delivery(message: &Message) -> (Delivery, oneshot::Receiver<Vec<Outcome>>) {
    let id = format!("pubsub:test:{}", Uuid::now_v7());
    let (mut delivery, reply) = delivery_with(id, message.payload.clone(), Utc::now());
    if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
        attributes.extend(message.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    (delivery, reply)
}

/// The words for what became of each message's events.
async fn decide(rig: &Rig, kind: &Kind, messages: &[Message]) -> Vec<String> {
    let (deliveries, replies): (Vec<_>, Vec<_>) = messages.iter().map(delivery).unzip();
    let (sender, receiver) = mpsc::channel(deliveries.len());
    for delivery in deliveries {
        sender.send(delivery).await.unwrap();
    }
    drop(sender);
    kind.decide(rig.pipeline.clone(), Source::PubSub, receiver, BatchLimits::default()).await.unwrap();
    let mut words = Vec::new();
    for reply in replies {
        words.push(word(&reply.await.unwrap()));
    }
    words
}

#[tokio::test]
async fn every_kind_is_rejected_exactly_where_the_shop_broke_it() {
    let shop = Arc::new(Shop::open(1, 50, 20));
    let rig = rig(&shop).await;
    for kind in KINDS {
        let sent = purser_producer::Kind::named(kind.name).unwrap();
        let run = Run { seed: 7, invalid_ratio: 0.3, starting_at: None };
        let messages: Vec<Message> = sent.messages(&shop, run).take(600).collect();
        for (message, words) in messages.iter().zip(decide(&rig, kind, &messages).await) {
            let rejected = words.split(", ").any(|word| word != "stored" && word != "ignored");
            let payload = String::from_utf8_lossy(&message.payload);
            assert_eq!(rejected, message.fault.is_some(), "{}: {:?} was {words}: {payload}", kind.name, message.fault);
        }
    }
}

#[test]
fn every_kind_is_sent_to_the_topic_that_the_worker_listens_to() {
    for kind in KINDS {
        assert_eq!(purser_producer::Kind::named(kind.name).unwrap().topic, kind.topic);
    }
}
