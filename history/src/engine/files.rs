//! The table that a question is asked of: exactly its files.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat as _;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::question::File;
use crate::views;

/// Where sessions find the objects of the history, under the paths of the catalog. What stands for it is registered
/// by each process, so that a question does not say where the history is.
pub(super) const OBJECTS: &str = "history://files/";

/// Files of the catalog as a table. Their paths and sizes are known: nothing is listed, and no object is asked for
/// its size.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) files: Vec<File>,
    pub(super) columns: SchemaRef,
}

/// The columns that a question is about, with texts as DataFusion groups them best.
pub(super) fn columns(texts: &DataType) -> SchemaRef {
    let column = |name: &str| {
        let all = views::schema();
        let field = all.fields().iter().find(|field| field.name() == name)?.as_ref().clone();
        let is_text = field.data_type() == &DataType::Utf8;
        Some(if is_text { field.with_data_type(texts.clone()) } else { field })
    };
    let columns = ["occurred_at", "platform", "product"].into_iter().filter_map(column);
    Arc::new(Schema::new(columns.collect::<Vec<Field>>()))
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.files.iter().map(|file| PartitionedFile::new(file.path.as_str(), file.bytes));
        // The optimizer cuts them into ranges of equal size.
        let groups = FileGroup::new(files.collect()).split_files(session.config().target_partitions());
        let source = Arc::new(ParquetSource::new(self.schema()));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::parse(OBJECTS)?, source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .build();
        let format = ParquetFormat::default().with_options(session.default_table_options().parquet);
        format.create_physical_plan(session, scan).await
    }

    /// The optimizer hands them on to the scan, which skips row groups and pages by them.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
