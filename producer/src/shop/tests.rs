use std::collections::BTreeSet;

use super::*;

#[test]
fn one_seed_is_one_shop() {
    let (one, same, other) = (Shop::open(7, 50, 9), Shop::open(7, 50, 9), Shop::open(8, 50, 9));
    assert_eq!(one.users(), same.users());
    assert_eq!(one.articles(), same.articles());
    assert_ne!(one.users(), other.users());
    assert_ne!(one.articles(), other.articles());
}

#[test]
fn a_larger_shop_begins_with_the_smaller_one() {
    let (small, large) = (Shop::open(7, 10, 5), Shop::open(7, 100, 50));
    assert_eq!(small.users(), &large.users()[..10]);
    assert_eq!(small.articles(), &large.articles()[..5]);
}

#[test]
fn ids_are_distinct_version_4_uuids() {
    let shop = Shop::open(1, 1000, 200);
    let users = shop.users().iter().map(|it| it.id);
    let ids: Vec<Uuid> = users.chain(shop.articles().iter().map(|it| it.id)).collect();
    assert!(ids.iter().all(|it| it.get_version_num() == 4));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1200);
}

#[test]
fn about_a_tenth_of_the_users_is_military() {
    let shop = Shop::open(1, 1000, 1);
    let offices = ["\nAPO A", "\nFPO A", "\nDPO A"];
    let of = |office: &str| shop.users().iter().filter(|it| it.address.contains(office)).count();
    let counts = offices.map(of);
    assert!((60..=140).contains(&counts.iter().sum::<usize>()), "{counts:?}");
    assert!(counts.iter().all(|it| *it > 0), "{counts:?}");
}

#[test]
fn emails_are_plain() {
    for user in Shop::open(2, 1000, 1).users() {
        let (local, domain) = user.email.split_once('@').unwrap();
        assert!(local.len() > 1 && local.chars().all(|it| it.is_ascii_alphanumeric()), "{local}");
        assert!(domain.starts_with("example."));
    }
}

#[test]
fn every_currency_is_on_offer_and_prices_have_two_decimals() {
    let shop = Shop::open(1, 1, 200);
    let codes: BTreeSet<_> = shop.articles().iter().map(|it| it.currency.code()).collect();
    assert_eq!(codes, BTreeSet::from(["EUR", "SEK", "USD"]));
    for article in shop.articles() {
        assert!(article.price >= Decimal::ONE && article.price <= Decimal::ONE_HUNDRED);
        let file = serde_json::to_value(article).unwrap();
        assert_eq!(file["price"].to_string().parse(), Ok(article.price), "exact in the file too");
    }
}
