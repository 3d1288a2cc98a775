//! Why a question has no answer.

use std::fmt;

use datafusion::error::DataFusionError;
use object_store_of_datafusion::Error as ObjectError;

/// Why a question has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// It cannot be asked, and what is wrong with it.
    Question(String),
    /// What it needs is away, broken or used up. It is not the asker's fault, and passes.
    Away {
        /// In words for whoever asks.
        what: &'static str,
        /// For the log.
        error: String,
    },
    /// A fault of the program.
    Fault(DataFusionError),
}

impl Trouble {
    pub(super) fn away(what: &'static str, error: impl fmt::Display) -> Self {
        Trouble::Away { what, error: error.to_string() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Question(why) => f.write_str(why),
            Trouble::Away { what, error } => write!(f, "{what}: {error}"),
            Trouble::Fault(error) => error.fmt(f),
        }
    }
}

const MISSING: &str = "a file of the question is not in the store: the history has changed, ask again";
const STORE: &str = "the store of the history, or a file in it, cannot be read at the moment";
/// How DataFusion says it, also from an executor, whose errors arrive as text.
const EXHAUSTED: &str = "Resources exhausted";
const MEMORY: &str = "there is not enough memory for this question at the moment";

impl From<DataFusionError> for Trouble {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::SQL(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Internal(_)
            | DataFusionError::Plan(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::SchemaError(..) => Trouble::Fault(error),
            DataFusionError::ResourcesExhausted(_) => Trouble::away(MEMORY, error),
            DataFusionError::ObjectStore(cause) if matches!(**cause, ObjectError::NotFound { .. }) => {
                Trouble::away(MISSING, error)
            }
            root if root.to_string().contains(EXHAUSTED) => Trouble::away(MEMORY, error),
            // Where an error has crossed the reader of Parquet files or the network, its text is all that is left.
            root if root.to_string().contains("not found") => Trouble::away(MISSING, error),
            _ => Trouble::away(STORE, error),
        }
    }
}
