//! The dead letters of one batch.

use uuid::Uuid;

use super::DeadLetter;
use crate::events::EventKind;
use crate::intake::Delivery;
use crate::pipeline::Judged;
use crate::pipeline::decode::{Json, decode};
use crate::pipeline::verdict::Rejection;

/// Writes the dead letters of a batch, event by event in the order of the deliveries. Of a message whose
/// events are rejected by the thousand, the payload is read once and kept in the first of its dead letters.
pub(in crate::pipeline) struct Scribe<'d> {
    deliveries: &'d [Delivery],
    message: Option<Message<'d>>,
}

/// The message that the last dead letter was about.
pub(super) struct Message<'d> {
    delivery: usize,
    /// `None` when it cannot be read.
    pub(super) json: Option<Json<'d>>,
    /// The dead letter that holds its payload, once there is one.
    pub(super) kept_in: Option<Uuid>,
}

impl<'d> Scribe<'d> {
    pub(in crate::pipeline) fn new(deliveries: &'d [Delivery]) -> Self {
        Scribe { deliveries, message: None }
    }

    pub(in crate::pipeline) fn write<K: EventKind>(&mut self, event: &Judged<K>, rejection: &Rejection) -> DeadLetter {
        let delivery = &self.deliveries[event.delivery];
        let message = match self.message.take().filter(|message| message.delivery == event.delivery) {
            Some(message) => self.message.insert(message),
            None => {
                let json = decode(&delivery.payload).ok();
                let kept_in = delivery.replays.as_ref().and_then(|replays| replays.kept_in);
                self.message.insert(Message { delivery: event.delivery, json, kept_in })
            }
        };
        let letter = if event.refusals > 1 { DeadLetter::bare::<K> } else { DeadLetter::new::<K> };
        let letter = letter(delivery, message, event.position, event.key.as_ref(), rejection);
        message.kept_in.get_or_insert(letter.id);
        letter
    }
}
