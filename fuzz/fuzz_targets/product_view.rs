#![no_main]

use libfuzzer_sys::fuzz_target;
use purser::events::ProductView;
use rules::messages::{Attributes, message};

fuzz_target!(|payload: &[u8]| {
    message::<ProductView>(payload, &Attributes::from([("platform".to_owned(), "iOS".to_owned())]));
});
