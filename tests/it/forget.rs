//! Somebody is forgotten: nothing of them is left anywhere, and no number changes.

use purser::database::Run;
use purser::forget::{Report, Request, forget};
use purser::intake::Origin;
use purser::shutdown::Shutdown;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::clicks::{click, click_from};
use crate::support::house::House;
use crate::support::shop::{purchase, purchase_with, user};
use crate::support::{delivery, orders, views, word};

/// The shopper, customer and visitor who goes.
const ID: &str = "a853753d71";
/// And their address.
const EMAIL: &str = "dan@example.com";

impl House {
    async fn view(&self, visitor: &str) {
        let mut batch = views::batch(&[views::view("p1", 1.5e12), views::view("p2", 1.5e12)]);
        batch["mpid"] = json!(visitor);
        let (mut delivery, reply) = delivery(batch.to_string().into());
        if let Origin::PubSub { attributes, .. } = &mut delivery.origin {
            attributes.insert("platform".to_owned(), "iOS".to_owned());
        }
        let outcomes = self.rig.decide_as("product_view", vec![(delivery, reply)]).await;
        assert_eq!(word(&outcomes[0]), "stored, stored");
    }

    async fn forget(&self, request: Request) -> Report {
        let report = forget(&self.shipper, &request, Run::Real, &Shutdown::default()).await.unwrap();
        assert_eq!(report.left, [""; 0]);
        report
    }

    /// Rows, and lines of files, in which the text stands.
    async fn mentions(&self, text: &str) -> Vec<String> {
        let tables = "SELECT relname::text FROM pg_class
                      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(self.rig.pool()).await.unwrap();
        let mut found = Vec::new();
        for table in tables {
            let rows = format!("SELECT one::text FROM {table} AS one WHERE strpos(lower(one::text), lower($1)) > 0");
            let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(rows)).bind(text).fetch_all(self.rig.pool()).await;
            found.extend(rows.unwrap().into_iter().map(|row| format!("{table}: {row}")));
        }
        for (name, content) in self.files() {
            let lines = content.lines().filter(|line| line.to_lowercase().contains(text));
            found.extend(lines.map(|line| format!("{name}: {line}")));
        }
        found
    }

    /// What is counted by people, which must not change.
    async fn people(&self) -> Vec<(String, String)> {
        let counts = "
            SELECT 'buyers', count(DISTINCT user_id)::text FROM purchases
            UNION ALL SELECT 'customers', count(DISTINCT user_id)::text FROM order_events
            UNION ALL SELECT 'visitors', count(DISTINCT mpid)::text FROM product_views
            UNION ALL SELECT 'sessions ' || row_number() OVER (ORDER BY started_at), concat(events, orders, ended_at, duration, referrer_host) FROM sessions
            UNION ALL SELECT 'users ' || version || country, sum(users)::text FROM ab_split GROUP BY version, country
            UNION ALL SELECT 'audience ' || version, concat(sum(users), ' ', sum(crossover_users)) FROM ab_audience GROUP BY version
            UNION ALL SELECT 'events ' || version, concat(events, users, buyers, revenue) FROM ab_versions
            UNION ALL SELECT 'orders ' || province, concat(count(*), sum(order_value), sum(units)) FROM order_events GROUP BY province
            UNION ALL SELECT 'rejections ' || kind || reason || code, sum(count)::text FROM rejections GROUP BY kind, reason, code
            ORDER BY 1, 2";
        sqlx::query_as(counts).fetch_all(self.rig.pool()).await.unwrap()
    }
}

fn ab_event(user: &str, version: &str) -> Value {
    json!({"user_id": user, "account_type": "free", "date": "2026-01-07T10:00:00Z", "order_value": 2, "version": version})
}

fn order(id: &str, user: &str, email: &str) -> Value {
    let mut order = orders::order_with(id, "lovevery_user_id", json!(user));
    order["email"] = json!(email);
    order["shipping_address"]["phone"] = json!("208-860-6879");
    order["note"] = json!({"inside": [format!("mail {email}")]});
    order
}

/// Good events of somebody, by kind, numbered from `first`.
fn events(id: &str, email: &str, first: i64) -> Vec<(&'static str, Vec<Value>)> {
    let clicks = [
        click(first, Some(id), first),
        click_from("https://search.test/?q=gift&mail=dan@example.com", first + 1, id, first + 5),
        click(first + 2, Some(id), first + 90),
    ];
    vec![
        ("ab_event", vec![ab_event(id, "A"), ab_event(id, "B"), ab_event(id, "A")]),
        (
            "order",
            vec![order(&format!("o{first}"), id, email), order(&format!("o{first}b"), id, &email.to_uppercase())],
        ),
        ("click_event", clicks.into()),
    ]
}

