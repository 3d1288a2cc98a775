//! By hand.
#![expect(clippy::print_stdout, reason = "by hand")]
use private_postgres::{Options, PrivatePostgres, Progress};
#[tokio::main]
async fn main() {
    let mut options = Options::new("purser-try");
    if let Some(dir) = std::env::args().nth(1) {
        options.data_dir = dir.into();
    }
    options.progress = Progress::new(|said| println!(".. {said}"));
    println!("data {} cache {}", options.data_dir.display(), options.cache_dir.display());
    let begin = std::time::Instant::now();
    match PrivatePostgres::start(options).await {
        Err(error) => println!("error: {error}\n({:?})", begin.elapsed()),
        Ok(server) => {
            println!("up after {:?}, owner {}", begin.elapsed(), server.is_owner());
            server.ensure_database("shop").await.map_err(|e| e.to_string()).map_or_else(|e| println!("{e}"), |()| ());
            println!("{}\n{}", server.url("shop"), server.psql_command("shop"));
            if std::env::var_os("CRASH").is_some() {
                std::process::abort();
            }
            let begin = std::time::Instant::now();
            println!("stop {:?} {:?}", server.stop().await.map_err(|e| e.to_string()), begin.elapsed());
        }
    }
}
