//! Which topics and subscriptions there are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tonic::Status;

use super::subscription::Subscription;
use super::{Shared, names, validate};
use crate::proto;

/// What a subscription says its topic is once that was deleted.
const DELETED_TOPIC: &str = "_deleted-topic_";

pub(crate) struct Registry {
    shared: Arc<Shared>,
    next_serial: AtomicU64,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    topics: BTreeMap<String, Topic>,
    subscriptions: BTreeMap<String, Arc<Subscription>>,
}

struct Topic {
    resource: proto::Topic,
    subscriptions: Vec<Arc<Subscription>>,
}

impl Registry {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, next_serial: AtomicU64::new(1), entries: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn create_topic(&self, topic: proto::Topic) -> Result<proto::Topic, Status> {
        names::check(&topic.name, "topics")?;
        let mut entries = self.write();
        if entries.topics.contains_key(&topic.name) {
            return Err(Status::already_exists(format!("topic already exists: {}", topic.name)));
        }
        let entry = Topic { resource: topic.clone(), subscriptions: Vec::new() };
        entries.topics.insert(topic.name.clone(), entry);
        Ok(topic)
    }

    pub(crate) fn topic(&self, name: &str) -> Result<proto::Topic, Status> {
        names::check(name, "topics")?;
        self.read().topics.get(name).map(|topic| topic.resource.clone()).ok_or_else(|| no_topic(name))
    }

    pub(crate) fn topics(&self, project: &str) -> Result<Vec<proto::Topic>, Status> {
        names::check_project(project)?;
        let prefix = format!("{project}/topics/");
        let entries = self.read();
        let topics = entries.topics.values().map(|topic| &topic.resource);
        Ok(topics.filter(|topic| topic.name.starts_with(&prefix)).cloned().collect())
    }

    pub(crate) fn topic_subscriptions(&self, topic: &str) -> Result<Vec<String>, Status> {
        let subscriptions = self.subscriptions_of(topic)?;
        Ok(subscriptions.iter().map(|subscription| subscription.name().to_owned()).collect())
    }

    pub(super) fn subscriptions_of(&self, topic: &str) -> Result<Vec<Arc<Subscription>>, Status> {
        names::check(topic, "topics")?;
        self.read().topics.get(topic).map(|topic| topic.subscriptions.clone()).ok_or_else(|| no_topic(topic))
    }

    /// Its subscriptions stay, with what they hold, and get nothing new.
    pub(crate) fn delete_topic(&self, name: &str) -> Result<(), Status> {
        names::check(name, "topics")?;
        let topic = self.write().topics.remove(name).ok_or_else(|| no_topic(name))?;
        for subscription in topic.subscriptions {
            subscription.update(|resource| DELETED_TOPIC.clone_into(&mut resource.topic));
        }
        Ok(())
    }

    pub(crate) fn create_subscription(&self, mut resource: proto::Subscription) -> Result<proto::Subscription, Status> {
        validate::subscription(&mut resource)?;
        let mut entries = self.write();
        if entries.subscriptions.contains_key(&resource.name) {
            return Err(Status::already_exists(format!("subscription already exists: {}", resource.name)));
        }
        let Some(topic) = entries.topics.get_mut(&resource.topic) else { return Err(no_topic(&resource.topic)) };
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        let subscription = Arc::new(Subscription::new(resource.clone(), serial, Arc::clone(&self.shared)));
        topic.subscriptions.push(Arc::clone(&subscription));
        entries.subscriptions.insert(resource.name.clone(), subscription);
        Ok(resource)
    }

    pub(crate) fn subscription(&self, name: &str) -> Result<Arc<Subscription>, Status> {
        names::check(name, "subscriptions")?;
        self.read().subscriptions.get(name).cloned().ok_or_else(|| no_subscription(name))
    }

    pub(crate) fn all_subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.read().subscriptions.values().cloned().collect()
    }

    pub(crate) fn subscriptions(&self, project: &str) -> Result<Vec<proto::Subscription>, Status> {
        names::check_project(project)?;
        let prefix = format!("{project}/subscriptions/");
        let all = self.all_subscriptions();
        Ok(all.iter().filter(|one| one.name().starts_with(&prefix)).map(|one| one.resource()).collect())
    }

    /// Sets the fields that `paths` names (all that can change, when there are none).
    pub(crate) fn update_subscription(
        &self,
        new: &proto::Subscription,
        paths: &[String],
    ) -> Result<proto::Subscription, Status> {
        let subscription = self.subscription(&new.name)?;
        let mut changed = subscription.resource();
        for path in paths {
            match path.as_str() {
                "ack_deadline_seconds" => changed.ack_deadline_seconds = new.ack_deadline_seconds,
                "labels" => changed.labels.clone_from(&new.labels),
                "dead_letter_policy" => changed.dead_letter_policy.clone_from(&new.dead_letter_policy),
                "expiration_policy" => changed.expiration_policy = new.expiration_policy,
                "message_retention_duration" => {
                    changed.message_retention_duration = new.message_retention_duration;
                }
                "push_config" => changed.push_config.clone_from(&new.push_config),
                "retry_policy" => changed.retry_policy = new.retry_policy,
                "enable_exactly_once_delivery" => {
                    changed.enable_exactly_once_delivery = new.enable_exactly_once_delivery;
                }
                other => return Err(Status::invalid_argument(format!("cannot update {other:?} of a subscription"))),
            }
        }
        validate::ack_deadline(changed.ack_deadline_seconds)?;
        subscription.update(|resource| resource.clone_from(&changed));
        Ok(changed)
    }

    /// Its messages are dropped and its streams end with `NOT_FOUND`.
    pub(crate) fn delete_subscription(&self, name: &str) -> Result<(), Status> {
        names::check(name, "subscriptions")?;
        let mut entries = self.write();
        let subscription = entries.subscriptions.remove(name).ok_or_else(|| no_subscription(name))?;
        for topic in entries.topics.values_mut() {
            topic.subscriptions.retain(|other| !Arc::ptr_eq(other, &subscription));
        }
        drop(entries);
        subscription.delete();
        Ok(())
    }
}

fn no_topic(name: &str) -> Status {
    Status::not_found(format!("topic not found: {name}"))
}

pub(crate) fn no_subscription(name: &str) -> Status {
    Status::not_found(format!("subscription not found: {name}"))
}
