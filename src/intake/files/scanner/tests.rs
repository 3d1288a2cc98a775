//! Every form of a file, and what is broken in each.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMIT: usize = 1 << 20;

/// The records of chunks, as text, and whether the file was cut off inside an array.
fn scan<'c>(limit: usize, chunks: impl IntoIterator<Item = &'c [u8]>) -> (Vec<Record>, bool) {
    let (mut scanner, mut records) = (Scanner::new(limit), Vec::new());
    chunks.into_iter().for_each(|chunk| scanner.feed(chunk, &mut records));
    let cut_off = scanner.finish(&mut records);
    (records, cut_off)
}

fn text(record: Record) -> String {
    match record {
        Record::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Record::TooLarge(large) => format!("{} bytes", large.bytes),
    }
}

fn records(file: &str) -> Vec<String> {
    scan(LIMIT, [file.as_bytes()]).0.into_iter().map(text).collect()
}

#[test]
fn every_form_of_a_file_holds_the_same_records() {
    let (one, two) = (r#"{"a": [1, "}\\\"]"]}"#, r#"{"b": {}}"#);
    let forms = [
        format!("{one}\n{two}\n"),
        format!("{one}\r\n\r\n  \n{two}"),
        format!("{one}{two}"),
        format!("[{one},{two}]"),
        format!(" [\n  {one},\n  {two}\n]\n"),
        format!("[{one}]\n[{two}]"),
    ];
    for form in forms {
        assert_eq!(records(&form), [one, two], "{form}");
    }
    assert!(records(" \n\r\n").is_empty());
    assert!(records("[]").is_empty());
}

#[test]
fn a_value_over_several_lines_is_one_record() {
    let pretty = "{\n  \"cart\": [\n    {\n      \"a\": 1\n    },\n    {\n    }\n  ]\n}";
    assert_eq!(records(&format!("{pretty}\n{pretty}")), [pretty, pretty]);
    let not_indented = "{\n\"cart\": [\n{\n\"a\": 1\n},\n{\n}\n]\n}";
    assert_eq!(records(&format!("{not_indented}\n{not_indented}")), [not_indented, not_indented]);
}

#[test]
fn what_is_broken_ends_with_its_line() {
    let cases: [(&str, &[&str]); 10] = [
        ("{\"a\":1}\nhello {\"b\":2}\n{\"c\":3}", &["{\"a\":1}", "hello {\"b\":2}", "{\"c\":3}"]),
        ("{\"a\":\"1\n{\"b\":2}", &["{\"a\":\"1", "{\"b\":2}"]),
        ("{\"a\":\"1\\\n{\"b\":2}", &["{\"a\":\"1\\", "{\"b\":2}"]),
        ("{\"a\":[1\r\n{\"b\":2}", &["{\"a\":[1", "{\"b\":2}"]),
        ("{\"a\":1,\n  {\"b\":2}", &["{\"a\":1,", "{\"b\":2}"]),
        ("{\"a\":1}\n{\"b\":[{},\n{\"c\":2}", &["{\"a\":1}", "{\"b\":[{},", "{\"c\":2}"]),
        ("{\"a\":1]}\n{\"b\":2}", &["{\"a\":1]}", "{\"b\":2}"]),
        ("{\"a\":1 {\"x\":1}}\n{\"b\":2}", &["{\"a\":1 {\"x\":1}}", "{\"b\":2}"]),
        ("{\"a\":1}}{\"b\":2}\n{\"c\":3}", &["{\"a\":1}", "}{\"b\":2}", "{\"c\":3}"]),
        ("{\"a\":1}\n{\"b\":", &["{\"a\":1}", "{\"b\":"]),
    ];
    for (file, expected) in cases {
        assert_eq!(records(file), expected, "{file}");
    }
}

#[test]
fn elements_of_an_array_that_are_no_objects_are_records_too() {
    let elements = ["1", r#""a,]\"""#, "null", "[2]", "}", r#"{"b":1}"#, r#"{"c":2}"#];
    assert_eq!(records(r#"[1, "a,]\"", null, [2], }, {"b":1} {"c":2}]"#), elements);
    assert_eq!(records("{\"a\":1}\n[1,2]\n3\n"), ["{\"a\":1}", "[1,2]", "3"]);
}

#[test]
fn an_array_that_was_cut_off_is_told() {
    assert!(scan(LIMIT, [&b"[{},{}"[..]]).1);
    assert!(!scan(LIMIT, [&b"[{},{}]"[..]]).1);
}

#[test]
fn endless_nesting_needs_no_memory() {
    let deep = format!("{{\"a\":{}", "[{\"a\":".repeat(5000));
    assert_eq!(records(&format!("{deep}\n{{}}")), [deep, "{}".to_owned()]);
}

#[test]
fn a_large_record_is_not_kept() {
    let chunks = [&b"{\"a\":1}\n{\"a\":  \"0123"[..], b"456789\"}\n{\"c\":3}"];
    let records: Vec<String> = scan(10, chunks).0.into_iter().map(text).collect();
    assert_eq!(records, ["{\"a\":1}", "20 bytes", "{\"c\":3}"]);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(\\PC|[\\[\\]{}\",:\\\\\n\r\t])*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = proptest::collection::btree_map("\\PC*", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    json().prop_map(|value| serde_json::json!({ "event": value }))
}

/// A file in chunks of these sizes, over and over.
fn chunks<'f>(file: &'f str, sizes: &[usize]) -> Vec<&'f [u8]> {
    let (mut rest, mut chunks) = (file.as_bytes(), Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, left) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = left;
    }
    chunks
}

fn written(values: &[Value], pretty: &[bool]) -> Vec<String> {
    let write = |(value, pretty): (&Value, &bool)| match pretty {
        true => serde_json::to_string_pretty(value).unwrap(),
        false => value.to_string(),
    };
    values.iter().zip(pretty.iter().cycle()).map(write).collect()
}

fn scanned(file: &str, sizes: &[usize]) -> Vec<String> {
    scan(LIMIT, chunks(file, sizes)).0.into_iter().map(text).collect()
}

proptest! {
    #[test]
    fn records_come_back_as_they_were_written(
        first in object(),
        values in proptest::collection::vec(json(), 0..8),
        objects in proptest::collection::vec(object(), 0..8),
        pretty in proptest::collection::vec(any::<bool>(), 1..4),
        sizes in proptest::collection::vec(1_usize..50, 1..5),
    ) {
        let lines: Vec<Value> = std::iter::once(first).chain(values.iter().cloned()).collect();
        let compact = written(&lines, &[false]);
        prop_assert_eq!(scanned(&compact.join("\n"), &sizes), &compact[..]);
        prop_assert_eq!(scanned(&(compact.join("\r\n") + "\r\n"), &sizes), &compact[..]);
        for pretty in [&[false][..], &pretty] {
            let elements = written(&values, pretty);
            prop_assert_eq!(scanned(&format!("[{}]", elements.join(",")), &sizes), &elements[..]);
            prop_assert_eq!(scanned(&format!("\n[\n{}\n]\n", elements.join(" ,\n")), &sizes), &elements[..]);
            let objects = written(&objects, pretty);
            prop_assert_eq!(scanned(&objects.concat(), &sizes), &objects[..]);
            prop_assert_eq!(scanned(&objects.join("\n"), &sizes), &objects[..]);
        }
    }

    #[test]
    fn nothing_is_lost_whatever_the_bytes_and_the_chunks(
        file in "[\\[\\]{}\",:a1 \n\\\\]{0,60}",
        sizes in proptest::collection::vec(1_usize..9, 1..5),
    ) {
        let whole = records(&file);
        prop_assert_eq!(&scanned(&file, &sizes), &whole);
        // Of an array, its own brackets and commas are in no record.
        let left_out: &[char] = if file.trim_start().starts_with('[') { &[' ', '\n', ',', '[', ']'] } else { &[' ', '\n'] };
        let significant = |text: &str| text.replace(left_out, "");
        prop_assert_eq!(significant(&whole.concat()), significant(&file));
    }
}
