//! How a question travels to a cluster: its plan as DataFusion writes plans, and its files as JSON.

use std::sync::Arc;

use ballista_core::serde::BallistaLogicalExtensionCodec;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion_proto::logical_plan::LogicalExtensionCodec;

use super::files::Files;

/// Writes and reads [`Files`], and leaves the rest to Ballista.
#[derive(Debug, Default)]
pub(crate) struct Codec(BallistaLogicalExtensionCodec);

impl LogicalExtensionCodec for Codec {
    fn try_decode_table_provider(
        &self,
        json: &[u8],
        _name: &TableReference,
        columns: SchemaRef,
        _session: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let files = serde_json::from_slice(json).map_err(external)?;
        Ok(Arc::new(Files { files, columns }))
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        into: &mut Vec<u8>,
    ) -> Result<()> {
        match table.downcast_ref::<Files>() {
            Some(Files { files, .. }) => serde_json::to_writer(into, files).map_err(external),
            None => self.0.try_encode_table_provider(name, table, into),
        }
    }

    fn try_decode(&self, node: &[u8], inputs: &[LogicalPlan], session: &TaskContext) -> Result<Extension> {
        self.0.try_decode(node, inputs, session)
    }

    fn try_encode(&self, node: &Extension, into: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, into)
    }

    fn try_decode_file_format(&self, format: &[u8], session: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.0.try_decode_file_format(format, session)
    }

    fn try_encode_file_format(&self, into: &mut Vec<u8>, format: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.0.try_encode_file_format(into, format)
    }
}

fn external(error: serde_json::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
