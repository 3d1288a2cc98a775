//! Any input whatever gets a verdict: random JSON, every fixture torn and bent, and what fuzzing found before.
//! What holds of them stands in `fuzz/rules`, which the fuzz targets share.

mod hostile;
mod pipeline;
#[path = "../../../fuzz/rules/mod.rs"]
mod rules;

use std::path::Path;

use proptest::prelude::*;
use purser::events::KINDS;

use hostile::{any_json, bent, torn};
use rules::messages::{Attributes, of_every_kind};

/// A target of `fuzz`, and what it asks.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 12] = [
    ("purchase", plain),
    ("ab_event", plain),
    ("order", plain),
    ("click_event", plain),
    ("product_view", plain),
    ("attributes", rules::messages::with_attributes),
    ("address", rules::address::address),
    ("dead_letter", rules::dead_letter::dead_letter),
    ("values", rules::values::values),
    ("files", rules::files::files),
    ("import", rules::import::import),
    ("http", rules::http::http),
];

fn plain(payload: &[u8]) {
    of_every_kind(payload, &Attributes::new());
    of_every_kind(payload, &Attributes::from([("platform".to_owned(), "iOS".to_owned())]));
}

/// The files of a folder that may not be there.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_unstable();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn folder(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_fixture_keeps_to_the_rules_as_an_event_of_every_kind() {
    for kind in KINDS {
        for verdict in ["good", "bad"] {
            let fixtures = files(&folder(&format!("tests/fixtures/{}/{verdict}", kind.name)));
            assert!(!fixtures.is_empty());
            fixtures.iter().for_each(|payload| plain(payload));
        }
    }
}

#[test]
fn every_seed_of_the_fuzzer_keeps_to_the_rules() {
    for (name, target) in TARGETS {
        files(&folder(&format!("fuzz/seeds/{name}"))).iter().for_each(|input| target(input));
    }
}

#[test]
fn every_target_of_the_fuzzer_is_tested_here() {
    let mut targets: Vec<_> =
        folder("fuzz/fuzz_targets").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    targets.sort_unstable();
    let mut here: Vec<_> = TARGETS.map(|(name, _)| folder(&format!("fuzz/fuzz_targets/{name}.rs"))).into();
    here.sort_unstable();
    assert_eq!(targets, here);
}

proptest! {
    #[test]
    fn any_json_gets_a_verdict(json in any_json()) {
        plain(json.to_string().as_bytes());
    }

    #[test]
    fn a_good_event_that_was_bent_gets_a_verdict(payload in bent()) {
        plain(payload.as_bytes());
    }

    #[test]
    fn any_bytes_get_a_verdict(bytes in torn()) {
        plain(&bytes);
    }

    #[test]
    fn any_file_falls_into_records(bytes in torn(), csv in "[a-z_]{1,9}([,;\t][a-zA-Z_]{1,9}){1,3}\n(\\PC{0,9}[,;\t\n\"]){0,30}") {
        rules::files::files(&bytes);
        rules::files::files(csv.as_bytes());
    }

    #[test]
    fn any_file_of_reference_data_falls_into_rows(bytes in torn(), cells in "(\\PC{0,9}[,\n\"]){0,30}") {
        rules::import::import(&bytes);
        rules::import::import(format!("id,user_id,order_date,status,device,product,order_id,country\n{cells}").as_bytes());
    }

    #[test]
    fn any_text_may_stand_for_a_value(text in "\\PC{0,40}", zip in "[A-Za-z ,]{0,9}[A-Z]{2} [0-9]{5}(-[0-9]{4})?[ \n]*") {
        rules::values::values(text.as_bytes());
        rules::address::address(text.as_bytes());
        rules::address::address(format!("{text}{zip}").as_bytes());
    }

    #[test]
    fn any_request_is_answered(path in hostile::path(), query in "([a-zA-Z_]{2,14}=\\PC{0,20}&){0,3}", body in bent()) {
        rules::http::http(format!("GET {path}?{query}").as_bytes());
        rules::http::http(format!("POST {path}?{query}\n{body}").as_bytes());
        rules::http::http(format!("POST {path}\n{body}\n\n{body}").as_bytes());
    }
}
