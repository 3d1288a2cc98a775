//! The tables that are imported, as data.

use super::value::Type::{self, Id, Instant, Number, Text, Uuid, Whole, Word};

/// A table, and what of it a file may hold.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) table: &'static str,
    /// The first is the key.
    pub(super) columns: &'static [Column],
}

/// One column of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// What else files call it.
    pub(super) synonyms: &'static [&'static str],
    pub(super) r#type: Type,
    pub(super) need: Need,
}

/// What a file must have of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Optional,
    /// A CSV file must have the column.
    Column,
    /// Every row must have a value.
    Value,
}

impl Layout {
    pub(super) fn key(&self) -> &'static Column {
        &self.columns[0]
    }
}

impl Column {
    /// The place of this column among the names of a file; the column's own name comes first.
    pub(super) fn place<'n>(&self, names: &(impl Iterator<Item = &'n str> + Clone)) -> Option<usize> {
        let place = |wanted: &&str| names.clone().position(|name| is_same(name, wanted));
        std::iter::once(&self.name).chain(self.synonyms).find_map(place)
    }
}

/// Whether two names differ in nothing but case, and in what stands between words: `codeColor`, `Code color`.
fn is_same(name: &str, wanted: &str) -> bool {
    letters(name).eq(letters(wanted))
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase)
}

const fn column(name: &'static str, synonyms: &'static [&'static str], r#type: Type, need: Need) -> Column {
    Column { name, synonyms, r#type, need }
}

const fn optional(name: &'static str, r#type: Type) -> Column {
    column(name, &[], r#type, Need::Optional)
}

pub(super) static USERS: Layout = Layout {
    table: "users",
    columns: &[
        column("id", &[], Uuid, Need::Value),
        optional("name", Text),
        optional("address", Text),
        optional("number", Text),
        optional("email", Text),
    ],
};

pub(super) static ARTICLES: Layout = Layout {
    table: "articles",
    columns: &[
        column("id", &[], Uuid, Need::Value),
        optional("name", Text),
        optional("price", Number),
        optional("currency", Text),
    ],
};

pub(super) static SHOPPERS: Layout = Layout {
    table: "shoppers",
    columns: &[
        column("user_id", &["id", "shopper_id", "customer_id"], Id, Need::Value),
        column("country", &["market", "country_code"], Word, Need::Column),
        optional("gender", Word),
    ],
};

pub(super) static ORDERS: Layout = Layout {
    table: "orders",
    columns: &[
        column("id", &["order_id"], Id, Need::Value),
        column("user_id", &["customer_id", "user", "customer"], Word, Need::Optional),
        column("order_date", &["date", "ordered_at", "created_at", "timestamp"], Instant, Need::Value),
        column("order_status", &["status"], Word, Need::Column),
        column("device_type", &["device", "platform"], Word, Need::Column),
        column("order_total", &["total", "total_price", "order_value"], Number, Need::Optional),
    ],
};

pub(super) static ORDER_ITEMS: Layout = Layout {
    table: "order_items",
    columns: &[
        column("id", &["order_item_id", "item_id"], Id, Need::Value),
        column("order_id", &["order"], Id, Need::Value),
        column("code_color", &["product"], Word, Need::Column),
        column("quantity", &["qty", "units"], Whole, Need::Optional),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn place(layout: &Layout, column: &str, header: &str) -> Option<usize> {
        layout.columns.iter().find(|one| one.name == column).unwrap().place(&header.split(','))
    }

    #[test]
    fn names_are_told_in_any_case_and_spelling() {
        for header in ["x,codeColor", "x,code_color", "x,CODE-COLOR", "x,Code Color", "x,Product"] {
            assert_eq!(place(&ORDER_ITEMS, "code_color", header), Some(1), "{header}");
        }
        assert_eq!(place(&USERS, "id", "name,id_"), Some(1));
        assert_eq!(place(&ORDERS, "order_status", "id,fulfilment_status"), None);
    }

    #[test]
    fn a_column_prefers_its_own_name() {
        assert_eq!(place(&ORDERS, "id", "order_id,id"), Some(1));
        assert_eq!(place(&ORDERS, "id", "order_id,date"), Some(0));
        assert_eq!(place(&ORDERS, "order_status", "status,order_status"), Some(1));
        assert_eq!(place(&ORDER_ITEMS, "order_id", "order_id,id"), Some(0));
    }

    /// They stand in SQL as they are.
    #[test]
    fn names_need_no_quotes() {
        for layout in [&USERS, &ARTICLES, &SHOPPERS, &ORDERS, &ORDER_ITEMS] {
            let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(plain(layout.table) && layout.columns.iter().all(|column| plain(column.name)));
        }
    }
}
