//! What a worker says of a subscription that is missing, forbidden, or not as it should be.

use serde_json::{Value, json};

use super::*;

/// As at Google: nothing is made that is missing.
fn as_at_google(options: Options) -> Options {
    Options { create_missing: false, ..options }
}

/// What an administrator asks of the server.
async fn administer(server: &Server, method: &str, name: &str, body: Value) {
    let url = format!("{}/v1/{name}", server.endpoint());
    let request = reqwest::Client::new().request(method.parse().unwrap(), url);
    let response = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
}

async fn create_topic(server: &Server) {
    administer(server, "PUT", TOPIC, json!({})).await;
}

async fn create_subscription(server: &Server, settings: Value) {
    create_topic(server).await;
    let mut subscription = json!({"topic": TOPIC});
    subscription.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    administer(server, "PUT", SUBSCRIPTION, subscription).await;
}

const MAKE: &str = "gcloud pubsub subscriptions create purser-purchases --project=test --topic=purchases \
                    --ack-deadline=10 --message-retention-duration=7d --expiration-period=never";

#[tokio::test]
async fn what_is_missing_is_told_with_the_commands_that_make_it() {
    let server = server().await;
    let mut pull = Pull::start(as_at_google(options(server.addr())));
    let both = format!(
        "neither the subscription nor its topic; to mend it: gcloud pubsub topics create purchases \
                        --project=test && {MAKE} "
    );
    eventually("both are missed", || pull.says().contains(&both)).await;
    create_topic(&server).await;
    let one = format!("there is no such subscription; to mend it: {MAKE} ");
    eventually("the subscription is missed", || pull.says().contains(&one)).await;
    administer(&server, "PUT", SUBSCRIPTION, json!({"topic": TOPIC})).await;
    eventually("it pulls", || server.stats().open_streams > 0).await;
    a_message_gets_through(&server, &mut pull).await;
}

#[tokio::test]
async fn a_permission_that_is_missing_is_told_with_the_command_that_grants_it() {
    let server = server().await;
    create_subscription(&server, json!({})).await;
    server.faults().rpc(Rpc::StreamingPull, 1, RpcFault::Fail(Code::PermissionDenied));
    let mut pull = Pull::start(as_at_google(options(server.addr())));
    let grant = "purser-purchases: it may not be pulled; to mend it: gcloud pubsub subscriptions \
                 add-iam-policy-binding purser-purchases --project=test \
                 --member=serviceAccount:WORKER@test.iam.gserviceaccount.com --role=roles/pubsub.subscriber";
    eventually("it is told", || pull.says().contains(grant)).await;
    server.faults().clear();
    a_message_gets_through(&server, &mut pull).await;
}

/// The least that a worker needs is to pull: it says that it could look at nothing else, and works.
#[tokio::test]
async fn who_may_not_look_pulls_all_the_same() {
    let server = server().await;
    create_subscription(&server, json!({})).await;
    server.faults().rpc(Rpc::GetSubscription, 1, RpcFault::Fail(Code::PermissionDenied));
    let mut pull = Pull::start(as_at_google(options(server.addr())));
    eventually("it pulls", || server.stats().open_streams > 0).await;
    a_message_gets_through(&server, &mut pull).await;
    let warnings = pull.health.warnings();
    assert!(warnings.iter().any(|warning| warning.contains("--role=roles/pubsub.viewer")), "{warnings:?}");
}

#[tokio::test]
async fn settings_that_may_lose_events_are_warned_of_until_they_are_mended() {
    let server = server().await;
    let settings = json!({
        "deadLetterPolicy": {"deadLetterTopic": TOPIC, "maxDeliveryAttempts": 5},
        "expirationPolicy": {"ttl": "86400s"},
        "messageRetentionDuration": "600s",
    });
    create_subscription(&server, settings).await;
    let mut pull = Pull::start(as_at_google(options(server.addr())));
    eventually("it pulls", || server.stats().open_streams > 0).await;
    a_message_gets_through(&server, &mut pull).await;
    let warnings = pull.health.warnings();
    let mends = ["--clear-dead-letter-policy", "--expiration-period=never", "--message-retention-duration=7d"];
    assert_eq!(warnings.len(), mends.len(), "{warnings:?}");
    for (warning, mend) in warnings.iter().zip(mends) {
        assert!(warning.starts_with("purser-purchases: ") && warning.ends_with(mend), "{warning}");
    }
    let mended = json!({
        "subscription": {"expirationPolicy": {}, "messageRetentionDuration": "604800s"},
        "updateMask": "deadLetterPolicy,expirationPolicy,messageRetentionDuration",
    });
    administer(&server, "PATCH", SUBSCRIPTION, mended).await;
    server.faults().end_streams(Code::Ok);
    eventually("nothing is left to warn of", || pull.health.warnings().is_empty()).await;
}

/// What it holds still comes, but somebody must look.
#[tokio::test]
async fn a_topic_that_was_deleted_makes_the_worker_not_ready() {
    let server = server().await;
    create_subscription(&server, json!({})).await;
    publish(&server, 1).await;
    administer(&server, "DELETE", TOPIC, json!({})).await;
    let mut pull = Pull::start(as_at_google(options(server.addr())));
    settle(pull.next().await);
    assert!(pull.says().starts_with("purser-purchases (as it is set up): its topic was deleted"), "{}", pull.says());
}
