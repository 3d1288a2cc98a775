//! The state of the test switches that the request handlers consult. [`crate::Faults`] turns them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tonic::{Code, Status};

use crate::sync::lock;

/// An RPC whose behaviour a test can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rpc {
    /// `Publisher.Publish`
    Publish,
    /// `Subscriber.Acknowledge`, the unary call. (Acknowledgements inside a stream are not affected.)
    Acknowledge,
    /// `Subscriber.ModifyAckDeadline`, the unary call; a nack is one with a deadline of zero.
    ModifyAckDeadline,
    /// `Subscriber.Pull`
    Pull,
    /// The opening of a `Subscriber.StreamingPull`; it can only [`RpcFault::Fail`].
    StreamingPull,
    /// `Publisher.GetTopic`; it can only [`RpcFault::Fail`].
    GetTopic,
    /// `Subscriber.GetSubscription`; it can only [`RpcFault::Fail`].
    GetSubscription,
}

/// What goes wrong with an RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RpcFault {
    /// Nothing is done and the call fails with this code.
    Fail(Code),
    /// The work is done, but the answer is this code: the reply was lost on its way.
    LoseReply(Code),
    /// Nothing is done, but the answer is OK: the work was lost without a word. A `Publish` answers with
    /// ids of messages that nobody will see.
    Ignore,
}

/// When a stream is ended by the server itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamEnd {
    pub(crate) after_messages: Option<u64>,
    pub(crate) after: Option<Duration>,
    pub(crate) code: Code,
}

struct Plan {
    every: u64,
    calls: u64,
    fault: RpcFault,
}

pub(crate) struct Switches {
    plans: [Mutex<Option<Plan>>; 7],
    stream_end: Mutex<Option<StreamEnd>>,
    duplicate_every: AtomicU64,
    hold_headers: AtomicBool,
    /// How often all streams were ended, and with what code the last time.
    ended: watch::Sender<(u64, Code)>,
}

impl Switches {
    pub(crate) fn new() -> Self {
        Self {
            plans: std::array::from_fn(|_| Mutex::default()),
            stream_end: Mutex::default(),
            duplicate_every: AtomicU64::new(0),
            hold_headers: AtomicBool::new(false),
            ended: watch::Sender::new((0, Code::Ok)),
        }
    }

    /// Counts a call; the fault it must suffer, if it is its turn.
    pub(crate) fn strike(&self, rpc: Rpc) -> Option<RpcFault> {
        let mut plan = lock(&self.plans[rpc as usize]);
        let plan = plan.as_mut()?;
        plan.calls += 1;
        plan.calls.is_multiple_of(plan.every).then_some(plan.fault)
    }

    /// `every` of zero ends the fault.
    pub(crate) fn plan(&self, rpc: Rpc, every: u64, fault: RpcFault) {
        *lock(&self.plans[rpc as usize]) = (every > 0).then_some(Plan { every, calls: 0, fault });
    }

    /// The work of an RPC under whatever fault is planned for it. `pretend` makes the answer of a call
    /// whose work is not done.
    pub(crate) fn apply<T>(
        &self,
        rpc: Rpc,
        work: impl FnOnce() -> Result<T, Status>,
        pretend: impl FnOnce() -> T,
    ) -> Result<T, Status> {
        match self.strike(rpc) {
            None => work(),
            Some(RpcFault::Fail(code)) => Err(injected(code)),
            Some(RpcFault::LoseReply(code)) => work().and(Err(injected(code))),
            Some(RpcFault::Ignore) => Ok(pretend()),
        }
    }

    /// The failure of an RPC that can only fail.
    pub(crate) fn failure(&self, rpc: Rpc) -> Result<(), Status> {
        match self.strike(rpc) {
            Some(RpcFault::Fail(code)) => Err(injected(code)),
            _ => Ok(()),
        }
    }

    pub(crate) fn set_stream_end(&self, end: Option<StreamEnd>) {
        *lock(&self.stream_end) = end;
    }

    pub(crate) fn stream_end(&self) -> Option<StreamEnd> {
        *lock(&self.stream_end)
    }

    pub(crate) fn set_duplicate_every(&self, every: u64) {
        self.duplicate_every.store(every, Ordering::Relaxed);
    }

    pub(crate) fn duplicate_every(&self) -> u64 {
        self.duplicate_every.load(Ordering::Relaxed)
    }

    pub(crate) fn set_hold_headers(&self, on: bool) {
        self.hold_headers.store(on, Ordering::Relaxed);
    }

    pub(crate) fn hold_headers(&self) -> bool {
        self.hold_headers.load(Ordering::Relaxed)
    }

    pub(crate) fn end_streams(&self, code: Code) {
        self.ended.send_modify(|(times, with)| {
            *times += 1;
            *with = code;
        });
    }

    /// Changes each time that all open streams must end.
    pub(crate) fn ends(&self) -> watch::Receiver<(u64, Code)> {
        self.ended.subscribe()
    }

    pub(crate) fn clear(&self) {
        for plan in &self.plans {
            *lock(plan) = None;
        }
        self.set_stream_end(None);
        self.set_duplicate_every(0);
        self.set_hold_headers(false);
    }
}

pub(crate) fn injected(code: Code) -> Status {
    Status::new(code, "injected by a test switch")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_call_fails_until_cleared() {
        let switches = Switches::new();
        switches.plan(Rpc::Publish, 2, RpcFault::Fail(Code::Aborted));
        let failed = || switches.apply(Rpc::Publish, || Ok(()), || ()).is_err();
        assert_eq!([failed(), failed(), failed(), failed()], [false, true, false, true]);
        assert!(switches.strike(Rpc::Acknowledge).is_none(), "other calls are not affected");
        switches.clear();
        assert_eq!([failed(), failed()], [false, false]);
    }

    #[test]
    fn a_lost_reply_does_the_work_and_an_ignored_call_does_not() {
        let switches = Switches::new();
        let mut done = 0;
        switches.plan(Rpc::Acknowledge, 1, RpcFault::LoseReply(Code::Unavailable));
        let lost = switches.apply(
            Rpc::Acknowledge,
            || {
                done += 1;
                Ok(())
            },
            || (),
        );
        assert_eq!((lost.unwrap_err().code(), done), (Code::Unavailable, 1));
        switches.plan(Rpc::Acknowledge, 1, RpcFault::Ignore);
        assert!(
            switches
                .apply(
                    Rpc::Acknowledge,
                    || {
                        done += 1;
                        Ok(())
                    },
                    || ()
                )
                .is_ok()
        );
        assert_eq!(done, 1);
    }
}
