//! Purser takes shop events off Google Cloud Pub/Sub, checks every one of them, keeps the good ones
//! in Postgres exactly once, and keeps every bad one, with all of its reasons, as a dead letter.
//!
//! The modules, in the order in which a message meets them:
//! [`intake`] → [`pipeline`] (with [`events`] for what differs between kinds) → [`dead_letters`],
//! and [`api`] for the questions. [`commands`] are the words of the command line.

pub mod api;
pub mod blob;
pub mod breaker;
pub mod commands;
pub mod config;
pub mod database;
pub mod dead_letters;
pub mod domain;
pub mod embedded;
pub mod events;
pub mod expire;
pub mod forget;
pub mod health;
mod hex;
pub mod intake;
pub mod pipeline;
pub mod secret;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod verify;
mod words;
