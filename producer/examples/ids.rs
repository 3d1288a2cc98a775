//! Writes the id of each purchase of a run, and its fault or `good`, tab-separated: what to close the
//! accounts with after a long run. `cargo run --release -p purser-producer --example ids -- SEED COUNT`

use std::io::{BufWriter, Write as _, stdout};

use anyhow::Context as _;
use purser_producer::{Options, Purchases, Shop};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().context("usage: ids SEED COUNT")?.parse()?;
    let count = arguments.next().context("usage: ids SEED COUNT")?.parse()?;
    let options = Options { seed, run: Some(0), ..Options::default() };
    let shop = Shop::open(seed, options.users, options.articles);
    let mut out = BufWriter::new(stdout().lock());
    for purchase in Purchases::new(&shop, options.run_seed(), options.invalid_ratio).take(count) {
        writeln!(out, "{}\t{}", purchase.id, purchase.fault.map_or("good", |fault| fault.name()))?;
    }
    Ok(out.flush()?)
}
