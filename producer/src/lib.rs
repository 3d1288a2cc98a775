//! A synthetic shop: the people in it, the things in it, and five kinds of message about them, good
//! and deliberately broken.
//!
//! What it makes is drawn from one seed and described, file by file and field by field, in
//! `data.md`. The crate shares no types with the worker that reads its messages, so that the two
//! can disagree, and a test can notice.
//!
//! The path of a message, and the order of the modules:
//!
//! 1. [`Shop`] draws who buys and what there is to buy.
//! 2. [`tables`] and [`files`] make both known before the first message names them.
//! 3. [`KINDS`] is the list of all kinds. Each draws one message after the other and knows nothing of
//!    where they go: [`Purchases`], and the recipes of the others.
//! 4. A lane sends one kind: [`pace`](Rate) says when, [`files`] keeps a copy, [`publish`](run) sends
//!    it and waits for the server's word, the books take down what follows from it.
//! 5. [`run`] does all of it; [`Summary`] says how much was done.

mod ab_events;
pub mod address;
mod books;
mod clicks;
mod dice;
pub mod files;
mod kinds;
mod lane;
mod markets;
mod message;
mod options;
mod orders;
mod pace;
mod patience;
mod place;
mod products;
mod publish;
mod purchases;
mod repeats;
mod run;
mod sales;
mod shop;
mod shoppers;
pub mod tables;
mod tally;
mod views;

pub use files::write_reference_files;
pub use kinds::{KINDS, Kind, Kinds, Messages, Run};
pub use markets::{MARKETS, Market};
pub use message::Message;
pub use options::{Options, Secret, ratio};
pub use pace::Rate;
pub use products::{Catalogue, Product};
pub use purchases::{Fault, Purchase, Purchases};
pub use run::run;
pub use shop::{Article, Currency, Shop, User};
pub use shoppers::{Home, Shopper, Version};
pub use tables::{Stocked, register, stock, stock_as_foreigner};
pub use tally::{Counts, Summary};
