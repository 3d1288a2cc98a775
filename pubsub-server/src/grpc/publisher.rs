//! `google.pubsub.v1.Publisher`

use tonic::{Request, Response, Status, async_trait};

use super::{Service, page};
use crate::proto::publisher_server::Publisher;
use crate::proto::{
    DeleteTopicRequest, GetTopicRequest, ListTopicSubscriptionsRequest, ListTopicSubscriptionsResponse,
    ListTopicsRequest, ListTopicsResponse, PublishRequest, PublishResponse, Topic,
};
use crate::switches::Rpc;

#[async_trait]
impl Publisher for Service {
    async fn create_topic(&self, request: Request<Topic>) -> Result<Response<Topic>, Status> {
        self.broker.registry.create_topic(request.into_inner()).map(Response::new)
    }

    async fn get_topic(&self, request: Request<GetTopicRequest>) -> Result<Response<Topic>, Status> {
        self.broker.shared.switches.failure(Rpc::GetTopic)?;
        self.broker.registry.topic(&request.get_ref().topic).map(Response::new)
    }

    async fn list_topics(&self, request: Request<ListTopicsRequest>) -> Result<Response<ListTopicsResponse>, Status> {
        let request = request.into_inner();
        let all = self.broker.registry.topics(&request.project)?;
        let (topics, next_page_token) = page(all, request.page_size, &request.page_token);
        Ok(Response::new(ListTopicsResponse { topics, next_page_token }))
    }

    async fn list_topic_subscriptions(
        &self,
        request: Request<ListTopicSubscriptionsRequest>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        let request = request.into_inner();
        let all = self.broker.registry.topic_subscriptions(&request.topic)?;
        let (subscriptions, next_page_token) = page(all, request.page_size, &request.page_token);
        Ok(Response::new(ListTopicSubscriptionsResponse { subscriptions, next_page_token }))
    }

    async fn delete_topic(&self, request: Request<DeleteTopicRequest>) -> Result<Response<()>, Status> {
        self.broker.registry.delete_topic(&request.get_ref().topic).map(Response::new)
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let request = request.into_inner();
        let count = request.messages.len();
        let message_ids = self.broker.shared.switches.apply(
            Rpc::Publish,
            || self.broker.publish(request),
            || self.broker.unused_ids(count),
        )?;
        Ok(Response::new(PublishResponse { message_ids }))
    }
}
