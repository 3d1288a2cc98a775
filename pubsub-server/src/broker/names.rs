//! The shape of resource names.

use tonic::Status;

/// Errs with `INVALID_ARGUMENT` unless `name` is `projects/{project}/{collection}/{id}`.
pub(crate) fn check(name: &str, collection: &str) -> Result<(), Status> {
    let parts: Vec<&str> = name.split('/').collect();
    let fits = match parts.as_slice() {
        ["projects", project, kind, id] => !project.is_empty() && *kind == collection && id_is_valid(id),
        _ => false,
    };
    if fits { Ok(()) } else { Err(invalid(name, collection)) }
}

/// Errs with `INVALID_ARGUMENT` unless `name` is `projects/{project}`.
pub(crate) fn check_project(name: &str) -> Result<(), Status> {
    match name.split_once('/') {
        Some(("projects", project)) if !project.is_empty() && !project.contains('/') => Ok(()),
        _ => Err(Status::invalid_argument(format!("invalid project name {name:?}: expected projects/{{project}}"))),
    }
}

fn id_is_valid(id: &str) -> bool {
    (3..=255).contains(&id.len())
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && !id.starts_with("goog")
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~+%".contains(c))
}

fn invalid(name: &str, collection: &str) -> Status {
    Status::invalid_argument(format!(
        "invalid name {name:?}: expected projects/{{project}}/{collection}/{{id}}, where the id has 3 to 255 \
         characters, starts with a letter, does not start with \"goog\", and consists of letters, digits and -_.~+%"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_the_service_does() {
        for good in ["projects/p/topics/abc", "projects/a.b:c/topics/a-_.~+%9"] {
            assert!(check(good, "topics").is_ok(), "{good}");
        }
        for bad in [
            "t",
            "projects/p/topics/ab",
            "projects/p/topics/9ab",
            "projects/p/topics/goog1",
            "projects//topics/abc",
            "projects/p/subscriptions/abc",
            "projects/p/topics/a b",
            "projects/p/topics/abc/d",
            "",
        ] {
            assert!(check(bad, "topics").is_err(), "{bad}");
        }
        assert!(check_project("projects/p").is_ok());
        assert!(check_project("projects/").is_err() && check_project("p").is_err());
    }
}
