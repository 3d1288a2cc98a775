//! Clients of the official crate, and what their errors mean.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use google_cloud_auth::credentials::{self, Credentials};
use google_cloud_pubsub::client::{Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Subscription;
use google_cloud_pubsub::subscriber::MessageStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::findings::{Finding, Weight, findings};
use super::{Options, SERVICE};
use crate::health::Health;

/// The admin clients retry for minutes by themselves; whoever asks here wants to know now.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something about Pub/Sub that does not work.
#[derive(Debug)]
pub(super) struct Problem {
    /// `NOT_FOUND` and the like, when the server itself said so.
    pub(super) code: Option<&'static str>,
    /// For people; no secrets.
    pub(super) text: String,
}

impl Problem {
    fn new(text: impl Into<String>) -> Self {
        Problem { code: None, text: text.into() }
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code == Some(code)
    }

    /// The stream ended with OK, which does not mean that we are to stop.
    pub(super) fn ended() -> Self {
        Problem::new("the server ended the stream")
    }

    /// Whether a server that understood us refused, which proves that it is there.
    fn is_an_answer(&self) -> bool {
        self.code.is_some_and(|code| !matches!(code, "UNAVAILABLE" | "INTERNAL" | "UNKNOWN" | "DEADLINE_EXCEEDED"))
    }
}

impl From<google_cloud_pubsub::Error> for Problem {
    fn from(error: google_cloud_pubsub::Error) -> Self {
        Problem {
            code: error.status().map(|status| status.code.name()),
            text: format!("{:#}", anyhow::Error::new(error)),
        }
    }
}

/// Makes clients for one subscription.
pub(super) struct Client {
    pub(super) options: Options,
    pub(super) subscription: String,
    /// Made once, because they keep the token; not at the start, because the machine may not have any yet.
    credentials: OnceCell<Credentials>,
    /// What the log was told last: every lane finds the same.
    told: Mutex<Vec<Finding>>,
}

impl Client {
    pub(super) fn new(options: Options) -> Self {
        Client {
            subscription: options.full_subscription(),
            options,
            credentials: OnceCell::new(),
            told: Mutex::default(),
        }
    }

    /// Sees to it that there is something to pull: on an emulator by creating it, on Google by looking. What is
    /// not as it should be is told.
    pub(super) async fn prepare(&self) -> Result<Vec<Finding>, Problem> {
        if self.options.create_missing {
            self.create().await?;
        }
        match self.look().await {
            Ok(subscription) => Ok(findings(&subscription, &self.options)),
            // Who may not look may still pull.
            Err(problem) if problem.is("PERMISSION_DENIED") => Ok(vec![self.options.not_looked_at()]),
            Err(problem) => Err(self.explained(problem).await),
        }
    }

    /// Tells what was found: `health` as long as it is so, the log when it is new.
    pub(super) fn tell(&self, findings: Vec<Finding>, health: &Health) {
        let part = format!("{} (as it is set up)", self.options.subscription);
        let said = |cut_off: bool| {
            let findings = findings.iter().filter(move |finding| (finding.weight == Weight::CutsOff) == cut_off);
            findings.map(Finding::to_string).collect::<Vec<_>>()
        };
        match said(true).as_slice() {
            [] => health.works(SERVICE, &part),
            cut_off => health.fails(SERVICE, &part, cut_off.join("; ")),
        }
        health.warn(&self.options.subscription, said(false));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for Finding { weight, what, mend } in findings.iter().filter(|finding| !told.contains(finding)) {
            let subscription = &self.subscription;
            match weight {
                Weight::CutsOff => tracing::error!(%subscription, mend, "subscription: {what}"),
                Weight::MayLose => tracing::warn!(%subscription, mend, "subscription: {what}"),
                Weight::Slows => tracing::info!(%subscription, mend, "subscription: {what}"),
            }
        }
        *told = findings;
    }

    /// What is wrong, with the command that mends it.
    pub(super) async fn explained(&self, problem: Problem) -> Problem {
        if self.options.create_missing {
            return problem;
        }
        let has_topic = !problem.is("NOT_FOUND") || !self.look_at_topic().await.is_err_and(|it| it.is("NOT_FOUND"));
        self.options.explain(problem, has_topic)
    }

    /// Whether the server answers, over a new connection.
    pub(super) async fn probe(&self) -> Result<(), Problem> {
        match self.look().await {
            Err(problem) if problem.is_an_answer() && !problem.is("NOT_FOUND") => Ok(()),
            looked => looked.map(|_| ()),
        }
    }

    /// A stream over a connection of its own; a new stream of an old [`Subscriber`] would use a frozen
    /// connection again. Nothing is opened before it is read.
    pub(super) async fn subscribe(&self) -> Result<MessageStream, Problem> {
        let Options { max_outstanding_messages, max_outstanding_bytes, lease, max_lease, .. } = self.options;
        let mut builder =
            Subscriber::builder().with_grpc_subchannel_count(1).with_credentials(self.credentials().await?);
        if let Some(endpoint) = self.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        let subscriber = builder.build().await.map_err(|error| Problem::new(error.to_string()))?;
        Ok(subscriber
            .subscribe(&self.subscription)
            .set_max_outstanding_messages(i64::try_from(max_outstanding_messages.max(1)).unwrap_or(i64::MAX))
            .set_max_outstanding_bytes(i64::try_from(max_outstanding_bytes.max(1)).unwrap_or(i64::MAX))
            .set_max_lease_extension(lease)
            .set_max_lease(max_lease)
            .build())
    }

    async fn create(&self) -> Result<(), Problem> {
        let topic = self.options.full_topic();
        let ack_deadline = i32::try_from(self.options.lease.as_secs().clamp(10, 600)).unwrap_or(600);
        let create_topic = self.topics().await?.create_topic().set_name(&topic);
        existing(answer(create_topic.send()).await.map(|_| ()))?;
        let create_subscription = self.subscriptions().await?.create_subscription();
        let create_subscription = create_subscription.set_name(&self.subscription).set_topic(&topic);
        existing(answer(create_subscription.set_ack_deadline_seconds(ack_deadline).send()).await.map(|_| ()))
    }

    async fn look(&self) -> Result<Subscription, Problem> {
        let get = self.subscriptions().await?.get_subscription().set_subscription(&self.subscription);
        answer(get.send()).await
    }

    async fn look_at_topic(&self) -> Result<(), Problem> {
        let get = self.topics().await?.get_topic().set_topic(self.options.full_topic());
        answer(get.send()).await.map(|_| ())
    }

    async fn topics(&self) -> Result<TopicAdmin, Problem> {
        let mut builder = TopicAdmin::builder().with_credentials(self.credentials().await?);
        if let Some(endpoint) = self.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        builder.build().await.map_err(|error| Problem::new(error.to_string()))
    }

    async fn subscriptions(&self) -> Result<SubscriptionAdmin, Problem> {
        let mut builder = SubscriptionAdmin::builder().with_credentials(self.credentials().await?);
        if let Some(endpoint) = self.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        builder.build().await.map_err(|error| Problem::new(error.to_string()))
    }

    /// The crate does not look at `PUBSUB_EMULATOR_HOST`.
    fn endpoint(&self) -> Option<String> {
        self.options.emulator_host.as_ref().map(|host| format!("http://{host}"))
    }

    async fn credentials(&self) -> Result<Credentials, Problem> {
        let made = self.credentials.get_or_try_init(async || match self.options.emulator_host {
            Some(_) => Ok(credentials::anonymous::Builder::new().build()),
            None => credentials::Builder::default().build().map_err(|error| Problem::new(error.to_string())),
        });
        Ok(made.await?.clone())
    }
}

async fn answer<T>(call: impl Future<Output = Result<T, google_cloud_pubsub::Error>>) -> Result<T, Problem> {
    match timeout(PATIENCE, call).await {
        Ok(answered) => Ok(answered?),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            Err(Problem::new(format!("Pub/Sub did not answer, or credentials could not be had, within {seconds} s")))
        }
    }
}

/// What is there already need not be created.
fn existing(created: Result<(), Problem>) -> Result<(), Problem> {
    match created {
        Err(problem) if problem.is("ALREADY_EXISTS") => Ok(()),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_an_outage_is_not() {
        let problem = |code| Problem { code, text: String::new() };
        assert!(problem(Some("PERMISSION_DENIED")).is_an_answer());
        assert!(problem(Some("NOT_FOUND")).is_an_answer());
        assert!(!problem(Some("UNAVAILABLE")).is_an_answer());
        assert!(!problem(None).is_an_answer());
    }

    #[test]
    fn what_exists_is_as_good_as_created() {
        assert!(existing(Err(Problem { code: Some("ALREADY_EXISTS"), text: String::new() })).is_ok());
        assert!(existing(Err(Problem::new("gone"))).is_err());
    }
}
