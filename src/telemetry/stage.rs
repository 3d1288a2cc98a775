//! The stages of the pipeline: one word each, which is the function, the span and the label.

use tracing::{Span, info_span};

/// A stage, by the name of its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    DecodeAndValidate,
    CheckReferences,
    Admit,
    Commit,
    Acknowledge,
}

impl Stage {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Stage::DecodeAndValidate => "decode_and_validate",
            Stage::CheckReferences => "check_references",
            Stage::Admit => "admit",
            Stage::Commit => "commit",
            Stage::Acknowledge => "acknowledge",
        }
    }

    /// The name of a span is a literal.
    pub(super) fn span(self, batch: &Span) -> Span {
        match self {
            Stage::DecodeAndValidate => info_span!(parent: batch, "decode_and_validate"),
            Stage::CheckReferences => info_span!(parent: batch, "check_references"),
            Stage::Admit => info_span!(parent: batch, "admit"),
            Stage::Commit => info_span!(parent: batch, "commit"),
            Stage::Acknowledge => info_span!(parent: batch, "acknowledge"),
        }
    }
}
