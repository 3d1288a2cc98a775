//! Labels. Their values are closed sets: nothing that a message or a request holds ever becomes one.

use prometheus_client::encoding::EncodeLabelSet;

/// Of what is counted per event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EventLabels {
    /// Kind of event.
    pub kind: &'static str,
    /// What brought it, as in the ledger.
    pub source: &'static str,
    /// `stored`, `duplicate`, `rejected` or `ignored`, as in the ledger.
    pub outcome: &'static str,
    /// Why it was rejected; empty otherwise.
    pub reason: &'static str,
}

/// Of what differs by kind alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// Kind of event.
    pub kind: &'static str,
}

/// Of what differs by kind and source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindSource {
    /// Kind of event.
    pub kind: &'static str,
    /// What brought it, as in the ledger.
    pub source: &'static str,
}

/// Of the stages of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabels {
    /// Kind of event.
    pub kind: &'static str,
    /// The function's name.
    pub stage: &'static str,
}

/// Of what goes wrong outside of the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DependencyLabel {
    /// `postgres`, `pubsub` or `blob`.
    pub dependency: &'static str,
}

/// Of what is asked of the history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AnsweredLabel {
    /// `answered` or `failed`.
    pub outcome: &'static str,
}

/// Of the database pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabel {
    /// `idle` or `in_use`.
    pub state: &'static str,
}

/// Of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The path with its parameters' names; empty where there is nothing.
    pub route: String,
    /// `GET`, `POST`, …; `other` for what HTTP does not know.
    pub method: &'static str,
    /// The status of the answer.
    pub status: u16,
}

/// Of how long requests take.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// The path with its parameters' names; empty where there is nothing.
    pub route: String,
    /// `GET`, `POST`, …; `other` for what HTTP does not know.
    pub method: &'static str,
}

/// Of the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabel {
    /// As `purser --version` says it.
    pub version: &'static str,
}
