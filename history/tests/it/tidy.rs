//! What nobody needs any more.

use purser_history::tidy::{Tidied, tidy};
use uuid::{NoContext, Timestamp, Uuid};

use crate::support::House;

impl House {
    async fn tidy(&self) -> Tidied {
        tidy(&self.pool, &self.store).await.unwrap()
    }

    /// The names of all objects but the mark, sorted.
    async fn objects(&self) -> Vec<String> {
        use futures::TryStreamExt as _;
        let found: Vec<(String, u64)> = self.store.blob().list("").try_collect().await.unwrap();
        let mut names: Vec<String> =
            found.into_iter().map(|(name, _)| name).filter(|name| name != "history.id").collect();
        names.sort_unstable();
        names
    }

    async fn put(&self, object: &str) {
        self.store.blob().put(object, "something".into()).await.unwrap();
    }
}

#[tokio::test]
async fn removed_files_go_after_an_hour_and_those_that_count_stay() {
    let house = House::new().await;
    for _ in 0..2 {
        house.insert(0, "iOS", 10).await;
        house.do_move(1).await.unwrap();
    }
    let removed = house.files().await;
    house.merge().await.unwrap();
    let before = house.everything().await;
    assert_eq!((house.tidy().await, house.objects().await.len()), (Tidied::default(), 3));
    let age = "UPDATE history_files SET removed_at = removed_at - interval '61 minutes' WHERE path = ";
    house.execute(&format!("{age} '{}'", removed[0].path)).await;
    assert_eq!(house.tidy().await, Tidied { files: 1, ..Tidied::default() });
    let mut left = vec![removed[1].path.clone(), house.files().await[0].path.clone()];
    left.sort_unstable();
    assert_eq!((house.objects().await, house.everything().await), (left, before));
    assert_eq!(house.number("SELECT count(*) FROM history_files").await, 2);
}

#[tokio::test]
async fn files_of_whoever_was_killed_go_after_a_day() {
    let house = House::new().await;
    house.insert(0, "iOS", 10).await;
    house.do_move(1).await.unwrap();
    let hours_ago = |hours: u64| {
        let now = chrono::Utc::now().timestamp().unsigned_abs();
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, now - hours * 3600, 0));
        format!("platform=iOS/day=2016-01-03/{id}.parquet")
    };
    let (old, young) = (hours_ago(25), hours_ago(23));
    let not_ours = ["platform=iOS/day=2016-01-03/notes.parquet", "raw/2016-01-03.json"];
    let counting = house.files().await[0].path.clone();
    // Old enough by its name, but it counts.
    let renamed = hours_ago(48);
    let [from, to] = [&counting, &renamed].map(|path| house.folder.path().join(path));
    std::fs::rename(from, to).unwrap();
    house.execute(&format!("UPDATE history_files SET path = '{renamed}'")).await;
    for object in [&*old, &*young].into_iter().chain(not_ours) {
        house.put(object).await;
    }
    assert_eq!(house.tidy().await, Tidied { orphans: 1, ..Tidied::default() });
    let mut left = [&*young, &*renamed, not_ours[0], not_ours[1]].map(str::to_owned);
    left.sort_unstable();
    assert_eq!(house.objects().await, left);
}

#[tokio::test]
async fn ids_go_once_no_view_can_come_again() {
    let house = House::new().await;
    house.insert(0, "iOS", 10).await;
    house.do_move(1).await.unwrap();
    let age = "UPDATE moved_product_views SET received_at = now() - interval '33 days'
               WHERE id IN (SELECT id FROM moved_product_views ORDER BY id LIMIT 4)";
    house.execute(age).await;
    assert_eq!(house.tidy().await, Tidied { ids: 4, ..Tidied::default() });
    assert_eq!(house.number("SELECT count(*) FROM moved_product_views").await, 6);
}

#[tokio::test]
async fn a_store_of_another_database_is_left_alone() {
    let (house, mut other) = (House::new().await, House::new().await);
    house.insert(0, "iOS", 10).await;
    house.do_move(1).await.unwrap();
    let before = house.objects().await;
    other.store = house.store.clone();
    for error in [tidy(&other.pool, &other.store).await.unwrap_err(), other.do_move(1).await.unwrap_err()] {
        assert!(error.to_string().contains("is the history of another database"), "{error:#}");
    }
    assert_eq!((house.objects().await, house.tidy().await), (before, Tidied::default()));
}
