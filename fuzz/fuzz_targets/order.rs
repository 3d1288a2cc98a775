#![no_main]

use libfuzzer_sys::fuzz_target;
use purser::events::Order;
use rules::messages::{Attributes, message};

fuzz_target!(|payload: &[u8]| message::<Order>(payload, &Attributes::new()));
