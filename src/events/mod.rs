//! What differs between kinds of event. A new kind is one file here, one line in [`KINDS`], one
//! migration and its fixtures.

mod ab_event;
mod click_event;
mod content;
mod derived;
mod event_id;
mod kind;
mod order;
mod product_view;
mod purchase;
pub mod table;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use sqlx::{PgConnection, PgPool};

use crate::config::EventsConfig;
use crate::database::Run;
use crate::domain::Person;
use crate::intake::Delivery;
use crate::pipeline::check_references::{Known, Reference};
use crate::pipeline::decode::Json;
use crate::pipeline::verdict::Violation;
use crate::shutdown::Shutdown;

pub use ab_event::AbEvent;
pub use click_event::ClickEvent;
pub use content::{ContentHash, ContentHasher, FORGOTTEN, is_stored_as};
pub use derived::{Comparison, Derived, Difference, Differences, Slice};
pub use event_id::event_id;
pub use kind::{Kind, KindName};
pub use order::Order;
pub use product_view::ProductView;
pub use purchase::Purchase;

/// Every kind of event.
pub const KINDS: &[Kind] = &[
    Kind::of::<Purchase>(),
    Kind::of::<AbEvent>(),
    Kind::of::<Order>(),
    Kind::of::<ClickEvent>(),
    Kind::of::<ProductView>(),
];

/// One kind of event: how it reads, what it refers to, and how it is stored.
pub trait EventKind: Send + Sync + Sized + 'static {
    /// The word for this kind everywhere.
    const NAME: &'static str;
    /// The Pub/Sub topic it is published to.
    const TOPIC: &'static str;
    /// The subscription that the worker pulls.
    const SUBSCRIPTION: &'static str;
    /// What an event holds, for the people who send it, as Markdown.
    const FIELDS: &'static str;
    /// A good event, as JSON.
    const EXAMPLE: &'static str;
    /// Whether its events have an id of their own, so that they are the same wherever they stand.
    const NATURAL_KEY: bool;

    /// The table that has one row for each of its events.
    const TABLE: &'static str;
    /// How many more of its events are stored than that table has rows, as a query of one number.
    const ELSEWHERE: Option<&'static str> = None;
    /// What is derived of its rows: all of it, in the order in which it is to be compared and mended. Every table
    /// of the schema is somebody's, a test sees to that.
    const DERIVED: &'static [Derived];

    /// The attributes of a delivery that it reads.
    const ATTRIBUTES: &'static [Attribute] = &[];
    /// What is to be done all the time beside deciding events, where the worker runs.
    const UPKEEP: Option<Upkeep> = None;

    /// What makes two events the same one.
    type Key: Clone + Ord + Hash + fmt::Display + Send + Sync;
    /// An event whose shape is right.
    type Event: Send + Sync;
    /// An event with all that is stored of it.
    type Row: Send + Sync;

    /// Reads every event out of one decoded payload, in its order. A message without events is ignored.
    ///
    /// Rules about time compare with when the delivery was published, never with now.
    fn parse(json: &Json<'_>, delivery: &Delivery) -> Vec<Reading<Self>>;

    /// Reads every event out of one payload without decoding all of it, where that can be done: where nothing at all
    /// is wrong with it. Then it reads what `parse` would.
    #[must_use]
    fn parse_at_once(_payload: &[u8], _delivery: &Delivery) -> Option<Vec<Reading<Self>>> {
        None
    }

    /// Names for people who look at a dead letter: ids out of the payload, best effort.
    fn keys(json: &Json<'_>, position: u32) -> Vec<(&'static str, String)>;

    /// Adds what is copied from the reference tables at write time.
    fn enrich(event: Self::Event, received_at: DateTime<Utc>, known: &Known) -> Self::Row;

    /// The row's key.
    fn key(row: &Self::Row) -> Self::Key;

    /// A hash of the normalised wire fields, by the current version of the rules.
    fn content_hash(row: &Self::Row) -> ContentHash;

    /// Inserts the rows whose keys are not stored yet, and returns the keys of those really inserted.
    ///
    /// `rows` are sorted by key, each key once. An error in SQLSTATE class 22, 23 or 54 is taken to
    /// be the fault of one of the rows.
    fn insert(
        conn: &mut PgConnection,
        rows: &[&Self::Row],
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Key>>> + Send;

    /// The content hashes of rows that are stored, by the current version of the rules.
    fn stored(
        conn: &mut PgConnection,
        keys: &[Self::Key],
    ) -> impl Future<Output = sqlx::Result<HashMap<Self::Key, ContentHash>>> + Send;

    /// When the event happened: what the age of a row is counted from.
    fn occurred_at(row: &Self::Row) -> DateTime<Utc>;

    /// Removes the rows of events from before that time, in small transactions, and says how many. Each adds to
    /// `expired` what it removed ([`crate::expire`]). What is derived from the rows stays right: as a sum that stays, or
    /// by going along.
    fn expire(pool: &PgPool, before: DateTime<Utc>, run: Run) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Puts the pseudonyms of a person in place of their ids, takes what else is known of them out of the rows of this
    /// kind, and says how many rows that were. Sums stay as they are, and so does what is counted by the ids. Whatever
    /// comes under the keys of these rows is a duplicate from then on.
    fn forget(pool: &PgPool, person: &Person, run: Run) -> impl Future<Output = sqlx::Result<u64>> + Send;

    /// Adds the rows really inserted to this kind's rollups, under a shard that is this transaction's own.
    fn roll_up(
        conn: &mut PgConnection,
        rows: &[&Self::Row],
        shard: i16,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// What may be said of a delivery beside its payload: by a Pub/Sub attribute, a flag, a query parameter.
#[derive(Debug)]
pub struct Attribute {
    /// Its name, the same everywhere.
    pub name: &'static str,
    /// What it says, for whoever sends it.
    pub expected: &'static str,
    /// A right value; with it, the kind's example is a good event.
    pub example: &'static str,
    /// Whether it can be used. Where a person is there to hear that it cannot, they do at once; in a message
    /// the kind makes a violation of it.
    pub is_right: fn(&str) -> bool,
}

/// What an event of a payload turned out to be.
pub enum Reading<K: EventKind> {
    /// One of this kind, right or wrong.
    Event(Draft<K>),
    /// One that this kind counts as ignored.
    Ignored,
}

/// One event of a payload after its shape was looked at.
pub struct Draft<K: EventKind> {
    /// Its natural key, when that much could be read.
    pub key: Option<K::Key>,
    /// The event; present exactly when there are no violations.
    pub event: Option<K::Event>,
    /// The rows it refers to, as far as they could be read.
    pub references: Vec<Reference>,
    /// Everything wrong with its shape.
    pub violations: Vec<Violation>,
}

/// What keeps a kind's derived data right until the process stops. It outlives outages, and may run in
/// several processes at once.
pub type Upkeep = fn(Premises) -> BoxFuture<'static, anyhow::Result<()>>;

/// Where upkeep works.
#[derive(Clone)]
pub struct Premises {
    /// The database.
    pub pool: PgPool,
    /// How events are looked at.
    pub config: EventsConfig,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// When an event may have happened: from the year 2000 to a day after it was published.
#[must_use]
pub fn plausible(published_at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let earliest = DateTime::from_timestamp(946_684_800, 0).unwrap_or_default();
    (earliest, published_at + TimeDelta::days(1))
}
