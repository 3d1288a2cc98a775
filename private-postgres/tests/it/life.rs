//! The life of a server that belongs to a program.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use private_postgres::testing::{database, database_with};
use private_postgres::{PrivatePostgres, Progress};

use crate::help::{add_row, argument, folder, is_alive, kill, options, pid, run_child, start, until};

#[tokio::test]
async fn data_stay_over_a_stop() {
    let folder = folder();
    let data = folder.path().join("pg");
    for expected in 1..=2 {
        let server = start(&data).await;
        server.ensure_database("shop").await.unwrap();
        assert_eq!(add_row(&server.url("shop")).await, expected);
        let pid = pid(&data);
        server.stop().await.unwrap();
        assert!(!is_alive(pid));
    }
}

#[tokio::test]
async fn data_stay_over_a_kill_of_the_server() {
    let folder = folder();
    let data = folder.path().join("pg");
    let server = start(&data).await;
    server.ensure_database("shop").await.unwrap();
    assert_eq!(add_row(&server.url("shop")).await, 1);
    kill(pid(&data));
    server.stop().await.unwrap();

    // At once: what the killed server left behind is still in the way, and is waited for.
    let server = start(&data).await;
    assert_eq!(add_row(&server.url("shop")).await, 2);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_left_by_a_crashed_owner_is_taken_over_and_stopped() {
    let folder = folder();
    let data = folder.path().join("pg");
    let crashed = run_child("life::child_crashes_with_a_server", &data.display().to_string());
    assert!(!crashed.status.success());
    let left_over = pid(&data);
    assert!(is_alive(left_over));

    let server = start(&data).await;
    assert!(server.is_owner());
    assert_eq!(pid(&data), left_over);
    assert_eq!(add_row(&server.url("shop")).await, 2);
    server.stop().await.unwrap();
    until("the server is gone", || !is_alive(left_over)).await;
}

#[tokio::test]
#[ignore = "run as a child process by other tests"]
async fn child_crashes_with_a_server() {
    let server = start(Path::new(&argument())).await;
    server.ensure_database("shop").await.unwrap();
    assert_eq!(add_row(&server.url("shop")).await, 1);
    std::process::abort();
}

#[tokio::test]
async fn the_second_of_two_is_a_guest_and_leaves_the_server_running() {
    let folder = folder();
    let data = folder.path().join("pg");
    // At once, on a folder that is not there yet.
    let (first, second) = tokio::join!(start(&data), start(&data));
    assert_ne!(first.is_owner(), second.is_owner());
    let (owner, guest) = if first.is_owner() { (first, second) } else { (second, first) };
    assert_eq!(owner.url("shop"), guest.url("shop"));
    let (one, two) = tokio::join!(owner.ensure_database("shop"), guest.ensure_database("shop"));
    one.unwrap();
    two.unwrap();

    guest.stop().await.unwrap();
    assert_eq!(add_row(&owner.url("shop")).await, 1);
    let pid = pid(&data);
    owner.stop().await.unwrap();
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_dropped_server_stops() {
    let folder = folder();
    let data = folder.path().join("pg");
    drop(start(&data).await);
    until("the server has removed its pid file", || !data.join("postmaster.pid").exists()).await;
    start(&data).await.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_initdb_never_looks_finished() {
    let folder = folder();
    let data = folder.path().join("pg");
    let unfinished = folder.path().join("pg.new");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&said);
    let mut options = options(&data);
    options.progress = Progress::new(move |sentence| hear.lock().unwrap().push(sentence.to_owned()));
    PrivatePostgres::start(options).await.unwrap().stop().await.unwrap();
    assert!(!unfinished.exists());
    assert!(said.lock().unwrap().iter().any(|sentence| sentence.starts_with("making a database in ")));
}

#[tokio::test]
async fn the_socket_and_the_data_are_closed_to_others_and_root_does_not_run_the_server() {
    let folder = folder();
    let data = folder.path().join("pg");
    let server = start(&data).await;
    for dir in [&data, &server.socket_dir()] {
        assert_eq!(fs::metadata(dir).unwrap().mode() & 0o777, 0o700, "{}", dir.display());
    }
    // Who owns the process file is who runs the process.
    let running = Path::new("/proc").join(pid(&data).to_string());
    if let Ok(running) = fs::metadata(running) {
        assert_ne!(running.uid(), 0);
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_works_too() {
    let folder = folder();
    let data = folder.path().join("d".repeat(100)).join("pg's \"data\", all of it");
    let server = start(&data).await;
    assert!(server.socket_dir().starts_with("/var/tmp"));
    server.ensure_database("a \"b\"/c?").await.unwrap();
    assert_eq!(add_row(&server.url("a \"b\"/c?")).await, 1);
    let socket_dir = server.socket_dir();
    server.stop().await.unwrap();
    fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn many_connections_at_once() {
    let folder = folder();
    let server = start(&folder.path().join("pg")).await;
    let mut open = Vec::new();
    for _ in 0..60 {
        open.push(crate::help::connect(&server.url("postgres")).await);
    }
    drop(open);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn every_future_can_be_spawned() {
    let folder = folder();
    let data = folder.path().join("pg");
    let life = tokio::spawn(async move {
        let server = start(&data).await;
        server.ensure_database("shop").await.unwrap();
        server.stop().await.unwrap();
        PrivatePostgres::erase(&options(&data)).await.unwrap();
    });
    life.await.unwrap();
    let tests = tokio::spawn(async {
        let made = database_with("nothing", async |_| Ok::<(), std::fmt::Error>(())).await;
        drop((made, database().await));
    });
    tests.await.unwrap();
}
