//! A message on its way out, and how one is made: drawn, broken now and then, written as JSON.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::books::Entry;
use crate::dice::Dice;

/// One message of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The bytes that are published.
    pub payload: Bytes,
    /// What is published beside them.
    pub attributes: Vec<(&'static str, String)>,
    /// What is wrong with it, or nothing.
    pub fault: Option<&'static str>,
    /// The name of the file that keeps a copy, for kinds that have one.
    pub(crate) file: Option<Uuid>,
    /// What the shop writes down because of it, once it is sent.
    pub(crate) entries: Vec<Entry>,
}

/// A message that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) body: Map<String, Value>,
    pub(crate) attributes: Vec<(&'static str, String)>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) layout: Layout,
}

/// How the JSON stands in the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Without spaces.
    #[default]
    Compact,
    /// Over many lines.
    Pretty,
    /// Without its last third: no JSON any more.
    CutOff,
}

/// A fault: its word in logs, and how it is done to a draft.
pub(crate) type Fault<R> = (&'static str, fn(&mut R, &mut Draft, &mut ChaCha8Rng));

/// How the messages of one kind are drawn.
pub(crate) trait Recipe: Sized + Send + 'static {
    /// Everything that can be wrong with the next one, each as likely as the other.
    fn faults(&self) -> &'static [Fault<Self>];

    /// A message with nothing wrong.
    fn draft(&mut self, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Draft;

    /// Hears of every message that goes out with nothing wrong.
    fn good(&mut self, _draft: &Draft) {}
}

/// Messages without end, by one recipe.
pub(crate) struct Kitchen<R> {
    pub(crate) recipe: R,
    pub(crate) dice: Dice,
}

impl<R: Recipe> Iterator for Kitchen<R> {
    type Item = Message;

    /// Never `None`: JSON values always serialise.
    fn next(&mut self) -> Option<Message> {
        let now = self.dice.now();
        let mut draft = self.recipe.draft(now, &mut self.dice.rng);
        let fault = self.dice.fault(self.recipe.faults()).map(|(name, spoil)| {
            spoil(&mut self.recipe, &mut draft, &mut self.dice.rng);
            *name
        });
        if fault.is_none() {
            self.recipe.good(&draft);
        }
        let payload = write(&draft).ok()?;
        let Draft { attributes, entries, .. } = draft;
        Some(Message { payload, attributes, fault, file: None, entries })
    }
}

fn write(draft: &Draft) -> serde_json::Result<Bytes> {
    let mut bytes = match draft.layout {
        Layout::Pretty => serde_json::to_vec_pretty(&draft.body)?,
        Layout::Compact | Layout::CutOff => serde_json::to_vec(&draft.body)?,
    };
    if draft.layout == Layout::CutOff {
        bytes.truncate(bytes.len() * 2 / 3);
    }
    Ok(Bytes::from(bytes))
}

/// The fault that every kind can have: the payload ends in the middle.
pub(crate) fn cut_off<R>(_recipe: &mut R, draft: &mut Draft, _rng: &mut ChaCha8Rng) {
    draft.layout = Layout::CutOff;
}

/// What makes a message that is sent twice the same event, where the event has no id of its own.
pub(crate) fn idempotency_key(rng: &mut ChaCha8Rng) -> (&'static str, String) {
    ("idempotency_key", crate::shop::uuid4(rng).to_string())
}

/// Gives `field` another value.
pub(crate) fn set(draft: &mut Draft, field: &str, value: impl Into<Value>) {
    draft.body.insert(field.to_owned(), value.into());
}

/// Leaves `field` out.
pub(crate) fn leave_out(draft: &mut Draft, field: &str) {
    draft.body.remove(field);
}

/// Some fields as the body of a message.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An amount of money of up to `most`, with two decimals.
pub(crate) fn money(least: u32, most: u32, rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.random_range(least * 100..=most * 100)) / 100.0
}
