//! Which files are to be read, and from where on.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use purser::events::{EventKind as _, ProductView};
use purser::intake::files::ingested::{self, Found, Ingested, Place, Sha256};
use purser::intake::files::{Content, Contents, Kept, Object};
use tokio::sync::{Semaphore, mpsc};

use super::chunk::{File, Input};
use super::{Compaction, Summary};

/// So many files, or bytes, are looked at before the first of them is read.
pub(super) const GROUP: usize = 256;
const GROUP_BYTES: u64 = 64 << 20;
/// More files that were ingested before are only counted.
const ALREADY_NAMED: u64 = 10;

/// Looks at all files, and sends those that are to be read, in their order. Says what became of the others.
///
/// # Errors
/// When the database cannot be asked.
pub(super) async fn plan(
    compaction: Compaction,
    objects: Vec<Object>,
    files: mpsc::Sender<File>,
) -> anyhow::Result<Summary> {
    let Compaction { shutdown, max_event_bytes, limits, .. } = compaction.clone();
    let room = Arc::new(Semaphore::new(limits.kept));
    let survey = async |object: Object| {
        let surveyed = object.survey_and_keep(max_event_bytes, &room, &shutdown).await;
        (object, surveyed)
    };
    let mut surveys = std::pin::pin!(stream::iter(objects).map(survey).buffered(limits.judges));
    let mut planner = Planner { compaction, files, seen: HashSet::new(), summary: Summary::default() };
    let (mut group, mut bytes) = (Vec::new(), 0);
    while let Some((object, surveyed)) = surveys.next().await {
        match surveyed {
            Ok((contents, kept)) => {
                bytes += contents.bytes;
                group.push(Surveyed { object, contents, kept });
            }
            Err(_) if shutdown.soft().is_cancelled() => break,
            Err(error) => {
                let notice = format!("{}: cannot be read: {error:#}", object.name);
                planner.summary.failed(&*planner.compaction.reporter, &notice);
            }
        }
        if group.len() >= GROUP || bytes >= GROUP_BYTES {
            planner.plan(std::mem::take(&mut group)).await?;
            bytes = 0;
        }
    }
    planner.plan(group).await?;
    Ok(planner.summary)
}

struct Surveyed {
    object: Object,
    contents: Contents,
    kept: Option<Kept>,
}

struct Planner {
    compaction: Compaction,
    files: mpsc::Sender<File>,
    /// Contents of this run: one that is named twice is read once.
    seen: HashSet<Sha256>,
    summary: Summary,
}

impl Planner {
    async fn plan(&mut self, mut group: Vec<Surveyed>) -> anyhow::Result<()> {
        let pool = &self.compaction.pool;
        let changed = ingested::changed(pool, ProductView::NAME, &found(&group)).await?;
        group.retain(|file| !changed.contains(&*file.object.name) || self.leave_out(&file.object));
        let found = found(&group);
        let known = ingested::register(&self.compaction.pool, ProductView::NAME, Place::History, &found).await?;
        for file in group {
            let Some(ingested) = known.get(&file.contents.sha256) else { continue };
            if !self.seen.insert(file.contents.sha256) {
                self.summary.already += 1;
            } else if ingested.finished || ingested.place == Place::Table {
                self.already(&file.object, ingested);
            } else if self.read(file, ingested).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, object: &Object) -> bool {
        self.summary.changed += 1;
        let notice = "held other bytes when it was ingested before; what stood there already would count twice";
        self.compaction.reporter.notice(&format!("{}: {notice}: left out", object.name));
        false
    }

    fn already(&mut self, object: &Object, ingested: &Ingested) {
        self.summary.already += 1;
        if self.summary.already <= ALREADY_NAMED {
            let as_other = ingested.as_other(object);
            let in_part = if ingested.finished { "" } else { " in part by `purser ingest`, which goes on with it" };
            self.compaction.reporter.notice(&format!("{}: already ingested{as_other}{in_part}", object.name));
        }
    }

    /// Fails when nobody reads any more.
    async fn read(&self, file: Surveyed, ingested: &Ingested) -> Result<(), mpsc::error::SendError<File>> {
        let (Surveyed { object, contents, kept }, reporter) = (file, &self.compaction.reporter);
        if contents.cut_off {
            reporter.notice(&format!("{}: the array is not closed; is the file whole?", object.name));
        }
        reporter.found(contents.records.saturating_sub(ingested.committed_position));
        let attributes = Arc::clone(&self.compaction.attributes);
        let (name, published_at) = (Arc::clone(&object.name), ingested.first_ingested_at);
        let input = Input::new(Content::new(name, contents.sha256, published_at, attributes));
        self.files.send(File { input, object, begin: ingested.committed_position, kept }).await
    }
}

fn found(group: &[Surveyed]) -> Vec<Found<'_>> {
    group.iter().map(|file| Found::of(&file.object, &file.contents)).collect()
}
