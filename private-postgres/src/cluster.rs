//! The data directory: which version made it, and how a new one is made.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use tokio::process::Command;

use crate::Error;
use crate::error::last_lines;
use crate::layout::Layout;
use crate::lookup::Binaries;
use crate::run_as::RunAs;
use crate::url::USER;

/// The major version that made the data directory; `None` when there is none yet.
pub(crate) fn made_by(data: &Path) -> Result<Option<u32>, Error> {
    let file = data.join("PG_VERSION");
    match fs::read_to_string(&file) {
        // 9.6 counts as 9: too old by either number.
        Ok(text) => {
            text.trim().split('.').next().and_then(|major| major.parse().ok()).map(Some).ok_or_else(not_ours(data))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => is_free(data).map(|()| None),
        Err(error) => Err(Error::io("read", &file)(error)),
    }
}

fn not_ours(data: &Path) -> impl FnOnce() -> Error {
    let dir = data.to_owned();
    move || Error::NotADataDirectory { dir }
}

/// An empty folder may be replaced; one that holds something may not.
fn is_free(data: &Path) -> Result<(), Error> {
    match fs::read_dir(data).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => Err(not_ours(data)()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("read", data)(error)),
    }
}

/// Makes the data directory under another name first, so that a killed `initdb` never looks finished.
pub(crate) async fn make(binaries: &Binaries, layout: &Layout, run_as: &RunAs, durable: bool) -> Result<(), Error> {
    remove(&layout.unfinished)?;
    run_as.make_private(&layout.unfinished)?;
    let more: &[&str] = if durable { &[] } else { &["--no-sync"] };
    initdb(binaries, &layout.unfinished, run_as, more).await?;
    fs::rename(&layout.unfinished, &layout.data).map_err(Error::io("make", &layout.data))
}

/// Runs `initdb` on an empty folder of the server user. Needing no password is safe, since the only way in is
/// a socket in a closed folder.
pub(crate) async fn initdb(binaries: &Binaries, dir: &Path, run_as: &RunAs, more: &[&str]) -> Result<(), Error> {
    let mut command = run_as.command(&binaries.initdb());
    command.args(["-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C"]).args(more);
    if binaries.version.major >= 14 {
        // Unknown to 13.
        command.arg("--no-instructions");
    }
    command.arg("-D").arg(dir);
    let mut command = Command::from(command);
    let answer = command.kill_on_drop(true).output().await.map_err(Error::io("run", &binaries.initdb()))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = [answer.stdout, answer.stderr].concat();
    Err(Error::Initdb { dir: dir.to_owned(), output: last_lines(&String::from_utf8_lossy(&said), 12) })
}

/// Removes a folder and what is in it, if it is there.
pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_says_who_made_it() {
        let top = tempfile::tempdir().unwrap();
        let data = top.path().join("pg");
        assert_eq!(made_by(&data).unwrap(), None);
        fs::create_dir(&data).unwrap();
        assert_eq!(made_by(&data).unwrap(), None);
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(made_by(&data).unwrap(), Some(15));
        fs::write(data.join("PG_VERSION"), "9.6\n").unwrap();
        assert_eq!(made_by(&data).unwrap(), Some(9));
    }

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("thesis.tex"), "").unwrap();
        let error = made_by(top.path()).unwrap_err();
        assert!(error.to_string().ends_with("is not empty and is no Postgres data directory: name another folder"));
    }
}
