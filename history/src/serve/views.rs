//! How often products were viewed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use purser::api::{Crowded, Problem, admit, too_long, too_many};
use purser::secret::Secret;
use tokio::time::timeout;

use super::Service;
use super::answer::{Account, lines};
use crate::engine::{Question, Trouble};

/// The most bytes of a question: the files of many years.
const BODY_BYTES: usize = 16 << 20;
/// How long a question may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Answers once the views are counted; from then on, the answer can only break off.
pub(super) async fn views(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Problem> {
    let token = service.token.as_ref().map(Secret::expose).filter(|token| !token.is_empty());
    token.map_or(Ok(()), |token| admit(request.headers(), token))?;
    if request.extensions().get::<Crowded>().is_some() {
        return Err(too_many());
    }
    let question = arrived(request.into_body()).await?;
    question.check().map_err(bad)?;
    let room = Arc::clone(&service.room).acquire_owned();
    let room = timeout(service.patience, room).await.ok().and_then(Result::ok).ok_or_else(too_many)?;
    let mut account = Account::of(&question, Instant::now());
    let groups = match timeout(service.deadline, service.engine.ask(&question)).await {
        Ok(Ok(groups)) => groups,
        Ok(Err(trouble)) => {
            account.failed(&trouble);
            return Err(problem(trouble));
        }
        Err(_) => {
            account.failed(&"it took too long");
            return Err(too_long());
        }
    };
    let body = Body::from_stream(lines(groups, account, room));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn arrived(body: Body) -> Result<Question, Problem> {
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the question did not arrive in time");
    let large = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a question has at most {BODY_BYTES} bytes"));
    let body = timeout(ARRIVAL, to_bytes(body, BODY_BYTES)).await.map_err(late)?.map_err(large)?;
    serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))
}

fn bad(why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, why)
}

fn problem(trouble: Trouble) -> Problem {
    match trouble {
        Trouble::Question(why) => bad(why),
        Trouble::Away { what, .. } => Problem::try_again(StatusCode::SERVICE_UNAVAILABLE, what),
        Trouble::Fault(_) => Problem::fault(),
    }
}
