//! `COPY … FROM STDIN (FORMAT binary)`, with the encodings that sqlx has for its parameters.
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use sqlx::postgres::PgArgumentBuffer;
use sqlx::{Encode, PgConnection, Postgres, encode::IsNull};

/// Rows on their way into one table.
pub struct BinaryCopy {
    buffer: PgArgumentBuffer,
    columns: i16,
}

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const NO_FLAGS_NO_EXTENSION: [u8; 8] = [0; 8];
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Stands before the text of a `jsonb` value.
const JSONB_VERSION: u8 = 1;

impl BinaryCopy {
    /// An empty copy of rows of so many columns.
    #[must_use]
    pub fn new(columns: i16) -> Self {
        let mut buffer = PgArgumentBuffer::default();
        buffer.extend_from_slice(SIGNATURE);
        buffer.extend_from_slice(&NO_FLAGS_NO_EXTENSION);
        BinaryCopy { buffer, columns }
    }

    /// Begins a row; as many values as there are columns must follow.
    pub fn row(&mut self) -> &mut Self {
        self.buffer.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// Adds a value, whose type must be that of its column exactly (`i16` for `smallint`, …).
    ///
    /// # Errors
    /// The value has no binary form, or one of more than 2 GiB.
    pub fn value<'v>(&mut self, value: impl Encode<'v, Postgres>) -> sqlx::Result<&mut Self> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&NULL);
        if let IsNull::No = value.encode(&mut self.buffer).map_err(sqlx::Error::Encode)? {
            let bytes = i32::try_from(self.buffer.len() - start - NULL.len());
            let bytes = bytes.map_err(|too_long| sqlx::Error::Encode(too_long.into()))?;
            self.buffer[start..start + NULL.len()].copy_from_slice(&bytes.to_be_bytes());
        }
        Ok(self)
    }

    /// Adds JSON text to a column of type `jsonb`.
    ///
    /// # Errors
    /// It has more than 2 GiB.
    pub fn json(&mut self, text: &str) -> sqlx::Result<&mut Self> {
        let bytes = i32::try_from(1 + text.len()).map_err(|too_long| sqlx::Error::Encode(too_long.into()))?;
        self.buffer.extend_from_slice(&bytes.to_be_bytes());
        self.buffer.push(JSONB_VERSION);
        self.buffer.extend_from_slice(text.as_bytes());
        Ok(self)
    }

    /// Sends everything. `statement` is `COPY table (columns) FROM STDIN (FORMAT binary)`.
    ///
    /// # Errors
    /// Whatever Postgres says of the rows, or the connection broke.
    pub async fn send(&self, conn: &mut PgConnection, statement: &str) -> sqlx::Result<u64> {
        let mut copy = conn.copy_in_raw(statement).await?;
        copy.send(self.buffer.as_slice()).await?;
        copy.send(TRAILER.as_slice()).await?;
        copy.finish().await
    }
}
