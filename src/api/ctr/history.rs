//! What is asked of the history: the views of files that the database does not hold any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::http::{HeaderValue, StatusCode};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde::Serialize;
use sqlx::PgConnection;
use tokio::time::timeout;
use url::Url;

use super::lines::{Bounds, Lines};
use super::question::Question;
use crate::api::problem::Problem;
use crate::config::HistoryConfig;
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// Where the history is asked. Clones share it.
#[derive(Clone)]
pub struct History {
    client: Client,
    address: Url,
    token: Option<Secret>,
    silence: Duration,
    metrics: Arc<Metrics>,
}

/// How long it may take until the history can be reached.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may be silent: before its answer, and between two parts of it. A question of the API has a
/// minute until its own answer must begin.
const SILENCE: Duration = Duration::from_secs(45);
/// The most bytes of a refusal that are logged.
const REFUSAL: usize = 500;

impl History {
    /// As configured; `None` without an address.
    ///
    /// # Errors
    /// When the address is none that can be asked.
    pub fn new(config: &HistoryConfig, metrics: Arc<Metrics>) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.history_url else { return Ok(None) };
        let address = address(url).context("HISTORY_URL (--history-url) cannot be used")?;
        if let Some(token) = &config.history_token {
            HeaderValue::from_str(token.expose()).context("HISTORY_TOKEN (--history-token) cannot be sent")?;
        }
        // A connection of its own for each question: one that is kept may be dead by the next.
        let client = Client::builder().connect_timeout(CONNECT).redirect(Policy::none()).pool_max_idle_per_host(0);
        // It is a neighbour: a proxy is for the world outside.
        let client = client.no_proxy().build().context("the history cannot be asked")?;
        Ok(Some(History { client, address, token: config.history_token.clone(), silence: SILENCE, metrics }))
    }

    /// With another bound of silence than 45 seconds.
    #[must_use]
    pub fn with_silence(self, silence: Duration) -> Self {
        History { silence, ..self }
    }

    /// Asks for the views in these files, in lines sorted by bucket, platform and product; for `most` lines, at
    /// the most.
    ///
    /// # Errors
    /// When there is no answer that begins.
    pub(super) async fn ask(&self, question: &Question, files: &Files, most: usize) -> Result<Lines, Failure> {
        let Question { start, end, product, platform, .. } = question;
        let (product, platform) = (product.as_deref(), platform.as_deref());
        let bucket_us = question.bucket_micros();
        let asked = Asked { files: &files.0, start, end, bucket_us, product, platform, most };
        let answer = timeout(self.silence, self.post(&asked)).await.map_err(|_| Failure::Silent).flatten();
        let answer = answer.inspect_err(|_| self.metrics.history_asked(false))?;
        let bounds = Bounds {
            buckets: question.buckets(),
            views: files.views(),
            most: most as u64,
            platform: platform.map(str::to_owned),
            product: product.map(str::to_owned),
            silence: self.silence,
        };
        Lines::begin(answer.bytes_stream().map_err(Failure::from).boxed(), bounds, Arc::clone(&self.metrics)).await
    }

    async fn post(&self, asked: &Asked<'_>) -> Result<Response, Failure> {
        let request = self.client.post(self.address.clone()).json(asked);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        let mut answer = request.send().await?;
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        let why = answer.chunk().await?.unwrap_or_default();
        let why = String::from_utf8_lossy(&why[..why.len().min(REFUSAL)]).into_owned();
        Err(Failure::Refused(answer.status(), why))
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("address", &self.address.as_str()).finish_non_exhaustive()
    }
}

/// What is never said of an address is the address: it may hold what is no one's business.
fn address(url: &str) -> anyhow::Result<Url> {
    let url = Url::parse(&format!("{}/", url.trim_end_matches('/')))?;
    ensure!(matches!(url.scheme(), "http" | "https") && url.has_host(), "it is not http://… or https://…");
    ensure!(url.username().is_empty() && url.password().is_none(), "it holds a password; HISTORY_TOKEN is for that");
    ensure!(url.query().is_none() && url.fragment().is_none(), "there is something behind its path");
    Ok(url.join("views")?)
}

/// Why there is no answer of the history.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("years of views are kept in a history, and this service is not told where to ask it (HISTORY_URL)")]
    Unset,
    #[error("it cannot be reached, or broke off: {0}")]
    Away(reqwest::Error),
    #[error("it was silent for too long")]
    Silent,
    #[error("it answered {0}: {1}")]
    Refused(StatusCode, String),
    #[error("its answer broke off")]
    BrokenOff,
    #[error("its answer is wrong: {0}")]
    Wrong(&'static str),
    #[error("there are more rows than were counted")]
    TooMuch,
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        Failure::Away(error.without_url())
    }
}

impl From<Failure> for Problem {
    /// Whatever it is, it is not the asker's fault, and not shown to them beyond what they can do about it.
    fn from(failure: Failure) -> Self {
        tracing::error!(error = %chain(&failure), "the history did not answer");
        match failure {
            Failure::Unset => Problem::new(StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
            _ => Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, "the history cannot be asked at the moment"),
        }
    }
}

/// The error and what caused it.
fn chain(failure: &Failure) -> String {
    let Failure::Away(error) = failure else { return failure.to_string() };
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(failure.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The files that hold views of a period, as they stand in the snapshot that the views in the database are read from.
pub(super) struct Files(Vec<File>);

#[derive(Debug, Serialize, sqlx::FromRow)]
struct File {
    path: String,
    bytes: i64,
    #[serde(skip)]
    rows: i64,
}

/// A file has views of one day (UTC): that is what the index is by.
const FILES: &str = "
    SELECT path, bytes, rows
    FROM history_files
    WHERE removed_at IS NULL AND last_at >= $1 AND first_at < $2 AND ($3::text IS NULL OR platform = $3)
        AND day BETWEEN ($1 AT TIME ZONE 'UTC')::date AND ($2 AT TIME ZONE 'UTC')::date
    ORDER BY path";

impl Files {
    /// Those that the question is about.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn of(question: &Question, conn: &mut PgConnection) -> sqlx::Result<Self> {
        let Question { start, end, platform, .. } = question;
        let files = sqlx::query_as(FILES).bind(start).bind(end).bind(platform).persistent(false);
        Ok(Files(files.fetch_all(conn).await?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many they hold.
    fn views(&self) -> u64 {
        self.0.iter().map(|file| u64::try_from(file.rows).unwrap_or_default()).sum()
    }
}

/// The question as it is sent.
#[derive(Serialize)]
struct Asked<'q> {
    files: &'q [File],
    start: &'q DateTime<Utc>,
    end: &'q DateTime<Utc>,
    bucket_us: i64,
    product: Option<&'q str>,
    platform: Option<&'q str>,
    most: usize,
}
