//! Files into rows, out of JSON or CSV.

use std::borrow::Cow;
use std::io::{self, Read};

use chrono_tz::Tz;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::layout::{Column, Layout, Need};
use super::row::{Place, Row, Said, Wrong, row};
use crate::intake::files::{Csv, Form, Object, Record, read_records};
use crate::pipeline::decode::{Json, decode};
use crate::shutdown::{Shutdown, Stopped};

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
const CHUNK: usize = 2000;

impl Reading {
    /// Reads a file, in a thread of its own, and sends its rows.
    pub(super) fn start(self, object: Object, sender: mpsc::Sender<Vec<Parsed>>) -> JoinHandle<io::Result<()>> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let stream = object.open(&runtime, &self.shutdown)?;
            self.read(stream, |rows| sender.blocking_send(rows).map_err(io::Error::other))
        })
    }

    fn read(&self, stream: impl Read, send: impl FnMut(Vec<Parsed>) -> io::Result<()>) -> io::Result<()> {
        match Form::tell(stream)? {
            (Form::Json, stream) => self.read_json(stream, send),
            (Form::Csv(csv), stream) => self.read_csv(stream, csv, send),
        }
    }

    fn read_json(&self, stream: impl Read, mut send: impl FnMut(Vec<Parsed>) -> io::Result<()>) -> io::Result<()> {
        let mut numbers = 1..;
        let contents = read_records(stream, LIMIT, &self.shutdown, |records| {
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
            let place = column.place(fields.iter().map(|(name, _)| name.as_ref()));
            place.map_or(Ok(None), |place| said_by_json(&fields[place].1))
        })
    }

    fn read_csv(
        &self,
        stream: impl Read,
        csv: Csv,
        mut send: impl FnMut(Vec<Parsed>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut reader = csv::ReaderBuilder::new().delimiter(csv.delimiter).flexible(true).from_reader(stream);
        let columns = Columns::of(self.layout, reader.headers()?)?;
        let (mut record, mut rows) = (csv::ByteRecord::new(), Vec::with_capacity(CHUNK));
        while reader.read_byte_record(&mut record)? {
            // The reader counts a line that ends in CR LF once the next one begins: one too late.
            let line = record.position().map_or(0, csv::Position::line) + u64::from(csv.crlf);
            rows.push(self.csv_row(line, &record, &columns));
            if rows.len() == CHUNK {
                if self.shutdown.soft().is_cancelled() {
                    return Err(io::Error::other(Stopped));
                }
                send(std::mem::replace(&mut rows, Vec::with_capacity(CHUNK)))?;
            }
        }
        send(rows)
    }

    fn csv_row(&self, line: u64, record: &csv::ByteRecord, columns: &Columns) -> Parsed {
        let read = match record.len() == columns.names.len() {
            true => row(self.layout, self.zone, |column| columns.said(column, record)),
            false => Err(format!("{} cells, {} expected", record.len(), columns.names.len())),
        };
        read.map_err(|because| Wrong { place: Place::Line(line), because, row: columns.kept(record) })
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
fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

/// Which cell of a CSV file belongs to which column.
struct Columns {
    names: Vec<String>,
    places: Vec<(&'static str, usize)>,
}

impl Columns {
    fn of(layout: &'static Layout, header: &csv::StringRecord) -> io::Result<Self> {
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let mut places = Vec::new();
        for column in layout.columns {
            match column.place(names.iter().map(String::as_str)) {
                Some(place) => places.push((column.name, place)),
                None if column.need == Need::Optional => {}
                None => return Err(io::Error::other(lacks(column, &names))),
            }
        }
        Ok(Columns { names, places })
    }

    fn said<'r>(&self, column: &Column, record: &'r csv::ByteRecord) -> Result<Said<'r>, String> {
        let place = self.places.iter().find(|(name, _)| *name == column.name);
        let Some(bytes) = place.and_then(|(_, place)| record.get(*place)) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
        Ok(Some((!text.is_empty()).then_some(Cow::Borrowed(text))))
    }

    /// The row as an object, its empty cells left out; as an array, when it has not the cells it should have.
    fn kept(&self, record: &csv::ByteRecord) -> Box<RawValue> {
        let cells = record.iter().map(String::from_utf8_lossy);
        match record.len() == self.names.len() {
            true => {
                let named = self.names.iter().cloned().zip(cells.map(|cell| serde_json::Value::from(cell)));
                raw(&named.filter(|(_, cell)| cell != "").collect::<serde_json::Map<_, _>>())
            }
            false => raw(&cells.collect::<Vec<_>>()),
        }
    }
}

fn lacks(column: &Column, names: &[String]) -> String {
    let synonyms: String = column.synonyms.iter().map(|synonym| format!(" or {synonym}")).collect();
    format!("no column {}{synonyms}: it has {}", column.name, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::import::layout::{ARTICLES, ORDERS};

    const ID: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

    fn rows(layout: &'static Layout, text: &str) -> io::Result<Vec<Parsed>> {
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

    /// What is said of each row, or its line and what is kept of it.
    fn csv(layout: &'static Layout, text: &str) -> Vec<Result<String, (Place, String)>> {
        let said = |row: Row| {
            row.values.into_iter().map(|said| said.map_or("".into(), |value| value.unwrap_or("null".into())))
        };
        let parsed = |parsed: Parsed| match parsed {
            Ok(row) => Ok(said(row).collect::<Vec<_>>().join("|")),
            Err(wrong) => Err((wrong.place, format!("{} {}", wrong.because, wrong.row))),
        };
        rows(layout, text).unwrap().into_iter().map(parsed).collect()
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

    #[test]
    fn csv_as_spreadsheets_write_it() {
        let tea = Ok(format!("{ID}|Tea, green|1.50|"));
        assert_eq!(
            csv(&ARTICLES, &format!("\u{feff}id,name,Price ,x\r\n{ID},\"Tea, green\",1.50,y\r\n")),
            [tea.clone()]
        );
        assert_eq!(csv(&ARTICLES, &format!("name;ID_;price\nTea, green;{ID};1.50\n")), [tea]);
        assert_eq!(csv(&ARTICLES, &format!("id,name,price\n{ID},,\n")), [Ok(format!("{ID}|null|null|"))]);
    }

    #[test]
    fn wrong_csv_rows_are_kept_with_their_line() {
        let text = "Status,Device,ID,date\r\nshipped,\"a\r\nb\",1,2016-01-03\r\n,iOS,2,soon\r\nx,y\r\n";
        assert_eq!(
            csv(&ORDERS, text),
            [
                Ok("1||2016-01-03T00:00:00+00:00|shipped|a\r\nb|".to_owned()),
                Err((
                    Place::Line(4),
                    r#"order_date: not a date and time: soon {"Device":"iOS","ID":"2","date":"soon"}"#.to_owned()
                )),
                Err((Place::Line(5), r#"2 cells, 4 expected ["x","y"]"#.to_owned())),
            ]
        );
    }

    #[test]
    fn a_header_without_a_needed_column_is_told_at_once() {
        let error = rows(&ORDERS, "id,when,device,total\n1,2016-01-03,iOS,2\n").unwrap_err().to_string();
        assert!(error.starts_with("no column order_date or date or "), "{error}");
        assert!(error.ends_with(": it has id, when, device, total"), "{error}");
    }
}
