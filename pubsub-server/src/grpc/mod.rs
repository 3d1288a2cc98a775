//! The two gRPC services. REST calls go through the same methods.

mod exactly_once;
mod publisher;
mod streaming_pull;
mod subscriber;

use std::sync::Arc;

use crate::broker::Broker;

/// Serves both the `Publisher` and the `Subscriber`.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) broker: Arc<Broker>,
}

/// One page of `all`: a page token is the number of items before the page.
fn page<T>(all: Vec<T>, size: i32, token: &str) -> (Vec<T>, String) {
    let start = token.parse().unwrap_or(0);
    let size = usize::try_from(size).ok().filter(|size| *size > 0).unwrap_or(100);
    let more = all.len() > start + size;
    let next = if more { (start + size).to_string() } else { String::new() };
    (all.into_iter().skip(start).take(size).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_follow_each_other() {
        assert_eq!(page(vec![1, 2, 3], 2, ""), (vec![1, 2], "2".to_owned()));
        assert_eq!(page(vec![1, 2, 3], 2, "2"), (vec![3], String::new()));
        assert_eq!(page(vec![1, 2, 3], 0, ""), (vec![1, 2, 3], String::new()));
    }
}
