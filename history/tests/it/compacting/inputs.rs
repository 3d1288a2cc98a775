//! Files as they may come.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub const NOON: f64 = 1_454_328_000_000.0;

/// A batch with one view: of one of a few products, on one of a few days.
pub fn batch(number: u64) -> Value {
    let data = json!({
        "custom_event_type": "navigation", "event_name": "product",
        "timestamp_unixtime_ms": NOON + number as f64 * 7919.25,
        "event_id": 679_644_799_952_992_000_u64 + number, "session_id": -7_147_916_473_548_193_691_i64,
        "custom_attributes": {"codeColor": format!("{:08}_001", number % 17)},
    });
    json!({"events": [{"event_type": "custom_event", "data": data}], "mpid": -196_509_116_i64 - number as i64 % 5})
}

/// Batches of one view each, now and then one that is rejected or ignored, one on each line.
pub fn lines(numbers: std::ops::Range<u64>) -> String {
    let line = |number: u64| match number % 29 {
        3 => r#"{"events":[{"event_type":"screen_view"}]}"#.to_owned(),
        11 => batch(number).to_string().replace("codeColor", "color"),
        19 => "nonsense".to_owned(),
        _ => batch(number).to_string(),
    };
    numbers.map(|number| line(number) + "\n").collect()
}

pub fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.canonicalize().unwrap().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, contents).unwrap();
    path
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Everything that the kind's fixtures hold, good and bad.
fn fixtures() -> Vec<Vec<u8>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/product_view");
    let files = ["good", "bad"].map(|folder| std::fs::read_dir(fixtures.join(folder)).unwrap());
    let mut paths: Vec<PathBuf> = files.into_iter().flatten().map(|file| file.unwrap().path()).collect();
    paths.sort_unstable();
    let is_event = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !name.ends_with(".verdict.json") && !name.ends_with(".attributes.json")
    };
    paths.iter().filter(is_event).map(|path| std::fs::read(path).unwrap()).collect()
}

/// A folder with all of that, in every form that a file may have.
pub fn every_form(folder: &Path) -> PathBuf {
    let fixtures = fixtures();
    for (number, fixture) in fixtures.iter().enumerate() {
        write(folder, &format!("in/iOS/{number}.json"), fixture);
    }
    let values: Vec<Value> = fixtures.iter().filter_map(|text| serde_json::from_slice(text).ok()).collect();
    let pretty: Vec<String> = values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
    let nowhere = format!("{}\n", pretty.join("\n"));
    write(folder, "in/nowhere/concatenated.json", &nowhere);
    write(folder, "in/Android/array.json", format!("\u{feff}[{},\n1,\"two\",null,{{}}]", pretty.join(",\n  ")));
    let ndjson =
        format!("{}\n{}", lines(0..400), values.iter().map(|value| format!("{value}\r\n")).collect::<String>());
    write(folder, "in/Android/lines.ndjson.gz", gzip(ndjson.as_bytes()));
    let cut_off = format!("[{}", pretty.join(","));
    write(folder, "in/MobileWeb_20160201.json.zst", zstd::encode_all(cut_off.as_bytes(), 1).unwrap());
    let joined = [gzip(lines(400..500).as_bytes()), gzip(lines(500..600).as_bytes())].concat();
    write(folder, "in/MobileWeb/joined.gz", joined);
    let mut broken = lines(600..700).into_bytes();
    broken.extend_from_slice(b"\xff\xfe\n{\"events\":[\n");
    broken.extend_from_slice(format!("{{\"events\":\"{}\"}}\n", "x".repeat(30_000)).as_bytes());
    broken.extend_from_slice(lines(700..800).as_bytes());
    write(folder, "in/iOS/broken.ndjson", broken);
    write(folder, "in/iOS/same.ndjson", lines(0..3));
    write(folder, "in/iOS/the-same.ndjson", lines(0..3));
    write(folder, "in/iOS/empty.json", "");
    write(folder, "in/iOS/spaces.json", " \n\n");
    folder.join("in")
}
