//! A shop of four users and three articles, and purchases in it.

use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

/// Users 1 to 4 live in Idaho, in Texas, on a base in the Pacific, and nowhere known.
pub const ADDRESSES: [&str; 4] =
    ["1 Main St\nBoise, ID 83701", "2 Oak Ave\nAustin, TX 73301-0001", "PSC 1, Box 2\nAPO AP 96201", "Somewhere"];

/// Articles 1 to 3: name, price, currency.
pub const ARTICLES: [(&str, &str, &str); 3] =
    [("Tea\tpot", "12.50", "USD"), ("Kaffekopp", "99.90", "SEK"), ("Löffel \\ \"", "0.05", "EUR")];

pub fn user(number: u128) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + number)
}

pub fn article(number: u128) -> Uuid {
    Uuid::from_u128(0x2000_0000_0000_4000_8000_0000_0000_0000 + number)
}

pub async fn stock(pool: &PgPool) {
    for (number, address) in (1..).zip(ADDRESSES) {
        let insert = sqlx::query("INSERT INTO users (id, name, address) VALUES ($1, 'Somebody', $2)");
        insert.bind(user(number)).bind(address).execute(pool).await.unwrap();
    }
    for (number, (name, price, currency)) in (1..).zip(ARTICLES) {
        let insert = sqlx::query("INSERT INTO articles (id, name, price, currency) VALUES ($1, $2, $3::numeric, $4)");
        insert.bind(article(number)).bind(name).bind(price).bind(currency).execute(pool).await.unwrap();
    }
}

/// A valid purchase by user 1 of two teapots and one cup.
pub fn purchase(id: Uuid) -> Value {
    json!({
        "id_": id,
        "timestamp": "2026-01-07T22:30:01.124316",
        "user_id": user(1),
        "cart": [{"article_id": article(1), "quantity": 2}, {"article_id": article(2), "quantity": 1}],
    })
}

/// A valid purchase, changed.
pub fn purchase_with(id: Uuid, field: &str, value: Value) -> Value {
    let mut purchase = purchase(id);
    purchase[field] = value;
    purchase
}
