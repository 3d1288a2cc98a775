//! Raw JSON into files of the history: what is kept of it is what `purser ingest` would have kept.

mod again;
mod equal;
mod hostile;
mod inputs;
mod killed;
mod yard;
