//! Views on their way out of Postgres.

use std::time::Duration;

use purser::shutdown::{Shutdown, Stopped};
use purser_history::moving::move_older;

use crate::support::{Counted, House, Stopping, midnight};

#[tokio::test]
async fn what_is_older_stands_in_files_and_the_rest_in_the_table() {
    let house = House::new().await;
    for (day, platform) in [(0, "iOS"), (0, "Android"), (1, "iOS"), (3, "kiosk"), (4, "iOS")] {
        house.insert(day, platform, 500).await;
    }
    let before = house.everything().await;
    let counted = Counted::default();
    let moved = move_older(&house.pool, &house.store, midnight(4), &Shutdown::default(), &counted).await.unwrap();
    assert_eq!((moved, counted.found.into_inner(), counted.decided.into_inner()), (2000, 2000, 2000));
    let files = house.files().await;
    let of: Vec<_> = files.iter().map(|file| (file.day.to_string(), file.platform.as_str(), file.rows)).collect();
    let day = |day: &str| day.to_owned();
    let (first, second) = ((day("2016-01-03"), "Android", 500), (day("2016-01-03"), "iOS", 500));
    assert_eq!(of, [first, second, (day("2016-01-04"), "iOS", 500), (day("2016-01-06"), "kiosk", 500)]);
    assert_eq!(house.everything().await, before);
    assert_eq!(house.number("SELECT count(*) FROM product_views").await, 500);
    assert_eq!(house.number("SELECT count(*) FROM history WHERE moved_before = '2016-01-07Z'").await, 1);
    assert_eq!(house.number("SELECT count(*) FROM moved_product_views").await, 2000);
    assert_eq!(house.do_move(4).await.unwrap(), 0);
}

#[tokio::test]
async fn a_file_has_the_order_that_readers_rely_on() {
    let house = House::new().await;
    house.insert(0, "iOS", 3000).await;
    house.do_move(1).await.unwrap();
    let lines = house.lines(&house.files().await[0]).await;
    let key = |line: &String| {
        let parts: Vec<&str> = line.split('|').collect();
        (parts[4].to_owned(), parts[1].parse::<i64>().unwrap())
    };
    assert!(lines.iter().map(key).is_sorted());
}

#[tokio::test]
async fn views_that_come_late_go_into_another_file_of_their_day() {
    let house = House::new().await;
    house.insert(0, "iOS", 10).await;
    house.do_move(3).await.unwrap();
    house.insert(0, "iOS", 5).await;
    let before = house.everything().await;
    assert_eq!(house.do_move(2).await.unwrap(), 5);
    assert_eq!(house.files().await.iter().map(|file| file.rows).sum::<i64>(), 15);
    assert_eq!(house.everything().await, before);
    assert_eq!(house.number("SELECT count(*) FROM history WHERE moved_before = '2016-01-06Z'").await, 1);
}

#[tokio::test]
async fn an_id_is_kept_while_the_view_may_come_again() {
    let house = House::new().await;
    house.insert(0, "iOS", 10).await;
    house.execute("UPDATE product_views SET received_at = now() - interval '33 days' WHERE mpid > '5'").await;
    let young = house.number("SELECT count(*) FROM product_views WHERE received_at > now() - interval '32 days'").await;
    house.do_move(1).await.unwrap();
    assert!((1..10).contains(&young));
    assert_eq!(house.number("SELECT count(*) FROM moved_product_views").await, young);
}

#[tokio::test]
async fn only_whole_days_are_moved_and_none_that_is_young() {
    let moved = |before| async move {
        let house = House::new().await;
        move_older(&house.pool, &house.store, before, &Shutdown::default(), &Counted::default()).await
    };
    assert!(moved(midnight(1) + chrono::TimeDelta::seconds(1)).await.unwrap_err().to_string().contains("no midnight"));
    let today = chrono::Utc::now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
    assert!(moved(today).await.unwrap_err().to_string().contains("younger than a day"));
}

