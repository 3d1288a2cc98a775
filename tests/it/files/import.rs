//! `import` as it is typed.

use serde_json::{Value, json};

use super::{Back, line};
use crate::support::shop::{article, user};

#[tokio::test]
async fn import_inserts_updates_and_leaves_out_what_is_wrong() {
    let back = Back::new().await;
    let users = json!([
        { "id_": user(1), "name": "Ann", "address": "9 New Rd\nReno, NV 89501", "number": "1", "email": "a@example.net" },
        { "id": user(5), "name": "Eve", "unknown": [1] },
        { "id": user(5), "name": "Eve again" },
        { "id": "nobody" },
    ]);
    let path = back.write("users.json", users.to_string());
    let output = back.purser(&["import", "users", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "users: 1 new, 1 updated, 0 unchanged, 1 wrong\n");
    assert!(!output.status.success());
    let remark = format!("{}:4: left out: id: not a uuid: nobody\n", path.display());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), remark);
    let found: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT name, address FROM users WHERE id = ANY($1) ORDER BY id")
            .bind([user(1), user(5)])
            .fetch_all(back.rig.pool())
            .await
            .unwrap();
    let ann = ("Ann".to_owned(), Some("9 New Rd\nReno, NV 89501".to_owned()));
    assert_eq!(found, [ann, ("Eve again".to_owned(), None)]);
}

#[tokio::test]
async fn import_leaves_columns_alone_that_a_file_does_not_have() {
    let back = Back::new().await;
    let path = back.write("prices.csv", format!("price;id;more\n13,5;{};x\n14.5;{};x\n", article(1), article(2)));
    let (answer, success) = back.answer(&["import", "articles", path.to_str().unwrap()]);
    assert_eq!((answer.as_str(), success), ("articles: 0 new, 1 updated, 0 unchanged, 1 wrong\n", false));
    let same = "SELECT count(*) FROM articles WHERE (name, price, currency) = ('Kaffekopp', 14.5, 'SEK')";
    assert_eq!(back.rig.number(same).await, 1);
}

/// As the tables of a producer that made them itself look, with and without a key.
#[tokio::test]
async fn import_takes_foreign_tables_as_they_are() {
    let back = Back::new().await;
    back.execute(
        "DROP TABLE users, articles;
         CREATE TABLE users (id varchar, name varchar(20), address text);
         CREATE TABLE articles (id varchar(36) PRIMARY KEY, name text, price double precision, currency varchar(3), stock int);
         INSERT INTO users SELECT '10000000-0000-4000-8000-000000000001', 'old' FROM generate_series(1, 2)",
    )
    .await;
    let users = back
        .write("users.csv", format!("id,name,email\n{},Ann,a@example.net\n{},Bob,b@example.net\n", user(1), user(2)));
    let (answer, success) = back.answer(&["import", "users", users.to_str().unwrap()]);
    assert_eq!((answer.as_str(), success), ("users: 1 new, 1 updated, 0 unchanged, 0 wrong\n", true));
    let ids = back.write("ids.json", json!([{ "id": user(1) }, { "id": user(9) }]).to_string());
    let (answer, _) = back.answer(&["import", "users", ids.to_str().unwrap()]);
    assert_eq!(answer, "users: 1 new, 0 updated, 1 unchanged, 0 wrong\n");
    let articles = back.path("articles");
    for number in [1, 2] {
        let body = json!({ "id": article(number), "name": "Tea", "price": 44.53, "currency": "EUR" });
        back.write(&format!("articles/{number}.json"), body.to_string());
    }
    let import = || back.answer(&["import", "articles", articles.to_str().unwrap()]);
    assert_eq!(import(), ("articles: 2 new, 0 updated, 0 unchanged, 0 wrong\n".to_owned(), true));
    assert_eq!(import(), ("articles: 0 new, 0 updated, 2 unchanged, 0 wrong\n".to_owned(), true));
    assert_eq!(back.rig.number("SELECT count(*) FROM articles WHERE price = 44.53 AND stock IS NULL").await, 2);
    assert_eq!(back.rig.words([line(1)]).await, ["stored"]);
}

