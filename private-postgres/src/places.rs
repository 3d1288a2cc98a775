//! Where Postgres may be installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders of the distributions; a star stands for any text within one name.
const USUAL: &[&str] = if cfg!(target_os = "macos") {
    &[
        "/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
        "/opt/homebrew/bin",
        "/usr/local/opt/postgresql@*/bin", // Homebrew on Intel
        "/usr/local/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
        "/Library/PostgreSQL/*/bin",                          // EnterpriseDB
        "/opt/local/lib/postgresql*/bin",                     // MacPorts
        "/usr/local/pgsql/bin",                               // built from source
    ]
} else {
    &[
        "/usr/lib/postgresql/*/bin",                       // Debian, Ubuntu
        "/usr/pgsql-*/bin",                                // Red Hat, from postgresql.org
        "/usr/bin",                                        // Fedora, Arch
        "/usr/libexec/postgresql*",                        // Alpine
        "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", // Linuxbrew
        "/home/linuxbrew/.linuxbrew/bin",
        "/opt/PostgreSQL/*/bin",      // EnterpriseDB
        "/usr/local/bin",             // by hand
        "/usr/local/pgsql/bin",       // built from source
        "/run/current-system/sw/bin", // NixOS
    ]
};

/// The places to look at; a value, so that tests can look elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// `PG_BIN_DIR`: the user's word, which leaves nothing else to look at.
    pub(crate) named: Option<PathBuf>,
    pub(crate) path: Vec<PathBuf>,
    pub(crate) pg_config: Option<Result<PathBuf, String>>,
    pub(crate) usual: Vec<String>,
}

impl Places {
    /// The places of this machine, with the environment of this process.
    pub(crate) fn here() -> Places {
        let path: Vec<PathBuf> = env::var_os("PATH")
            .map(|path| env::split_paths(&path).filter(|dir| dir.is_absolute()).collect())
            .unwrap_or_default();
        Places {
            named: env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
            pg_config: path
                .iter()
                .map(|dir| dir.join("pg_config"))
                .find(|file| file.is_file())
                .map(|file| bindir(&file)),
            path,
            usual: USUAL.iter().copied().map(str::to_owned).collect(),
        }
    }
}

fn bindir(pg_config: &Path) -> Result<PathBuf, String> {
    let answer = Command::new(pg_config).arg("--bindir").output().map_err(|error| error.to_string())?;
    match String::from_utf8_lossy(&answer.stdout).trim() {
        dir if answer.status.success() && dir.starts_with('/') => Ok(PathBuf::from(dir)),
        _ => Err("gives no folder".to_owned()),
    }
}

/// The folders that a pattern stands for, those that exist.
pub(crate) fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = match part.split_once('*') {
            None => found.into_iter().map(|dir| dir.join(part)).collect(),
            Some((start, end)) => found.iter().flat_map(|dir| matching(dir, start, end)).collect(),
        };
    }
    found.retain(|dir| dir.is_dir());
    found
}

fn matching(dir: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> = names
        .filter(|name| name.to_str().and_then(|name| name.strip_prefix(start)).is_some_and(|rest| rest.ends_with(end)))
        .map(|name| dir.join(name))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_part_of_one_name() {
        let top = tempfile::tempdir().unwrap();
        for dir in ["pgsql-14/bin", "pgsql-16/bin", "pgsql-17", "other/bin"] {
            fs::create_dir_all(top.path().join(dir)).unwrap();
        }
        let found = expand(&format!("{}/pgsql-*/bin", top.path().display()));
        assert_eq!(found, [top.path().join("pgsql-14/bin"), top.path().join("pgsql-16/bin")]);
        assert_eq!(expand(&format!("{}/nothing-*/bin", top.path().display())), Vec::<PathBuf>::new());
        assert_eq!(expand(&format!("{}/other/bin", top.path().display())), [top.path().join("other/bin")]);
    }
}
