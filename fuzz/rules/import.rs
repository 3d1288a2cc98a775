//! A file of reference data falls into rows: each can be loaded, or says why it cannot, and where it stands.

use chrono_tz::America;
use purser::commands::import::{TABLES, read_rows};

/// Any bytes as a file of each table.
pub fn import(bytes: &[u8]) {
    for table in TABLES {
        let Ok(rows) = read_rows(table, bytes, America::Sao_Paulo) else { continue };
        let mut last = 0;
        for row in rows {
            match row {
                Ok(values) => can_be_loaded(&values),
                Err(wrong) => {
                    assert!(wrong.place >= last, "{} comes behind {last}", wrong.place);
                    assert!(!wrong.because.is_empty());
                    assert!(serde_json::from_str::<serde_json::Value>(&wrong.row).is_ok(), "{} is no JSON", wrong.row);
                    last = wrong.place;
                }
            }
        }
    }
}

fn can_be_loaded(values: &[Option<Option<String>>]) {
    let key = values.first().cloned().flatten().flatten();
    assert!(key.is_some_and(|key| !key.trim().is_empty() && key.len() <= 255), "a row without a key");
    assert!(values.iter().flatten().flatten().all(|text| !text.contains('\0')), "Postgres keeps no NUL in text");
}
