//! How much is handed out at once.

use super::*;

#[tokio::test]
async fn no_more_is_handed_out_than_may_be_outstanding() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_messages: 10, ..options }).await;
    publish(&server, 30).await;
    let mut held = pull.take(10).await;
    for _ in 0..20 {
        assert!(pull.is_empty());
        assert_eq!(server.stats().outstanding, 10);
        settle(held.remove(0));
        held.push(pull.next().await);
    }
    assert_eq!(server.stats().delivered, 30, "each once");
}

/// The server grants every new stream its limits anew.
#[tokio::test]
async fn the_limit_holds_across_streams() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_messages: 10, ..options }).await;
    publish(&server, 30).await;
    let held = pull.take(10).await;
    server.faults().end_streams(Code::Ok);
    eventually("the new stream has messages", || server.stats().outstanding == 20).await;
    assert!(pull.is_empty());
    held.into_iter().for_each(settle);
    pull.settle_distinct(20).await;
    eventually("they are acknowledged", || all_acknowledged(&server)).await;
}

#[tokio::test]
async fn bytes_are_limited_too() {
    let (server, mut pull) = Pull::from_server(|options| Options { max_outstanding_bytes: 3000, ..options }).await;
    publish_all(&server, (0..9).map(|_| Message::new().set_data(vec![b' '; 1000]))).await;
    let mut held = pull.take(2).await;
    for _ in 0..7 {
        assert!(server.stats().outstanding <= 4, "{:?}", server.stats());
        settle(held.remove(0));
        held.push(pull.next().await);
    }
}
