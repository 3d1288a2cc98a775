#![no_main]

use libfuzzer_sys::fuzz_target;
use purser::events::Purchase;
use rules::messages::{Attributes, message};

fuzz_target!(|payload: &[u8]| message::<Purchase>(payload, &Attributes::new()));
