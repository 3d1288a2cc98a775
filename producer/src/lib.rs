//! A synthetic shop: users, articles and purchases, good and deliberately broken.
//!
//! What it makes is drawn from one seed and described, file by file and field by field, in
//! `data.md`. The crate shares no types with the worker that reads its messages, so that the two
//! can disagree, and a test can notice.
//!
//! The path of a purchase, and the order of the modules:
//!
//! 1. [`Shop`] draws the users (with an [`address`]) and the articles.
//! 2. [`tables`] and [`files`] make both known before the first purchase names them.
//! 3. [`Purchases`] draws one purchase after the other; it knows nothing of where they go.
//! 4. [`pace`](Rate) says when, [`files`] keeps a copy, [`publish`](run) sends it and waits for the
//!    server's word.
//! 5. [`run`] does all of it; [`Summary`] says how much was done.

pub mod address;
pub mod files;
mod options;
mod pace;
mod patience;
mod place;
mod publish;
mod purchases;
mod run;
mod shop;
pub mod tables;
mod tally;

pub use files::write_reference_files;
pub use options::{Options, Secret, ratio};
pub use pace::Rate;
pub use purchases::{Fault, Purchase, Purchases};
pub use run::run;
pub use shop::{Article, Currency, Shop, User};
pub use tables::{Stocked, stock, stock_as_foreigner};
pub use tally::Summary;
