//! mParticle batches with product views.

use serde_json::{Value, json};

/// An event that is a view of a product, at so many milliseconds since 1970.
pub fn view(product: &str, millis: f64) -> Value {
    let data = json!({
        "custom_event_type": "navigation", "event_name": "product", "timestamp_unixtime_ms": millis,
        "event_id": 679_644_799_952_992_890_u64, "session_id": -7_147_916_473_548_193_691_i64,
        "custom_attributes": {"codeColor": product},
    });
    json!({"event_type": "custom_event", "data": data})
}

/// An event that is none.
pub fn screen() -> Value {
    json!({"event_type": "screen_view", "data": {"screen_name": "Contest"}})
}

/// A batch of events.
pub fn batch(events: &[Value]) -> Value {
    json!({"events": events, "mpid": -196_509_116_834_317_511_i64, "timestamp_unixtime_ms": 1_515_546_904_352_u64})
}
