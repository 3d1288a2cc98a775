use std::time::Duration;

use super::super::message::Stored;
use super::super::retention::Retention;
use super::*;
use crate::proto::PubsubMessage;

const ALL: Allowance = Allowance { messages: usize::MAX, bytes: usize::MAX, first: usize::MAX };

fn message(id: u64, key: &str) -> Arc<Stored> {
    let space = Retention::new(1, usize::MAX).reserve(&[0]).unwrap().remove(0);
    let message = PubsubMessage { data: vec![0; 100].into(), ordering_key: key.to_owned(), ..PubsubMessage::default() };
    Stored::new(message, id, prost_types::Timestamp::default(), space)
}

fn book(ordered: bool, messages: &[(u64, &str)]) -> Book {
    let mut book = Book::new(ordered);
    for (id, key) in messages {
        book.push(message(*id, key));
    }
    book
}

fn ids(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.message.id).collect()
}

#[test]
fn delivers_in_order_within_the_allowance() {
    let mut book = book(false, &[(1, ""), (2, ""), (3, "")]);
    let now = Instant::now();
    let size = message(1, "").bytes();
    assert_eq!(ids(&book.deliver(1, now, Allowance { messages: 1, ..ALL })), [1]);
    assert_eq!(ids(&book.deliver(1, now, Allowance { bytes: size, first: size, ..ALL })), [2], "bytes count");
    assert!(book.deliver(1, now, Allowance { bytes: 1, first: size - 1, ..ALL }).is_empty());
    assert_eq!(ids(&book.deliver(1, now, Allowance { bytes: 1, ..ALL })), [3], "a large first message");
}

#[test]
fn an_acknowledgement_counts_once() {
    let mut book = book(false, &[(1, "")]);
    let delivery = book.deliver(1, Instant::now(), ALL)[0].id;
    assert!(book.acknowledge(delivery).is_some());
    assert!(book.acknowledge(delivery).is_none());
    assert_eq!((book.backlog(), book.outstanding()), (0, 0));
}

#[test]
fn leases_expire_at_their_deadline_and_stale_ids_do_nothing() {
    let mut book = book(false, &[(1, ""), (2, "")]);
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let first = book.deliver(7, after(10), ALL);
    assert!(book.extend(first[1].id, after(30)));
    assert!(book.expire(after(9)).is_empty());
    let returned = book.expire(after(10));
    assert_eq!((returned.len(), returned[0].consumer, returned[0].message.id), (1, 7, 1));
    assert!(book.acknowledge(first[0].id).is_none(), "the lease is over");
    assert!(!book.extend(first[0].id, after(99)));
    let again = book.deliver(7, after(20), ALL);
    assert_eq!((again[0].message.id, again[0].attempt), (1, 2));
    assert_eq!(book.expire(after(30)).len(), 2, "the bound on the next deadline must not hide any");
}

#[test]
fn an_extended_lease_outlives_its_first_deadline() {
    let mut book = book(false, &[(1, "")]);
    let start = Instant::now();
    let id = book.deliver(1, start + Duration::from_secs(10), ALL)[0].id;
    book.extend(id, start + Duration::from_secs(60));
    assert!(book.expire(start + Duration::from_secs(59)).is_empty());
    book.extend(id, start + Duration::from_secs(60));
    assert_eq!(book.expire(start + Duration::from_secs(60)).len(), 1);
}

#[test]
fn what_comes_back_goes_first_and_in_its_old_order() {
    let mut book = book(false, &[(1, ""), (2, ""), (3, "")]);
    let taken = book.deliver(1, Instant::now(), Allowance { messages: 2, ..ALL });
    book.take_back(vec![taken[1].id, taken[0].id]);
    assert_eq!(ids(&book.deliver(1, Instant::now(), ALL)), [1, 2, 3]);
}

#[test]
fn only_the_leases_of_a_consumer_that_went_are_shortened() {
    let mut book = book(false, &[(1, ""), (2, "")]);
    let start = Instant::now();
    let later = start + Duration::from_secs(600);
    book.deliver(1, later, Allowance { messages: 1, ..ALL });
    book.deliver(2, later, ALL);
    book.shorten(1, start);
    assert_eq!(book.expire(start)[0].message.id, 1);
    assert_eq!(book.outstanding(), 1);
}

#[test]
fn a_copy_is_a_delivery_of_its_own() {
    let mut book = book(false, &[(1, "")]);
    let first = book.deliver(1, Instant::now(), ALL);
    book.push_copy(&first[0]);
    let second = book.deliver(1, Instant::now(), ALL);
    assert_eq!((second[0].message.id, second[0].copy), (1, true));
    assert_eq!(book.unacknowledged(), [1], "listed once");
    assert!(book.acknowledge(first[0].id).is_some() && book.acknowledge(second[0].id).is_some());
}

#[test]
fn a_key_waits_for_its_outstanding_messages_and_others_pass() {
    let mut book = book(true, &[(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "")]);
    let now = Instant::now();
    let first = book.deliver(1, now, Allowance { messages: 2, ..ALL });
    assert_eq!(ids(&first), [1, 2], "one batch may carry several of a key");
    assert_eq!(ids(&book.deliver(1, now, ALL)), [4, 5]);
    assert_eq!(book.backlog(), 1, "parked messages count");
    book.acknowledge(first[0].id);
    assert!(book.deliver(1, now, ALL).is_empty());
    book.acknowledge(first[1].id);
    assert_eq!(ids(&book.deliver(1, now, ALL)), [3]);
}

#[test]
fn a_refused_message_brings_the_rest_of_its_key_back_with_it() {
    let mut book = book(true, &[(1, "a"), (2, "a"), (3, "a"), (4, "b")]);
    let now = Instant::now();
    let first = book.deliver(1, now, Allowance { messages: 2, ..ALL });
    assert_eq!(ids(&book.deliver(1, now, ALL)), [4], "3 is parked");
    assert_eq!(book.take_back(vec![first[0].id]).len(), 2);
    assert_eq!(ids(&book.deliver(1, now, ALL)), [1, 2, 3]);
    assert!(book.acknowledge(first[1].id).is_none(), "its lease ended with that of the first");
}
