//! What new events change in the stored sessions of a customer.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::sessions::{Session, sessionize};

/// The difference between sessions as they are stored and as they should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Starts of sessions that are no more: joined to an earlier one, or begun earlier.
    pub(super) gone: Vec<DateTime<Utc>>,
    /// Sessions whose start is that of a stored one.
    pub(super) changed: Vec<Session>,
    /// Sessions whose start is new.
    pub(super) new: Vec<Session>,
}

impl Changes {
    /// Adds events, or the sessions that they make by themselves, to sessions that were put together by the same
    /// gap.
    ///
    /// `stored` are, of a customer's sessions, at least those that begin or end no further than the gap from
    /// what is added, each once: no other can change, because stored sessions are further than that from each
    /// other.
    pub(super) fn of(gap: TimeDelta, stored: Vec<Session>, added: Vec<Session>) -> Self {
        // An event more is what every change comes from, so the number of events tells whether there is one.
        let mut before: BTreeMap<_, _> = stored.iter().map(|session| (session.started_at, session.events)).collect();
        let mut pieces = [stored, added].concat();
        pieces.sort_unstable_by_key(|piece| piece.started_at);
        let mut changes = Changes::default();
        for session in sessionize(gap, pieces) {
            match before.remove(&session.started_at) {
                Some(events) if events == session.events => {}
                Some(_) => changes.changed.push(session),
                None => changes.new.push(session),
            }
        }
        changes.gone.extend(before.into_keys());
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sessions::Visit;
    use super::super::sessions::tests::{Click, from_scratch, minute};
    use super::*;

    /// The stored sessions of one customer, read and written as the database is.
    #[derive(Default)]
    struct Stored(BTreeMap<DateTime<Utc>, Session>);

    impl Stored {
        fn add(&mut self, gap: TimeDelta, batch: &[Click]) {
            let mut events: Vec<Session> = batch.iter().map(|click| Visit::from(click).into()).collect();
            events.sort_by_key(|event| event.started_at);
            let close = |session: &&Session| {
                let from = session.started_at - gap;
                let to = session.ended_at + gap;
                events.iter().any(|event| (from..=to).contains(&event.started_at))
            };
            let near = self.0.values().filter(close).cloned().collect();
            let Changes { gone, changed, new } = Changes::of(gap, near, events);
            for start in gone {
                self.0.remove(&start).expect("what is gone was there");
            }
            for session in changed {
                assert_ne!(self.0.insert(session.started_at, session.clone()), None, "what changed was there");
            }
            for session in new {
                assert_eq!(self.0.insert(session.started_at, session), None, "what is new was not there");
            }
        }
    }

    fn click(minutes: i64) -> Click {
        Click { id: minutes.to_string(), minute: minutes, is_order: false, page: None, referrer: None }
    }

    #[test]
    fn a_late_event_joins_two_sessions() {
        let gap = TimeDelta::minutes(10);
        let session = |minutes: &[i64]| {
            let events = minutes.iter().map(|minutes| Visit::from(&click(*minutes)).into());
            sessionize(gap, events).remove(0)
        };
        let late = session(&[15]);
        let changes = Changes::of(gap, vec![session(&[0, 5]), session(&[25])], vec![late]);
        let joined = session(&[0, 5, 15, 25]);
        assert_eq!(changes, Changes { gone: vec![minute(25)], changed: vec![joined], new: Vec::new() });
    }

    #[test]
    fn what_no_event_is_near_to_is_left_alone() {
        let gap = TimeDelta::minutes(10);
        let session = |minutes: i64| Session::from(Visit::from(&click(minutes)));
        let changes = Changes::of(gap, vec![session(0), session(40)], vec![session(20)]);
        assert_eq!(changes, Changes { gone: Vec::new(), changed: Vec::new(), new: vec![session(20)] });
        let earlier = Changes::of(gap, vec![session(20)], vec![session(15)]);
        assert_eq!(earlier.gone, [minute(20)]);
        assert_eq!(earlier.new.len(), 1);
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_arrival_and_the_batches_it_is_as_if_computed_at_once(
            clicks in proptest::collection::vec(Click::any(), 0..60),
            order in proptest::collection::vec(any::<u32>(), 60),
            sizes in proptest::collection::vec(1_usize..12, 60),
            gap in 1_i64..15,
        ) {
            let gap = TimeDelta::minutes(gap);
            let mut arrived: Vec<(u32, Click)> = order.into_iter().zip(clicks.clone()).collect();
            arrived.sort_by_key(|(order, _)| *order);
            let mut rest: Vec<Click> = arrived.into_iter().map(|(_, click)| click).collect();
            let mut stored = Stored::default();
            for size in sizes {
                let later = rest.split_off(size.min(rest.len()));
                stored.add(gap, &rest);
                rest = later;
                prop_assert!(stored.0.values().all(|session| session.started_at <= session.ended_at));
            }
            let stored: Vec<Session> = stored.0.into_values().collect();
            prop_assert_eq!(stored, from_scratch(gap, &clicks));
        }
    }
}
