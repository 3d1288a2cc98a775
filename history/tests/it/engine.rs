//! Answers of the engine equal those of a plain loop.

use datafusion::arrow::array::AsArray as _;
use datafusion::arrow::datatypes::Int64Type;
use purser_history::engine::{Engine, File, Question, Trouble};

use crate::history::{Answer, History, micros, shop};

async fn asked(engine: &Engine, question: &Question) -> Answer {
    let mut groups = engine.ask(question).await.unwrap();
    let mut answer = Answer::new();
    while let Some(batch) = groups.next().await.unwrap() {
        let number = |column| batch.column(column).as_primitive::<Int64Type>().values();
        let text = |column, row| batch.column(column).as_string_view().value(row).to_owned();
        answer.extend((0..batch.num_rows()).map(|row| (number(0)[row], text(1, row), text(2, row), number(3)[row])));
    }
    answer
}

async fn trouble(engine: &Engine, question: &Question) -> Trouble {
    match engine.ask(question).await {
        Ok(_) => panic!("there is an answer"),
        Err(trouble) => trouble,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_equal_those_of_a_plain_loop() {
    let history = History::of(shop(3000)).await;
    let engine = history.engine();
    let periods = [
        ("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z"),
        ("2016-01-03T13:55:00Z", "2016-01-04T00:00:00Z"),
        ("2016-01-04T05:30:00+05:30", "2016-01-05T05:30:00.000001+05:30"),
        ("2016-01-03T00:00:00.0000005Z", "2016-01-04T12:00:00.0000015Z"),
        ("2016-01-04T00:00:00Z", "2016-01-04T00:00:00Z"),
        ("1900-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
    ];
    for (start, end) in periods {
        for (product, platform) in [(None, None), (Some("p1"), None), (None, Some("iOS")), (Some("it's"), Some("Web"))]
        {
            for bucket_us in [7, 600_000_000, 86_400_000_000, i64::MAX] {
                let (product, platform) = (product.map(str::to_owned), platform.map(str::to_owned));
                let question = Question { bucket_us, product, platform, ..history.question(start, end) };
                assert_eq!(asked(&engine, &question).await, history.expected(&question), "{question:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_counts_and_the_end_does_not() {
    let at = micros("1969-12-31T23:00:00Z");
    let hour = 3_600_000_000;
    let times = [at - 1, at, at + hour - 1, at + hour, at + 2 * hour - 1, at + 2 * hour];
    let history = History::of(times.iter().map(|at| (*at, "Web", "p")).collect()).await;
    let question = history.question("1969-12-31T23:00:00Z", "1970-01-01T01:00:00Z");
    let line = |bucket, views| (bucket, "Web".to_owned(), "p".to_owned(), views);
    assert_eq!(asked(&history.engine(), &question).await, [line(0, 2), line(1, 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_files_of_the_question_count() {
    let history = History::of(shop(500)).await;
    let engine = history.engine();
    let question = history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z");
    let mut views = 0;
    for file in &history.files {
        let question = Question { files: vec![file.clone()], bucket_us: i64::MAX, ..question.clone() };
        views += asked(&engine, &question).await.iter().map(|(.., views)| views).sum::<i64>();
    }
    assert_eq!(views, 500);
    assert_eq!(asked(&engine, &Question { files: Vec::new(), ..question }).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_groups_than_asked_for_are_told_and_those_are_the_first() {
    let history = History::of(shop(2000)).await;
    let engine = history.engine();
    let all = history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z");
    for most in [0, 1, 100, 1_000_001] {
        let question = Question { most, ..all.clone() };
        assert_eq!(asked(&engine, &question).await, history.expected(&question), "{most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_never_part_of_the_statement() {
    let history = History::of(shop(200)).await;
    let engine = history.engine();
    let all = history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z");
    for text in ["' OR ''='", "x'; DROP TABLE views; --", "$start", "%", "\0", ""] {
        let question = Question { product: Some(text.to_owned()), ..all.clone() };
        assert_eq!(asked(&engine, &question).await, [], "{text:?}");
        let question = Question { platform: Some(text.to_owned()), ..all.clone() };
        assert_eq!(asked(&engine, &question).await, [], "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_periods_do_not_overflow() {
    let ends = ["-262143-01-01T00:00:00Z", "-200000-06-01T00:00:00Z", "+200000-06-01T00:00:00Z"].map(micros);
    let history = History::of(ends.iter().map(|at| (*at, "Web", "p")).collect()).await;
    let engine = history.engine();
    for (start, end) in [
        ("-262143-01-01T00:00:00Z", "+029999-01-01T00:00:00Z"),
        ("-029999-01-01T00:00:00Z", "+262142-12-31T23:59:59.999999999Z"),
    ] {
        for bucket_us in [1, i64::MAX] {
            let question = Question { bucket_us, ..history.question(start, end) };
            assert_eq!(asked(&engine, &question).await, history.expected(&question), "{question:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_or_broken_is_no_answer() {
    let history = History::of(shop(100)).await;
    let engine = history.engine();
    let all = history.question("2016-01-03T00:00:00Z", "2016-01-06T00:00:00Z");
    let mut files = all.files.clone();
    files.push(File { path: "platform=iOS/day=2016-01-03/gone.parquet".to_owned(), bytes: 4000 });
    let Trouble::Away { what, .. } = trouble(&engine, &Question { files, ..all.clone() }).await else { panic!() };
    assert!(what.contains("not in the store"), "{what}");
    for broken in [&b""[..], b"PAR1", &[b'x'; 5000]] {
        let file = &history.files[0];
        std::fs::write(history.path(file), broken).unwrap();
        for bytes in [file.bytes, broken.len() as u64] {
            let files = vec![File { bytes, path: file.path.clone() }];
            let found = trouble(&history.engine(), &Question { files, ..all.clone() }).await;
            assert!(matches!(found, Trouble::Away { .. }), "{found}");
        }
    }
}
