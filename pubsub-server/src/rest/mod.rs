//! The same calls as JSON over HTTP: the official Rust admin clients speak only this.

mod error;
pub(crate) mod json;
mod path;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tonic::{Request, Status};

use crate::grpc::Service;
use crate::proto::publisher_server::Publisher;
use crate::proto::subscriber_server::Subscriber;
use crate::proto::{
    AcknowledgeRequest, DeleteSubscriptionRequest, DeleteTopicRequest, GetSubscriptionRequest, GetTopicRequest,
    ListSubscriptionsRequest, ListTopicSubscriptionsRequest, ListTopicsRequest, ModifyAckDeadlineRequest,
    PublishRequest, PullRequest, Subscription, Topic, UpdateSubscriptionRequest,
};
use error::RestError;
use path::Target;

type Answer = Result<Response, RestError>;

/// Adds `/v1/…` and the health check at `/`.
pub(crate) fn add_routes(router: axum::Router, service: Service) -> axum::Router {
    router
        .route("/", get(async || "Ok\n"))
        .route("/v1/{*path}", any(handle).with_state(service))
        .layer(axum::extract::DefaultBodyLimit::max(32 << 20))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Page {
    page_size: i32,
    page_token: String,
}

async fn handle(
    State(service): State<Service>,
    method: Method,
    Path(path): Path<String>,
    page: Query<Page>,
    body: Bytes,
) -> Answer {
    let call = Call { service, page: page.0, body };
    match (method, Target::parse(&path)) {
        (Method::PUT, Target::Topic(name)) => call.create_topic(name).await,
        (Method::GET, Target::Topic(topic)) => {
            json_of(call.service.get_topic(Request::new(GetTopicRequest { topic })).await)
        }
        (Method::DELETE, Target::Topic(topic)) => {
            json_of(empty(call.service.delete_topic(Request::new(DeleteTopicRequest { topic })).await))
        }
        (Method::GET, Target::Topics(project)) => call.list_topics(project).await,
        (Method::GET, Target::TopicSubscriptions(topic)) => call.list_topic_subscriptions(topic).await,
        (Method::POST, Target::TopicVerb(topic, "publish")) => call.publish(topic).await,
        (Method::PUT, Target::Subscription(name)) => call.create_subscription(name).await,
        (Method::PATCH, Target::Subscription(name)) => call.update_subscription(name).await,
        (Method::GET, Target::Subscription(name)) => call.get_subscription(name).await,
        (Method::DELETE, Target::Subscription(name)) => call.delete_subscription(name).await,
        (Method::GET, Target::Subscriptions(project)) => call.list_subscriptions(project).await,
        (Method::POST, Target::SubscriptionVerb(name, verb)) => call.consume(name, verb).await,
        (method, _) => Err(Status::unimplemented(format!("{method} /v1/{path} is not supported")).into()),
    }
}

struct Call {
    service: Service,
    page: Page,
    body: Bytes,
}

impl Call {
    fn body<T: DeserializeOwned + Default>(&self) -> Result<T, Status> {
        if self.body.is_empty() {
            return Ok(T::default());
        }
        serde_json::from_slice(&self.body).map_err(|error| Status::invalid_argument(format!("invalid JSON: {error}")))
    }

    async fn create_topic(self, name: String) -> Answer {
        let topic = Topic { name, ..self.body()? };
        json_of(self.service.create_topic(Request::new(topic)).await)
    }

    async fn list_topics(self, project: String) -> Answer {
        let Page { page_size, page_token } = self.page;
        let request = ListTopicsRequest { project, page_size, page_token };
        json_of(self.service.list_topics(Request::new(request)).await)
    }

    async fn list_topic_subscriptions(self, topic: String) -> Answer {
        let Page { page_size, page_token } = self.page;
        let request = ListTopicSubscriptionsRequest { topic, page_size, page_token };
        json_of(self.service.list_topic_subscriptions(Request::new(request)).await)
    }

    async fn publish(self, topic: String) -> Answer {
        let request = PublishRequest { topic, ..self.body()? };
        json_of(self.service.publish(Request::new(request)).await)
    }

    async fn create_subscription(self, name: String) -> Answer {
        let subscription = Subscription { name, ..self.body()? };
        json_of(self.service.create_subscription(Request::new(subscription)).await)
    }

    async fn update_subscription(self, name: String) -> Answer {
        let mut update: UpdateSubscriptionRequest = self.body()?;
        update.subscription.get_or_insert_default().name = name;
        json_of(self.service.update_subscription(Request::new(update)).await)
    }

    async fn get_subscription(self, subscription: String) -> Answer {
        json_of(self.service.get_subscription(Request::new(GetSubscriptionRequest { subscription })).await)
    }

    async fn delete_subscription(self, subscription: String) -> Answer {
        let request = DeleteSubscriptionRequest { subscription };
        json_of(empty(self.service.delete_subscription(Request::new(request)).await))
    }

    async fn list_subscriptions(self, project: String) -> Answer {
        let Page { page_size, page_token } = self.page;
        let request = ListSubscriptionsRequest { project, page_size, page_token };
        json_of(self.service.list_subscriptions(Request::new(request)).await)
    }

    async fn consume(self, subscription: String, verb: &str) -> Answer {
        match verb {
            "pull" => {
                let request = PullRequest { subscription, ..self.body()? };
                json_of(self.service.pull(Request::new(request)).await)
            }
            "acknowledge" => {
                let request = AcknowledgeRequest { subscription, ..self.body()? };
                json_of(empty(self.service.acknowledge(Request::new(request)).await))
            }
            "modifyAckDeadline" => {
                let request = ModifyAckDeadlineRequest { subscription, ..self.body()? };
                json_of(empty(self.service.modify_ack_deadline(Request::new(request)).await))
            }
            other => Err(Status::unimplemented(format!(":{other} is not supported")).into()),
        }
    }
}

fn json_of<T: serde::Serialize>(answer: Result<tonic::Response<T>, Status>) -> Answer {
    Ok(Json(answer?.into_inner()).into_response())
}

/// `google.protobuf.Empty` is `{}` in JSON.
fn empty(answer: Result<tonic::Response<()>, Status>) -> Result<tonic::Response<serde_json::Value>, Status> {
    answer.map(|_| tonic::Response::new(serde_json::json!({})))
}
