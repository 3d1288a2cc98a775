//! All of it: tables, files, publishing, until the count is reached or a shutdown is asked for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::books::Books;
use crate::files;
use crate::kinds::Run;
use crate::lane::{Lane, Shared};
use crate::options::{Options, Secret};
use crate::repeats::Repeats;
use crate::shop::Shop;
use crate::tables::{self, Attempt, Stocked};
use crate::tally::{Counts, Summary, Tally};

/// How often the log says how it goes.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the books.
const BOOKS_LIMIT: Duration = Duration::from_secs(10);

/// Opens the shop and sells until `options.count` is reached or `shutdown` is cancelled.
///
/// Users, articles and shoppers are in their tables (with a database) and files before the first
/// message. Whatever is away (Postgres, Pub/Sub, the folder) is waited for, at the start and later;
/// nothing is lost by it. A topic that nobody is subscribed to keeps only its own kind waiting. A
/// shutdown stops drawing messages at once and waits up to ten seconds for the confirmations of those
/// already sent.
///
/// Errs on what waiting does not heal: a database URL that is none, a refusal by the database, no
/// credentials for Google Cloud.
pub async fn run(options: Options, shutdown: CancellationToken) -> anyhow::Result<Summary> {
    info!(?options, "opening the shop");
    let shop = Arc::new(Shop::open(options.seed, options.users, options.articles));
    let (options, tally) = (Arc::new(options), Arc::new(Tally::default()));
    let pool = options.database_url.as_ref().map(connect).transpose()?;
    match shutdown.run_until_cancelled(open(&options, &shop, pool.as_ref())).await {
        Some(opened) => opened?,
        None => return Ok(tally.summary()),
    }
    let (desk, entries) = Books::desk();
    let books = Books::new(Arc::clone(&shop), options.blob.clone(), pool);
    let books = AbortOnDropHandle::new(tokio::spawn(books.keep(entries)));
    let shared = Shared { options, tally: Arc::clone(&tally), desk, turn: Arc::default() };
    let sold = tokio::select! {
        sold = sell(shared, &shop, &shutdown) => sold,
        never = report(&tally) => match never {},
    };
    // If selling failed because of the books, theirs is the reason.
    close(books, &shutdown).await?;
    sold?;
    let summary = tally.summary();
    tell(&summary);
    Ok(summary)
}

/// Sells every kind, each by itself, until all have sold what they are to. The first that fails stops
/// the others.
async fn sell(shared: Shared, shop: &Arc<Shop>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let Options { invalid_ratio, kinds, .. } = &*shared.options;
    let run = Run { seed: shared.options.run_seed(), invalid_ratio: *invalid_ratio, starting_at: None };
    let (stop, mut lanes) = (shutdown.child_token(), JoinSet::new());
    for kind in kinds.iter() {
        let (messages, repeats) = (kind.messages(shop, run), Repeats::new(run.seed));
        let lane = Lane { kind, messages, repeats, shared: shared.clone() };
        lanes.spawn(lane.run(stop.clone()));
    }
    drop(shared);
    let mut sold = Ok(());
    while let Some(ended) = lanes.join_next().await {
        let ended = ended.context("the shop has crashed").flatten();
        if ended.is_err() {
            stop.cancel();
        }
        sold = sold.and(ended);
    }
    sold
}

/// Waits until everything is written down; once `shutdown` is cancelled, for ten seconds more.
async fn close(books: AbortOnDropHandle<anyhow::Result<()>>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let patience_ends = async {
        shutdown.cancelled().await;
        tokio::time::sleep(BOOKS_LIMIT).await;
    };
    tokio::select! {
        kept = books => kept.context("the books have crashed")?,
        () = patience_ends => Ok(()),
    }
}

/// Everything that must be there before the first message.
async fn open(options: &Options, shop: &Arc<Shop>, pool: Option<&PgPool>) -> anyhow::Result<()> {
    files::keep_reference_files(&options.blob, shop).await;
    let Some(pool) = pool else { return Ok(()) };
    if options.kinds.has("purchase") {
        let stock = || -> Attempt<'_, Stocked> {
            if options.foreign_tables {
                Box::pin(tables::stock_as_foreigner(shop, pool))
            } else {
                Box::pin(tables::stock(shop, pool))
            }
        };
        let Stocked { users, articles } = tables::patiently(stock).await.context("cannot fill users and articles")?;
        info!(users, articles, "rows added to the tables");
    }
    if options.kinds.has("ab_event") {
        let registered = tables::patiently(|| Box::pin(tables::register(shop.shoppers(), pool))).await;
        info!(shoppers = registered.context("cannot fill shoppers")?, "rows added to the table");
    }
    if options.kinds.has("product_view") {
        let made = tables::patiently(|| Box::pin(tables::make_orders(pool))).await;
        made.context("cannot make orders and order_items")?;
    }
    Ok(())
}

fn connect(url: &Secret) -> anyhow::Result<PgPool> {
    // The parser's own error repeats parts of the URL.
    let parsed = url.expose().parse::<PgConnectOptions>();
    let connect = parsed.map_err(|_| anyhow::anyhow!("the database URL cannot be read"))?;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    Ok(pool.connect_lazy_with(connect))
}

async fn report(tally: &Tally) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let Summary(by_kind) = tally.summary();
        let of = |count: fn(&Counts) -> u64| -> String {
            let counts: Vec<String> = by_kind.iter().map(|(kind, it)| format!("{kind}={}", count(it))).collect();
            counts.join(" ")
        };
        info!(published = of(|it| it.published), invalid = of(|it| it.invalid), "selling");
    }
}

/// Says how it ended, a line for each kind.
fn tell(Summary(by_kind): &Summary) {
    for (kind, counts) in by_kind {
        let Counts { published, repeated, invalid, by_fault, unconfirmed } = counts;
        let by_fault: Vec<String> = by_fault.iter().map(|(fault, count)| format!("{fault}={count}")).collect();
        info!(kind, published, repeated, invalid, by_fault = by_fault.join(" "), unconfirmed, "closed the shop");
    }
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
