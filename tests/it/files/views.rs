//! Files of product views: pretty-printed arrays of mParticle batches, whose path tells the platform.

use purser::intake::files::{Again, Counts, Summary};
use serde_json::{Value, json};

use super::{Back, line};
use crate::history::move_out;
use crate::support::views::{batch, screen, view};

const NOON: f64 = 1_454_328_000_000.0;

/// Three batches: three views, an event of another type, and a view without its product.
fn file() -> String {
    let broken =
        json!({"event_type": "custom_event", "data": {"event_name": "product", "timestamp_unixtime_ms": NOON}});
    let batches = [
        batch(&[view("20005748_001", NOON)]),
        batch(&[view("20005748_001", NOON + 0.25), screen(), broken]),
        batch(&[view("20008657_002", NOON)]),
    ];
    serde_json::to_string_pretty(&batches).unwrap()
}

impl Back {
    /// How many views of each platform are stored.
    async fn platforms(&self) -> Vec<(String, i64)> {
        let counted = sqlx::query_as("SELECT platform, count(*) FROM product_views GROUP BY 1 ORDER BY 1");
        counted.fetch_all(self.rig.pool()).await.unwrap()
    }
}

#[tokio::test]
async fn the_platform_is_that_of_the_path_unless_it_is_said() {
    let back = Back::new().await;
    let ingest = |name: &str, note: &str, flags: &[&str]| {
        let path = back.write(name, file() + note);
        let (answer, success) = back.answer(&[&["ingest", "product_view", path.to_str().unwrap()], flags].concat());
        let counts = "records: 3 stored, 0 duplicate, 1 rejected, 0 rejected before, 1 ignored\n  rejected, shape: 1";
        assert!(success && answer.contains(counts), "{answer}");
    };
    ingest("ios/2016/views.json", "", &[]);
    ingest("MobileWeb_productEvent_20160201.json", "\n", &[]);
    ingest("iOS/said.json", "\n\n", &["--platform", "ANDROID"]);
    ingest("nowhere.json", "\n\n\n", &["--platform", "Kiosk"]);
    let platforms = ["Android", "MobileWeb", "iOS", "kiosk"].map(|platform| (platform.to_owned(), 3));
    assert_eq!(back.platforms().await, platforms);
    let cut = "SELECT count(*) FROM product_views WHERE occurred_at = '2016-02-01T12:00:00.00025Z' AND received_at > '2020-01-01'";
    assert_eq!(back.rig.number(cut).await, 4);
    back.rig.assert_accounts_agree().await;
}

#[tokio::test]
async fn a_platform_that_is_known_from_nowhere_is_asked_for() {
    let back = Back::new().await;
    let path = back.write("views.json", batch(&[view("1", NOON), screen()]).to_string());
    let (answer, success) = back.answer(&["check", "product_view", "--json", path.to_str().unwrap()]);
    let verdicts: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (success, &verdicts[0]["errors"][0]["code"], &verdicts[1]["verdict"]),
        (false, &json!("unknown_platform"), &json!("ignored"))
    );
    let message = verdicts[0]["errors"][0]["message"].as_str().unwrap();
    assert!(
        ["attribute `platform`", "--platform", "path of the file"].iter().all(|way| message.contains(way)),
        "{message}"
    );
    let (_, success) = back.answer(&["check", "product_view", "--platform=iOS", path.to_str().unwrap()]);
    assert!(success);
}

#[tokio::test]
async fn a_flag_that_cannot_be_meant_is_refused_before_anything_is_read() {
    let back = Back::new().await;
    let path = back.write("views.json", file());
    for (kind, platform, said) in [
        ("product_view", "Mobile Web", "another word of 1 to 32 letters"),
        ("purchase", "iOS", "--platform says nothing of a purchase"),
    ] {
        let output = back.purser(&["ingest", kind, path.to_str().unwrap(), "--platform", platform]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(said), "{error}");
    }
    assert_eq!(back.rig.number("SELECT count(*) FROM ingested_files").await, 0);
}

