//! The switches that tests turn.

use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use crate::broker::Broker;
use crate::net::{Door, Network};
use crate::switches::{Rpc, RpcFault, StreamEnd};

/// Makes a running server misbehave. All of it is off at the start; every switch works at once, and for
/// every client.
pub struct Faults {
    pub(crate) broker: Arc<Broker>,
    pub(crate) network: Arc<Network>,
}

impl Faults {
    /// Ends every open streaming pull now. `Code::Ok` is a stream that just ends. Streams opened later
    /// are not affected. What they held stays leased.
    pub fn end_streams(&self, code: Code) {
        self.broker.shared.switches.end_streams(code);
    }

    /// Every stream opened from now on ends with `code` after exactly `messages` messages (at once for 0).
    pub fn end_streams_after_messages(&self, messages: u64, code: Code) {
        self.broker.shared.switches.set_stream_end(Some(StreamEnd {
            after_messages: Some(messages),
            after: None,
            code,
        }));
    }

    /// Every stream opened from now on ends with `code` after this time.
    pub fn end_streams_after(&self, time: Duration, code: Code) {
        self.broker.shared.switches.set_stream_end(Some(StreamEnd { after_messages: None, after: Some(time), code }));
    }

    /// Streams opened from now on live again for as long as their clients want.
    pub fn let_streams_live(&self) {
        self.broker.shared.switches.set_stream_end(None);
    }

    /// Ends all leases now, as if the server had forgotten them: every outstanding message is delivered
    /// again, and acknowledgements of the earlier deliveries do nothing. Returns how many there were.
    pub fn redeliver_outstanding(&self) -> usize {
        self.broker.registry.all_subscriptions().iter().map(|subscription| subscription.take_back_all()).sum()
    }

    /// Delivers every `every`th message a second time although nothing happened to the first delivery
    /// (1: every message; 0: off). Each of the two must be acknowledged.
    pub fn duplicate_every(&self, every: u64) {
        self.broker.shared.switches.set_duplicate_every(every);
    }

    /// Every `every`th call of `rpc` from now on suffers `fault` (1: every call; 0: none).
    pub fn rpc(&self, rpc: Rpc, every: u64, fault: RpcFault) {
        self.broker.shared.switches.plan(rpc, every, fault);
    }

    /// Holds back the response headers of streaming pulls until there is a first message, as Google's
    /// emulator does. A client that gives up waiting for its first message then never gets a stream.
    pub fn hold_response_headers(&self, on: bool) {
        self.broker.shared.switches.set_hold_headers(on);
    }

    /// Freezes every connection, and every new one: TCP stays open, nothing is read or sent any more.
    /// The operating system still accepts bytes until its buffers are full, so no client sees an error.
    pub fn freeze_connections(&self) {
        self.network.freeze();
    }

    /// New connections work again; those that were frozen stay so for good.
    pub fn unfreeze_new_connections(&self) {
        self.network.unfreeze_new();
    }

    /// All connections work again, and what was held back goes on its way.
    pub fn unfreeze_connections(&self) {
        self.network.unfreeze_all();
    }

    /// Closes every open connection. New ones are welcome.
    pub fn cut_connections(&self) {
        self.network.cut();
    }

    /// Stops listening: new connections are refused by the operating system. Open ones go on; see
    /// [`Faults::cut_connections`]. Takes effect within moments, not before this returns.
    pub fn refuse_connections(&self) {
        self.network.set_door(Door::Refuse);
    }

    /// Accepts new connections and closes them at once, as a load balancer without a backend does.
    pub fn close_connections_at_once(&self) {
        self.network.set_door(Door::AcceptAndClose);
    }

    /// Undoes [`Faults::refuse_connections`] and [`Faults::close_connections_at_once`].
    pub fn accept_connections(&self) {
        self.network.set_door(Door::Open);
    }

    /// Turns everything off that is on. Connections that were frozen come back to life.
    pub fn clear(&self) {
        self.broker.shared.switches.clear();
        self.network.unfreeze_all();
        self.network.set_door(Door::Open);
    }
}
