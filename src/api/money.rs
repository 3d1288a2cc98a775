//! Amounts of money on the wire.

use rust_decimal::Decimal;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// An amount of money: a JSON number with the very digits of the decimal, at least two of them after
/// the point. It never passes through a float. Meaningless without the currency beside it.
#[derive(Debug, Clone, Copy, sqlx::Type, ToSchema)]
#[sqlx(transparent)]
#[schema(value_type = f64)]
pub(crate) struct Money(Decimal);

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut amount = self.0.normalize();
        if amount.scale() < 2 {
            amount.rescale(2);
        }
        RawValue::from_string(amount.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_and_two_follow_the_point() {
        let cases = [
            ("1234.50", "1234.50"),
            ("1234.5", "1234.50"),
            ("0", "0.00"),
            ("-0.1", "-0.10"),
            ("7", "7.00"),
            ("0.1234", "0.1234"),
            ("0.12000", "0.12"),
            ("9007199254740993.10", "9007199254740993.10"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
        ];
        for (decimal, expected) in cases {
            let items = vec![Money(decimal.parse().unwrap())];
            assert_eq!(serde_json::to_string(&items).unwrap(), format!("[{expected}]"));
        }
    }
}
