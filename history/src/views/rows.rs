//! Rows as they come, in columns.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayBuilder as _, FixedSizeBinaryBuilder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use uuid::Uuid;

/// A view on its way into a file: a row of `product_views`.
#[derive(Debug, Clone, Copy)]
pub struct View<'v> {
    /// Made from the delivery and the place in its batch.
    pub id: Uuid,
    /// Microseconds since 1970.
    pub occurred_at: i64,
    /// Microseconds since 1970.
    pub received_at: i64,
    /// In its canonical spelling.
    pub platform: &'v str,
    /// The `codeColor`.
    pub product: &'v str,
    /// The visitor.
    pub mpid: Option<&'v str>,
    /// The visit.
    pub session_id: Option<&'v str>,
    /// What mParticle calls the event.
    pub event_id: Option<&'v str>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::FixedSizeBinary(16), false),
        Field::new("occurred_at", time.clone(), false),
        Field::new("received_at", time, false),
        Field::new("platform", DataType::Utf8, false),
        Field::new("product", DataType::Utf8, false),
        Field::new("mpid", DataType::Utf8, true),
        Field::new("session_id", DataType::Utf8, true),
        Field::new("event_id", DataType::Utf8, true),
    ]))
});

/// The columns of every file.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Gathers views.
#[derive(Debug)]
pub struct Rows {
    id: FixedSizeBinaryBuilder,
    occurred_at: TimestampMicrosecondBuilder,
    received_at: TimestampMicrosecondBuilder,
    /// platform, product, mpid, session_id, event_id
    texts: [StringBuilder; 5],
    bytes: usize,
}

/// Bytes of a row beside its texts, with their offsets.
const FIXED: usize = 16 + 8 + 8 + 5 * 4;

impl Default for Rows {
    fn default() -> Self {
        let time = || TimestampMicrosecondBuilder::new().with_timezone("UTC");
        Rows {
            id: FixedSizeBinaryBuilder::new(16),
            occurred_at: time(),
            received_at: time(),
            texts: Default::default(),
            bytes: 0,
        }
    }
}

impl Rows {
    /// Adds a view.
    ///
    /// # Errors
    /// Never: an id has 16 bytes.
    pub fn push(&mut self, view: View<'_>) -> Result<(), ArrowError> {
        let View { id, occurred_at, received_at, platform, product, mpid, session_id, event_id } = view;
        self.id.append_value(id.as_bytes())?;
        self.occurred_at.append_value(occurred_at);
        self.received_at.append_value(received_at);
        self.bytes += FIXED;
        for (column, text) in self.texts.iter_mut().zip([Some(platform), Some(product), mpid, session_id, event_id]) {
            column.append_option(text);
            self.bytes += text.map_or(0, str::len);
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory that they take, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of them, in the order in which they came. Ready for others.
    ///
    /// # Errors
    /// Never: the columns are equally long, and those that must have values have them.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.bytes = 0;
        let [platform, product, mpid, session_id, event_id] = self.texts.each_mut().map(StringBuilder::finish);
        RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(self.id.finish()),
                Arc::new(self.occurred_at.finish()),
                Arc::new(self.received_at.finish()),
                Arc::new(platform),
                Arc::new(product),
                Arc::new(mpid),
                Arc::new(session_id),
                Arc::new(event_id),
            ],
        )
    }
}
