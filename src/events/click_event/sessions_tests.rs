use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// An event, at so many minutes after a certain one.
#[derive(Debug, Clone)]
pub(in super::super) struct Click {
    pub(in super::super) id: String,
    pub(in super::super) minute: i64,
    pub(in super::super) is_order: bool,
    pub(in super::super) page: Option<&'static str>,
    pub(in super::super) referrer: Option<&'static str>,
}

impl Click {
    /// Any event within two hours, with many at the same minute, and referrers from within and without the shop.
    pub(in super::super) fn any() -> impl Strategy<Value = Click> {
        let page = prop_oneof![Just(None), Just(Some("https://shop.test/1")), Just(Some("https://shop.test/2"))];
        let referrer = prop_oneof![
            3 => Just(None),
            1 => Just(Some("https://shop.test/0")),
            1 => Just(Some("https://a.test/")),
            1 => Just(Some("https://b.test/")),
        ];
        (any::<u64>(), 0_i64..120, any::<bool>(), page, referrer).prop_map(|(id, minute, is_order, page, referrer)| {
            Click { id: id.to_string(), minute, is_order, page, referrer }
        })
    }
}

impl<'c> From<&'c Click> for Visit<'c> {
    fn from(Click { id, minute: minutes, is_order, page, referrer }: &'c Click) -> Self {
        Visit { id, occurred_at: minute(*minutes), is_order: *is_order, page: *page, referrer: *referrer }
    }
}

pub(in super::super) fn minute(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_652_500_000, 0).unwrap() + TimeDelta::minutes(minutes)
}

/// The definition of a session, word by word, over all events of a customer.
pub(in super::super) fn from_scratch(gap: TimeDelta, clicks: &[Click]) -> Vec<Session> {
    let mut clicks: Vec<Visit<'_>> = clicks.iter().map(Visit::from).collect();
    clicks.sort_by_key(|click| (click.occurred_at, click.id));
    let mut sessions: Vec<Vec<Visit<'_>>> = Vec::new();
    for click in clicks {
        let last = sessions.last().and_then(|session| session.last());
        match last.is_some_and(|last| click.occurred_at - last.occurred_at <= gap) {
            true => sessions.last_mut().unwrap().push(click),
            false => sessions.push(vec![click]),
        }
    }
    sessions.iter().map(|clicks| summary(clicks)).collect()
}

