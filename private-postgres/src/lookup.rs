//! Which of the installed Postgres binaries will do.

use std::path::{Path, PathBuf};

use crate::error::{Refused, last_lines};
use crate::places::{Places, expand};
use crate::run_as::RunAs;
use crate::version::{OLDEST, Version};

/// A folder with a `postgres` and an `initdb` that run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) dir: PathBuf,
    pub(crate) version: Version,
}

impl Binaries {
    pub(crate) fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }
}

/// What was found, in the order of looking.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) usable: Vec<Binaries>,
    pub(crate) refused: Vec<Refused>,
}

impl Survey {
    /// The newest of the wanted major version; the first found of equals.
    pub(crate) fn newest(&self, major: Option<u32>) -> Option<&Binaries> {
        let fitting = self.usable.iter().filter(|found| major.is_none_or(|major| found.version.major == major));
        fitting.reduce(|best, next| if next.version > best.version { next } else { best })
    }

    fn refuse(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.refused.push(Refused { place: place.into(), why: why.into() });
    }

    fn look_in(&mut self, dir: &Path, run_as: &RunAs) {
        if self.usable.iter().any(|known| known.dir == dir) {
            return;
        }
        let place = dir.display().to_string();
        if self.refused.iter().any(|known| known.place == place) {
            return;
        }
        match judge(dir, run_as) {
            Ok(binaries) => self.usable.push(binaries),
            Err(why) => self.refuse(place, why),
        }
    }
}

/// Looks everywhere; runs `postgres --version` of what it finds, as the user who will run the server.
pub(crate) fn survey(places: &Places, run_as: &RunAs) -> Survey {
    let mut survey = Survey::default();
    if let Some(dir) = &places.named {
        survey.look_in(dir, run_as);
        return survey;
    }
    survey.refuse("PG_BIN_DIR", "not set");
    look_in_path(&mut survey, places, run_as);
    match &places.pg_config {
        None => survey.refuse("pg_config --bindir", "pg_config is not in PATH"),
        Some(Err(why)) => survey.refuse("pg_config --bindir", why),
        Some(Ok(dir)) => survey.look_in(dir, run_as),
    }
    for pattern in &places.usual {
        look_in_usual(&mut survey, pattern, run_as);
    }
    survey
}

fn look_in_path(survey: &mut Survey, places: &Places, run_as: &RunAs) {
    let with_postgres: Vec<&PathBuf> = places.path.iter().filter(|dir| dir.join("postgres").is_file()).collect();
    if with_postgres.is_empty() {
        survey.refuse("PATH", format!("no `postgres` in any of its folders ({})", places.path.len()));
    }
    for dir in with_postgres {
        survey.look_in(dir, run_as);
    }
}

fn look_in_usual(survey: &mut Survey, pattern: &str, run_as: &RunAs) {
    let dirs = expand(pattern);
    if dirs.is_empty() {
        survey.refuse(pattern, "not there");
    }
    for dir in dirs {
        survey.look_in(&dir, run_as);
    }
}

/// Whether the folder will do, or why not.
pub(crate) fn judge(dir: &Path, run_as: &RunAs) -> Result<Binaries, String> {
    for name in ["postgres", "initdb"] {
        let file = dir.join(name);
        // Links lead to where the server user must be able to go.
        let file = file.canonicalize().map_err(|_| format!("no `{name}`"))?;
        if let Some(dir) = file.parent() {
            run_as.check_reach(dir).map_err(|error| error.to_string())?;
        }
    }
    let version = ask_version(dir, run_as)?;
    if version.major < OLDEST {
        return Err(format!("PostgreSQL {version} is too old ({OLDEST} or newer is needed)"));
    }
    Ok(Binaries { dir: dir.to_owned(), version })
}

fn ask_version(dir: &Path, run_as: &RunAs) -> Result<Version, String> {
    let mut command = run_as.command(&dir.join("postgres"));
    let answer = command.arg("--version").output().map_err(|error| format!("`postgres` does not run: {error}"))?;
    let said = String::from_utf8_lossy(&answer.stdout);
    let complaint = String::from_utf8_lossy(&answer.stderr);
    Version::parse(&said)
        .filter(|_| answer.status.success())
        .ok_or_else(|| format!("`postgres --version` fails ({}): {}", answer.status, last_lines(&complaint, 1)))
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
