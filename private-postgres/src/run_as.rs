//! The user who runs the server, and what that user can get to.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// An entry of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// As whom the server and its tools run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RunAs {
    Myself {
        uid: u32,
    },
    /// We are root, which Postgres refuses to be.
    Other(Account),
}

impl RunAs {
    pub(crate) fn current() -> Result<RunAs, Error> {
        let user = rustix::process::geteuid();
        if !user.is_root() {
            return Ok(RunAs::Myself { uid: user.as_raw() });
        }
        let passwd = Path::new("/etc/passwd");
        let entries = fs::read_to_string(passwd).map_err(Error::io("read", passwd))?;
        // The user must have an entry: initdb asks for its name.
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| account(&entries, name))
            .map(RunAs::Other)
            .ok_or(Error::NoServerUser)
    }

    pub(crate) fn uid(&self) -> u32 {
        match self {
            RunAs::Myself { uid } => *uid,
            RunAs::Other(account) => account.uid,
        }
    }

    /// A command that runs as this user, out of reach of Ctrl-C, free of settings meant for other servers.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The server user cannot always enter the folder we were started in.
        command.current_dir("/").process_group(0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        if let RunAs::Other(account) = self {
            // std drops the supplementary groups of root by itself.
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Errs when a folder between `/` and `dir` (itself included) is closed to the user. Folders that do
    /// not exist yet are passed over: [`make_parents`](RunAs::make_parents) opens what it makes.
    pub(crate) fn check_reach(&self, dir: &Path) -> Result<(), Error> {
        let RunAs::Other(account) = self else {
            return Ok(());
        };
        match blocker(dir, account) {
            None => Ok(()),
            Some(blocker) => {
                Err(Error::Unreachable { dir: dir.to_owned(), user: account.name.clone(), uid: account.uid, blocker })
            }
        }
    }

    /// Makes a folder and what is missing above it: open for passage to the server user, and to nobody
    /// when we are that user.
    pub(crate) fn make_parents(&self, dir: &Path) -> Result<(), Error> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
        let mode = match self {
            RunAs::Myself { .. } => 0o700,
            RunAs::Other(_) => 0o711,
        };
        for dir in missing.into_iter().rev() {
            match DirBuilder::new().mode(mode).create(dir) {
                // The umask may have closed what must be open.
                Ok(()) => fs::set_permissions(dir, Permissions::from_mode(mode)).map_err(Error::io("open", dir))?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("make", dir)(error)),
            }
        }
        Ok(())
    }

    /// A folder that only the server user may enter. Errs when somebody else's is already there, since a
    /// stranger's folder is no place for a socket without password.
    pub(crate) fn make_private(&self, dir: &Path) -> Result<(), Error> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => self.give(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self.check_owner(dir),
            Err(error) => Err(Error::io("make", dir)(error)),
        }
    }

    fn check_owner(&self, dir: &Path) -> Result<(), Error> {
        let found = fs::symlink_metadata(dir).map_err(Error::io("look at", dir))?;
        if found.is_dir() && found.uid() == self.uid() {
            return fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(Error::io("close", dir));
        }
        // Ours, from a run that was killed between making the folder and giving it away.
        if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() {
            return self.give(dir);
        }
        Err(Error::Foreign { dir: dir.to_owned(), uid: found.uid() })
    }

    fn give(&self, path: &Path) -> Result<(), Error> {
        match self {
            RunAs::Myself { .. } => Ok(()),
            RunAs::Other(account) => {
                chown(path, Some(account.uid), Some(account.gid)).map_err(Error::io("give away", path))
            }
        }
    }
}

fn account(passwd: &str, wanted: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name: name.to_owned(), uid, gid })
    })
}

/// The topmost folder on the way to `dir` that the account may not enter.
fn blocker(dir: &Path, account: &Account) -> Option<PathBuf> {
    let mut way: Vec<&Path> = dir.ancestors().collect();
    way.reverse();
    way.into_iter().find(|dir| fs::metadata(dir).is_ok_and(|found| !may_enter(&found, account))).map(Path::to_owned)
}

fn may_enter(dir: &fs::Metadata, account: &Account) -> bool {
    let needed = match (dir.uid() == account.uid, dir.gid() == account.gid) {
        (true, _) => 0o100,
        (false, true) => 0o010,
        (false, false) => 0o001,
    };
    dir.mode() & needed != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgres-exporter:x:55:55::/:/bin/false\n\
        broken:x:no:1::/:/bin/false\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    fn stranger() -> Account {
        Account { name: "stranger".to_owned(), uid: 987_654, gid: 987_654 }
    }

    #[test]
    fn passwd_entries_are_found_by_their_whole_name() {
        let expected = Account { name: "postgres".to_owned(), uid: 101, gid: 104 };
        assert_eq!(account(PASSWD, "postgres"), Some(expected));
        assert_eq!(account(PASSWD, "nobody"), None);
        assert_eq!(account(PASSWD, "broken"), None);
    }

    #[test]
    fn the_folder_in_the_way_is_named() {
        let open = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(open.path(), Permissions::from_mode(0o755)).unwrap();
        let closed = open.path().join("closed");
        let inner = closed.join("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();

        assert_eq!(blocker(open.path(), &stranger()), None);
        assert_eq!(blocker(&inner.join("not-there-yet"), &stranger()), Some(closed.clone()));
        fs::set_permissions(&closed, Permissions::from_mode(0o711)).unwrap();
        assert_eq!(blocker(&inner, &stranger()), None);
    }

    #[test]
    fn the_owner_is_judged_by_the_owner_bits() {
        let dir = tempfile::tempdir().unwrap();
        let found = fs::metadata(dir.path()).unwrap();
        let owner = Account { name: "owner".to_owned(), uid: found.uid(), gid: found.gid() };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o100)).unwrap();
        assert!(may_enter(&fs::metadata(dir.path()).unwrap(), &owner));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o077)).unwrap();
        assert!(!may_enter(&fs::metadata(dir.path()).unwrap(), &owner));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn what_root_makes_is_open_for_passage() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("a/b");
        RunAs::Other(stranger()).make_parents(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o711);
        assert_eq!(fs::metadata(top.path().join("a")).unwrap().mode() & 0o777, 0o711);
        RunAs::Myself { uid: 1 }.make_parents(&dir.join("c")).unwrap();
        assert_eq!(fs::metadata(dir.join("c")).unwrap().mode() & 0o777, 0o700);
    }
}
