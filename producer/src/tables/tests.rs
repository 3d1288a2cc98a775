use super::*;

#[test]
fn only_what_passes_is_waited_for() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert!(is_passing(&sqlx::Error::Io(refused)));
    assert!(is_passing(&sqlx::Error::PoolTimedOut));
    assert!(!is_passing(&sqlx::Error::RowNotFound));
}
