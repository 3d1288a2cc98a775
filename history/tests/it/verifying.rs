//! Whether the files hold what the catalog says.

use purser::shutdown::Shutdown;
use purser::verify::{Report, Watcher};
use purser_history::catalog::File;
use purser_history::verifying::verify;

use crate::support::House;

struct Unwatched;

impl Watcher for Unwatched {
    fn at(&self, _: &str, _: &str) {}
}

impl House {
    /// Two files of a day, and one of another platform.
    async fn stocked() -> House {
        let house = House::new().await;
        for platform in ["iOS", "iOS", "Android"] {
            house.insert(0, platform, 1000).await;
            house.do_move(1).await.unwrap();
        }
        house
    }

    async fn verify(&self) -> Report {
        verify(&self.pool, &self.store, &Shutdown::default(), &Unwatched).await.unwrap()
    }

    /// What is found, as `expected: found`; each is told of this file or day.
    async fn found(&self, place: &str) -> Vec<String> {
        let report = self.verify().await;
        let differences = report.checks.iter().flat_map(|check| &check.differences);
        let line = |found: &purser::verify::Found| {
            let difference = &found.difference;
            assert!(difference.place.starts_with(place), "{} is not {place}", difference.place);
            format!("{}: {}", difference.expected, difference.found)
        };
        differences.map(line).collect()
    }

    async fn ios(&self) -> File {
        self.files().await.into_iter().find(|file| file.platform == "iOS").unwrap()
    }

    fn change(&self, file: &File, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join(&file.path);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test]
async fn a_sound_history_agrees() {
    let house = House::stocked().await;
    house.insert(0, "iOS", 10).await;
    assert!(house.verify().await.agrees());
    house.merge().await.unwrap();
    house.do_move(1).await.unwrap();
    assert!(house.verify().await.agrees());
}

#[tokio::test]
async fn a_missing_and_a_truncated_file_are_found() {
    for damage in ["missing", "truncated"] {
        let house = House::stocked().await;
        let file = house.ios().await;
        match damage {
            "missing" => std::fs::remove_file(house.folder.path().join(&file.path)).unwrap(),
            _ => house.change(&file, |bytes| bytes.truncate(bytes.len() / 2)),
        }
        let found = house.found(&file.path).await;
        assert_eq!(found.len(), 1, "{damage}: {found:?}");
        assert!(found[0].starts_with(&format!("a file of {} bytes: ", file.bytes)), "{found:?}");
    }
}

#[tokio::test]
async fn a_flipped_bit_of_an_id_is_found() {
    let house = House::stocked().await;
    let file = house.ios().await;
    let id = house.lines(&file).await[500][..36].parse::<uuid::Uuid>().unwrap();
    house.change(&file, |bytes| {
        let at = bytes.windows(16).position(|window| window == id.as_bytes()).unwrap();
        bytes[at + 7] ^= 1;
    });
    let found = house.found(&file.path).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(&format!("ids that make {}: ", file.ids)), "{found:?}");
}

#[tokio::test]
async fn a_catalog_that_says_otherwise_is_found() {
    for (change, expected) in [
        ("rows = 1001", "1001 views: 1000"),
        (
            "first_at = first_at + interval '1 second'",
            "2016-01-03T00:00:01Z to 2016-01-03T23:58:33.600Z: 2016-01-03T00:00:00Z to 2016-01-03T23:58:33.600Z",
        ),
        ("day = '2016-01-04'", "no views of other days: 1000"),
        ("platform = 'Kiosk'", "no views of other platforms: 1000"),
    ] {
        let house = House::stocked().await;
        let file = house.ios().await;
        house.execute(&format!("UPDATE history_files SET {change} WHERE path = '{}'", file.path)).await;
        assert_eq!(house.found(&file.path).await, [expected]);
    }
}

#[tokio::test]
async fn a_view_that_stands_in_two_files_is_found() {
    let house = House::stocked().await;
    let file = house.ios().await;
    let copy = file.path.replace(".parquet", "0.parquet");
    let [from, to] = [&file.path, &copy].map(|path| house.folder.path().join(path));
    std::fs::copy(from, to).unwrap();
    let add = "INSERT INTO history_files (path, platform, day, rows, bytes, first_at, last_at, ids)
               SELECT '{copy}', platform, day, rows, bytes, first_at, last_at, ids FROM history_files WHERE path = ";
    house.execute(&format!("{} '{}'", add.replace("{copy}", &copy), file.path)).await;
    assert_eq!(house.found("iOS 2016-01-03, such as ").await, ["each view once: 1000 more than once"]);
}

#[tokio::test]
async fn a_view_that_stands_in_the_table_too_is_found() {
    let house = House::stocked().await;
    let line = house.lines(&house.ios().await).await.remove(3);
    let put_back = "INSERT INTO product_views (id, occurred_at, received_at, platform, product)
                    VALUES ('{id}', '2016-01-03T10:00:00Z', now(), 'iOS', 'x')";
    house.execute(&put_back.replace("{id}", &line[..36])).await;
    let place = format!("iOS 2016-01-03, such as {}", &line[..36]);
    assert_eq!(house.found(&place).await, ["views in the history alone: 1 in product_views, too"]);
}
