//! A kind of event for whoever treats all kinds alike.

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::mpsc;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Attribute, Derived, EventKind, KINDS, Upkeep};
use crate::database::Run;
use crate::domain::Person;
use crate::intake::{Delivery, Source};
use crate::pipeline::check::{self, Verdicts};
use crate::pipeline::check_references::References;
use crate::pipeline::worker::{self, BatchLimits};
use crate::pipeline::{Pipeline, Unavailable, process};
use crate::shutdown::Stopped;

/// The name of a kind, in the API's documentation.
#[derive(Debug)]
pub struct KindName;

impl PartialSchema for KindName {
    fn schema() -> RefOr<Schema> {
        let names = KINDS.iter().map(|kind| kind.name);
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for KindName {}

type Processing = BoxFuture<'static, Result<(), Stopped>>;
type Checking<'a> = BoxFuture<'a, Result<Verdicts, Unavailable>>;

/// A kind of event with its type erased, for whoever treats all kinds alike.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The word that stands in commands, paths, metrics and the ledger.
    pub name: &'static str,
    /// The Pub/Sub topic it is published to.
    pub topic: &'static str,
    /// The subscription that the worker pulls.
    pub subscription: &'static str,
    /// Whether its events have an id of their own.
    pub natural_key: bool,
    /// The attributes of a delivery that it reads.
    pub attributes: &'static [Attribute],
    /// What is to be done all the time beside deciding events.
    pub upkeep: Option<Upkeep>,
    /// The table of its rows: [`EventKind::TABLE`].
    pub table: &'static str,
    /// How many of its events are stored elsewhere: [`EventKind::ELSEWHERE`].
    pub elsewhere: Option<&'static str>,
    /// What is derived of its rows: [`EventKind::DERIVED`].
    pub derived: &'static [Derived],
    /// What an event holds: [`EventKind::FIELDS`].
    pub fields: &'static str,
    /// A good event: [`EventKind::EXAMPLE`].
    pub example: &'static str,
    decide: fn(Pipeline, Source, mpsc::Receiver<Delivery>, BatchLimits) -> BoxFuture<'static, anyhow::Result<()>>,
    process: fn(Pipeline, Source, Vec<Delivery>) -> Processing,
    check: for<'a> fn(&'a [Delivery], usize, Option<&'a References>) -> Checking<'a>,
    forget: for<'a> fn(&'a PgPool, &'a Person, Run) -> BoxFuture<'a, sqlx::Result<u64>>,
    expire: for<'a> fn(&'a PgPool, DateTime<Utc>, Run) -> BoxFuture<'a, sqlx::Result<u64>>,
}

impl Kind {
    pub(super) const fn of<K: EventKind>() -> Self {
        Kind {
            name: K::NAME,
            topic: K::TOPIC,
            subscription: K::SUBSCRIPTION,
            natural_key: K::NATURAL_KEY,
            attributes: K::ATTRIBUTES,
            upkeep: K::UPKEEP,
            table: K::TABLE,
            elsewhere: K::ELSEWHERE,
            derived: K::DERIVED,
            fields: K::FIELDS,
            example: K::EXAMPLE,
            decide: |pipeline, source, deliveries, limits| {
                Box::pin(worker::run::<K>(pipeline, source, deliveries, limits))
            },
            process: |pipeline, source, deliveries| {
                Box::pin(async move { process::<K>(&pipeline, source, deliveries).await })
            },
            check: |deliveries, max_event_bytes, references| {
                Box::pin(check::check::<K>(deliveries, max_event_bytes, references))
            },
            forget: |pool, person, run| Box::pin(K::forget(pool, person, run)),
            expire: |pool, before, run| Box::pin(K::expire(pool, before, run)),
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Decides everything that arrives: [`worker::run`] of this kind.
    ///
    /// # Errors
    /// As `worker::run`.
    pub async fn decide(
        &self,
        pipeline: Pipeline,
        source: Source,
        deliveries: mpsc::Receiver<Delivery>,
        limits: BatchLimits,
    ) -> anyhow::Result<()> {
        (self.decide)(pipeline, source, deliveries, limits).await
    }

    /// Decides one batch: [`process`] for this kind.
    ///
    /// # Errors
    /// As `process`.
    pub async fn process(&self, pipeline: Pipeline, source: Source, deliveries: Vec<Delivery>) -> Result<(), Stopped> {
        (self.process)(pipeline, source, deliveries).await
    }

    /// Says what would be decided, and decides nothing: [`check::check`] of this kind.
    ///
    /// # Errors
    /// As `check::check`.
    pub async fn check(
        &self,
        deliveries: &[Delivery],
        max_event_bytes: usize,
        references: Option<&References>,
    ) -> Result<Verdicts, Unavailable> {
        (self.check)(deliveries, max_event_bytes, references).await
    }

    /// Forgets a person: [`EventKind::forget`] of this kind.
    ///
    /// # Errors
    /// When the database cannot be asked. What was done by then stays.
    pub async fn forget(&self, pool: &PgPool, person: &Person, run: Run) -> sqlx::Result<u64> {
        (self.forget)(pool, person, run).await
    }

    /// Removes old rows: [`EventKind::expire`] of this kind.
    ///
    /// # Errors
    /// When the database cannot be asked. What was removed by then is.
    pub async fn expire(&self, pool: &PgPool, before: DateTime<Utc>, run: Run) -> sqlx::Result<u64> {
        (self.expire)(pool, before, run).await
    }
}
