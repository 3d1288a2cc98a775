//! Figures, by hand: `cargo bench --bench purser -- validate`, `-- store`, `-- end_to_end`, `-- ab_http`,
//! `-- ab_monitor`, `-- orders`, `-- sessions` or `-- views`; all of them without a name. Each compares with a
//! reference in the same run, since machines differ and are noisy.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and ends by panicking")]
#![expect(unreachable_pub, reason = "what benches share is public among them, not beyond")]

mod ab_http;
mod ab_monitor;
mod common;
mod end_to_end;
mod orders;
mod sessions;
mod store;
mod validate;
mod views;

#[tokio::main]
async fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    if wanted("validate") {
        validate::run();
    }
    if wanted("store") {
        store::run().await;
    }
    if wanted("sessions") {
        sessions::run().await;
    }
    if wanted("end_to_end") {
        end_to_end::run().await;
    }
    if wanted("ab_http") {
        ab_http::run().await;
    }
    if wanted("ab_monitor") {
        ab_monitor::run().await;
    }
    if wanted("orders") {
        orders::run().await;
    }
    if wanted("views") {
        views::run().await;
    }
}
