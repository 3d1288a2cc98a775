//! An in-process `google.pubsub.v1` server: enough for the official clients, bounded in memory, with
//! switches for tests.
//!
//! ```no_run
//! # async fn example() -> Result<(), pubsub_server::StartError> {
//! use pubsub_server::{Config, Server};
//!
//! let server = Server::start(Config::for_testing()).await?;
//! println!("PUBSUB_EMULATOR_HOST={}", server.addr());
//! // Point a client at `server.endpoint()`, without credentials.
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The path of a message: [`Server`] listens; `grpc` or `rest` takes the request; `broker` validates it,
//! reserves memory, and puts the message into the book of every subscription of its topic; a consumer (a
//! stream or a unary pull) leases it from the book; an acknowledgement ends the lease and frees the
//! memory, a nack or the deadline puts the message back.
//!
//! What differs from the real service is listed in the README.

mod broker;
mod config;
mod events;
mod faults;
mod grpc;
mod net;
mod proto;
mod rest;
mod server;
mod stats;
mod switches;
mod sync;

pub use config::Config;
pub use events::Event;
pub use faults::Faults;
pub use server::{Server, StartError};
pub use stats::{Stats, SubscriptionStats};
pub use switches::{Rpc, RpcFault};
/// The status codes that the switches and the event log speak of.
pub use tonic::Code;
