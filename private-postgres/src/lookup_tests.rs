use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder of installations that are shell scripts.
struct Fakes(tempfile::TempDir);

impl Fakes {
    fn new() -> Fakes {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        Fakes(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name).join("bin")
    }

    fn tool(&self, name: &str, tool: &str, script: &str) -> PathBuf {
        let dir = self.at(name);
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join(tool);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        dir
    }

    fn install(&self, name: &str, version: &str) -> PathBuf {
        self.tool(name, "initdb", "true");
        self.tool(name, "postgres", &format!("echo 'postgres (PostgreSQL) {version}'"))
    }

    fn usual(&self, path: &[PathBuf]) -> Places {
        let pattern = format!("{}/*/bin", self.0.path().display());
        Places { path: path.to_vec(), usual: vec![pattern], ..Places::default() }
    }
}

fn me() -> RunAs {
    RunAs::current().unwrap()
}

fn why(survey: &Survey, place: &Path) -> String {
    let place = place.display().to_string();
    survey.refused.iter().find(|refused| refused.place == place).map(|refused| refused.why.clone()).unwrap()
}

#[test]
fn the_newest_wins_wherever_it_is() {
    let fakes = Fakes::new();
    let on_path = fakes.install("a", "14.1");
    let newest = fakes.install("b", "16.10");
    fakes.install("c", "16.9");
    let survey = survey(&fakes.usual(std::slice::from_ref(&on_path)), &me());
    assert_eq!(survey.newest(None).unwrap().dir, newest);
    assert_eq!(survey.newest(Some(14)).unwrap().dir, on_path);
    assert_eq!(survey.newest(Some(15)), None);
}

#[test]
fn of_equals_the_first_looked_at_wins() {
    let fakes = Fakes::new();
    fakes.install("a", "16.2");
    let on_path = fakes.install("b", "16.2");
    let survey = survey(&fakes.usual(std::slice::from_ref(&on_path)), &me());
    assert_eq!(survey.newest(None).unwrap().dir, on_path);
}

#[test]
fn pg_bin_dir_wins_over_newer_ones() {
    let fakes = Fakes::new();
    fakes.install("newer", "18.1");
    let named = fakes.install("named", "13.0");
    let places = Places { named: Some(named.clone()), ..fakes.usual(&[]) };
    let survey = survey(&places, &me());
    assert_eq!(survey.usable.len(), 1);
    assert_eq!(survey.newest(None).unwrap().dir, named);
}

#[test]
fn pg_config_is_believed_when_its_folder_will_do() {
    let fakes = Fakes::new();
    let dir = fakes.install("a", "17.0");
    let places = Places { pg_config: Some(Ok(dir.clone())), ..Places::default() };
    assert_eq!(survey(&places, &me()).newest(None).unwrap().dir, dir);
}

#[test]
fn what_will_not_do_says_why() {
    let fakes = Fakes::new();
    let old = fakes.install("old", "9.6.24");
    let client_only = fakes.tool("client-only", "psql", "true");
    let no_initdb = fakes.tool("no-initdb", "postgres", "echo 'postgres (PostgreSQL) 16.1'");
    fakes.tool("broken", "initdb", "true");
    let broken = fakes.tool("broken", "postgres", "echo 'libssl.so.1: cannot open' >&2; exit 127");
    fakes.tool("other", "initdb", "true");
    let other = fakes.tool("other", "postgres", "echo 'PgBouncer 1.2'");

    let survey = survey(&fakes.usual(&[]), &me());
    assert_eq!(survey.usable, []);
    assert_eq!(why(&survey, &old), "PostgreSQL 9.6 is too old (13 or newer is needed)");
    assert_eq!(why(&survey, &client_only), "no `postgres`");
    assert_eq!(why(&survey, &no_initdb), "no `initdb`");
    assert_eq!(why(&survey, &broken), "`postgres --version` fails (exit status: 127): libssl.so.1: cannot open");
    assert!(why(&survey, &other).starts_with("`postgres --version` fails"));
    assert_eq!(why(&survey, Path::new("PATH")), "no `postgres` in any of its folders (0)");
}

#[test]
fn binaries_that_the_server_user_cannot_reach_will_not_do() {
    let fakes = Fakes::new();
    let dir = fakes.install("hidden", "16.1");
    let closed = dir.parent().unwrap();
    fs::set_permissions(closed, Permissions::from_mode(0o700)).unwrap();
    let stranger = RunAs::Other(crate::run_as::Account { name: "stranger".to_owned(), uid: 987_654, gid: 987_654 });
    let refused = judge(&dir, &stranger).unwrap_err();
    assert!(
        refused.contains("`stranger`") && refused.contains(&format!("{} is closed", closed.display())),
        "{refused}"
    );
}
