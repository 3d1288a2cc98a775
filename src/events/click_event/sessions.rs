//! One customer's events into sessions: a pure function, that knows of no database.
//!
//! A session is a sum over events: it can be made of one event, and two of them can be joined. So the sessions
//! that are stored and the events that are new make the same sessions as all events would from the beginning.

use chrono::{DateTime, TimeDelta, Utc};

/// Consecutive events of one customer, none further from the one before than the gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) events: i32,
    pub(super) orders: i32,
    pub(super) first_order_at: Option<DateTime<Utc>>,
    /// Of the first event that has a page.
    pub(super) first_page: Option<First<String>>,
    /// Of the first event that came from elsewhere.
    pub(super) referrer: Option<First<Referrer>>,
}

/// Something that an event has, and which event that is: of two, the one in the earlier event counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct First<T> {
    pub(super) at: DateTime<Utc>,
    /// Settles which of two events at the same time is the earlier: the one whose id is less, bytewise.
    pub(super) event: String,
    pub(super) value: T,
}

/// A page outside of the shop, that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Referrer {
    pub(super) url: String,
    pub(super) host: String,
}

/// What a session needs to know of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visit<'e> {
    pub(super) id: &'e str,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) is_order: bool,
    pub(super) page: Option<&'e str>,
    pub(super) referrer: Option<&'e str>,
}

impl From<Visit<'_>> for Session {
    /// The session of a single event.
    fn from(Visit { id, occurred_at, is_order, page, referrer }: Visit<'_>) -> Self {
        let page = page.filter(|page| !page.is_empty());
        let referrer = referrer.and_then(|referrer| Referrer::external(referrer, page));
        Session {
            started_at: occurred_at,
            ended_at: occurred_at,
            events: 1,
            orders: is_order.into(),
            first_order_at: is_order.then_some(occurred_at),
            first_page: page.map(|page| First { at: occurred_at, event: id.to_owned(), value: page.to_owned() }),
            referrer: referrer.map(|value| First { at: occurred_at, event: id.to_owned(), value }),
        }
    }
}

/// The sessions of one customer: a new one starts where the time since the end of the one before is *longer* than
/// the gap.
///
/// `pieces` are in order of their start. Each is an event, or a session that some events were put together to
/// before, by the same gap: they may overlap, and which events stand in which piece makes no difference.
pub(super) fn sessionize(gap: TimeDelta, pieces: impl IntoIterator<Item = Session>) -> Vec<Session> {
    let mut sessions = Vec::new();
    for piece in pieces {
        append(gap, &mut sessions, piece);
    }
    sessions
}

/// Adds a piece that starts after all that were added before: to the last session, or as a new one.
pub(super) fn append(gap: TimeDelta, sessions: &mut Vec<Session>, piece: Session) {
    match sessions.last_mut() {
        Some(last) if piece.started_at - last.ended_at <= gap => last.join(piece),
        _ => sessions.push(piece),
    }
}

impl Session {
    fn join(&mut self, other: Session) {
        self.started_at = self.started_at.min(other.started_at);
        self.ended_at = self.ended_at.max(other.ended_at);
        self.events += other.events;
        self.orders += other.orders;
        self.first_order_at = [self.first_order_at, other.first_order_at].into_iter().flatten().min();
        First::join(&mut self.first_page, other.first_page);
        First::join(&mut self.referrer, other.referrer);
    }
}

impl<T> First<T> {
    fn join(mine: &mut Option<Self>, other: Option<Self>) {
        let earlier = match (&mine, &other) {
            (Some(mine), Some(other)) => (other.at, &other.event) < (mine.at, &mine.event),
            (None, _) => true,
            (_, None) => false,
        };
        if earlier {
            *mine = other;
        }
    }
}

impl Referrer {
    /// A referrer is external when it is an absolute URL with a host, and that host is not the one of the page
    /// that the event is about, a leading `www.` aside. Of an event without a page, every such referrer is.
    fn external(referrer: &str, page: Option<&str>) -> Option<Self> {
        let host = host(referrer)?;
        let own = page.and_then(self::host);
        let is_own = own.is_some_and(|own| without_www(&own) == without_www(&host));
        (!is_own).then(|| Referrer { url: referrer.to_owned(), host })
    }
}

/// The host of an absolute URL, in lower case.
fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    url.host_str().filter(|host| !host.is_empty()).map(str::to_lowercase)
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
pub(super) mod tests;
