//! A publisher that keeps a book, and sends again whatever it has no answer for.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::Message;
use tokio::time::{Instant, timeout_at};

use super::book::Book;
use super::sent::Sent;

/// Longer than the server ever takes to answer; after that a connection counts as dead.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a message is sent at the most.
const ATTEMPTS: usize = 60;

/// Where messages are posted.
pub struct Post {
    endpoint: String,
    publishers: HashMap<&'static str, Publisher>,
    pub book: Book,
    /// By message id, which of the book it was.
    ids: HashMap<String, usize>,
}

impl Post {
    pub fn new(endpoint: String) -> Post {
        Post { endpoint, publishers: HashMap::new(), book: Book::default(), ids: HashMap::new() }
    }

    /// Takes messages down, and publishes them.
    pub async fn publish(&mut self, messages: impl IntoIterator<Item = Sent>) {
        let numbers = messages.into_iter().map(|sent| self.book.add(sent)).collect();
        self.publish_again(numbers).await;
    }

    /// Publishes what stands in the book, until the server says of every message that it has it.
    pub async fn publish_again(&mut self, mut numbers: Vec<usize>) {
        for _ in 0..ATTEMPTS {
            numbers = self.attempt(numbers).await;
            if numbers.is_empty() {
                return;
            }
            self.hang_up();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("never published: {} messages", numbers.len());
    }

    /// Publishes a message that nobody takes down.
    pub async fn publish_message(&mut self, topic: &'static str, message: Message) {
        self.publisher(topic).await.unwrap().publish(message).await.unwrap();
    }

    /// The next message goes out over a new connection.
    pub fn hang_up(&mut self) {
        self.publishers.clear();
    }

    /// Which messages these are, as far as it was heard that they were published.
    pub fn numbers(&self, ids: &[String]) -> Vec<usize> {
        ids.iter().filter_map(|id| self.ids.get(id).copied()).collect()
    }

    /// Every message that the server said it has.
    pub fn published(&self) -> BTreeSet<usize> {
        self.ids.values().copied().collect()
    }

    /// Returns those without an answer.
    async fn attempt(&mut self, numbers: Vec<usize>) -> Vec<usize> {
        let (mut sending, mut left) = (Vec::with_capacity(numbers.len()), Vec::new());
        for number in numbers {
            let sent = &self.book.sent()[number];
            let attributes = sent.attributes.iter().map(|(name, value)| (*name, value.as_str()));
            let message = Message::new().set_data(sent.payload.clone()).set_attributes(attributes);
            let topic = sent.kind.topic;
            match self.publisher(topic).await {
                Some(publisher) => sending.push((number, publisher.publish(message))),
                None => left.push(number),
            }
        }
        let give_up = Instant::now() + PATIENCE;
        for (number, sending) in sending {
            match timeout_at(give_up, sending).await {
                Ok(Ok(id)) => drop(self.ids.insert(id, number)),
                _ => left.push(number),
            }
        }
        left
    }

    /// `None` while nobody answers.
    async fn publisher(&mut self, topic: &'static str) -> Option<&Publisher> {
        if !self.publishers.contains_key(topic) {
            let full = format!("projects/data-engineering/topics/{topic}");
            let builder = Publisher::builder(full).with_endpoint(self.endpoint.clone());
            let publisher = builder.with_credentials(Anonymous::new().build()).build().await.ok()?;
            self.publishers.insert(topic, publisher);
        }
        self.publishers.get(topic)
    }
}
