//! A streaming pull: one task that sends what is ready and hears what the client says.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Status, Streaming};

use super::Service;
use crate::broker::window::Window;
use crate::broker::{Broker, Consumer, Shared, registry};
use crate::events::Event;
use crate::proto::{StreamingPullRequest, StreamingPullResponse, SubscriptionProperties};
use crate::switches::{Rpc, StreamEnd, injected};

type Answer = Result<StreamingPullResponse, Status>;

/// Begins the stream that the first request asks for.
pub(super) async fn open(
    broker: &Arc<Broker>,
    mut requests: Streaming<StreamingPullRequest>,
) -> Result<BoxStream<'static, Answer>, Status> {
    let first = requests
        .message()
        .await?
        .ok_or_else(|| Status::invalid_argument("the stream ended before its first request"))?;
    broker.shared.switches.failure(Rpc::StreamingPull)?;
    let hold_headers = broker.shared.switches.hold_headers();
    // Room for one response: more would be leased here while another stream is idle.
    let (answers, mut received) = mpsc::channel(1);
    tokio::spawn(Puller::new(broker, &first, answers)?.run(first, requests));
    let held_back = if hold_headers { received.recv().await } else { None };
    let rest = stream::unfold(received, async |mut received| Some((received.recv().await?, received)));
    Ok(stream::iter(held_back).chain(rest).boxed())
}

struct Puller {
    shared: Arc<Shared>,
    consumer: Consumer,
    answers: mpsc::Sender<Answer>,
    ack_deadline_seconds: i32,
    /// All streams are ended by a switch.
    ends: watch::Receiver<(u64, Code)>,
    /// This stream is to be ended by a switch.
    end: Option<StreamEnd>,
    opened: Instant,
    sent: u64,
}

impl Puller {
    fn new(broker: &Broker, first: &StreamingPullRequest, answers: mpsc::Sender<Answer>) -> Result<Self, Status> {
        let subscription = broker.subscription(&first.subscription)?;
        crate::broker::check_ack_deadline(first.stream_ack_deadline_seconds)?;
        let window = Window::new(first.max_outstanding_messages, first.max_outstanding_bytes);
        let shared = Arc::clone(&broker.shared);
        Ok(Self {
            ack_deadline_seconds: first.stream_ack_deadline_seconds,
            ends: shared.switches.ends(),
            end: shared.switches.stream_end(),
            opened: Instant::now(),
            sent: 0,
            consumer: Consumer::attach(subscription, window),
            shared,
            answers,
        })
    }

    async fn run(mut self, first: StreamingPullRequest, mut requests: Streaming<StreamingPullRequest>) {
        self.note_opened();
        let end = match self.obey(&first) {
            Ok(()) => self.serve(&mut requests).await,
            Err(status) => Some(status),
        };
        self.note_closed(end.as_ref().map(Status::code));
        // An end with OK is a stream that just ends.
        if let Some(status) = end.filter(|status| status.code() != Code::Ok) {
            let _client_is_gone = self.answers.send(Err(status)).await;
        }
    }

    /// Until the stream ends: with the status to end it, or with `None` when the client went away.
    async fn serve(&mut self, requests: &mut Streaming<StreamingPullRequest>) -> Option<Status> {
        let answers = self.answers.clone();
        let wake = Arc::clone(&self.consumer.wake);
        let mut may_have_more = true;
        loop {
            tokio::select! {
                () = answers.closed() => return None,
                status = ended(&self.shared, &self.consumer, &mut self.ends, self.end, self.opened) => return Some(status),
                request = requests.message() => match request {
                    Ok(Some(request)) => if let Err(status) = self.obey(&request) { return Some(status) },
                    Ok(None) => return Some(Status::ok("")),
                    Err(_connection_lost) => return None,
                },
                () = wake.notified(), if !may_have_more => may_have_more = true,
                place = answers.reserve(), if may_have_more => {
                    let Ok(place) = place else { return None };
                    match self.next_response() {
                        Some(response) => place.send(Ok(response)),
                        None => may_have_more = false,
                    }
                    if let Some(status) = self.sent_enough() { return Some(status) }
                }
            }
        }
    }

    fn next_response(&mut self) -> Option<StreamingPullResponse> {
        let left =
            self.end.and_then(|end| end.after_messages).map_or(u64::MAX, |limit| limit.saturating_sub(self.sent));
        let received_messages =
            self.consumer.take(usize::try_from(left).unwrap_or(usize::MAX), self.ack_deadline_seconds);
        if received_messages.is_empty() {
            return None;
        }
        self.sent += received_messages.len() as u64;
        let resource = self.consumer.subscription.resource();
        let properties = SubscriptionProperties {
            exactly_once_delivery_enabled: resource.enable_exactly_once_delivery,
            message_ordering_enabled: resource.enable_message_ordering,
        };
        Some(StreamingPullResponse { received_messages, subscription_properties: Some(properties) })
    }

    /// What later requests may carry: acknowledgements, deadlines, a new ack deadline.
    fn obey(&mut self, request: &StreamingPullRequest) -> Result<(), Status> {
        if request.modify_deadline_ack_ids.len() != request.modify_deadline_seconds.len() {
            return Err(Status::invalid_argument(
                "as many modify_deadline_seconds as modify_deadline_ack_ids are needed",
            ));
        }
        if request.stream_ack_deadline_seconds != 0 {
            crate::broker::check_ack_deadline(request.stream_ack_deadline_seconds)?;
            self.ack_deadline_seconds = request.stream_ack_deadline_seconds;
        }
        let subscription = &self.consumer.subscription;
        if !request.ack_ids.is_empty() {
            // Unlike the unary call, a stream does not fail over acknowledgements that come too late.
            let _too_late = Service::acknowledge_now(subscription, &request.ack_ids);
        }
        for (ack_id, seconds) in request.modify_deadline_ack_ids.iter().zip(&request.modify_deadline_seconds) {
            subscription.modify_deadline(std::slice::from_ref(ack_id), *seconds);
        }
        Ok(())
    }

    fn sent_enough(&self) -> Option<Status> {
        let end = self.end?;
        (self.sent >= end.after_messages?).then(|| injected(end.code))
    }

    fn note_opened(&self) {
        self.shared.counters.open_streams.fetch_add(1, Ordering::Relaxed);
        let subscription = || self.consumer.subscription.name().to_owned();
        self.shared.events.record(|| Event::StreamOpened { subscription: subscription(), stream: self.consumer.id });
    }

    fn note_closed(&self, code: Option<Code>) {
        self.shared.counters.open_streams.fetch_sub(1, Ordering::Relaxed);
        let subscription = || self.consumer.subscription.name().to_owned();
        self.shared.events.record(|| Event::StreamClosed {
            subscription: subscription(),
            stream: self.consumer.id,
            code,
        });
    }
}

/// Waits for a reason of the server's own to end the stream.
async fn ended(
    shared: &Shared,
    consumer: &Consumer,
    ends: &mut watch::Receiver<(u64, Code)>,
    end: Option<StreamEnd>,
    opened: Instant,
) -> Status {
    let timed = end.and_then(|end| Some((opened + end.after?, end.code)));
    let time_is_up = async {
        match timed {
            Some((at, code)) => {
                sleep_until(at).await;
                code
            }
            None => pending().await,
        }
    };
    tokio::select! {
        _ = ends.changed() => injected(ends.borrow().1),
        code = time_is_up => injected(code),
        () = consumer.subscription.deleted.cancelled() => registry::no_subscription(consumer.subscription.name()),
        () = shared.stopping.cancelled() => Status::unavailable("the server is stopping"),
    }
}