#[tokio::test]
async fn nothing_of_somebody_is_left_and_no_number_changes() {
    let house = House::new().await;
    for (id, email, first) in [(ID, EMAIL, 1000), ("other", "jordan@example.com", 2000)] {
        for (kind, events) in events(id, email, first) {
            house.tell(kind, &events, "stored").await;
        }
        house.view(id).await;
    }
    house.rig.execute(format!("INSERT INTO shoppers VALUES ('{ID}', 'US', 'M'), ('other', 'SE', 'F')")).await;
    house.rig.execute(format!("INSERT INTO orders VALUES ('s1', '{ID}', now()), ('s2', 'other', now())")).await;
    // Rejected, in every way in which a payload is kept.
    let broken = |field: &str, value: &str| json!({"event_id": "x", field: value, "escaped": "\u{e9}"}).to_string();
    let wide = format!("{{\"filler\":\"{}\",\"email\":\"{EMAIL}\"}}", "x".repeat(1 << 20));
    let mut bytes = broken("email", EMAIL).into_bytes();
    bytes.push(0xff);
    for payload in [
        broken("email", EMAIL),
        broken("user_id", ID),
        wide,
        broken("email", "dan\\u0040example.com"),
        broken("email", "jordan@example.com"),
    ] {
        house.rig.words_as("order", [payload]).await;
    }
    house.rig.words_as("order", [bytes]).await;
    // Of a message with several events the first keeps the payload.
    let without_product = |id: &str| {
        let data = json!({"custom_event_type": "navigation", "event_name": "product", "user_id": id});
        json!({"event_type": "custom_event", "data": data})
    };
    let several = views::batch(&[without_product("other"), without_product(ID)]);
    assert_eq!(house.rig.words_as("product_view", [several.to_string()]).await, ["shape, shape"]);
    house.shipper.ship().await.unwrap();
    let (before, files) = (house.people().await, house.files());

    let report = house.forget(Request::User(ID.to_owned())).await;
    assert_eq!(report.touched["dead letters"], 7, "{report:?}");
    for text in [ID, EMAIL, "208-860-6879"] {
        let found = house.mentions(text).await;
        let of_others = found.iter().filter(|found| found.contains("other") || found.contains("jordan"));
        assert_eq!(found.len(), of_others.count(), "{text}: {found:#?}");
    }
    assert_eq!(house.mentions("jordan@example.com").await.len(), 3, "somebody else is untouched");
    assert_eq!(house.people().await, before);
    house.assert_verified().await;
    assert_eq!(house.rig.number("SELECT count(*) FROM dead_letters WHERE status = 'forgotten'").await, 7);
    assert_eq!(house.rig.number("SELECT count(*) FROM dead_letters WHERE status = 'open'").await, 1);

    // Every line stands where it stood, and those of others are the same to the byte.
    for (name, content) in house.files() {
        let Some(old) = files.get(&name) else { continue };
        assert_eq!(content.lines().count(), old.lines().count(), "{name}");
        for (line, old) in content.lines().zip(old.lines()) {
            let (line, old): (Value, Value) = (serde_json::from_str(line).unwrap(), serde_json::from_str(old).unwrap());
            assert!(line == old || line["payload"]["encoding"] == "forgotten", "{line}");
            assert_eq!(line["id"], old["id"]);
        }
    }
    assert!(house.files().keys().all(|name| !name.contains("payloads")));

    // Again, there is nothing to do; and nothing comes back.
    let again = house.forget(Request::User(ID.to_owned())).await;
    assert!(again.touched.values().all(|number| *number == 0), "{again:?}");
}

