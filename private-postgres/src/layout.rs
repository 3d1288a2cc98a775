//! The folders and files of one server.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::run_as::RunAs;

/// The port names the socket file; nothing listens on TCP.
pub(crate) const PORT: u16 = 5432;

/// The kernel allows 103 bytes on macOS and 107 on Linux; some clients copy into less.
const LONGEST_SOCKET_PATH: usize = 90;

/// Where everything of one data directory stands. The same data directory always gives the same layout,
/// so that a later process finds the server of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) data: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) log: PathBuf,
    /// What `initdb` works on, until it has finished.
    pub(crate) unfinished: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

impl Layout {
    /// Makes the folder around `data_dir` and checks that the server user gets there.
    pub(crate) fn prepare(data_dir: &Path, run_as: &RunAs) -> Result<Layout, Error> {
        let data = std::path::absolute(data_dir).map_err(Error::io("find", data_dir))?;
        let (Some(parent), Some(name)) = (data.parent(), data.file_name()) else {
            return Err(Error::NotADataDirectory { dir: data });
        };
        run_as.check_reach(parent)?;
        run_as.make_parents(parent)?;
        // One folder, one layout, whatever links lead there.
        let parent = parent.canonicalize().map_err(Error::io("find", parent))?;
        run_as.check_reach(&parent)?;
        refuse_planted(&parent, run_as)?;
        Ok(Layout::of(parent.join(name), run_as.uid()))
    }

    pub(crate) fn of(data: PathBuf, uid: u32) -> Layout {
        Layout {
            lock: beside(&data, ".lock"),
            log: beside(&data, ".log"),
            unfinished: beside(&data, ".new"),
            socket_dir: socket_dir(&data, uid),
            data,
        }
    }

    /// Written by the server: its process id stands in the first line.
    pub(crate) fn pid_file(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// The process id of the server that runs, or ran, on the data directory.
    pub(crate) fn pid(&self) -> Option<i32> {
        first_number(&self.pid_file())
    }

    /// The process id of the server that has, or had, the socket.
    pub(crate) fn socket_pid(&self) -> Option<i32> {
        first_number(&self.socket_lock())
    }

    /// Written by the server, too.
    pub(crate) fn socket_lock(&self) -> PathBuf {
        beside(&self.socket(), ".lock")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket_dir.join(socket_name())
    }
}

fn first_number(file: &Path) -> Option<i32> {
    fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok().filter(|pid| *pid > 0)
}

pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn socket_name() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// Beside the data, or in a short place named after it when the path would get too long.
fn socket_dir(data: &Path, uid: u32) -> PathBuf {
    let near = beside(data, ".socket");
    if near.join(socket_name()).as_os_str().len() < LONGEST_SOCKET_PATH {
        return near;
    }
    PathBuf::from(format!("/var/tmp/pg-{uid}-{:016x}", fnv1a(data.as_os_str().as_bytes())))
}

/// Must give the same number in every build of this program, which std's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A folder in a place that everybody may write to (`/var/tmp/purser-0`) could have been put there by a
/// stranger, who could then exchange what is in it.
fn refuse_planted(dir: &Path, run_as: &RunAs) -> Result<(), Error> {
    let Some(around) = dir.parent() else {
        return Ok(());
    };
    let sticky = fs::metadata(around).is_ok_and(|found| found.mode() & 0o1000 != 0);
    let owner = fs::metadata(dir).map_err(Error::io("look at", dir))?.uid();
    let trusted = [0, run_as.uid(), rustix::process::geteuid().as_raw()];
    if sticky && !trusted.contains(&owner) {
        return Err(Error::Foreign { dir: dir.to_owned(), uid: owner });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_data_directory_has_its_socket_beside_it() {
        let layout = Layout::of(PathBuf::from("/home/jo/.local/share/purser/postgres"), 1000);
        assert_eq!(layout.socket_dir, Path::new("/home/jo/.local/share/purser/postgres.socket"));
        assert_eq!(layout.lock, Path::new("/home/jo/.local/share/purser/postgres.lock"));
        assert_eq!(layout.unfinished, Path::new("/home/jo/.local/share/purser/postgres.new"));
    }

    #[test]
    fn a_long_one_has_it_in_a_short_place_that_never_changes() {
        let long = PathBuf::from(format!("/home/{}/postgres", "x".repeat(80)));
        let first = Layout::of(long.clone(), 1000).socket_dir;
        assert_eq!(first, Path::new("/var/tmp/pg-1000-7bef0f419fd731a4"));
        assert!(first.join(socket_name()).as_os_str().len() < LONGEST_SOCKET_PATH);
        assert_ne!(first, Layout::of(long.join("other"), 1000).socket_dir);
        assert_ne!(first, Layout::of(long, 1001).socket_dir);
    }

    #[test]
    fn the_limit_is_counted_in_bytes() {
        let fits = "/".to_owned() + &"a".repeat(LONGEST_SOCKET_PATH - 1 - 1 - ".socket/.s.PGSQL.5432".len());
        assert!(socket_dir(Path::new(&fits), 1).starts_with("/a".to_owned() + &fits[2..] + ".socket"));
        assert!(socket_dir(Path::new(&(fits.clone() + "a")), 1).starts_with("/var/tmp"));
        assert!(socket_dir(Path::new(&fits.replacen('a', "ä", 1)), 1).starts_with("/var/tmp"));
    }

    #[test]
    fn a_root_is_no_data_directory() {
        let user = RunAs::Myself { uid: 1 };
        assert!(matches!(Layout::prepare(Path::new("/"), &user), Err(Error::NotADataDirectory { .. })));
    }

    #[test]
    fn links_lead_to_the_same_layout() {
        let top = tempfile::tempdir().unwrap();
        let real = top.path().join("real");
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, top.path().join("link")).unwrap();
        let user = RunAs::Myself { uid: rustix::process::geteuid().as_raw() };
        let through_link = Layout::prepare(&top.path().join("link/pg"), &user).unwrap();
        assert_eq!(through_link, Layout::prepare(&real.join("pg"), &user).unwrap());
    }
}
