//! `purser breaker`: what is held back and why, and what a person may do about it.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use sqlx::PgPool;

use super::terminal::answer;
use crate::breaker::State;
use crate::breaker::operator::{Order, order};
use crate::breaker::state::{Breaker, list};
use crate::config::DatabaseConfig;
use crate::database;
use crate::events::{KINDS, Kind};

/// Flags of `breaker`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Let everything pass, rejected or not, until few enough events are rejected again
    Force {
        #[command(flatten)]
        which: Which,
        /// Minutes to do so instead, however many are rejected
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_080))]
        minutes: Option<u32>,
    },
    /// Hold all events of a kind until `resume` or `force`
    Hold(Which),
    /// Let events pass again, as long as few enough are rejected
    Resume(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Kind of event
    #[arg(value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)))]
    kind: String,
    /// Why, for whoever looks later
    #[arg(long, default_value = "by hand")]
    because: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    #[command(flatten)]
    database: DatabaseConfig,
    /// Google Cloud project of the subscriptions
    #[arg(long, env = "PUBSUB_PROJECT_ID", default_value = "data-engineering")]
    pubsub_project_id: String,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (which, what) = match args.action {
        None => return show(&args.place, args.json).await,
        Some(Action::Force { which, minutes }) => {
            let time = minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
            (which, Order::Force(time))
        }
        Some(Action::Hold(which)) => (which, Order::Hold),
        Some(Action::Resume(which)) => (which, Order::Resume),
    };
    let pool = which.place.open().await?;
    let kind = Kind::named(&which.kind).context("no such kind of event")?;
    let breaker = order(&pool, &which.place.pubsub_project_id, kind, what, &which.because).await?;
    answer(line(&breaker))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let breakers = list(&place.open().await?).await?;
    let mut text = String::new();
    for breaker in &breakers {
        match json {
            true => text += &(serde_json::to_string(breaker)? + "\n"),
            false => text += &line(breaker),
        }
    }
    for kind in KINDS.iter().filter(|_| !json) {
        if !breakers.iter().any(|breaker| breaker.kind == kind.name) {
            let _ = writeln!(text, "{:<13} closed", kind.name);
        }
    }
    answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn line(breaker: &Breaker) -> String {
    let Breaker { kind, subscription, since, because, held, held_rejected, forced_until, .. } = breaker;
    let since = since.format("%Y-%m-%dT%H:%M:%SZ");
    match (breaker.state, forced_until) {
        (State::Closed, _) => format!("{kind:<13} closed since {since}: {because} ({subscription})\n"),
        (State::Open, _) => format!(
            "{kind:<13} open since {since}: {because}; holds {held}, {held_rejected} of them would be rejected ({subscription})\n"
        ),
        (State::Forced, Some(until)) => {
            let until = until.format("%Y-%m-%dT%H:%M:%SZ");
            format!("{kind:<13} forced since {since} until {until}: {because} ({subscription})\n")
        }
        (State::Forced, None) => {
            format!("{kind:<13} forced since {since} until few enough are rejected: {because} ({subscription})\n")
        }
    }
}

impl Place {
    async fn open(&self) -> anyhow::Result<PgPool> {
        let pool = database::connect(self.database.url()?, 1)?;
        database::require_current_schema(&pool).await?;
        Ok(pool)
    }
}
