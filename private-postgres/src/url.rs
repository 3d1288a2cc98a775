//! How to say where the server is, to sqlx and to a person.

use std::fmt::Write as _;
use std::path::Path;

use crate::layout::PORT;

/// Who owns the database. There is no password: only who can open the socket gets in.
pub(crate) const USER: &str = "postgres";

/// An address that sqlx and libpq both read. What the environment says of other servers (`PGPORT`,
/// `PGSSLMODE`) does not bend it.
pub(crate) fn url(socket_dir: &Path, database: &str) -> String {
    let host = encode(&socket_dir.to_string_lossy(), b"/");
    format!("postgres:///{}?host={host}&port={PORT}&user={USER}&sslmode=disable", encode(database, b""))
}

fn encode(text: &str, also_plain: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A line to paste into a shell.
pub(crate) fn psql_command(socket_dir: &Path, database: &str) -> String {
    let host = conninfo_value(&socket_dir.to_string_lossy());
    let line = format!("host={host} user={USER} dbname={}", conninfo_value(database));
    format!("psql \"{}\"", escape(&line, &['\\', '"', '$', '`']))
}

fn conninfo_value(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", escape(value, &['\\', '\'']))
}

fn escape(text: &str, special: &[char]) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::postgres::PgConnectOptions;

    use super::*;

    #[test]
    fn sqlx_reads_the_url_back() {
        let dir = Path::new("/tmp/jo's data+100%/pg.socket");
        let options = PgConnectOptions::from_str(&url(dir, "a b&c")).unwrap();
        assert_eq!(options.get_socket().map(std::path::PathBuf::as_path), Some(dir));
        assert_eq!(options.get_database(), Some("a b&c"));
        assert_eq!(options.get_username(), "postgres");
        assert_eq!(options.get_port(), 5432);
    }

    #[test]
    fn the_psql_line_can_be_pasted() {
        assert_eq!(
            psql_command(Path::new("/var/tmp/pg.socket"), "purser"),
            r#"psql "host=/var/tmp/pg.socket user=postgres dbname=purser""#
        );
        assert_eq!(
            psql_command(Path::new("/jo's $HOME"), "db"),
            r#"psql "host='/jo\\'s \$HOME' user=postgres dbname=db""#
        );
    }
}
