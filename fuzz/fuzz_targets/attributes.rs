#![no_main]

use libfuzzer_sys::fuzz_target;

// Lines of `name=value`, an empty line, and the payload.
fuzz_target!(|bytes: &[u8]| rules::messages::with_attributes(bytes));
