//! The state of an address is what stands before its ZIP code, whatever stands before that.

use purser::domain::State;

/// Any text as an address.
pub fn address(bytes: &[u8]) {
    let Ok(address) = std::str::from_utf8(bytes) else { return };
    let state = State::of_address(address);
    assert_eq!(state, State::of_address(&format!("Unit 1\n{address}\n")), "only the end of an address matters");
    let Some(state) = state else { return };
    let mut words = address.split_whitespace().rev();
    let (zip, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    assert!(zip.split('-').all(|part| part.bytes().all(|byte| byte.is_ascii_digit())), "{zip:?} is no ZIP code");
    assert!([5, 10].contains(&zip.len()), "{zip:?} is no ZIP code");
    assert!(before.ends_with(state.as_str()), "{before:?} does not end in {state}");
    assert_eq!(state.as_str().len(), 2);
}
