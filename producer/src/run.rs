//! All of it: tables, files, publishing, until the count is reached or a shutdown is asked for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::files;
use crate::options::Options;
use crate::pace::{Due, Pace};
use crate::patience::Patience;
use crate::place::Place;
use crate::publish::Outlet;
use crate::purchases::{Fault, Purchase, Purchases};
use crate::shop::Shop;
use crate::tables::{self, Stocked};
use crate::tally::{Summary, Tally};

/// How often the log says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Opens the shop and sells until `options.count` is reached or `shutdown` is cancelled.
///
/// Users and articles are in their tables (with a database) and files before the first purchase.
/// Whatever is away (Postgres, Pub/Sub, the folder) is waited for, at the start and later; nothing
/// is lost by it. A shutdown stops drawing purchases at once and waits up to ten seconds for the
/// confirmations of those already sent.
///
/// Errs on what waiting does not heal: a database URL that is none, a refusal by the database, no
/// credentials for Google Cloud.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<Summary> {
    info!(?options, "opening the shop");
    let shop = Shop::open(options.seed, options.users, options.articles);
    let place = Place::of(&options);
    let tally = Arc::new(Tally::default());

    match shutdown.run_until_cancelled(open(&options, &shop, &place)).await {
        Some(opened) => opened?,
        None => return Ok(tally.summary()),
    }
    let counting = Arc::clone(&tally);
    let outlet = Outlet::open(place, move |fault| counting.confirmed(fault)).await?;
    let selling = async {
        let sold = shutdown.run_until_cancelled(sell(&options, &shop, &outlet, &tally)).await;
        let closed = outlet.close(shutdown.clone()).await;
        closed.and(sold.unwrap_or(Ok(())))
    };
    tokio::select! {
        sold = selling => sold?,
        never = report(&tally) => match never {},
    }
    let summary = tally.summary();
    tell(&summary, "closed the shop");
    Ok(summary)
}

/// Everything that must be there before the first purchase.
async fn open(options: &Options, shop: &Shop, place: &Place) -> anyhow::Result<()> {
    write_files(shop, &options.blob).await;
    if let Some(url) = &options.database_url {
        // The parser's own error repeats parts of the URL.
        let parsed = url.expose().parse::<PgConnectOptions>();
        let connect = parsed.map_err(|_| anyhow::anyhow!("the database URL cannot be read"))?;
        let stocked = stock(shop, connect, options.foreign_tables).await;
        let Stocked { users, articles } = stocked.context("cannot fill users and articles")?;
        info!(users, articles, "rows added to the tables");
    }
    place.open().await?;
    info!(topic = place.topic(), "open");
    Ok(())
}

async fn write_files(shop: &Shop, blob: &Path) {
    let mut patience = Patience::new("the blob folder");
    loop {
        let (shop, blob) = (shop.clone(), blob.to_owned());
        let write = move || files::write_reference_files(&shop, &blob);
        match tokio::task::spawn_blocking(write).await {
            Ok(Err(error)) => patience.wait(error).await,
            // The other error is a runtime that shuts down.
            Ok(Ok(())) | Err(_) => return patience.over(),
        }
    }
}

async fn stock(shop: &Shop, connect: PgConnectOptions, foreign: bool) -> Result<Stocked, sqlx::Error> {
    let limit = Duration::from_secs(5);
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
    let pool: PgPool = pool.connect_lazy_with(connect);
    let mut patience = Patience::new("Postgres");
    let stocked = loop {
        let attempt =
            if foreign { tables::stock_as_foreigner(shop, &pool).await } else { tables::stock(shop, &pool).await };
        match attempt {
            Err(error) if tables::is_passing(&error) => patience.wait(error).await,
            done => break done,
        }
    };
    patience.over();
    pool.close().await;
    stocked
}

async fn sell(options: &Options, shop: &Shop, outlet: &Outlet<Option<Fault>>, tally: &Tally) -> anyhow::Result<()> {
    let mut purchases = Purchases::new(shop, options.purchase_seed(), options.invalid_ratio);
    let mut pace = Pace::new(options.rate, Instant::now());
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        match pace.due(Instant::now()) {
            Due::After(wait) => tokio::time::sleep(wait).await,
            Due::Now(count) => {
                let count = count.min(left);
                let batch = purchases.by_ref().take(usize::try_from(count)?).collect();
                sell_batch(options, batch, outlet, tally).await?;
                left -= count;
            }
        }
    }
    Ok(())
}

/// Writes the files, then publishes: what has been published always has its file. It costs little,
/// since sending goes on behind our back while the next files are written.
async fn sell_batch(
    options: &Options,
    batch: Vec<Purchase>,
    outlet: &Outlet<Option<Fault>>,
    tally: &Tally,
) -> anyhow::Result<()> {
    if options.purchase_files {
        let copies = batch.iter().map(|it| (it.id, it.payload.clone())).collect();
        files::keep_purchases(&options.blob, copies).await;
    }
    for Purchase { payload, fault, .. } in batch {
        outlet.send(payload, fault, || tally.sent()).await?;
    }
    Ok(())
}

async fn report(tally: &Tally) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        tell(&tally.summary(), "selling");
    }
}

fn tell(summary: &Summary, message: &'static str) {
    let Summary { published, invalid, by_fault, unconfirmed } = summary;
    let by_fault: Vec<String> = by_fault.iter().map(|(fault, count)| format!("{}={count}", fault.name())).collect();
    info!(published, invalid, by_fault = by_fault.join(" "), unconfirmed, "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Callers spawn it.
    #[test]
    fn a_run_can_move_between_threads() {
        fn check(_: impl Send) {}
        check(run(Options::default(), CancellationToken::new()));
    }

    #[tokio::test]
    async fn a_shutdown_ends_the_wait_for_a_server_that_is_away() {
        let blob = tempfile::tempdir().unwrap();
        let options = Options {
            blob: blob.path().to_owned(),
            // Nothing listens on the port for discarding.
            emulator_host: Some("127.0.0.1:9".to_owned()),
            users: 3,
            articles: 2,
            ..Options::default()
        };
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(run(options, shutdown.clone()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!running.is_finished());
        shutdown.cancel();
        assert_eq!(running.await.unwrap().unwrap(), Summary::default());
        assert_eq!(std::fs::read_dir(blob.path().join("users")).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn an_unreadable_database_url_is_an_error_that_does_not_show_it() {
        let blob = tempfile::tempdir().unwrap();
        let options = Options {
            blob: blob.path().to_owned(),
            database_url: Some("mysql://a:hunter2@b:c/d".to_owned().into()),
            ..Options::default()
        };
        let error = run(options, CancellationToken::new()).await.unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