/// Their views have no id of their own: those that both contents hold would be stored twice.
#[tokio::test]
async fn a_file_that_holds_other_bytes_needs_a_word() {
    let mut back = Back { kind: "product_view", ..Back::new().await };
    let path = back.write("iOS/views.json", batch(&[view("1", NOON)]).to_string());
    back.counts(&path).await;
    back.write("iOS/views.json", batch(&[view("1", NOON), view("2", NOON)]).to_string());
    for _ in 0..2 {
        let summary = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
        assert_eq!(summary, Summary { changed: 1, ..Summary::default() });
        assert!(back.notices().ends_with("--again ingests it"), "{}", back.notices());
    }
    let (answer, success) = back.answer(&["ingest", "product_view", path.to_str().unwrap()]);
    assert!(!success && answer.contains("left out, because they hold other bytes than before: 1"), "{answer}");
    assert_eq!(back.platforms().await, [("iOS".to_owned(), 1)]);
    back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(back.platforms().await, [("iOS".to_owned(), 3)]);
}

#[tokio::test]
async fn a_view_that_was_moved_is_judged_again_as_a_duplicate() {
    let mut back = Back { kind: "product_view", ..Back::new().await };
    let path = back.write("iOS/views.json", batch(&[view("1", NOON), view("2", NOON)]).to_string());
    assert_eq!(back.counts(&path).await.stored, 2);
    move_out(&mut back.rig.pool().acquire().await.unwrap(), "1", "one").await;
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(again.counts, Counts { duplicate: 2, ..Counts::default() });
    assert_eq!(back.platforms().await, [("iOS".to_owned(), 1)]);
    back.rig.assert_accounts_agree().await;
}

/// Whatever is asked for: their views would stand in both places.
#[tokio::test]
async fn a_content_that_went_into_the_history_is_never_fed() {
    let mut back = Back { kind: "product_view", ..Back::new().await };
    let path = back.write("iOS/views.json", batch(&[view("1", NOON)]).to_string());
    back.counts(&path).await;
    // As `purser-history compact` leaves it, done and interrupted.
    for then in ["DELETE FROM product_views; UPDATE ingested_files SET into_history = true", UNFINISHED] {
        back.execute(then).await;
        let summary = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
        assert_eq!(summary, Summary { already: 1, ..Summary::default() });
        assert_eq!(back.notices(), format!("{}: already in the history", path.display()));
        let summary = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
        assert_eq!(summary, Summary { elsewhere: 1, ..Summary::default() });
        assert!(back.notices().contains("its views are in the history"), "{}", back.notices());
    }
    let (answer, success) = back.answer(&["ingest", "product_view", "--again", path.to_str().unwrap()]);
    assert!(!success && answer.contains("in the history and would count twice: 1"), "{answer}");
    assert_eq!(back.platforms().await, []);
}

const UNFINISHED: &str = "UPDATE ingested_files SET finished_at = NULL, committed_position = 0";

#[tokio::test]
async fn a_content_whose_ids_may_be_gone_is_not_judged_again() {
    let mut back = Back { kind: "product_view", ..Back::new().await };
    let path = back.write("iOS/views.json", batch(&[view("1", NOON)]).to_string());
    back.counts(&path).await;
    back.execute("UPDATE ingested_files SET first_ingested_at = now() - interval '32 days'").await;
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(again.counts, Counts { duplicate: 1, ..Counts::default() }, "without a history nothing was moved");

    back.execute("INSERT INTO history (url, moved_before) VALUES ('file:///nowhere/', '2020-01-01')").await;
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(again, Summary { elsewhere: 1, ..Summary::default() });
    assert!(back.notices().contains("so long ago that their ids are not kept any more"), "{}", back.notices());
    let again = back.ingest(path.to_str().unwrap(), Again::Skip).await.unwrap();
    assert_eq!(again, Summary { already: 1, ..Summary::default() });

    back.execute("UPDATE ingested_files SET first_ingested_at = now() - interval '30 days'").await;
    let again = back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap();
    assert_eq!(again.counts, Counts { duplicate: 1, ..Counts::default() });

    // Nothing but product views is moved.
    back.kind = "purchase";
    let path = back.write("purchases.ndjson", line(1));
    back.counts(&path).await;
    back.execute("UPDATE ingested_files SET first_ingested_at = now() - interval '40 days'").await;
    assert_eq!(back.ingest(path.to_str().unwrap(), Again::Judge).await.unwrap().elsewhere, 0);
}