#[tokio::test]
async fn it_stops_between_two_slices() {
    let house = House::new().await;
    for day in 0..3 {
        house.insert(day, "iOS", 10).await;
    }
    let before = house.everything().await;
    let shutdown = Shutdown::default();
    let stopping = Stopping(shutdown.clone());
    let error = move_older(&house.pool, &house.store, midnight(3), &shutdown, &stopping).await.unwrap_err();
    assert!(error.is::<Stopped>());
    assert_eq!((house.files().await.len(), house.everything().await), (1, before));
}

#[tokio::test]
async fn a_store_that_fails_changes_nothing() {
    let house = House::new().await;
    house.insert(0, "Android", 10).await;
    house.insert(0, "iOS", 10).await;
    let before = house.everything().await;
    let in_the_way = house.folder.path().join("platform=iOS");
    std::fs::write(&in_the_way, "").unwrap();
    house.do_move(1).await.unwrap_err();
    assert_eq!((house.files().await, house.number("SELECT count(*) FROM product_views").await), (vec![], 20));
    std::fs::remove_file(in_the_way).unwrap();
    assert_eq!(house.do_move(1).await.unwrap(), 20);
    assert_eq!(house.everything().await, before);
}

#[tokio::test]
async fn wherever_it_is_interrupted_nothing_is_lost_nor_doubled() {
    let house = House::new().await;
    for day in 0..8 {
        house.insert(day, "iOS", 2000).await;
        house.insert(day, "Android", 500).await;
    }
    let before = house.everything().await;
    let mut interrupted = 0;
    for after in (0..).map(|round| Duration::from_millis(5 + round * 9)) {
        let (pool, store) = (house.pool.clone(), house.store.clone());
        let moving = tokio::spawn(async move {
            move_older(&pool, &store, midnight(8), &Shutdown::default(), &Counted::default()).await
        });
        tokio::time::sleep(after).await;
        moving.abort();
        match moving.await {
            Ok(done) => {
                done.unwrap();
                break;
            }
            Err(_) => interrupted += 1,
        }
        assert_eq!(house.everything().await, before);
    }
    assert!(interrupted > 0);
    assert_eq!(house.number("SELECT count(*) FROM product_views").await, 0);
    assert_eq!(house.everything().await, before);
}

#[tokio::test]
async fn updates_and_removals_beside_it_are_kept() {
    let house = House::new().await;
    for day in 0..4 {
        house.insert(day, "iOS", 4000).await;
    }
    let update = "UPDATE product_views SET mpid = 'pseudonym', session_id = NULL, event_id = NULL, forgotten = true
                  WHERE mpid = '7'";
    let remove = "DELETE FROM product_views WHERE mpid = '3'";
    let writing = async {
        for part in 0..40 {
            house.execute(&format!("{update} AND right(id::text, 1) = '{:x}'", part % 16)).await;
            house.execute(&format!("{remove} AND right(id::text, 1) = '{:x}'", part % 16)).await;
        }
    };
    let removed_before = house.number("SELECT count(*) FROM product_views WHERE mpid = '3'").await;
    let ((), moved) = tokio::join!(writing, house.do_move(4));
    moved.unwrap();
    let everything = house.everything().await;
    let seventh = everything.iter().filter(|line| line.contains("|pseudonym|-|-")).count() as i64;
    let mpid = |mpid: &str| everything.iter().filter(|line| line.split('|').nth(5) == Some(mpid)).count() as i64;
    let (still_seventh, still_third) = (mpid("7"), mpid("3"));
    let all = house.number("SELECT count(*) FROM moved_product_views").await;
    assert_eq!(seventh + still_seventh, 4 * 364);
    assert_eq!(everything.len() as i64, 16_000 - (removed_before - still_third));
    assert_eq!(all, everything.len() as i64);
    let mut ids: Vec<&str> = everything.iter().map(|line| &line[..36]).collect();
    ids.dedup();
    assert_eq!(ids.len(), everything.len());
}
