//! The servers for tests: databases, faults, and what is left behind (nothing).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use private_postgres::testing::{FaultServer, database, database_with};

use crate::help::{add_row, argument, connect, is_alive, run_child, until};

#[tokio::test]
async fn every_database_is_fresh() {
    let (first, second) = tokio::join!(database(), database());
    assert_ne!(first.name(), second.name());
    assert_eq!(add_row(first.url()).await, 1);
    assert_eq!(add_row(second.url()).await, 1);
}

#[tokio::test]
async fn a_template_is_prepared_once_and_copied() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    let copy = || {
        database_with("one row", async |url| {
            PREPARED.fetch_add(1, Ordering::SeqCst);
            add_row(&url).await;
            Ok::<(), sqlx::Error>(())
        })
    };
    let copies = tokio::join!(copy(), copy(), copy(), copy());
    for copy in [copies.0, copies.1, copies.2, copies.3] {
        assert_eq!(add_row(copy.url()).await, 2);
    }
    assert_eq!(PREPARED.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dropped_database_goes_even_while_in_use() {
    let kept = database().await;
    let dropped = database().await;
    let name = dropped.name().to_owned();
    let mut user = connect(dropped.url()).await;
    let mut observer = connect(kept.url()).await;
    drop(dropped);
    loop {
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut observer)
            .await
            .unwrap();
        if !there {
            break;
        }
    }
    sqlx::query("SELECT 1").execute(&mut user).await.unwrap_err();
}

#[tokio::test]
async fn a_fault_server_stops_and_starts_on_the_same_data_and_address() {
    let server = FaultServer::start().await.unwrap();
    server.ensure_database("shop").await.unwrap();
    let url = server.url("shop");
    assert_eq!(add_row(&url).await, 1);

    server.stop_immediate().await.unwrap();
    assert!(!server.is_up().await);
    server.restart().await.unwrap();
    assert_eq!(add_row(&url).await, 2);

    server.stop().await.unwrap();
    assert!(!server.is_up().await);
    server.restart().await.unwrap();
    assert_eq!(add_row(&url).await, 3);

    server.kill().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(add_row(&url).await, 4);

    server.restart().await.unwrap();
    assert_eq!(add_row(&url).await, 5);
}

#[tokio::test]
async fn a_dropped_fault_server_leaves_nothing() {
    let server = FaultServer::start().await.unwrap();
    let (pid, root) = where_it_is(&server.url("postgres")).await;
    drop(server);
    gone(pid, &root).await;
}

#[tokio::test]
async fn no_end_of_the_test_process_leaves_anything() {
    for end in ["pass", "fail", "abort", "kill"] {
        let child = run_child("shared::child_ends", end);
        assert_eq!(child.status.success(), end == "pass");
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        let mut left: Vec<(i32, PathBuf)> = Vec::new();
        for line in output.lines().filter_map(|line| line.split_once("server=")) {
            let (pid, root) = line.1.split_once(' ').unwrap();
            left.push((pid.parse().unwrap(), PathBuf::from(root)));
        }
        assert_eq!(left.len(), 2, "{output}");
        for (pid, root) in left {
            gone(pid, &root).await;
        }
    }
}

#[tokio::test]
#[ignore = "run as a child process by another test"]
async fn child_ends() {
    let database = database().await;
    let own = FaultServer::start().await.unwrap();
    for url in [database.url().to_owned(), own.url("postgres")] {
        let (pid, root) = where_it_is(&url).await;
        println!("\nserver={pid} {}", root.display());
    }
    match argument().as_str() {
        "pass" => {}
        "fail" => panic!("on purpose"),
        "abort" => std::process::abort(),
        _ => crate::help::kill(i32::try_from(std::process::id()).unwrap()),
    }
}

/// The folder goes last. A server that lost its folder ends as well, some time: that is not what is wanted.
async fn gone(pid: i32, root: &Path) {
    until("the folder is gone", || !root.exists()).await;
    assert!(!is_alive(pid));
}

/// The process and the folder of the server behind an address.
async fn where_it_is(url: &str) -> (i32, PathBuf) {
    let mut connection = connect(url).await;
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let data = Path::new(&data);
    (crate::help::pid(data), data.parent().unwrap().to_owned())
}
