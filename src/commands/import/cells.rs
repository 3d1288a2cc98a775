//! CSV into rows.

use std::borrow::Cow;
use std::io::{self, Read};

use serde_json::value::RawValue;

use super::layout::{Column, Layout, Need};
use super::read::{Parsed, Reading, raw};
use super::row::{Place, Said, Wrong, row};
use crate::intake::files::Csv;
use crate::shutdown::Stopped;

const CHUNK: usize = 2000;

impl Reading {
    pub(super) fn read_csv(
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
            match column.place(&names.iter().map(String::as_str)) {
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
                let named = self.names.iter().cloned().zip(cells.map(serde_json::Value::from));
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
    use crate::commands::import::read::tests::rows;
    use crate::commands::import::row::Row;

    const ID: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

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
    fn csv_as_spreadsheets_write_it() {
        let tea = Ok(format!("{ID}|Tea, green|1.50|"));
        assert_eq!(
            csv(&ARTICLES, &format!("\u{feff}id,name,Price ,x\r\n{ID},\"Tea, green\",1.50,y\r\n")),
            std::slice::from_ref(&tea)
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
