//! A finished `initdb`, kept between test runs: copying it takes a tenth of the time.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::error::last_lines;
use crate::layout::beside;
use crate::lookup::Binaries;
use crate::run_as::RunAs;
use crate::{Error, cluster};

/// Changes whenever what is below changes what `initdb` makes.
const EDITION: u32 = 1;

/// Small log segments: the folder is copied for every test process.
const FLAGS: [&str; 2] = ["--no-sync", "--wal-segsize=1"];

/// Makes `data` from the template for these binaries, which is made first if need be.
pub(crate) async fn copy_to(data: &Path, cache: &Path, binaries: &Binaries, run_as: &RunAs) -> Result<(), Error> {
    run_as.check_reach(cache)?;
    run_as.make_parents(cache)?;
    let template = cache.join(format!("template-{}-{}-{EDITION}", binaries.version, run_as.uid()));
    // Held while copying too: nobody may find the template half made or half gone.
    let _lock = lock(beside(&template, ".lock")).await?;
    if cluster::made_by(&template)?.is_none() {
        make(&template, binaries, run_as).await?;
    }
    copy(&template, data, run_as).await
}

async fn make(template: &Path, binaries: &Binaries, run_as: &RunAs) -> Result<(), Error> {
    let unfinished = beside(template, ".new");
    cluster::remove(&unfinished)?;
    run_as.make_private(&unfinished)?;
    cluster::initdb(binaries, &unfinished, run_as, &FLAGS).await?;
    std::fs::rename(&unfinished, template).map_err(Error::io("make", template))
}

/// As the server user, so that the copy belongs to them.
async fn copy(template: &Path, data: &Path, run_as: &RunAs) -> Result<(), Error> {
    let mut command = run_as.command(Path::new("cp"));
    command.arg("-R").arg(template).arg(data);
    let answer = Command::from(command).kill_on_drop(true).output().await.map_err(Error::io("copy", template))?;
    if answer.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&answer.stderr);
    Err(Error::io("copy", template)(std::io::Error::other(last_lines(&complaint, 3))))
}

async fn lock(path: PathBuf) -> Result<File, Error> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(&path).map_err(Error::io("make", &path))?;
        file.lock().map(|()| file).map_err(Error::io("lock", &path))
    });
    locked.await.map_err(|error| Error::Supervisor(error.to_string()))?
}
