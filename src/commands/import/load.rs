//! What a target holds, into the place that its table is merged from.

use anyhow::Context as _;
use chrono_tz::Tz;
use sqlx::PgPool;
use tokio::sync::mpsc;

use super::layout::Layout;
use super::merge::Merge;
use super::read::Reading;
use super::rejects::Rejects;
use super::row::Wrong;
use crate::commands::terminal::remark;
use crate::domain::Clock;
use crate::intake::files::Object;

/// A target on its way.
pub(super) struct Load<'r> {
    loaded: Loaded,
    rejects: Option<&'r mut Rejects>,
}

/// All of it is in its place.
pub(super) struct Loaded {
    pub(super) table: &'static str,
    pub(super) merge: Merge,
    /// Rows that were left out.
    pub(super) wrong: u64,
}

impl<'r> Load<'r> {
    /// # Errors
    /// When the database cannot be asked, or has no such table.
    pub(super) async fn begin(
        pool: &PgPool,
        layout: &'static Layout,
        rejects: Option<&'r mut Rejects>,
    ) -> anyhow::Result<Self> {
        let merge = Merge::begin(pool, layout).await?;
        Ok(Load { loaded: Loaded { table: layout.table, merge, wrong: 0 }, rejects })
    }

    /// Loads every file of a target, and tells which rows are wrong.
    ///
    /// # Errors
    /// When a file cannot be read to its end, lacks a column, or cannot be loaded.
    pub(super) async fn target(
        mut self,
        target: &str,
        objects: Vec<Object>,
        reading: &Reading,
    ) -> anyhow::Result<Loaded> {
        if let Some(rejects) = &mut self.rejects {
            rejects.begin(target);
        }
        for object in objects {
            self.file(&object, reading).await.with_context(|| format!("cannot import {}", object.name))?;
        }
        if let Some(kept) = self.rejects.map(Rejects::end).transpose()?.flatten() {
            remark(&format!("{target}: {kept}"));
        }
        let left_alone = self.loaded.merge.left_alone();
        if !left_alone.is_empty() {
            remark(&format!("{target}: has no {}: left alone", left_alone.join(", ")));
        }
        Ok(self.loaded)
    }

    async fn file(&mut self, object: &Object, reading: &Reading) -> anyhow::Result<()> {
        let (sender, mut chunks) = mpsc::channel(4);
        let reader = reading.clone().start(object.clone(), sender);
        let mut clocks = Clocks::default();
        while let Some(chunk) = chunks.recv().await {
            let mut rows = Vec::with_capacity(chunk.len());
            for parsed in chunk {
                match parsed {
                    Ok(row) => {
                        clocks.see(row.clock);
                        rows.push(row);
                    }
                    Err(wrong) => self.leave_out(&object.name, &wrong)?,
                }
            }
            self.loaded.merge.load(&rows).await?;
        }
        reader.await??;
        clocks.remark(&object.name, reading.zone);
        Ok(())
    }

    fn leave_out(&mut self, file: &str, wrong: &Wrong) -> anyhow::Result<()> {
        self.loaded.wrong += 1;
        let Wrong { place, because, .. } = wrong;
        remark(&format!("{file}:{place}: left out: {because}"));
        match &mut self.rejects {
            Some(rejects) => rejects.keep(file, wrong),
            None => Ok(()),
        }
    }
}

/// Times of a file that a clock on the wall does not show once.
#[derive(Default)]
struct Clocks {
    never: u64,
    twice: u64,
}

impl Clocks {
    fn see(&mut self, clock: Clock) {
        match clock {
            Clock::Once => {}
            Clock::Never => self.never += 1,
            Clock::Twice => self.twice += 1,
        }
    }

    fn remark(&self, file: &str, zone: Tz) {
        let told = [
            (self.never, "skipped", "taken as if they had not been put forward yet"),
            (self.twice, "showed twice", "taken as the first"),
        ];
        for (times, what, taken) in told.into_iter().filter(|(times, ..)| *times > 0) {
            remark(&format!("{file}: times that clocks in {zone} {what}: {times}, {taken}"));
        }
    }
}