fn summary(clicks: &[Visit<'_>]) -> Session {
    let first_order = clicks.iter().find(|click| click.is_order);
    let first_page = clicks.iter().find_map(|click| {
        let value = click.page?.to_owned();
        Some(First { at: click.occurred_at, event: click.id.to_owned(), value })
    });
    let referrer = clicks.iter().find_map(|click| {
        let url = click.referrer.filter(|referrer| !referrer.contains("shop.test") || click.page.is_none())?;
        let host = url.trim_start_matches("https://").split('/').next().unwrap();
        let value = Referrer { url: url.to_owned(), host: host.to_owned() };
        Some(First { at: click.occurred_at, event: click.id.to_owned(), value })
    });
    Session {
        started_at: clicks.first().unwrap().occurred_at,
        ended_at: clicks.last().unwrap().occurred_at,
        events: clicks.len() as i32,
        orders: clicks.iter().filter(|click| click.is_order).count() as i32,
        first_order_at: first_order.map(|click| click.occurred_at),
        first_page,
        referrer,
    }
}

fn at(text: &str) -> Session {
    let occurred_at = text.parse().unwrap();
    Visit { id: "1", occurred_at, is_order: false, page: None, referrer: None }.into()
}

/// How many events each session has.
fn sizes(gap: TimeDelta, times: &[&str]) -> Vec<i32> {
    sessionize(gap, times.iter().map(|time| at(time))).iter().map(|session| session.events).collect()
}

#[test]
fn a_gap_longer_than_the_threshold_starts_a_session() {
    // Three visits of one customer, the second with four events.
    let times = [
        "2022-05-14T21:56:48.648681Z",
        "2022-05-25T04:46:48.648681Z",
        "2022-05-25T04:49:18.648681Z",
        "2022-05-25T04:54:03.648681Z",
        "2022-05-25T04:54:18.648681Z",
        "2022-05-25T05:11:18.648681Z",
    ];
    assert_eq!(sizes(TimeDelta::minutes(10), &times), [1, 4, 1]);
    assert_eq!(sizes(TimeDelta::minutes(17), &times), [1, 5]);
    assert_eq!(sizes(TimeDelta::minutes(1), &times), [1, 1, 1, 2, 1]);
}

#[test]
fn a_gap_as_long_as_the_threshold_does_not() {
    let times = ["2022-05-14T10:00:00Z", "2022-05-14T10:30:00Z", "2022-05-14T11:00:00.000001Z"];
    assert_eq!(sizes(TimeDelta::minutes(30), &times), [2, 1]);
    assert_eq!(sizes(TimeDelta::minutes(30), &[]), [] as [i32; 0]);
}

#[test]
fn of_events_at_the_same_time_the_lesser_id_is_the_first() {
    let click = |id: &'static str, page| Click {
        id: id.to_owned(),
        minute: 0,
        is_order: false,
        page: Some(page),
        referrer: None,
    };
    for ids in [["9", "10"], ["10", "9"]] {
        let clicks =
            ids.map(|id| click(id, if id == "9" { "https://shop.test/nine" } else { "https://shop.test/ten" }));
        let sessions = sessionize(TimeDelta::minutes(1), clicks.iter().map(|click| Visit::from(click).into()));
        assert_eq!(sessions[0].first_page.as_ref().unwrap().value, "https://shop.test/ten");
    }
}

#[test]
fn a_referrer_is_external_when_its_host_is_not_that_of_the_page() {
    let page = Some("https://shop.test/products/1");
    let cases = [
        ("https://google.com", page, Some("google.com")),
        ("https://WWW.Google.com:8443/search?q=tea", page, Some("www.google.com")),
        ("https://shop.test/category/2", page, None),
        ("http://www.shop.test", page, None),
        ("https://help.shop.test", page, Some("help.shop.test")),
        ("android-app://com.Example.reader", page, Some("com.example.reader")),
        ("https://shop.test", None, Some("shop.test")),
        ("https://shop.test", Some("/products/1"), Some("shop.test")),
        ("/products/2", page, None),
        ("google.com", page, None),
        ("about:blank", page, None),
        ("file:///tmp/x.html", page, None),
        ("", page, None),
        ("-", page, None),
    ];
    for (referrer, page, expected) in cases {
        let host = Referrer::external(referrer, page).map(|referrer| referrer.host);
        assert_eq!(host.as_deref(), expected, "{referrer}");
    }
}

proptest! {
    #[test]
    fn every_event_is_in_one_session_and_sessions_are_further_apart_than_the_gap(
        clicks in proptest::collection::vec(Click::any(), 0..60),
        gap in 1_i64..15,
    ) {
        let gap = TimeDelta::minutes(gap);
        let mut pieces: Vec<Session> = clicks.iter().map(|click| Visit::from(click).into()).collect();
        pieces.sort_by_key(|piece| piece.started_at);
        let sessions = sessionize(gap, pieces);
        prop_assert_eq!(sessions.iter().map(|session| session.events as usize).sum::<usize>(), clicks.len());
        prop_assert!(sessions.windows(2).all(|pair| pair[1].started_at - pair[0].ended_at > gap));
        let starts: HashSet<_> = sessions.iter().map(|session| session.started_at).collect();
        prop_assert_eq!(starts.len(), sessions.len());
        prop_assert_eq!(sessions, from_scratch(gap, &clicks));
    }

    #[test]
    fn no_referrer_makes_it_panic(referrer in "\\PC*", page in "\\PC*") {
        Referrer::external(&referrer, Some(&page));
    }
}
