//! `google.pubsub.v1.Subscriber`

use std::sync::Arc;

use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Service, exactly_once, page, streaming_pull};
use crate::broker::subscription::Subscription as Entry;
use crate::broker::window::Window;
use crate::broker::{Consumer, registry};
use crate::proto::subscriber_server::Subscriber;
use crate::proto::{
    AcknowledgeRequest, DeleteSubscriptionRequest, GetSubscriptionRequest, ListSubscriptionsRequest,
    ListSubscriptionsResponse, ModifyAckDeadlineRequest, PullRequest, PullResponse, ReceivedMessage,
    StreamingPullRequest, StreamingPullResponse, Subscription, UpdateSubscriptionRequest,
};
use crate::switches::{Rpc, RpcFault, injected};

impl Service {
    /// Applies acknowledgements; only exactly-once delivery minds those that come too late.
    pub(super) fn acknowledge_now(subscription: &Entry, ack_ids: &[String]) -> Result<(), Status> {
        answer(subscription, subscription.acknowledge(ack_ids))
    }

    fn modify_now(subscription: &Entry, ack_ids: &[String], seconds: i32) -> Result<(), Status> {
        if !(0..=600).contains(&seconds) {
            return Err(Status::invalid_argument(format!("invalid ack deadline of {seconds} s: 0 to 600 are allowed")));
        }
        answer(subscription, subscription.modify_deadline(ack_ids, seconds))
    }

    /// Waits for a first message, but not for ever.
    async fn pull_now(&self, request: &PullRequest) -> Result<Vec<ReceivedMessage>, Status> {
        let at_most = usize::try_from(request.max_messages).unwrap_or_default();
        if at_most == 0 {
            return Err(Status::invalid_argument("max_messages must be at least 1"));
        }
        let subscription = self.broker.subscription(&request.subscription)?;
        let seconds = subscription.resource().ack_deadline_seconds;
        let deleted = subscription.deleted.clone();
        let consumer = Consumer::attach(Arc::clone(&subscription), Window::new(0, 0));
        let give_up = tokio::time::sleep(self.broker.shared.pull_wait);
        tokio::pin!(give_up);
        loop {
            let received = consumer.take(at_most, seconds);
            if !received.is_empty() || request.return_immediately {
                return Ok(received);
            }
            tokio::select! {
                () = consumer.wake.notified() => {}
                () = &mut give_up => return Ok(Vec::new()),
                () = deleted.cancelled() => return Err(registry::no_subscription(&request.subscription)),
                () = self.broker.shared.stopping.cancelled() => return Err(Status::unavailable("the server is stopping")),
            }
        }
    }
}

fn answer(subscription: &Entry, unknown: Vec<String>) -> Result<(), Status> {
    if unknown.is_empty() || !subscription.resource().enable_exactly_once_delivery {
        return Ok(());
    }
    Err(exactly_once::refuse(unknown))
}

#[async_trait]
impl Subscriber for Service {
    type StreamingPullStream = BoxStream<'static, Result<StreamingPullResponse, Status>>;

    async fn create_subscription(&self, request: Request<Subscription>) -> Result<Response<Subscription>, Status> {
        self.broker.registry.create_subscription(request.into_inner()).map(Response::new)
    }

    async fn get_subscription(
        &self,
        request: Request<GetSubscriptionRequest>,
    ) -> Result<Response<Subscription>, Status> {
        self.broker.shared.switches.failure(Rpc::GetSubscription)?;
        let subscription = self.broker.subscription(&request.get_ref().subscription)?;
        Ok(Response::new(subscription.resource()))
    }

    async fn update_subscription(
        &self,
        request: Request<UpdateSubscriptionRequest>,
    ) -> Result<Response<Subscription>, Status> {
        let UpdateSubscriptionRequest { subscription, update_mask } = request.into_inner();
        let new = subscription.ok_or_else(|| Status::invalid_argument("no subscription given"))?;
        let paths = update_mask.unwrap_or_default().paths;
        self.broker.registry.update_subscription(&new, &paths).map(Response::new)
    }

    async fn list_subscriptions(
        &self,
        request: Request<ListSubscriptionsRequest>,
    ) -> Result<Response<ListSubscriptionsResponse>, Status> {
        let request = request.into_inner();
        let all = self.broker.registry.subscriptions(&request.project)?;
        let (subscriptions, next_page_token) = page(all, request.page_size, &request.page_token);
        Ok(Response::new(ListSubscriptionsResponse { subscriptions, next_page_token }))
    }

    async fn delete_subscription(&self, request: Request<DeleteSubscriptionRequest>) -> Result<Response<()>, Status> {
        self.broker.registry.delete_subscription(&request.get_ref().subscription).map(Response::new)
    }

    async fn modify_ack_deadline(&self, request: Request<ModifyAckDeadlineRequest>) -> Result<Response<()>, Status> {
        let request = request.get_ref();
        let subscription = self.broker.subscription(&request.subscription)?;
        let work = || Self::modify_now(&subscription, &request.ack_ids, request.ack_deadline_seconds);
        self.broker.shared.switches.apply(Rpc::ModifyAckDeadline, work, || ()).map(Response::new)
    }

    async fn acknowledge(&self, request: Request<AcknowledgeRequest>) -> Result<Response<()>, Status> {
        let request = request.get_ref();
        let subscription = self.broker.subscription(&request.subscription)?;
        let work = || Self::acknowledge_now(&subscription, &request.ack_ids);
        self.broker.shared.switches.apply(Rpc::Acknowledge, work, || ()).map(Response::new)
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullResponse>, Status> {
        let fault = self.broker.shared.switches.strike(Rpc::Pull);
        let received_messages = match fault {
            Some(RpcFault::Fail(code)) => return Err(injected(code)),
            Some(RpcFault::Ignore) => Vec::new(),
            _ => self.pull_now(request.get_ref()).await?,
        };
        match fault {
            Some(RpcFault::LoseReply(code)) => Err(injected(code)),
            _ => Ok(Response::new(PullResponse { received_messages })),
        }
    }

    async fn streaming_pull(
        &self,
        request: Request<Streaming<StreamingPullRequest>>,
    ) -> Result<Response<Self::StreamingPullStream>, Status> {
        streaming_pull::open(&self.broker, request.into_inner()).await.map(Response::new)
    }
}
