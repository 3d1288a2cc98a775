//! Views in files of the history that are to be removed: for their age, or because somebody is forgotten.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use purser::database::Run;
use purser::expire::{Ages, expire};
use purser::forget::{Report, Request, forget};
use purser::shutdown::Shutdown;

use super::{deliver, long_ago, move_out};
use crate::support::house::House;

const FILES: &str = "SELECT count(*) FROM history_files WHERE removed_at IS NULL";
const GONE: &str = "SELECT coalesce(sum(rows), 0)::int8 FROM expired";
/// The visitor of every view.
const VISITOR: &str = "-196509116834317511";

impl House {
    /// Removes views that are so many days old, and says how many.
    async fn expire_views(&self, days: i64, run: Run) -> u64 {
        let rows = BTreeMap::from([("product_view", TimeDelta::days(days))]);
        let ages = Ages { rows, dead_letters: None };
        expire(&self.shipper, &ages, run, &Shutdown::default()).await.unwrap()["product_view"].0
    }

    async fn forget_visitor(&self, run: Run) -> Report {
        let request = Request::User(VISITOR.to_owned());
        forget(&self.shipper, &request, run, &Shutdown::default()).await.unwrap()
    }

    async fn move_out(&self, product: &str, path: &str) {
        move_out(&mut self.rig.pool().acquire().await.unwrap(), product, path).await;
    }
}

#[tokio::test]
async fn files_that_are_old_enough_expire_with_the_rows_and_stay_counted() {
    let house = House::new().await;
    for (message, days) in [("a", 60), ("b", 20)] {
        let at = long_ago() - TimeDelta::days(days);
        assert_eq!(deliver(&house.rig, message, &[message, "1", "2"], at).await, "stored, stored, stored");
        house.move_out(message, message).await;
    }
    assert_eq!(house.expire_views(90, Run::Dry).await, 3);
    assert_eq!((house.rig.number(FILES).await, house.rig.number(GONE).await), (2, 0));
    assert_eq!(house.expire_views(90, Run::Real).await, 3, "two rows, and a file with one view");
    assert_eq!((house.rig.number(FILES).await, house.rig.number(GONE).await), (1, 3));
    house.assert_verified().await;
    assert_eq!(house.expire_views(90, Run::Real).await, 0);

    let at = long_ago() - TimeDelta::days(60);
    assert_eq!(deliver(&house.rig, "a", &["a", "1", "2"], at).await, "ignored, ignored, ignored");
    house.assert_verified().await;
}

#[tokio::test]
async fn a_file_with_later_views_stays_whole() {
    let house = House::new().await;
    assert_eq!(deliver(&house.rig, "a", &["a"], long_ago()).await, "stored");
    house.move_out("a", "a").await;
    house.rig.execute("UPDATE history_files SET first_at = first_at - interval '20 days'".to_owned()).await;
    assert_eq!(house.expire_views(50, Run::Real).await, 0);
    assert_eq!(house.rig.number(FILES).await, 1);
    house.assert_verified().await;
}

#[tokio::test]
async fn whom_the_history_is_to_forget_is_noted_with_the_pseudonym_of_the_rows() {
    let house = House::new().await;
    assert_eq!(deliver(&house.rig, "a", &["1", "2"], long_ago()).await, "stored, stored");
    let noted = "SELECT count(*) FROM history_forgotten";
    assert!(!house.forget_visitor(Run::Dry).await.history, "there is no history");

    house.move_out("1", "one").await;
    let report = house.forget_visitor(Run::Dry).await;
    assert_eq!((report.history, report.touched["product_view"], house.rig.number(noted).await), (true, 1, 0));
    let report = house.forget_visitor(Run::Real).await;
    assert_eq!((report.history, report.left, report.touched["product_view"]), (true, Vec::new(), 1));
    assert_eq!(house.rig.number("SELECT count(*) FROM forgetting").await, 0);
    let same = "SELECT count(*) FROM history_forgotten JOIN product_views ON mpid = pseudonym::text
                WHERE history_forgotten.id = '-196509116834317511'";
    assert_eq!(house.rig.number(same).await, 1);

    // Asked for again before the files are rewritten: the pseudonym stays, and so does what is to be done.
    assert!(house.forget_visitor(Run::Real).await.history);
    assert_eq!((house.rig.number(same).await, house.rig.number(noted).await), (1, 1));
    assert_eq!(deliver(&house.rig, "a", &["1", "2"], long_ago()).await, "duplicate, duplicate");
    house.assert_verified().await;
}
