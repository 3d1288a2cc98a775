//! Everything that can be set, as flags with an environment variable each.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::ArgPredicate;
use clap::{ArgAction, Args};

use crate::files;
use crate::kinds::Kinds;
use crate::pace::Rate;

const SEED: u64 = 1;
const INVALID_RATIO: f64 = 0.15;
const USERS: usize = 1000;
const ARTICLES: usize = 200;
const PROJECT: &str = "data-engineering";
const TOPIC: &str = "purchases";
const BLOB: &str = "./blob";

/// A text that is never shown: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Secret, Self::Err> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the shop is run. `Options::default()` is what the command line without flags gives.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// What to publish: some of purchase, ab_event, order, click_event, product_view, with commas between
    #[arg(long, env = "PRODUCER_KINDS", default_value_t = Kinds::default())]
    pub kinds: Kinds,

    /// Purchases per second, or `max` for as fast as it can; the other kinds follow in proportion
    #[arg(long, env = "PRODUCER_RATE", default_value_t = Rate::default())]
    pub rate: Rate,

    /// Stop after this many purchases, and what goes with them of the other kinds [default: never]
    #[arg(long, env = "PRODUCER_COUNT")]
    pub count: Option<u64>,

    /// Which run of the seed this is: 0 repeats the ids of the run 0 before it
    /// [default: 0 when --seed is given, else another at each start]
    // Stands before `seed` on purpose: clap fills defaults in order, and a condition on `seed` that
    // is looked at after its own default would always hold.
    #[arg(long, env = "PRODUCER_RUN", default_value_if("seed", ArgPredicate::IsPresent, Some("0")))]
    pub run: Option<u64>,

    /// What everything is drawn from. Giving it makes the messages repeatable: their ids, contents and
    /// faults, but not their times
    #[arg(long, env = "PRODUCER_SEED", default_value_t = SEED)]
    pub seed: u64,

    /// The share of messages that are broken, 0 to 1, of each kind
    #[arg(long, env = "PRODUCER_INVALID_RATIO", default_value_t = INVALID_RATIO, value_parser = ratio)]
    pub invalid_ratio: f64,

    /// Number of users
    #[arg(long, env = "PRODUCER_USERS", default_value_t = USERS)]
    pub users: usize,

    /// Number of articles
    #[arg(long, env = "PRODUCER_ARTICLES", default_value_t = ARTICLES)]
    pub articles: usize,

    /// Google Cloud project
    #[arg(long, env = "PUBSUB_PROJECT_ID", default_value = PROJECT)]
    pub project: String,

    /// Topic of the purchases, without the project
    #[arg(long, env = "PRODUCER_TOPIC", default_value = TOPIC)]
    pub topic: String,

    /// host:port of a Pub/Sub emulator [default: Google Cloud, with its default credentials]
    #[arg(long, env = "PUBSUB_EMULATOR_HOST")]
    pub emulator_host: Option<String>,

    /// Postgres to fill the tables of: users, articles, shoppers, orders, order_items [default: no tables]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<Secret>,

    /// Folder for users/, articles/, shoppers/ and purchases/: a path or file:///…
    #[arg(long, env = "BLOB_URL", default_value = BLOB, value_parser = files::folder)]
    pub blob: PathBuf,

    /// Write no purchase files (users, articles and shoppers are written); for runs at full rate
    #[arg(long = "no-files", env = "PRODUCER_PURCHASE_FILES", action = ArgAction::SetFalse)]
    pub purchase_files: bool,

    /// Do not wait until a topic has a subscription: what is published before that is lost
    #[arg(long = "no-wait", env = "PRODUCER_WAIT", action = ArgAction::SetFalse)]
    pub wait: bool,

    /// Behave as a foreign producer: drop users and articles and make them again, with id as varchar
    /// and price as double precision
    #[arg(long, env = "PRODUCER_FOREIGN_TABLES")]
    pub foreign_tables: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kinds: Kinds::default(),
            rate: Rate::default(),
            count: None,
            run: None,
            seed: SEED,
            invalid_ratio: INVALID_RATIO,
            users: USERS,
            articles: ARTICLES,
            project: PROJECT.to_owned(),
            topic: TOPIC.to_owned(),
            emulator_host: None,
            database_url: None,
            blob: PathBuf::from(BLOB),
            purchase_files: true,
            wait: true,
            foreign_tables: false,
        }
    }
}

impl Options {
    /// The seed of this run's messages: [`seed`](Options::seed) itself in run 0, another in every
    /// other run. Without a run it is drawn anew at each call, so that a shop that starts again does
    /// not sell under the ids of its last run.
    pub fn run_seed(&self) -> u64 {
        let run = self.run.unwrap_or_else(rand::random);
        // The multiplier is odd, so no two runs of a seed share a seed.
        self.seed ^ run.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

/// Reads a share, from 0 to 1. Errs, with what was expected, on anything else.
pub fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    /// The tests' own environment (a machine with DATABASE_URL set) must not matter here.
    fn parse(flags: &[&str]) -> Result<Options, clap::Error> {
        use clap::{CommandFactory, FromArgMatches};
        let command = Cli::command().mut_args(|arg| arg.env(None::<&str>));
        let matches = command.try_get_matches_from(["producer"].iter().chain(flags))?;
        Ok(Cli::from_arg_matches(&matches)?.options)
    }

    #[test]
    fn no_flags_are_the_default() {
        assert_eq!(parse(&[]).unwrap(), Options::default());
    }

    #[test]
    fn a_given_seed_repeats_its_messages_and_no_seed_does_not() {
        let repeatable = parse(&["--seed", "1"]).unwrap();
        assert_eq!((repeatable.run, repeatable.run_seed()), (Some(0), 1));
        let fresh = parse(&[]).unwrap();
        assert_eq!(fresh.run, None);
        assert_ne!(fresh.run_seed(), fresh.run_seed());
        let second = parse(&["--seed", "1", "--run", "2"]).unwrap();
        assert_eq!(second.run, Some(2));
        assert_ne!(second.run_seed(), 1);
    }

    #[test]
    fn switches_switch_off() {
        let options = parse(&["--no-files", "--no-wait", "--foreign-tables"]).unwrap();
        assert!(!options.purchase_files && !options.wait && options.foreign_tables);
    }

    #[test]
    fn nonsense_is_refused() {
        let nonsense = [["--rate", "0"], ["--invalid-ratio", "1.5"], ["--blob", "gs://bucket"], ["--kinds", "gift"]];
        for flags in nonsense {
            assert!(parse(&flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn the_database_url_is_not_shown() {
        let options = parse(&["--database-url", "postgres://a:hunter2@b/c"]).unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
