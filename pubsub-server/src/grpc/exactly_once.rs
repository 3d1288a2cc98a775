//! How a subscription with exactly-once delivery refuses acknowledgements of leases that are over.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};

use crate::proto::rpc;

/// The real service names each refused id in an `ErrorInfo`; clients that wait for a confirmation read it.
pub(super) fn refuse(ack_ids: Vec<String>) -> Status {
    let message = "some acknowledgement ids are invalid or expired";
    let reason = "PERMANENT_FAILURE_INVALID_ACK_ID".to_owned();
    let metadata: HashMap<String, String> = ack_ids.into_iter().map(|id| (id, reason.clone())).collect();
    let info = rpc::ErrorInfo { reason, domain: "pubsub.googleapis.com".to_owned(), metadata };
    let details = rpc::Status {
        code: Code::FailedPrecondition as i32,
        message: message.to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    Status::with_details(Code::FailedPrecondition, message, Bytes::from(details.encode_to_vec()))
}
