use std::collections::BTreeMap;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::intake::delivery::TooLarge;

const COMMA: Csv = Csv { delimiter: b',', crlf: false };

fn records(csv: Csv, limit: usize, chunk: usize, bytes: &[u8]) -> Vec<Record> {
    let (mut rows, mut records) = (Rows::new(csv, limit), Vec::new());
    bytes.chunks(chunk).for_each(|chunk| rows.feed(chunk, &mut records));
    rows.finish(&mut records);
    records
}

fn texts(csv: &str) -> Vec<String> {
    let text = |record| match record {
        Record::Whole(bytes) => String::from_utf8(bytes.into()).unwrap(),
        Record::TooLarge(large) => format!("{large:?}"),
    };
    records(COMMA, 1000, 1000, csv.as_bytes()).into_iter().map(text).collect()
}

#[test]
fn a_row_is_an_object_of_its_columns() {
    let text = "id, e-mail ,address.zip,items\r\n\
                1,a@example.net,,\"[{\"\"id\"\":\"\"\\u00e9\"\"}]\"\r\n\r\n\
                \" 2\",\"two\nlines\",\"\", \r\n";
    let expected = [
        r#"{"id":"1","e-mail":"a@example.net","items":"[{\"id\":\"\\u00e9\"}]"}"#,
        r#"{"id":" 2","e-mail":"two\nlines","items":" "}"#,
    ];
    assert_eq!(texts(text), expected);
}

#[test]
fn a_row_with_other_cells_than_names_is_an_array() {
    assert_eq!(texts("a,b\n1\n1,,x\n,\n1,2"), [r#"["1"]"#, r#"["1","","x"]"#, "{}", r#"{"a":"1","b":"2"}"#]);
    assert_eq!(texts("a,b\n"), [""; 0]);
}

#[test]
fn what_is_not_utf8_is_left_to_decode() {
    assert_eq!(
        records(COMMA, 99, 1, b"a,b\n\xff,\0\n"),
        [Record::Whole(b"{\"a\":\"\xff\",\"b\":\"\\u0000\"}"[..].into())]
    );
}

#[test]
fn of_what_is_too_large_the_object_is_counted_and_hashed() {
    let (cell, limit) = ("\"".repeat(50_000), 60_000);
    let text = format!("a,b\n\"{}\",x\n1,2\n", cell.replace('"', "\"\""));
    let object = serde_json::json!({ "a": cell, "b": "x" }).to_string();
    let sha256 = Sha256::digest(&object).into();
    let large = Record::TooLarge(TooLarge { bytes: object.len() as u64, sha256 });
    for chunk in [1, 1000, usize::MAX] {
        let records = records(COMMA, limit, chunk, text.as_bytes());
        assert_eq!(records, [large.clone(), Record::Whole(r#"{"a":"1","b":"2"}"#.into())]);
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_in_chunks_of_any_size(
        rows in proptest::collection::vec(proptest::collection::vec("\\PC*|[\",;\\\\\r\n]*", 3), 0..9),
        chunk in 1_usize..50,
    ) {
        let names = ["id", "b\"c", "d.e"];
        let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
        writer.write_record(names).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let read = records(Csv { delimiter: b';', crlf: false }, 1 << 20, chunk, &writer.into_inner().unwrap());
        let fields = |record: Record| serde_json::from_slice::<BTreeMap<String, String>>(&record.into_payload().0).unwrap();
        let object = |row: &Vec<String>| {
            let fields = names.into_iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            fields.map(|(name, cell)| (name.to_owned(), cell.clone())).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(read.into_iter().map(fields).collect::<Vec<_>>(), rows.iter().map(object).collect::<Vec<_>>());
    }
}
