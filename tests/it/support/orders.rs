//! Orders, as the shop sends them.

use serde_json::{Value, json};

/// An order without a date, over 5 dollars, by customer 66f6, from Idaho.
pub fn order(id: &str) -> Value {
    json!({
        "event_type": "order.created", "event_id": id, "lovevery_user_id": "66f6", "email": "dan@example.com",
        "billing_address": {"city": "Boise", "province": "Maryland"},
        "shipping_address": {"city": "Boise", "province": "Idaho", "zip": "83702"},
        "currency": "USD", "financial_status": "paid", "order_value": 5.0, "total_discounts": 0, "total_tax": 0,
        "discount_codes": "xxx", "buyer_accepts_marketing": true, "line_items": [{"quantity": "2", "id": "2f31"}],
    })
}

/// An order, changed.
pub fn order_with(id: &str, field: &str, value: Value) -> Value {
    let mut order = order(id);
    order[field] = value;
    order
}
