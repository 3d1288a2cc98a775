//! Small files into large ones.

use purser::shutdown::{Shutdown, Stopped};
use purser_history::merging::merge_small;

use crate::support::{House, Stopping};

/// So many files of a platform and a day.
async fn files(house: &House, day: i64, platform: &str, files: usize) {
    for _ in 0..files {
        house.insert(day, platform, 300).await;
        house.do_move(day + 1).await.unwrap();
    }
}

fn place(line: &str) -> (String, i64) {
    let parts: Vec<&str> = line.split('|').collect();
    (parts[4].to_owned(), parts[1].parse().unwrap())
}

#[tokio::test]
async fn the_small_files_of_a_platform_and_day_become_one() {
    let house = House::new().await;
    files(&house, 0, "iOS", 3).await;
    files(&house, 0, "Android", 1).await;
    files(&house, 1, "iOS", 2).await;
    let before = house.everything().await;
    assert_eq!(house.merge().await.unwrap(), 5);
    let merged = house.files().await;
    let of: Vec<_> = merged.iter().map(|file| (file.day.to_string(), &*file.platform, file.rows)).collect();
    let expected = [("2016-01-03", "Android", 300), ("2016-01-03", "iOS", 900), ("2016-01-04", "iOS", 600)];
    assert_eq!(of, expected.map(|(day, platform, rows)| (day.to_owned(), platform, rows)));
    assert_eq!(house.everything().await, before);
    assert!(house.lines(&merged[1]).await.iter().map(|line| place(line)).is_sorted());
    assert_eq!(house.number("SELECT count(*) FROM history_files WHERE removed_at IS NOT NULL").await, 5);
    assert_eq!(house.merge().await.unwrap(), 0);
}

#[tokio::test]
async fn more_files_than_are_read_at_once_become_one_in_the_end() {
    let house = House::new().await;
    files(&house, 0, "iOS", 20).await;
    let before = house.everything().await;
    house.merge().await.unwrap();
    let merged = house.files().await;
    assert_eq!((merged.len(), merged[0].rows), (1, 6000));
    assert!(house.lines(&merged[0]).await.iter().map(|line| place(line)).is_sorted());
    assert_eq!(house.everything().await, before);
}

#[tokio::test]
async fn two_at_once_merge_every_file_once() {
    let house = House::new().await;
    for day in 0..4 {
        files(&house, day, "iOS", 4).await;
    }
    let before = house.everything().await;
    let (one, other) = tokio::join!(house.merge(), house.merge());
    assert_eq!(one.unwrap() + other.unwrap(), 16);
    assert_eq!((house.files().await.len(), house.everything().await), (4, before));
}

#[tokio::test]
async fn it_stops_between_two_merges() {
    let house = House::new().await;
    files(&house, 0, "iOS", 2).await;
    files(&house, 1, "iOS", 2).await;
    let before = house.everything().await;
    let shutdown = Shutdown::default();
    let stopping = Stopping(shutdown.clone());
    let error = merge_small(&house.pool, &house.store, &shutdown, &stopping).await.unwrap_err();
    assert!(error.is::<Stopped>());
    assert_eq!((house.files().await.len(), house.everything().await), (3, before));
}

#[tokio::test]
async fn files_that_do_not_hold_what_they_should_are_not_merged() {
    let house = House::new().await;
    files(&house, 0, "iOS", 2).await;
    let before = house.files().await;
    for wrong in ["rows = rows + 1", "ids = gen_random_uuid()"] {
        let path = &before[0].path;
        house.execute(&format!("UPDATE history_files SET {wrong} WHERE path = '{path}'")).await;
        let error = format!("{:#}", house.merge().await.unwrap_err());
        assert!(error.contains("verify"), "{error}");
        assert_eq!(house.number("SELECT count(*) FROM history_files WHERE removed_at IS NULL").await, 2);
        let back = format!(
            "UPDATE history_files SET rows = {}, ids = '{}' WHERE path = '{path}'",
            before[0].rows, before[0].ids
        );
        house.execute(&back).await;
    }
    assert_eq!(house.merge().await.unwrap(), 2);
}

#[tokio::test]
async fn expired_views_are_left_out_and_counted_as_gone() {
    let house = House::new().await;
    files(&house, 0, "iOS", 1).await;
    files(&house, 1, "iOS", 1).await;
    files(&house, 2, "iOS", 1).await;
    house.execute("INSERT INTO expired (kind, before) VALUES ('product_view', '2016-01-04T12:00:00Z')").await;
    let noon = 1_451_908_800_000_000;
    let mut left = house.everything().await;
    left.retain(|line| place(line).1 >= noon);
    assert_eq!(house.merge().await.unwrap(), 2);
    assert_eq!(house.everything().await, left);
    assert_eq!(house.number("SELECT rows FROM expired WHERE kind = 'product_view'").await, 900 - left.len() as i64);
    assert_eq!((house.files().await.len(), house.merge().await.unwrap()), (2, 0));
}
