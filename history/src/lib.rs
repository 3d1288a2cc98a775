//! Years of product views as Parquet files beside Purser's Postgres.
//!
//! Which files count stands in Postgres ([`catalog`]), the files themselves in an object store ([`store`]). A view
//! comes in from raw JSON ([`compact`]) or out of `product_views`, as a row of [`views`]; questions are answered by
//! DataFusion, in this process or on a Ballista cluster.

pub mod catalog;
pub mod commands;
pub mod compact;
pub mod engine;
pub mod forgetting;
pub mod merging;
pub mod moving;
pub mod objects;
pub mod reading;
pub mod serve;
pub mod store;
pub mod tidy;
pub mod verifying;
pub mod views;