#[tokio::test]
async fn what_is_delivered_again_is_a_duplicate_whatever_it_says_now() {
    let house = House::new().await;
    let buyer = user(1).to_string();
    let bought = purchase(Uuid::from_u128(1));
    house.tell("purchase", std::slice::from_ref(&bought), "stored").await;
    let told = events(ID, EMAIL, 1000);
    for (kind, events) in told.iter().filter(|(kind, _)| *kind != "ab_event") {
        house.tell(kind, events, "stored").await;
    }
    let rejected = order("o9", "", EMAIL);
    house.tell("order", std::slice::from_ref(&rejected), "shape").await;
    house.forget(Request::User(buyer.clone())).await;
    house.forget(Request::Email("Dan@Example.com".to_owned())).await;
    for text in [ID, EMAIL, &buyer] {
        assert_eq!(house.mentions(text).await, [""; 0], "{text}");
    }

    // The user's row is gone as well, so that the purchase is wrong by now, and was stored before.
    house.tell("purchase", &[bought], "duplicate").await;
    house.tell("purchase", &[purchase_with(Uuid::from_u128(1), "user_id", json!(user(2)))], "duplicate").await;
    for (kind, events) in told.iter().filter(|(kind, _)| *kind != "ab_event") {
        house.tell(kind, events, "duplicate").await;
    }
    assert_eq!(house.words("order", &[rejected]).await, ["shape again"]);
    house.shipper.ship().await.unwrap();
    for text in [ID, EMAIL, &buyer] {
        assert_eq!(house.mentions(text).await, [""; 0], "{text}");
    }
    house.assert_verified().await;
}

#[tokio::test]
async fn an_interrupted_run_goes_on_with_the_same_pseudonym() {
    let house = House::new().await;
    for (kind, events) in events(ID, EMAIL, 1000) {
        house.tell(kind, &events, "stored").await;
    }
    house.rig.execute("ALTER TABLE click_sessions RENAME TO away".to_owned()).await;
    let email = Request::Email(EMAIL.to_owned());
    forget(&house.shipper, &email, Run::Real, &Shutdown::default()).await.unwrap_err();
    house.rig.execute("ALTER TABLE away RENAME TO click_sessions".to_owned()).await;
    assert_eq!(house.rig.number("SELECT count(*) FROM order_events WHERE user_id = 'a853753d71'").await, 0);
    // Nothing but what was written down leads from the address to the clicks any more.
    house.forget(email).await;
    for text in [ID, EMAIL] {
        assert_eq!(house.mentions(text).await, [""; 0], "{text}");
    }
    let pseudonyms = "SELECT count(DISTINCT id) FROM (
        SELECT user_id AS id FROM ab_events UNION SELECT user_id FROM ab_users UNION SELECT user_id FROM order_events
        UNION SELECT customer_id FROM click_events UNION SELECT customer_id FROM click_sessions) AS all_ids";
    assert_eq!(house.rig.number(pseudonyms).await, 1);
    house.assert_verified().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_touched_and_touches_nothing() {
    let house = House::new().await;
    for (kind, events) in events(ID, EMAIL, 1000) {
        house.tell(kind, &events, "stored").await;
    }
    house.tell("order", &[order("o9", "", EMAIL)], "shape").await;
    let before = (house.mentions(ID).await, house.mentions(EMAIL).await, house.files());
    let request = Request::User(ID.to_owned());
    let dry = forget(&house.shipper, &request, Run::Dry, &Shutdown::default()).await.unwrap();
    assert_eq!((house.mentions(ID).await, house.mentions(EMAIL).await, house.files()), before);
    let real = house.forget(request).await;
    for what in ["ab_event", "order", "click_event", "dead letters"] {
        assert_eq!((dry.touched[what], dry.touched[what] > 0), (real.touched[what], true), "{what}");
    }
}

#[tokio::test]
async fn batches_that_come_meanwhile_leave_counts_true() {
    let house = House::new().await;
    let store = async {
        for round in 0..20 {
            let words = house.rig.words_as("ab_event", (0..20).map(|_| ab_event(ID, "A").to_string())).await;
            assert!(words.iter().all(|word| word == "stored"));
            house.tell("click_event", &[click(round, Some(ID), round * 7)], "stored").await;
        }
    };
    let forget = async {
        for _ in 0..4 {
            house.forget(Request::User(ID.to_owned())).await;
        }
    };
    tokio::join!(store, forget);
    house.assert_verified().await;
    house.forget(Request::User(ID.to_owned())).await;
    assert_eq!(house.mentions(ID).await, [""; 0]);
    house.assert_verified().await;
}

/// A shared address does not make strangers one person.
#[tokio::test]
async fn an_address_that_many_use_is_nobodys() {
    let house = House::new().await;
    let all: Vec<Value> = (0..7).map(|n| order(&format!("o{n}"), &format!("customer{n}"), "info@shop.test")).collect();
    house.tell("order", &all, "stored").await;
    let refused =
        forget(&house.shipper, &Request::Email("info@shop.test".into()), Run::Real, &Shutdown::default()).await;
    assert!(refused.unwrap_err().to_string().contains("7 people"));
    house.forget(Request::User("customer3".to_owned())).await;
    assert_eq!(house.rig.number("SELECT count(*) FROM order_events WHERE email IS NULL").await, 1);
}
