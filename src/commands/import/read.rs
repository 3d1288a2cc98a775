//! Files into rows, out of JSON or CSV.

use std::borrow::Cow;
use std::io::{self, Read};

use chrono_tz::Tz;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::layout::Layout;
use super::row::{Place, Row, Said, Wrong, row};
use crate::intake::files::{Form, Object, Record, read_records};
use crate::pipeline::decode::{Json, decode};
use crate::shutdown::Shutdown;

/// How a file is read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) layout: &'static Layout,
    /// That of times without one.
    pub(super) zone: Tz,
    pub(super) shutdown: Shutdown,
}

/// A row, or what is wrong with it.
pub(super) type Parsed = Result<Row, Wrong>;

/// The largest JSON record of reference data.
const LIMIT: usize = 1 << 20;

impl Reading {
    /// Reads a file, in a thread of its own, and sends its rows.
    pub(super) fn start(self, object: Object, sender: mpsc::Sender<Vec<Parsed>>) -> JoinHandle<io::Result<()>> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let stream = object.open(&runtime, &self.shutdown)?;
            self.read(stream, |rows| sender.blocking_send(rows).map_err(io::Error::other))
        })
    }

    pub(super) fn read(&self, stream: impl Read, send: impl FnMut(Vec<Parsed>) -> io::Result<()>) -> io::Result<()> {
        match Form::tell(stream)? {
            (Form::Json, stream) => self.read_json(stream, send),
            (Form::Csv(csv), stream) => self.read_csv(stream, csv, send),
        }
    }

    fn read_json(&self, stream: impl Read, mut send: impl FnMut(Vec<Parsed>) -> io::Result<()>) -> io::Result<()> {
        let mut numbers = 1..;
        let contents = read_records(stream, Form::Json, LIMIT, &self.shutdown, |records| {
            let rows = records.into_iter().zip(numbers.by_ref());
            send(rows.map(|(record, number)| self.json_row(number, record)).collect())
        })?;
        match contents.cut_off {
            true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the array is not closed; is the file whole?")),
            false => Ok(()),
        }
    }

    fn json_row(&self, number: u64, record: Record) -> Parsed {
        let (bytes, too_large) = record.into_payload();
        let read = match too_large {
            Some(_) => Err(format!("larger than {LIMIT} bytes")),
            None => decode(&bytes).map_err(|violation| violation.message).and_then(|json| self.object_row(&json)),
        };
        read.map_err(|because| Wrong { place: Place::Record(number), because, row: kept(&bytes) })
    }

    fn object_row(&self, json: &Json<'_>) -> Result<Row, String> {
        let Json::Object(fields) = json else { return Err(format!("not an object: {json}")) };
        row(self.layout, self.zone, |column| {
            let place = column.place(&fields.iter().map(|(name, _)| name.as_ref()));
            place.map_or(Ok(None), |place| said_by_json(&fields[place].1))
        })
    }
}

fn said_by_json<'j>(value: &'j Json<'_>) -> Result<Said<'j>, String> {
    match value {
        Json::Null => Ok(Some(None)),
        Json::String(text) => Ok(Some(Some(Cow::Borrowed(text)))),
        Json::Array(_) | Json::Object(_) => Err(format!("a text or number expected, {value} found")),
        number_or_bool => Ok(Some(Some(number_or_bool.to_string().into()))),
    }
}

/// A JSON record on one line; what is no JSON, as a string.
fn kept(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes);
    RawValue::from_string(text.replace(['\n', '\r'], " ")).unwrap_or_else(|_| raw(&text))
}

/// Texts and collections of them can always be written as JSON.
pub(super) fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::commands::import::layout::ARTICLES;

    const ID: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

    pub(in crate::commands::import) fn rows(layout: &'static Layout, text: &str) -> io::Result<Vec<Parsed>> {
        let reading = Reading { layout, zone: Tz::UTC, shutdown: Shutdown::default() };
        let mut rows = Vec::new();
        reading.read(text.as_bytes(), |chunk| {
            rows.extend(chunk);
            Ok(())
        })?;
        Ok(rows)
    }

    fn json(record: &str) -> Result<Vec<Option<Option<String>>>, String> {
        let mut rows = rows(&ARTICLES, record).unwrap();
        rows.remove(0).map(|mut row| row.values.split_off(1)).map_err(|wrong| wrong.because)
    }

    #[test]
    fn json_rows_may_lack_what_is_not_needed() {
        let some = |text: &str| Some(Some(text.to_owned()));
        let full = format!(r#"{{"id_":"{ID}","NAME":"Tea","price":44.53,"currency":"EUR","more":[1]}}"#);
        assert_eq!(json(&full).unwrap(), [some("Tea"), some("44.53"), some("EUR")]);
        assert_eq!(json(&format!(r#"{{"id":"{ID}","price":null}}"#)).unwrap(), [None, Some(None), None]);
        assert_eq!(json(&format!(r#"{{"id":"{ID}","price":1e2}}"#)).unwrap(), [None, some("100.0"), None]);
    }

    #[test]
    fn wrong_json_rows_say_why() {
        let why = |record: &str| json(record).unwrap_err();
        assert_eq!(why("[[]]"), "not an object: an array of 0");
        assert_eq!(why("{}"), "id: missing");
        assert_eq!(why(r#"{"id":7}"#), "id: not a uuid: 7");
        assert_eq!(
            why(&format!(r#"{{"id":"{ID}","name":{{}}}}"#)),
            "name: a text or number expected, an object of 0 found"
        );
        assert!(why(&format!(r#"{{"id":"{ID}","name":"\u0000"}}"#)).starts_with("name: "));
        assert!(why("{").contains("JSON"));
    }
}
