//! `purser dead-letters show`: one dead letter as a person reads it. What it is, what is wrong, and the payload,
//! with what is wrong pointing into it. Whatever was sent is shown so that a terminal does nothing but show it.

mod header;
mod page;
mod pretty;
mod unreadable;
mod violation;

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use uuid::Uuid;

use super::plain::{is_unseen, plain};
use crate::blob::Blob;
use crate::commands::terminal::answer;
use crate::config::{BlobConfig, DatabaseConfig};
use crate::database;
use crate::dead_letters::records::{Entry, entry};
use crate::dead_letters::{Archive, Letter, Unreadable};
use crate::pipeline::decode::decode;
use violation::Violation;

/// Flags of `show`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which one
    id: Uuid,
    /// The record as it is kept, on one line
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// The payload, byte for byte
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    blob: BlobConfig,
}

/// A larger payload is not looked into.
const SHOWN_BYTES: usize = 16 << 20;

/// Fails when there is none, or nothing of it can be read but what the index has.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { id, json, raw, database, blob } = args;
    let pool = database::open(&database).await?;
    let entry = entry(&pool, id).await?.with_context(|| format!("there is no dead letter {id}"))?;
    let archive = Archive { pool, blob: Blob::open(&blob.blob_url)? };
    let letter = archive.read(&[id]).await?.remove(&id).unwrap_or(Err(Unreadable::Unknown));
    match (letter, raw, json) {
        (Ok(letter), true, _) => print_payload(&letter)?,
        (Ok(letter), _, true) => answer(one_line(&letter.line))?,
        (Err(why), true, _) | (Err(why), _, true) => return Err(why.into()),
        (Ok(letter), ..) => answer(render(&entry, &serde_json::from_slice(&letter.line)?, &letter.payload))?,
        (Err(why), ..) => {
            answer(render(&entry, &Value::Null, &Err(why)))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    Ok(ExitCode::SUCCESS)
}

/// As it is, unless it would do something to the terminal.
fn print_payload(letter: &Letter) -> anyhow::Result<bool> {
    let payload = letter.payload.as_ref().map_err(Clone::clone)?;
    let is_harmless = |text: &str| !text.contains(|seen| is_unseen(seen) && !"\n\t".contains(seen));
    let is_safe = !stdout().is_terminal() || std::str::from_utf8(payload).is_ok_and(is_harmless);
    ensure!(is_safe, "the payload is no plain text: redirect it into a file");
    Ok(answer(payload)?)
}

/// Byte for byte, except on a terminal: there what is not seen is escaped as JSON allows.
fn one_line(line: &[u8]) -> Vec<u8> {
    let line = match std::str::from_utf8(line) {
        Ok(text) if stdout().is_terminal() => plain(text).into_owned().into_bytes(),
        _ => line.to_vec(),
    };
    [line.as_slice(), b"\n"].concat()
}

/// Everything about a dead letter. Of one whose record cannot be read, what the index has, and why.
fn render(entry: &Entry, record: &Value, payload: &Result<bytes::Bytes, Unreadable>) -> String {
    let violations = Violation::all(record);
    let mut text = header::header(entry, record);
    text.push_str(&header::violations(&violations));
    text.push_str("\npayload\n");
    text.push_str(&match payload {
        Err(why) => format!("  cannot be shown: {}\n", plain(&why.to_string())),
        Ok(payload) if payload.len() > SHOWN_BYTES => "  is too large to be shown: --raw prints it\n".to_owned(),
        Ok(payload) => match decode(payload) {
            Ok(json) => pretty::pretty(&json, &violations).print("  "),
            Err(_) => unreadable::unreadable(payload).print("  "),
        },
    });
    text
}
