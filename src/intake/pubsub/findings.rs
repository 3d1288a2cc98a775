//! What about a subscription keeps messages from us, or would lose good ones one day.

use google_cloud_pubsub::model::Subscription;

use super::Options;

/// Something about a subscription that whoever runs it should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it means for the events.
    pub weight: Weight,
    /// What is found, and what comes of it.
    pub what: String,
    /// The command that mends it.
    pub mend: String,
}

/// What a finding means for the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Events arrive, if slower than they could.
    Slows,
    /// Good events may be lost, during an outage for one.
    MayLose,
    /// No event that is published now arrives.
    CutsOff,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { what, mend, .. } = self;
        write!(f, "{what}; to mend it: {mend}")
    }
}

/// What stands for the topic of a subscription whose topic was deleted.
const DELETED_TOPIC: &str = "_deleted-topic_";
/// Seconds that messages should be kept for at the least, through a long outage: a week, which is also the default.
const RETENTION: i64 = 7 * 24 * 3600;

/// Everything about a subscription that is not as it should be, the worst first.
#[must_use]
pub fn findings(subscription: &Subscription, options: &Options) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        topic(subscription, options),
        is_detached(subscription, options),
        is_delivered_elsewhere(subscription, options),
        dead_letter_policy(subscription, options),
        expiration(subscription, options),
        retention(subscription, options),
        filter(subscription, options),
        ordering(subscription, options),
        exactly_once(subscription, options),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings
}

fn topic(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let (weight, what) = match subscription.topic.as_str() {
        DELETED_TOPIC => {
            let what = "its topic was deleted: nothing new arrives, and it cannot be given another one (let it run \
                        empty before)";
            (Weight::CutsOff, what.to_owned())
        }
        // Of whatever project: a shop may well publish in its own.
        topic if topic.rsplit('/').next() == Some(&options.topic) => return None,
        other => (Weight::MayLose, format!("it is a subscription to {other}, and not to a topic {}", options.topic)),
    };
    Some(Finding { weight, what, mend: options.make_again() })
}

fn is_detached(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let what = "it was detached from its topic: nothing arrives, and it cannot be attached again".to_owned();
    subscription.detached.then(|| Finding { weight: Weight::CutsOff, what, mend: options.make_again() })
}

fn is_delivered_elsewhere(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let pushed = subscription.push_config.as_ref().filter(|push| !push.push_endpoint.is_empty());
    let (where_to, mend) = if let Some(push) = pushed {
        let mend = options.gcloud("modify-push-config", "--push-endpoint=\"\"");
        (push.push_endpoint.as_str(), mend)
    } else if subscription.bigquery_config.is_some() {
        ("BigQuery", options.gcloud("update", "--clear-bigquery-config"))
    } else if subscription.cloud_storage_config.is_some() {
        ("Cloud Storage", options.gcloud("update", "--clear-cloud-storage-config"))
    } else if subscription.bigtable_config.is_some() {
        ("Bigtable", options.make_again())
    } else {
        return None;
    };
    let what = format!("Pub/Sub delivers its messages to {where_to}: they cannot be pulled");
    Some(Finding { weight: Weight::CutsOff, what, mend })
}

fn dead_letter_policy(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let policy = subscription.dead_letter_policy.as_ref().filter(|policy| !policy.dead_letter_topic.is_empty())?;
    let what = format!(
        "it has a dead-letter policy: what was delivered {} times goes to {}, good events too when the database is \
         away or a worker dies again and again (rejected ones have dead letters without it)",
        policy.max_delivery_attempts, policy.dead_letter_topic
    );
    Some(Finding { weight: Weight::MayLose, what, mend: options.gcloud("update", "--clear-dead-letter-policy") })
}

fn expiration(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let ttl = subscription.expiration_policy.as_ref()?.ttl.as_ref()?;
    let what = format!(
        "it expires: it is deleted, with the events that it holds, once no worker has pulled for {}",
        time(ttl.seconds())
    );
    Some(Finding { weight: Weight::MayLose, what, mend: options.gcloud("update", "--expiration-period=never") })
}

fn retention(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let kept = subscription.message_retention_duration.as_ref()?.seconds();
    let what = format!("it keeps events for {}: an outage that lasts longer loses them", time(kept));
    let mend = || options.gcloud("update", "--message-retention-duration=7d");
    (0 < kept && kept < RETENTION).then(|| Finding { weight: Weight::MayLose, what, mend: mend() })
}

fn filter(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let what = format!(
        "it has a filter, which cannot be changed: events that do not match it never arrive ({})",
        subscription.filter
    );
    let mend = || options.make_again();
    (!subscription.filter.is_empty()).then(|| Finding { weight: Weight::MayLose, what, mend: mend() })
}

