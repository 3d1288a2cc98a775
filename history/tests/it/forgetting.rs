//! People out of files.

use purser::shutdown::Shutdown;
use purser_history::forgetting::forget;
use purser_history::tidy::tidy;

use crate::support::{Counted, House};

const PSEUDONYM: &str = "5ea5b6d2-0f2c-4a53-9a2b-5d1c3d5a7e11";

impl House {
    async fn forget(&self) -> anyhow::Result<u64> {
        forget(&self.pool, &self.store, &Shutdown::default(), &Counted::default()).await
    }

    async fn note(&self, id: &str) {
        self.execute(&format!("INSERT INTO history_forgotten (id, pseudonym) VALUES ('{id}', '{PSEUDONYM}')")).await;
    }
}

fn mpid(line: &str) -> &str {
    line.split('|').nth(5).unwrap()
}

#[tokio::test]
async fn a_person_has_a_pseudonym_and_no_visits_in_every_file() {
    let house = House::new().await;
    for (day, platform) in [(0, "iOS"), (0, "Android"), (1, "iOS")] {
        house.insert(day, platform, 100).await;
    }
    house.execute("UPDATE product_views SET mpid = 'other' WHERE platform = 'Android'").await;
    house.do_move(2).await.unwrap();
    let old: Vec<String> = house.files().await.into_iter().map(|file| file.path).collect();
    let expected = |line: String| {
        let mut parts: Vec<&str> = line.split('|').collect();
        if parts[5] == "7" {
            parts[5..].copy_from_slice(&[PSEUDONYM, "-", "-"]);
        }
        parts.join("|")
    };
    let expected: Vec<String> = house.everything().await.into_iter().map(expected).collect();
    house.note("7").await;
    assert_eq!(house.forget().await.unwrap(), 2);
    assert_eq!(house.everything().await, expected);
    assert!(expected.iter().any(|line| mpid(line) == PSEUDONYM));
    assert_eq!(house.number("SELECT count(*) FROM history_forgotten").await, 0);
    assert_eq!(house.forget().await.unwrap(), 0);

    house.execute("UPDATE history_files SET removed_at = removed_at - interval '1 hour'").await;
    assert_eq!(tidy(&house.pool, &house.store).await.unwrap().files, 2);
    let is_there = |path: &String| house.folder.path().join(path).exists();
    assert_eq!(old.iter().filter(|path| is_there(path)).count(), 1);
}

#[tokio::test]
async fn whom_nobody_forgot_stays() {
    let house = House::new().await;
    house.insert(0, "iOS", 100).await;
    house.do_move(1).await.unwrap();
    let before = house.everything().await;
    house.note("unheard of").await;
    assert_eq!(house.forget().await.unwrap(), 0);
    assert_eq!(house.everything().await, before);
    assert_eq!(house.number("SELECT count(*) FROM history_forgotten").await, 0);
}

#[tokio::test]
async fn merges_beside_it_bring_nobody_back() {
    let house = House::new().await;
    for _ in 0..6 {
        for day in 0..3 {
            house.insert(day, "iOS", 200).await;
        }
        house.do_move(3).await.unwrap();
    }
    house.note("7").await;
    let before = house.everything().await;
    let (forgotten, merged) = tokio::join!(house.forget(), house.merge());
    assert!(forgotten.unwrap() > 0);
    merged.unwrap();
    let after = house.everything().await;
    assert_eq!(after.len(), before.len());
    let of = |lines: &[String], id: &str| lines.iter().filter(|line| mpid(line) == id).count();
    assert_eq!((of(&after, "7"), of(&after, PSEUDONYM)), (0, of(&before, "7")));
}

#[tokio::test]
async fn the_note_stays_while_somebody_is_being_forgotten_elsewhere() {
    let house = House::new().await;
    house.insert(0, "iOS", 100).await;
    house.do_move(1).await.unwrap();
    house.note("7").await;
    let alone = purser::forget::alone(&house.pool).await.unwrap();
    assert!(house.forget().await.unwrap_err().to_string().contains("at work elsewhere"));
    assert_eq!(house.number("SELECT count(*) FROM history_forgotten").await, 1);
    drop(alone);
    house.forget().await.unwrap();
    assert_eq!(house.number("SELECT count(*) FROM history_forgotten").await, 0);
}
