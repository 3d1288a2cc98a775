//! Ids: each once in the files of a platform and a day, and not in `product_views`.

use chrono::{NaiveDate, TimeDelta};
use futures::TryStreamExt as _;
use purser::events::Difference;
use sqlx::PgPool;
use uuid::Uuid;

use super::difference;
use crate::catalog::File;
use crate::moving::{PATIENCE, midnight};
use crate::reading::{Reader, ids};

/// Ids that are held at once: 128 MiB.
const AT_ONCE: u64 = 8 << 20;

/// Views of a kind that should not be, and one of them.
#[derive(Default)]
struct Wrong {
    views: u64,
    such_as: Option<u128>,
}

impl Wrong {
    fn add(&mut self, id: u128) {
        self.views += 1;
        self.such_as.get_or_insert(id);
    }

    fn difference(&self, platform: &str, day: NaiveDate, expected: &str, found: &str) -> Option<Difference> {
        let place = format!("{platform} {day}, such as {}", Uuid::from_u128(self.such_as?));
        Some(difference(&place, expected.to_owned(), format!("{} {found}", self.views)))
    }
}

/// Goes through the files as often as the ids of a part of them all can be held.
pub(super) async fn differences(
    pool: &PgPool,
    reader: &Reader,
    platform: &str,
    day: NaiveDate,
    files: &[File],
) -> anyhow::Result<Vec<Difference>> {
    let rows: u64 = files.iter().map(|file| file.rows.unsigned_abs()).sum();
    let parts = u128::from(rows.div_ceil(AT_ONCE));
    let (mut twice, mut in_both) = (Wrong::default(), Wrong::default());
    for part in 0..parts {
        let sorted = sorted(reader, files, |id| id % parts == part).await?;
        let again = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        again.for_each(|id| twice.add(id));
        find_in_table(pool, platform, day, &sorted, &mut in_both).await?;
    }
    let twice = twice.difference(platform, day, "each view once", "more than once");
    let in_both = in_both.difference(platform, day, "views in the history alone", "in product_views, too");
    Ok(twice.into_iter().chain(in_both).collect())
}

async fn sorted(reader: &Reader, files: &[File], is_wanted: impl Fn(&u128) -> bool) -> anyhow::Result<Vec<u128>> {
    let mut all = Vec::new();
    for file in files {
        let mut read = reader.read(file, &["id"]).await?;
        while let Some(rows) = read.try_next().await? {
            all.extend(ids(&rows)?.filter(&is_wanted));
        }
    }
    all.sort_unstable();
    Ok(all)
}

async fn find_in_table(
    pool: &PgPool,
    platform: &str,
    day: NaiveDate,
    sorted: &[u128],
    found: &mut Wrong,
) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::raw_sql(PATIENCE).execute(&mut *tx).await?;
    let select = "SELECT id FROM product_views WHERE occurred_at >= $1 AND occurred_at < $2 AND platform = $3";
    let select = sqlx::query_scalar::<_, Uuid>(select).bind(midnight(day)).bind(midnight(day) + TimeDelta::days(1));
    let mut ids = select.bind(platform).fetch(&mut *tx);
    while let Some(id) = ids.try_next().await? {
        if sorted.binary_search(&id.as_u128()).is_ok() {
            found.add(id.as_u128());
        }
    }
    Ok(())
}
