//! The countries that the shop sells to.

/// A country, and what is particular about its shoppers.
#[derive(Debug, PartialEq)]
pub struct Market {
    /// ISO 3166: two letters.
    pub code: &'static str,
    /// The name, as addresses have it.
    pub name: &'static str,
    /// ISO 4217.
    pub currency: &'static str,
    /// Provinces, states or regions that are delivered to.
    pub provinces: &'static [&'static str],
    /// How many of a thousand shoppers live there.
    pub weight: u32,
    /// The share of its shoppers that see version `B`: a half, or someone has made a mistake.
    pub share_of_b: f64,
    /// Whether it was closed last week; what still comes in from it happened before.
    pub closed: bool,
}

const OPEN: Market =
    Market { code: "", name: "", currency: "EUR", provinces: &[], weight: 0, share_of_b: 0.5, closed: false };

/// Every market. One has a slightly uneven split, and one is closed.
pub static MARKETS: [Market; 10] = [
    Market {
        code: "US",
        name: "United States",
        currency: "USD",
        provinces: &["California", "Idaho", "Illinois", "Maryland", "Montana", "New York", "Texas", "Washington"],
        weight: 300,
        ..OPEN
    },
    Market {
        code: "DE",
        name: "Germany",
        provinces: &["Bayern", "Berlin", "Hamburg", "Hessen", "Sachsen"],
        weight: 240,
        share_of_b: 0.6,
        ..OPEN
    },
    Market {
        code: "GB",
        name: "United Kingdom",
        currency: "GBP",
        provinces: &["England", "Northern Ireland", "Scotland", "Wales"],
        weight: 120,
        ..OPEN
    },
    Market {
        code: "FR",
        name: "France",
        provinces: &["Bretagne", "Grand Est", "Occitanie", "Île-de-France"],
        weight: 90,
        ..OPEN
    },
    Market {
        code: "SE",
        name: "Sweden",
        currency: "SEK",
        provinces: &["Skåne", "Stockholm", "Uppsala", "Västra Götaland"],
        weight: 80,
        ..OPEN
    },
    Market {
        code: "NL",
        name: "Netherlands",
        provinces: &["Gelderland", "Noord-Holland", "Utrecht", "Zuid-Holland"],
        weight: 60,
        ..OPEN
    },
    Market {
        code: "CA",
        name: "Canada",
        currency: "CAD",
        provinces: &["Alberta", "British Columbia", "Ontario", "Quebec"],
        weight: 50,
        ..OPEN
    },
    Market {
        code: "BR",
        name: "Brazil",
        currency: "BRL",
        provinces: &["Bahia", "Minas Gerais", "Paraná", "São Paulo"],
        weight: 30,
        ..OPEN
    },
    Market {
        code: "AU",
        name: "Australia",
        currency: "AUD",
        provinces: &["New South Wales", "Queensland", "Victoria"],
        weight: 20,
        ..OPEN
    },
    Market {
        code: "IS",
        name: "Iceland",
        currency: "ISK",
        provinces: &["Norðurland eystra", "Suðurland"],
        weight: 10,
        closed: true,
        ..OPEN
    },
];
