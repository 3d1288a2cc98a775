//! Flags that say of all records what an attribute would say of a message.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::ensure;
use clap::{Arg, ArgMatches, Command, FromArgMatches};

use crate::events::{Attribute, KINDS, Kind};

/// A flag for each attribute that some kind reads.
#[derive(Debug, Default)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// What was said of records of this kind.
    ///
    /// # Errors
    /// When the kind does not read it, or it is not written as the kind has it.
    pub fn of(&self, kind: &Kind) -> anyhow::Result<Arc<BTreeMap<String, String>>> {
        for (name, value) in &self.0 {
            let attribute = kind.attributes.iter().find(|attribute| attribute.name == name);
            ensure!(attribute.is_some(), "--{name} says nothing of a {}", kind.name);
            if let Some(Attribute { expected, is_right, .. }) = attribute {
                ensure!(is_right(value), "--{name} {value:?}: expected {expected}");
            }
        }
        Ok(Arc::new(self.0.clone()))
    }
}

fn all() -> BTreeMap<&'static str, (&'static Attribute, Vec<&'static str>)> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        for attribute in kind.attributes {
            all.entry(attribute.name).or_insert_with(|| (attribute, Vec::new())).1.push(kind.name);
        }
    }
    all
}

impl clap::Args for Attributes {
    fn augment_args(command: Command) -> Command {
        let flag = |(name, (attribute, kinds)): (_, (&Attribute, Vec<&str>))| {
            Arg::new(name).long(name).help(format!("Of every {}: {}", kinds.join(", "), attribute.expected))
        };
        command.args(all().into_iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Attributes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let said = |name: &str| Some((name.to_owned(), matches.get_one::<String>(name)?.clone()));
        Ok(Attributes(all().into_keys().filter_map(said).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
