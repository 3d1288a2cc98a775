//! What a process lends to the questions that it works on: memory, disk, cores, and the objects of the history.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionConfig;
use object_store_of_datafusion::{ObjectStoreScheme, prefix::PrefixStore};
use url::Url;

use super::files::OBJECTS;
use crate::objects::objects;

/// How much of the machine questions may use.
#[derive(Debug, Clone, Args)]
pub struct Resources {
    /// MiB of memory for all questions together; what needs more goes to disk
    #[arg(long, env = "HISTORY_MEMORY_MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=1 << 24))]
    pub memory_mib: u64,
    /// Folder for what does not fit into memory; unset, that of the system
    #[arg(long, env = "HISTORY_SPILL_DIR")]
    pub spill_dir: Option<PathBuf>,
    /// GiB that may be there at once
    #[arg(long, env = "HISTORY_SPILL_GIB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(0..=1 << 20))]
    pub spill_gib: u64,
}

/// Footers of files that are kept, so that the next question does not read them again.
const FOOTER_BYTES: usize = 256 << 20;

impl Resources {
    /// The bytes that questions may use together.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory_mib << 20
    }

    /// A runtime that finds the objects of the history below this address.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn runtime(&self, store: &Url) -> anyhow::Result<Arc<RuntimeEnv>> {
        let disk = self
            .spill_dir
            .clone()
            .map_or(DiskManagerMode::OsTmpDirectory, |folder| DiskManagerMode::Directories(vec![folder]));
        let disk = DiskManagerBuilder::default().with_mode(disk).with_max_temp_directory_size(self.spill_gib << 30);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(usize::try_from(self.memory())?)))
            .with_disk_manager_builder(disk)
            .with_metadata_cache_limit(FOOTER_BYTES)
            .build_arc()?;
        let (_, folder) = ObjectStoreScheme::parse(store)?;
        runtime.register_object_store(&Url::parse(OBJECTS)?, Arc::new(PrefixStore::new(objects(store)?, folder)));
        Ok(runtime)
    }
}

/// What questions have in common, wherever they are worked on: nothing is read for planning. Row groups and pages are
/// skipped by their statistics; to filter rows while they are decoded, too (`pushdown_filters`), costs more than it
/// saves, for a period as for a product.
pub(crate) fn configured(config: SessionConfig) -> SessionConfig {
    config.with_collect_statistics(false)
}

/// A session that is worked on in this process, or by it for a cluster.
pub(crate) fn state(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features().build()
}
