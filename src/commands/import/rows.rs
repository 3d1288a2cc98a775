//! Rows of reference data, out of JSON or CSV.

use std::io::{self, Cursor, Read};
use std::str::FromStr as _;

use rust_decimal::Decimal;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::form::{Csv, Form};
use crate::intake::files::{Object, Record, read_records};
use crate::pipeline::decode::{Json, decode};
use crate::pipeline::verdict::Table;
use crate::shutdown::Shutdown;

/// The columns of a table that are imported, beside its id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) table: Table,
    pub(super) names: &'static [&'static str],
}

impl Columns {
    pub(super) fn of(table: Table) -> Self {
        let names: &[_] = match table {
            Table::Users => &["name", "address", "number", "email"],
            Table::Articles => &["name", "price", "currency"],
            Table::Shoppers => &["country", "gender"],
        };
        Columns { table, names }
    }
}

/// A row that can be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: Uuid,
    /// One for each column; the outer is absent when the row does not speak of the column.
    pub(super) values: Vec<Option<Option<String>>>,
}

/// A row that cannot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Line of a CSV file, number of a JSON record; both from 1.
    pub(super) number: u64,
    pub(super) text: String,
}

/// A row, or what is wrong with it.
pub(super) type Parsed = Result<Row, Wrong>;

/// The largest JSON record of reference data.
const LIMIT: usize = 1 << 20;
/// So much is looked at to tell JSON from CSV.
const HEAD: usize = 16 << 10;
const CHUNK: usize = 2000;

/// Reads a file, in a thread of its own, and sends its rows.
pub(super) fn read(
    object: Object,
    columns: Columns,
    shutdown: Shutdown,
    sender: mpsc::Sender<Vec<Parsed>>,
) -> JoinHandle<io::Result<()>> {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut stream = object.open(&runtime, &shutdown)?;
        let mut head = Vec::with_capacity(HEAD);
        stream.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let form = Form::of(&head);
        let stream = Cursor::new(head).chain(stream);
        let send = |rows: Vec<Parsed>| sender.blocking_send(rows).map_err(io::Error::other);
        match form {
            Form::Json => read_json(stream, columns, &shutdown, send),
            Form::Csv(csv) => read_csv(stream, csv, columns, &shutdown, send),
        }
    })
}

fn read_json(
    stream: impl Read,
    columns: Columns,
    shutdown: &Shutdown,
    mut send: impl FnMut(Vec<Parsed>) -> io::Result<()>,
) -> io::Result<()> {
    let mut numbers = 1..;
    let contents = read_records(stream, LIMIT, shutdown, |records| {
        send(
            records
                .into_iter()
                .zip(numbers.by_ref())
                .map(|(record, number)| json_row(number, &record, columns))
                .collect(),
        )
    })?;
    match contents.cut_off {
        true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the array is not closed; is the file whole?")),
        false => Ok(()),
    }
}

fn json_row(number: u64, record: &Record, columns: Columns) -> Parsed {
    let wrong = |text: String| Wrong { number, text };
    let Record::Whole(bytes) = record else { return Err(wrong(format!("larger than {LIMIT} bytes"))) };
    let json = decode(bytes).map_err(|violation| wrong(violation.message))?;
    let Json::Object(fields) = &json else { return Err(wrong(format!("not an object: {json}"))) };
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let text = |value: &Json<'_>| match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.to_string())),
        Json::Array(_) | Json::Object(_) => Err(format!("a text or number expected, {value} found")),
        number_or_bool => Ok(Some(number_or_bool.to_string())),
    };
    let value = |name: &str| field(name).map(text).transpose().map_err(|error| format!("{name}: {error}"));
    row(columns, value).map_err(wrong)
}

fn read_csv(
    stream: impl Read,
    csv: Csv,
    columns: Columns,
    shutdown: &Shutdown,
    mut send: impl FnMut(Vec<Parsed>) -> io::Result<()>,
) -> io::Result<()> {
    let mut reader = csv::ReaderBuilder::new().delimiter(csv.delimiter).flexible(true).from_reader(stream);
    let header = reader.headers()?.clone();
    let place = |name: &str| header.iter().position(|field| field.trim_start_matches('\u{feff}').trim() == name);
    let places: Vec<(&str, usize)> =
        ["id", "id_"].iter().chain(columns.names).filter_map(|name| Some((*name, place(name)?))).collect();
    let (mut record, mut rows) = (csv::ByteRecord::new(), Vec::with_capacity(CHUNK));
    while reader.read_byte_record(&mut record)? {
        let number = record.position().map_or(0, csv::Position::line) + u64::from(csv.crlf);
        rows.push(csv_row(number, &record, &places, header.len(), columns));
        if rows.len() == CHUNK {
            if shutdown.soft().is_cancelled() {
                return Err(io::Error::other(crate::shutdown::Stopped));
            }
            send(std::mem::replace(&mut rows, Vec::with_capacity(CHUNK)))?;
        }
    }
    send(rows)
}

