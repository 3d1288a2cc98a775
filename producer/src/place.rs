//! Where messages go: the topic, on Google Cloud or on an emulator.

use std::time::Duration;

use anyhow::Context;
use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicyExt};
use google_cloud_pubsub::client::{Publisher, TopicAdmin};
use google_cloud_pubsub::retry_policy::RetryableErrors;

use crate::options::Options;
use crate::patience::Patience;

/// No admin call takes longer; the client would retry for minutes without a word.
const ADMIN_LIMIT: Duration = Duration::from_secs(5);

/// The client gives a message up after this, and we begin again on a new connection: that is the
/// only way out of a connection that is open and dead.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A topic and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    topic: String,
    endpoint: Option<String>,
    wait_for_subscription: bool,
}

impl Place {
    /// `topic`, where `options` say that it is.
    pub(crate) fn of(options: &Options, topic: &str) -> Place {
        let endpoint = options
            .emulator_host
            .as_deref()
            .filter(|it| !it.is_empty())
            .map(|host| if host.contains("://") { host.to_owned() } else { format!("http://{host}") });
        Place {
            topic: format!("projects/{}/topics/{}", options.project, topic),
            endpoint,
            wait_for_subscription: options.wait,
        }
    }

    /// The full name, `projects/<project>/topics/<topic>`.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// A publisher with a connection of its own. Errs without usable credentials, never because the
    /// server is away.
    pub(crate) async fn publisher(&self) -> anyhow::Result<Publisher> {
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_delay(Duration::from_millis(100))
            .with_maximum_delay(Duration::from_secs(2))
            .clamp();
        let mut builder = Publisher::builder(&self.topic)
            .set_message_count_threshold(1000)
            .set_byte_threshold(1_000_000)
            .set_delay_threshold(Duration::from_millis(10))
            .with_retry_policy(RetryableErrors.with_time_limit(SEND_LIMIT))
            .with_backoff_policy(backoff);
        if let Some(endpoint) = &self.endpoint {
            let nobody = anonymous::Builder::new().build();
            // The client's own retry could hit the moment at which a restarted emulator has the topic
            // again and not yet its subscription: we look first.
            let no_retry = NeverRetry.with_time_limit(SEND_LIMIT);
            builder = builder.with_endpoint(endpoint).with_credentials(nobody).with_retry_policy(no_retry);
        }
        builder.build().await.context("cannot make a Pub/Sub publisher")
    }

    /// Whether it is on an emulator, which forgets its topics when it restarts.
    pub(crate) fn is_forgetful(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Makes the topic on an emulator (never on Google Cloud), then waits until publishing makes sense,
    /// as [`ready`](Place::ready) does.
    pub(crate) async fn open(&self) -> anyhow::Result<()> {
        self.wait(self.endpoint.is_some()).await
    }

    /// Returns when a message that is published now will not be lost: the topic exists and has a
    /// subscription (unless no one wants to wait for it). Takes as long as it takes; errs only without
    /// usable credentials.
    ///
    /// Makes no topic that it then waits for a subscription of: such a topic accepts, and loses, what
    /// the client is still trying to send.
    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        self.wait(self.endpoint.is_some() && !self.wait_for_subscription).await
    }

    async fn wait(&self, make_topic: bool) -> anyhow::Result<()> {
        let mut patience = Patience::new("the topic and its subscription");
        loop {
            // A new client each time: the one before may sit on a dead connection.
            let admin = self.admin().await?;
            match tokio::time::timeout(ADMIN_LIMIT, self.look(&admin, make_topic)).await {
                Ok(Ok(())) => break,
                Ok(Err(reason)) => patience.wait(reason).await,
                Err(_) => patience.wait("no answer from Pub/Sub").await,
            }
        }
        patience.over();
        Ok(())
    }

    async fn admin(&self) -> anyhow::Result<TopicAdmin> {
        let mut builder = TopicAdmin::builder();
        if let Some(endpoint) = &self.endpoint {
            let nobody = anonymous::Builder::new().build();
            builder = builder.with_endpoint(endpoint).with_credentials(nobody);
        }
        builder.build().await.context("cannot make a Pub/Sub admin client")
    }

    /// Looks once. Errs with what is still missing.
    async fn look(&self, admin: &TopicAdmin, make_topic: bool) -> Result<(), String> {
        if make_topic {
            // Without asking first: Google's emulator lists the subscriptions of a topic that does
            // not exist, too.
            self.create(admin).await?;
        }
        if !self.wait_for_subscription {
            return Ok(());
        }
        let list = admin.list_topic_subscriptions().set_topic(&self.topic).send();
        match list.await {
            Ok(found) if !found.subscriptions.is_empty() => Ok(()),
            Ok(_) => Err(format!("{} has no subscription yet", self.topic)),
            Err(error) if code(&error) == Some(Code::NotFound) => Err(format!("{} does not exist yet", self.topic)),
            Err(error) => Err(format!("cannot list the subscriptions of {}: {error}", self.topic)),
        }
    }

    async fn create(&self, admin: &TopicAdmin) -> Result<(), String> {
        match admin.create_topic().set_name(&self.topic).send().await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(Code::AlreadyExists) => Ok(()),
            Err(error) => Err(format!("cannot create {}: {error}", self.topic)),
        }
    }
}

/// The gRPC code of an error, also where the call went over HTTP.
pub(crate) fn code(error: &google_cloud_pubsub::Error) -> Option<Code> {
    let told = error.status().map(|it| it.code);
    let by_number = match error.http_status_code() {
        Some(404) => Some(Code::NotFound),
        Some(409) => Some(Code::AlreadyExists),
        _ => None,
    };
    told.or(by_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(emulator_host: Option<&str>) -> Place {
        Place::of(&Options { emulator_host: emulator_host.map(str::to_owned), ..Options::default() }, "purchases")
    }

    #[test]
    fn the_topic_has_its_full_name() {
        assert_eq!(place(None).topic(), "projects/data-engineering/topics/purchases");
    }

    #[test]
    fn an_emulator_may_be_a_host_and_port_or_a_url_or_nothing() {
        let endpoint = |host| place(host).endpoint;
        assert_eq!(endpoint(Some("localhost:8085")).as_deref(), Some("http://localhost:8085"));
        assert_eq!(endpoint(Some("http://a:1")).as_deref(), Some("http://a:1"));
        assert_eq!((endpoint(Some("")), endpoint(None)), (None, None));
    }
}
