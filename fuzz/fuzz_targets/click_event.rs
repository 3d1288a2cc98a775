#![no_main]

use libfuzzer_sys::fuzz_target;
use purser::events::ClickEvent;
use rules::messages::{Attributes, message};

fuzz_target!(|payload: &[u8]| message::<ClickEvent>(payload, &Attributes::new()));
