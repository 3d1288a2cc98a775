//! The causes.

use axum::Json;
use axum::extract::State;

use super::filters::Listed;
use crate::api::parameters::Query;
use crate::api::problem::Problem;
use crate::api::{Api, List};
use crate::dead_letters::Filter;
use crate::dead_letters::groups::{self, Group};

/// Dead letters by cause.
///
/// A dead letter is a rejected event with all of its reasons; those with the same kind, reason, codes and places
/// (any place of an array counts as the same) have one cause, and one fingerprint. By count, ties by fingerprint.
/// `share` is of all that match. `code` and `path` are the first of `causes`. Without `status`, open ones: those
/// about which nothing has been done yet.
#[utoipa::path(
    get,
    path = "",
    tag = "Rejections",
    params(Filter, Listed),
    responses((
        status = 200,
        description = "The causes",
        body = List<Group>,
        example = json!({
            "items": [{
                "fingerprint": "724551020868003c", "kind": "purchase", "reason": "reference", "code": "unknown_user",
                "path": "/user_id", "causes": [{"code": "unknown_user", "path": "/user_id"}], "count": 57,
                "share": 0.25, "first_seen": "2026-11-21T09:14:17.197157Z", "last_seen": "2026-11-21T10:14:17.197157Z",
                "sample_id": "3152b205-0468-8845-b350-820562235101",
                "waiting_for": [{"table": "users", "id": "a853753d-171d-4c11-8163-8e69819261aa", "letters": 12}],
            }],
            "next": null,
        }),
    )),
)]
pub(in crate::api) async fn groups(State(api): State<Api>, mut query: Query) -> Result<Json<List<Group>>, Problem> {
    let filter = query.letters();
    let limit = query.whole("limit", 1..=1000).unwrap_or(100);
    let after = query.cursor(|(_, fingerprint): &groups::After| !fingerprint.contains('\0'));
    query.finish()?;
    let items = groups::groups(&api.pool, &filter, after, limit + 1).await?;
    Ok(Json(List::page(items, limit, Group::key)))
}
