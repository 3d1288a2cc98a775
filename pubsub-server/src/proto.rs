//! The generated protocol types.

#![expect(unreachable_pub, clippy::allow_attributes, reason = "generated code; proto/ is where it is explained")]

pub use google_pubsub::*;

mod google_pubsub {
    tonic::include_proto!("google.pubsub.v1");
}

/// Error details.
pub mod rpc {
    tonic::include_proto!("google.rpc");
}
