#![no_main]

use libfuzzer_sys::fuzz_target;
use purser::events::AbEvent;
use rules::messages::{Attributes, message};

fuzz_target!(|payload: &[u8]| message::<AbEvent>(payload, &Attributes::new()));