#[tokio::test]
async fn shoppers_are_an_array_of_any_length() {
    let back = Back::new().await;
    let shopper = |number: u32| json!({ "user_id": format!("u{number}"), "country": "BR", "gender": null });
    let mut shoppers: Vec<Value> = (0..5000).map(shopper).collect();
    shoppers.push(json!({ "user_id": 7, "country": "SE", "gender": "F" }));
    shoppers.push(json!({ "country": "SE" }));
    let path = back.write("user_info.json", serde_json::to_string_pretty(&shoppers).unwrap());
    let output = back.purser(&["import", "shoppers", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "shoppers: 5001 new, 0 updated, 0 unchanged, 1 wrong\n");
    let remark = format!("{}:5002: left out: user_id: missing\n", path.display());
    assert_eq!((String::from_utf8(output.stderr).unwrap(), output.status.code()), (remark, Some(1)));

    let moved = back.write("moved.csv", "user_id,country\nu1,SE\nu1,NO\n");
    let (answer, success) = back.answer(&["import", "shoppers", moved.to_str().unwrap()]);
    assert_eq!((answer.as_str(), success), ("shoppers: 0 new, 1 updated, 0 unchanged, 0 wrong\n", true));
    let expected =
        "SELECT count(*) FROM shoppers WHERE (user_id, country) IN (('u1', 'NO'), ('u2', 'BR'), ('7', 'SE'))";
    assert_eq!(back.rig.number(expected).await, 3);
}

impl Back {
    /// Imports orders and their items: what is answered, what is remarked, and the exit code.
    fn shop_orders(&self, orders: &str, items: &str, flags: &[&str]) -> (String, String, Option<i32>) {
        let (orders, items) = (self.path(orders), self.path(items));
        let files = ["import", "shop-orders", orders.to_str().unwrap(), items.to_str().unwrap()];
        let output = self.purser(&[&files, flags].concat());
        let text =
            |bytes| String::from_utf8(bytes).unwrap().replace(&format!("{}/", orders.parent().unwrap().display()), "");
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    async fn rows(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql).fetch_all(self.rig.pool()).await.unwrap()
    }
}

const ORDERS: &str = "\u{feff}ID;Note;User_ID;Status;Device;order_date;total\r\n\
    1;\"a;\r\nb\";u1;shipped;iOS;2016-01-03 13:55:00;10.50\r\n\
    2;;u2;CANCELED;android;2016-10-16 00:30:00;\r\n\
    3;;;;MobileWeb;2016-02-20 23:30:00;1e2\r\n";
const ITEMS: &str =
    "order_item_id,orderId,codeColor,qty\n10,1,20008657_002,2\n11,1,20008658_001,\n12,99,20008657_002,1.0\n";

#[tokio::test]
async fn shop_orders_are_taken_as_shops_write_them() {
    let back = Back::new().await;
    back.write("orders.csv", ORDERS);
    back.write("order_items.csv.zst", zstd::encode_all(ITEMS.as_bytes(), 1).unwrap());
    let import = || back.shop_orders("orders.csv", "order_items.csv.zst", &["--time-zone", "America/Sao_Paulo"]);
    let remarks = "orders.csv: times that clocks in America/Sao_Paulo skipped: 1, taken as if they had not been put forward yet\n\
                   orders.csv: times that clocks in America/Sao_Paulo showed twice: 1, taken as the first\n";
    let answer =
        "orders: 3 new, 0 updated, 0 unchanged, 0 wrong\norder_items: 3 new, 0 updated, 0 unchanged, 0 wrong\n";
    assert_eq!(import(), (answer.to_owned(), remarks.to_owned(), Some(0)));
    let orders =
        "SELECT concat_ws('|', id, user_id, order_date AT TIME ZONE 'UTC', order_status, device_type, order_total)
                  FROM orders ORDER BY id";
    let expected = [
        "1|u1|2016-01-03 15:55:00|shipped|iOS|10.50",
        "2|u2|2016-10-16 03:30:00|CANCELED|android",
        "3|2016-02-21 01:30:00|MobileWeb|100",
    ];
    assert_eq!(back.rows(orders).await, expected);
    let items = "SELECT concat_ws('|', id, order_id, code_color, quantity) FROM order_items ORDER BY id";
    let expected = ["10|1|20008657_002|2", "11|1|20008658_001", "12|99|20008657_002|1"];
    assert_eq!(back.rows(items).await, expected);

    let answer =
        "orders: 0 new, 0 updated, 3 unchanged, 0 wrong\norder_items: 0 new, 0 updated, 3 unchanged, 0 wrong\n";
    assert_eq!(import().0, answer);
    assert_eq!(back.rig.number("SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM order_items)").await, 6);
}

#[tokio::test]
async fn rows_that_are_wrong_are_told_and_kept_beside_their_file() {
    let back = Back::new().await;
    back.write("orders.csv", "id,date,status,device\n1,2016-01-03,new,iOS\n2,soon,new,iOS\n3,2016\n,2016-01-03,,\n");
    back.write("items.csv", b"id,order_id,code_color,quantity\n1,1,a,two\n2,1,\xff,1\n3,1,b,1\n");
    let (answer, remarks, code) = back.shop_orders("orders.csv", "items.csv", &[]);
    assert_eq!(
        (answer.as_str(), code),
        (
            "orders: 1 new, 0 updated, 0 unchanged, 3 wrong\norder_items: 1 new, 0 updated, 0 unchanged, 2 wrong\n",
            Some(1)
        )
    );
    assert_eq!(
        remarks,
        "orders.csv:3: left out: order_date: not a date and time: soon\n\
         orders.csv:4: left out: 2 cells, 4 expected\n\
         orders.csv:5: left out: id: missing\n\
         orders.csv: rows kept aside in orders.csv.rejects.ndjson: 3\n\
         orders.csv: has no user_id, order_total: left alone\n\
         items.csv:2: left out: quantity: not a whole number: two\n\
         items.csv:3: left out: code_color: not UTF-8\n\
         items.csv: rows kept aside in items.csv.rejects.ndjson: 2\n"
    );
    let kept = std::fs::read_to_string(back.path("orders.csv.rejects.ndjson")).unwrap();
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let file = back.path("orders.csv");
    let because = "order_date: not a date and time: soon";
    let row = json!({ "id": "2", "date": "soon", "status": "new", "device": "iOS" });
    assert_eq!(kept[0], json!({ "file": file, "line": 3, "because": because, "row": row }));
    assert_eq!((kept.len(), &kept[1]["row"]), (3, &json!(["3", "2016"])));
}

#[tokio::test]
async fn rejects_of_both_files_go_where_they_are_told_to_and_can_be_imported_once_mended() {
    let back = Back::new().await;
    back.write("orders.csv", "id,order_date,order_status,device_type\n2,2016-01-32,new,iOS\n");
    back.write("items.csv", "id,order_id,code_color,quantity\n1,2,a,two\n");
    let rejects = back.path("rejects.ndjson");
    let (_, remarks, _) = back.shop_orders("orders.csv", "items.csv", &["--rejects", rejects.to_str().unwrap()]);
    assert!(remarks.ends_with("items.csv: rows kept aside in rejects.ndjson: 1\n"), "{remarks}");
    let kept = std::fs::read_to_string(&rejects).unwrap().replace("01-32", "01-31").replace("two", "2");
    let rows: Vec<Value> =
        kept.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["row"].take()).collect();
    back.write("orders.json", rows[0].to_string());
    back.write("items.json", rows[1].to_string());
    let (answer, _, code) = back.shop_orders("orders.json", "items.json", &[]);
    assert_eq!(
        (answer.as_str(), code),
        (
            "orders: 1 new, 0 updated, 0 unchanged, 0 wrong\norder_items: 1 new, 0 updated, 0 unchanged, 0 wrong\n",
            Some(0)
        )
    );
}

#[tokio::test]
async fn what_cannot_be_imported_changes_nothing() {
    let back = Back::new().await;
    back.write("orders.csv", "id,order_date,order_status,device_type\n1,2016-01-03,new,iOS\n,,,\n");
    back.write("items.csv", "id,order_id,amount\n1,1,2\n");
    let (answer, remarks, code) = back.shop_orders("orders.csv", "items.csv", &[]);
    assert_eq!((answer.as_str(), code), ("", Some(1)));
    let why = "error: cannot import items.csv: no column code_color or product: it has id, order_id, amount\n";
    assert!(remarks.ends_with(why), "{remarks}");
    let itself = back.path("orders.csv");
    let (_, remarks, code) = back.shop_orders("orders.csv", "items.csv", &["--rejects", itself.to_str().unwrap()]);
    assert!(remarks.ends_with("cannot keep rows aside in orders.csv: that is what is imported\n"), "{remarks}");
    assert_eq!((code, back.rig.number("SELECT count(*) FROM orders").await), (Some(1), 0));
    assert!(std::fs::read_to_string(itself).unwrap().starts_with("id,"));
}
