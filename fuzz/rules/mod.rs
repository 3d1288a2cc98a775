//! What holds of any input whatever. The fuzz targets ask it of what libFuzzer finds, and the tests of
//! `tests/it/any_input` of random JSON, of every fixture, and of what fuzzing has found before.

pub mod address;
pub mod dead_letter;
pub mod files;
pub mod http;
pub mod import;
pub mod messages;
mod pointer;
pub mod values;
