//! Who is to be forgotten: all ids and e-mail addresses that are the person's.

use std::collections::BTreeSet;

use anyhow::ensure;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Run, find_in_pages};
use crate::domain::Person;

/// An address that more people use than this is nobody's own.
const HOUSEHOLD: usize = 5;

/// What somebody is known by who asks to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// An id, as it stands in events: of a user, a shopper, a customer, a visitor.
    User(String),
    /// An e-mail address, in any case.
    Email(String),
}

impl Request {
    fn name(&self) -> String {
        match self {
            Request::User(id) => format!("id {id}"),
            Request::Email(email) => format!("email {}", email.to_lowercase()),
        }
    }
}

/// The person with all that leads to them now, or that led to them when the request was first worked on. Written down,
/// unless the run is dry. `None` when there is nothing to look for.
pub(super) async fn find(pool: &PgPool, request: &Request, run: Run) -> anyhow::Result<Option<Person>> {
    let (ids, emails) = match request {
        Request::User(id) => {
            let ids = spellings(id.trim());
            let emails = own_emails(pool, &ids).await?;
            (ids, emails)
        }
        Request::Email(email) => {
            let email = email.trim().to_lowercase();
            let ids = ids_of(pool, &email).await?;
            ensure!(
                ids.len() <= HOUSEHOLD,
                "{} people use this address: forget each by --user, the address with the last of them",
                ids.len()
            );
            (ids, BTreeSet::from([email]))
        }
    };
    let dry = ids.iter().map(|id| (id.clone(), Uuid::new_v4())).collect();
    let mut person = Person { ids: dry, emails: emails.clone() };
    if run == Run::Real {
        person = write_down(pool, request, &ids, &emails).await?;
    }
    person.ids.retain(|id, _| !id.is_empty());
    person.emails.retain(|email| !email.is_empty());
    Ok((!person.ids.is_empty() || !person.emails.is_empty()).then_some(person))
}

/// Nothing leads from a pseudonym to anybody any more.
pub(super) async fn done(pool: &PgPool, request: &Request) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM forgetting WHERE request = $1").bind(request.name()).execute(pool).await?;
    Ok(())
}

/// As it was written, and as a uuid is kept.
fn spellings(id: &str) -> BTreeSet<String> {
    let uuid = Uuid::parse_str(id).ok().map(|uuid| uuid.to_string());
    uuid.into_iter().chain([id.to_owned()]).collect()
}

async fn own_emails(pool: &PgPool, ids: &BTreeSet<String>) -> sqlx::Result<BTreeSet<String>> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let orders = "SELECT DISTINCT lower(email) FROM order_events WHERE user_id = ANY($1) AND email IS NOT NULL";
    let mut emails: Vec<String> = sqlx::query_scalar(orders).bind(&ids).fetch_all(pool).await?;
    if users_have_emails(pool).await? {
        let users = "SELECT lower(email::text) FROM users WHERE id::text = ANY($1) AND email IS NOT NULL";
        emails.extend(sqlx::query_scalar::<_, String>(users).bind(&ids).fetch_all(pool).await?);
    }
    let mut own = BTreeSet::new();
    for email in emails {
        if ids_of(pool, &email).await?.len() <= HOUSEHOLD {
            own.insert(email);
        }
    }
    Ok(own)
}

async fn ids_of(pool: &PgPool, email: &str) -> sqlx::Result<BTreeSet<String>> {
    let orders = "SELECT DISTINCT user_id FROM order_events
                  WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND lower(email) = $3";
    let orders: Vec<(String,)> =
        find_in_pages(pool, "order_events", orders, |part| part.bind(email.to_owned())).await?;
    let mut ids: BTreeSet<String> = orders.into_iter().map(|(id,)| id).collect();
    if users_have_emails(pool).await? {
        let users = "SELECT id::text FROM users WHERE lower(email::text) = $1";
        ids.extend(sqlx::query_scalar::<_, String>(users).bind(email).fetch_all(pool).await?);
    }
    Ok(ids)
}

/// The table may be somebody else's, who needs no such column.
async fn users_have_emails(pool: &PgPool) -> sqlx::Result<bool> {
    let columns = "SELECT count(*) = 2 FROM pg_attribute
                   WHERE attrelid = to_regclass('users') AND attname IN ('id', 'email') AND NOT attisdropped";
    sqlx::query_scalar(columns).fetch_one(pool).await
}

async fn write_down(
    pool: &PgPool,
    request: &Request,
    ids: &BTreeSet<String>,
    emails: &BTreeSet<String>,
) -> sqlx::Result<Person> {
    for (what, values) in [("id", ids), ("email", emails)] {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let insert = "INSERT INTO forgetting (request, what, value) SELECT $1, $2, UNNEST($3::text[])
                      ON CONFLICT (request, what, value) DO NOTHING";
        sqlx::query(insert).bind(request.name()).bind(what).bind(values).execute(pool).await?;
    }
    let select = "SELECT what, value, pseudonym FROM forgetting WHERE request = $1";
    let written: Vec<(String, String, Uuid)> = sqlx::query_as(select).bind(request.name()).fetch_all(pool).await?;
    let mut person = Person::default();
    for (what, value, pseudonym) in written {
        match what.as_str() {
            "id" => drop(person.ids.insert(value, pseudonym)),
            _ => drop(person.emails.insert(value)),
        }
    }
    Ok(person)
}
