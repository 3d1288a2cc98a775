//! What `docs/google-cloud.md` and the manifests beside it say of Purser is so.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{CommandFactory as _, Parser};
use purser::commands::Cli;
use purser::config::Config;
use purser::events::KINDS;
use sqlx::postgres::PgConnectOptions;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    _config: Config,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn page() -> String {
    read("docs/google-cloud.md")
}

fn manifests() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/gke");
    folder.read_dir().unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

/// Environment variables and their defaults.
fn settings() -> BTreeMap<String, String> {
    let commands = [Flags::command(), Cli::command()];
    let arguments = commands.iter().flat_map(clap::Command::get_arguments);
    let setting = |argument: &clap::Arg| {
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy());
        Some((argument.get_env()?.to_string_lossy().into_owned(), defaults.collect::<Vec<_>>().join(",")))
    };
    arguments.filter_map(setting).collect()
}

/// The rows of the table of settings: name and default.
fn rows(page: &str) -> BTreeMap<String, String> {
    let table = page.split("## Every setting").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, rest)| (name.to_owned(), rest.split('|').next().unwrap().trim().trim_matches('`').to_owned()))
        .collect()
}

#[test]
fn every_setting_stands_on_the_page_with_its_default() {
    assert_eq!(rows(&page()), settings(), "add the setting's row to the table at the end of docs/google-cloud.md");
}

#[test]
fn every_kind_has_its_topic_and_subscription_on_the_page() {
    let page = page();
    for kind in KINDS {
        assert!(page.contains(&format!(" {}:{}", kind.topic, kind.subscription)), "{}", kind.name);
        let granted = page.split("for subscription in ").nth(1).unwrap().split(';').next().unwrap();
        assert!(granted.split(' ').any(|name| name == kind.subscription), "{}", kind.name);
    }
}

/// What stands behind `--args=` on the page and behind `args:` in the manifests, where the image is ours.
#[test]
fn every_command_of_ours_is_one() {
    let (page, manifests) = (page(), manifests());
    let on_page = page.split("--args=").skip(1).map(|rest| rest.split_whitespace().next().unwrap());
    let listed = manifests.iter().flat_map(|manifest| manifest.split("args: [\"").skip(1));
    let commands: Vec<_> = on_page.chain(listed.map(|rest| rest.split('"').next().unwrap())).collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands {
        Cli::try_parse_from(["purser", command]).unwrap_or_else(|error| panic!("{command}: {error}"));
    }
}

#[test]
fn every_setting_that_is_set_is_one() {
    let (settings, page, manifests) = (settings(), page(), manifests());
    let literal = page.split("--from-literal=").skip(1).map(|rest| rest.split('=').next().unwrap());
    let given = page.split("--set-env-vars=\"").chain(page.split("--set-secrets=")).filter_map(|rest| {
        let end = rest.find(['"', ' ', '\n'])?;
        rest[..end].contains('=').then(|| rest[..end].split(',').filter_map(|pair| pair.split('=').next()))
    });
    let config = manifests.iter().find_map(|manifest| manifest.split("\ndata:\n").nth(1)).unwrap();
    let config = config.lines().map(|line| line.trim().split(':').next().unwrap());
    let named: Vec<&str> = literal.chain(given.flatten()).chain(config).filter(|name| is_name(name)).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        assert!(settings.contains_key(name), "{name} is no setting");
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// A host is needed where there is a user, and the socket takes its place.
#[test]
fn the_addresses_of_the_database_are_understood() {
    let page = page();
    let addresses =
        page.split("`postgres://").skip(1).map(|rest| format!("postgres://{}", &rest[..rest.find('`').unwrap()]));
    let (wrong, right): (Vec<_>, Vec<_>) = addresses.partition(|address| address.contains("@/"));
    assert_eq!((wrong.len(), right.len()), (1, 2));
    assert!(wrong[0].parse::<PgConnectOptions>().is_err());
    for address in right {
        let options: PgConnectOptions = address.parse().unwrap();
        assert_eq!(options.get_database(), Some("purser"));
        let socket = options.get_socket().map(|socket| socket.display().to_string());
        assert_eq!(socket.as_deref(), address.contains("host=").then_some("/cloudsql/PROJECT_ID:REGION:purser"));
    }
}

/// 25 s for batches, 10 s for acknowledgements, 5 s for dead letters.
#[test]
fn pods_are_given_the_time_that_stopping_takes() {
    for manifest in manifests().iter().filter(|manifest| manifest.contains("kind: Deployment")) {
        assert!(manifest.contains("terminationGracePeriodSeconds: 45\n"));
        for probed in ["path: /healthz", "path: /readyz", "readOnlyRootFilesystem: true", "runAsNonRoot: true"] {
            assert!(manifest.contains(probed), "{probed}");
        }
    }
}