fn csv_row(number: u64, record: &csv::ByteRecord, places: &[(&str, usize)], fields: usize, columns: Columns) -> Parsed {
    let wrong = |text: String| Wrong { number, text };
    if record.len() != fields {
        return Err(wrong(format!("{} fields, {fields} expected", record.len())));
    }
    let value = |name: &str| {
        let place = places.iter().find(|(column, _)| *column == name);
        let Some(bytes) = place.and_then(|(_, place)| record.get(*place)) else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{name}: not UTF-8"))?;
        Ok(Some((!text.is_empty()).then(|| text.to_owned())))
    };
    row(columns, value).map_err(wrong)
}

/// Makes a row of values by name. A value is absent, null or text.
fn row(columns: Columns, value: impl Fn(&str) -> Result<Option<Option<String>>, String>) -> Result<Row, String> {
    let id = match value("id")? {
        Some(id) => Some(id),
        None => value("id_")?,
    };
    let id = id.flatten().ok_or("id: missing")?;
    let id = Uuid::try_parse(id.trim()).map_err(|_| format!("id: not a uuid: {id}"))?;
    let mut values = Vec::with_capacity(columns.names.len());
    for name in columns.names {
        let value = value(name)?;
        let text = value.as_ref().and_then(Option::as_deref).unwrap_or_default();
        if text.contains('\0') {
            return Err(format!("{name}: Postgres keeps no NUL in text"));
        }
        values.push(match *name {
            "price" => value.map(|price| price.map(|price| number(&price)).transpose()).transpose()?,
            _ => value,
        });
    }
    Ok(Row { id, values })
}

/// A price as Postgres reads it.
fn number(text: &str) -> Result<String, String> {
    let number = Decimal::from_str(text.trim()).or_else(|_| Decimal::from_scientific(text.trim()));
    number.map(|number| number.to_string()).map_err(|_| format!("price: not a number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

    fn json(record: &str) -> Result<Vec<Option<Option<String>>>, String> {
        let record = Record::Whole(record.to_owned().into());
        json_row(7, &record, Columns::of(Table::Articles)).map(|row| row.values).map_err(|wrong| wrong.text)
    }

    fn csv(text: &str) -> Vec<Result<String, u64>> {
        let Form::Csv(form) = Form::of(text.as_bytes()) else { panic!("taken for JSON") };
        let mut rows = Vec::new();
        read_csv(text.as_bytes(), form, Columns::of(Table::Articles), &Shutdown::default(), |chunk| {
            rows.extend(chunk);
            Ok(())
        })
        .unwrap();
        let row = |row: Row| format!("{:?}", row.values.into_iter().map(Option::flatten).collect::<Vec<_>>());
        rows.into_iter().map(|parsed| parsed.map(row).map_err(|wrong| wrong.number)).collect()
    }

    #[test]
    fn json_rows_may_lack_what_is_not_the_id() {
        let some = |text: &str| Some(Some(text.to_owned()));
        let full = format!(r#"{{"id_":"{ID}","name":"Tea","price":44.53,"currency":"EUR","more":[1]}}"#);
        assert_eq!(json(&full).unwrap(), [some("Tea"), some("44.53"), some("EUR")]);
        assert_eq!(json(&format!(r#"{{"id":"{ID}","price":null}}"#)).unwrap(), [None, Some(None), None]);
        assert_eq!(json(&format!(r#"{{"id":"{ID}","price":1e2}}"#)).unwrap(), [None, some("100.0"), None]);
    }

    #[test]
    fn wrong_json_rows_say_why() {
        let why = |record: &str| json(record).unwrap_err();
        assert_eq!(why("[]"), "not an object: an array of 0");
        assert_eq!(why("{}"), "id: missing");
        assert_eq!(why(r#"{"id":7}"#), "id: not a uuid: 7");
        assert_eq!(why(&format!(r#"{{"id":"{ID}","price":"dear"}}"#)), "price: not a number: dear");
        assert_eq!(
            why(&format!(r#"{{"id":"{ID}","name":{{}}}}"#)),
            "name: a text or number expected, an object of 0 found"
        );
        assert!(why(&format!(r#"{{"id":"{ID}","name":"\u0000"}}"#)).starts_with("name: "));
        assert!(why("{").contains("JSON"));
    }

    #[test]
    fn csv_with_either_delimiter() {
        let expected = [Ok(r#"[Some("Tea, green"), Some("1.50"), None]"#.to_owned()), Err(3)];
        assert_eq!(csv(&format!("\u{feff}id,name,price,x\r\n{ID},\"Tea, green\",1.50,y\r\nnobody,,1,\r\n")), expected);
        assert_eq!(csv(&format!("name;id_;price\nTea, green;{ID};1.50\na;b\n")), expected);
    }
}
