//! Batches that are all right, read at a glance: most are, and a tree of each would take most of the time.

use chrono::{DateTime, Utc};

use super::{ID_BYTES, ProductView, draft, most_events, platform};
use crate::events::{Reading, event_id, plausible};
use crate::intake::Delivery;
use crate::pipeline::glance::Glance;
use crate::pipeline::shape::{Place, instant_of_millis};

/// All events of a batch, as [`parse`](crate::events::EventKind::parse) reads them, unless there is anything wrong or
/// rare about one.
pub(super) fn parse(payload: &[u8], delivery: &Delivery) -> Option<Vec<Reading<ProductView>>> {
    let mut glance = Glance::at(payload)?;
    let (mut events, mut mpid) = (None, None);
    glance.object(|glance, name| match name {
        "events" => once(&mut events, read_events(glance, delivery)?),
        "mpid" => once(&mut mpid, id(glance)?),
        _ => glance.skip(),
    })?;
    glance.end()?;
    let (mut events, mpid) = (events?, mpid.flatten());
    let views = events.iter_mut().filter_map(|reading| match reading {
        Reading::Event(draft) => draft.event.as_mut(),
        Reading::Ignored => None,
    });
    views.for_each(|view| view.mpid = mpid.map(Into::into));
    Some(events)
}

/// A field that stands there twice is wrong.
fn once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn read_events(glance: &mut Glance<'_>, delivery: &Delivery) -> Option<Vec<Reading<ProductView>>> {
    let (mut events, most) = (Vec::with_capacity(1), most_events(delivery));
    glance.array(|glance| {
        let event = read_event(glance)?;
        events.push(judge(event, events.len(), delivery)?);
        (events.len() as u64 <= most).then_some(())
    })?;
    Some(events)
}

/// What is looked at of an event.
#[derive(Default)]
struct Event<'p> {
    is_custom: bool,
    data: Option<Data<'p>>,
}

#[derive(Default)]
struct Data<'p> {
    is_product: bool,
    /// As it is written.
    millis: Option<&'p str>,
    product: Option<&'p str>,
    session_id: Option<&'p str>,
    event_id: Option<&'p str>,
}

fn read_event<'p>(glance: &mut Glance<'p>) -> Option<Event<'p>> {
    let (mut event, mut kind) = (Event::default(), None);
    glance.object(|glance, name| match name {
        "event_type" => once(&mut kind, glance.string()?),
        "data" => once(&mut event.data, read_data(glance)?),
        _ => glance.skip(),
    })?;
    event.is_custom = kind == Some("custom_event");
    Some(event)
}

fn read_data<'p>(glance: &mut Glance<'p>) -> Option<Data<'p>> {
    let (mut data, mut kind, mut attributes) = (Data::default(), None, None);
    let (mut session_id, mut event_id) = (None, None);
    glance.object(|glance, name| match name {
        "event_name" => once(&mut kind, glance.string()?),
        "timestamp_unixtime_ms" => once(&mut data.millis, glance.number()?),
        "custom_attributes" => once(&mut attributes, read_product(glance)?),
        "session_id" => once(&mut session_id, id(glance)?),
        "event_id" => once(&mut event_id, id(glance)?),
        _ => glance.skip(),
    })?;
    data.is_product = kind == Some("product");
    (data.product, data.session_id, data.event_id) = (attributes.flatten(), session_id.flatten(), event_id.flatten());
    Some(data)
}

fn read_product<'p>(glance: &mut Glance<'p>) -> Option<Option<&'p str>> {
    let mut product = None;
    glance.object(|glance, name| match name {
        "codeColor" => once(&mut product, id(glance)??),
        _ => glance.skip(),
    })?;
    Some(product)
}

/// An id: a text of fit length, a whole number as it is written, or none. Others are rare.
fn id<'p>(glance: &mut Glance<'p>) -> Option<Option<&'p str>> {
    match glance.peek()? {
        b'"' => glance.string().filter(|text| (1..=ID_BYTES).contains(&text.len())).map(Some),
        b'n' => glance.null().map(|()| None),
        _ => glance.number().filter(|number| is_whole(number)).map(Some),
    }
}

/// Whether a number is a whole one of 64 bits, written as it would be written again.
fn is_whole(number: &str) -> bool {
    let (digits, largest) = match number.strip_prefix('-') {
        Some(digits) => (digits, "9223372036854775808"),
        None => (number, "9999999999999999999"),
    };
    let fits = digits.len() < largest.len() || (digits.len() == largest.len() && digits <= largest);
    fits && number != "-0" && !digits.contains('.')
}

fn judge(event: Event<'_>, index: usize, delivery: &Delivery) -> Option<Reading<ProductView>> {
    if !event.is_custom {
        return Some(Reading::Ignored);
    }
    let data = event.data?;
    if !data.is_product {
        return Some(Reading::Ignored);
    }
    let key = event_id::<ProductView>(delivery, index);
    let view = ProductView {
        id: key,
        occurred_at: instant(data.millis?, delivery)?,
        platform: platform(delivery, Place::ROOT, &mut Vec::new())?,
        product: data.product?.into(),
        mpid: None,
        session_id: data.session_id.map(Into::into),
        event_id: data.event_id.map(Into::into),
    };
    Some(Reading::Event(draft(Some(key), Some(view), Vec::new())))
}

/// A time in milliseconds, read by the very parser that reads it otherwise: it rounds in its own way.
fn instant(millis: &str, delivery: &Delivery) -> Option<DateTime<Utc>> {
    let instant = match millis.contains('.') || millis == "-0" {
        true => instant_of_millis(serde_json::from_str(millis).ok()?),
        false => DateTime::from_timestamp_micros(millis.parse::<i64>().ok()?.checked_mul(1000)?),
    }?;
    let (min, max) = plausible(delivery.published_at);
    (min..=max).contains(&instant).then_some(instant)
}

#[cfg(test)]
mod tests;
