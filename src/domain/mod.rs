//! Values that cannot be wrong: each is made by one `parse` and proves what its name says.

mod instant;
mod period;
mod person;
mod platform;
mod split;
mod state;
mod zoned;

pub use instant::{NotAnInstant, parse_age, parse_day_or_instant, parse_instant, parse_instant_or_age};
pub use period::{start_of_day, start_of_hour, start_of_month};
pub use person::Person;
pub use platform::Platform;
pub use split::{NotASplit, Split};
pub use state::State;
pub use zoned::{Clock, Zoned};