fn ordering(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let what = "it orders messages, which nothing here needs: one that is held holds back all with its key";
    let finding = || Finding { weight: Weight::Slows, what: what.to_owned(), mend: options.make_again() };
    subscription.enable_message_ordering.then(finding)
}

fn exactly_once(subscription: &Subscription, options: &Options) -> Option<Finding> {
    let what = "it delivers exactly once, which is slower, and nothing here needs: an event counts once however often \
                it is delivered";
    let mend = || options.gcloud("update", "--no-enable-exactly-once-delivery");
    let finding = || Finding { weight: Weight::Slows, what: what.to_owned(), mend: mend() };
    subscription.enable_exactly_once_delivery.then(finding)
}

fn time(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn options() -> Options {
        let name = |name: &str| name.to_owned();
        Options { project: name("shop"), topic: name("sales"), subscription: name("till"), ..Options::default() }
    }

    /// What is found of a subscription that has, beside what it should have, these fields.
    fn found(fields: &Value) -> Vec<(Weight, String)> {
        let mut subscription = json!({
            "name": "projects/shop/subscriptions/till",
            "topic": "projects/shop/topics/sales",
            "pushConfig": {},
            "ackDeadlineSeconds": 10,
            "messageRetentionDuration": "604800s",
            "expirationPolicy": {},
        });
        subscription.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let findings = findings(&serde_json::from_value(subscription).unwrap(), &options());
        findings.into_iter().map(|finding| (finding.weight, finding.to_string())).collect()
    }

    /// The only thing that is found, which tells this and is mended so.
    fn only(fields: &Value, weight: Weight, tells: &str, mend: &str) {
        match found(fields).as_slice() {
            [(found, text)] => {
                assert!(*found == weight && text.contains(tells) && text.contains(mend), "{fields}: {text}");
            }
            other => panic!("{fields}: {other:?}"),
        }
    }

    const UPDATE: &str = "gcloud pubsub subscriptions update till --project=shop ";

    #[test]
    fn a_subscription_as_it_should_be_needs_no_word() {
        assert_eq!(found(&json!({})), []);
        assert_eq!(found(&json!({"messageRetentionDuration": "2678400s", "ackDeadlineSeconds": 600})), []);
        assert_eq!(found(&json!({"topic": "projects/somebody-else/topics/sales"})), []);
    }

    #[test]
    fn what_cuts_events_off_is_told() {
        let again = "gcloud pubsub subscriptions delete till --project=shop && gcloud pubsub subscriptions create till";
        let cuts = |fields, tells, mend| only(&fields, Weight::CutsOff, tells, mend);
        cuts(json!({"topic": "_deleted-topic_"}), "its topic was deleted", again);
        cuts(json!({"detached": true}), "detached", again);
        let push = "gcloud pubsub subscriptions modify-push-config till --project=shop --push-endpoint=\"\"";
        cuts(json!({"pushConfig": {"pushEndpoint": "https://shop.example/"}}), "to https://shop.example/", push);
        cuts(json!({"bigqueryConfig": {"table": "t"}}), "BigQuery", "--clear-bigquery-config");
        cuts(json!({"cloudStorageConfig": {"bucket": "b"}}), "Cloud Storage", "--clear-cloud-storage-config");
    }

    #[test]
    fn what_may_lose_good_events_is_told() {
        let loses = |fields, tells, mend: &str| only(&fields, Weight::MayLose, tells, &format!("{UPDATE}{mend}"));
        let policy = json!({"deadLetterTopic": "projects/shop/topics/dead", "maxDeliveryAttempts": 5});
        loses(json!({"deadLetterPolicy": policy}), "delivered 5 times", "--clear-dead-letter-policy");
        loses(json!({"expirationPolicy": {"ttl": "2678400s"}}), "for 31 days", "--expiration-period=never");
        loses(json!({"messageRetentionDuration": "600s"}), "for 10 minutes", "--message-retention-duration=7d");
        let other = json!({"topic": "projects/shop/topics/other"});
        only(&other, Weight::MayLose, "and not to a topic sales", "create till");
        only(&json!({"filter": "attributes.a = \"b\""}), Weight::MayLose, "attributes.a = \"b\"", "create till");
    }

    #[test]
    fn what_slows_events_is_told_last() {
        only(&json!({"enableMessageOrdering": true}), Weight::Slows, "orders messages", "create till");
        let exactly_once = format!("{UPDATE}--no-enable-exactly-once-delivery");
        only(&json!({"enableExactlyOnceDelivery": true}), Weight::Slows, "exactly once", &exactly_once);
        let both = found(&json!({"enableExactlyOnceDelivery": true, "topic": "_deleted-topic_"}));
        assert!(both.iter().map(|(weight, _)| *weight).eq([Weight::CutsOff, Weight::Slows]));
    }
}
