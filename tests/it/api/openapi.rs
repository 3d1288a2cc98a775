//! The document about the API, compared with the API.

use std::collections::{BTreeMap, BTreeSet};

use purser::events::KINDS;
use purser::intake::Origin;
use purser::pipeline::check::Finding;
use serde_json::Value;

use super::document::{Operation, objects};
use super::{Service, json};
use crate::support::{self, Rig};

/// The page's own files are no part of the API.
const PAGE: [&str; 2] = ["/docs/", "/docs/{*file}"];

/// On no database: nothing here asks it.
async fn service() -> Service {
    Service::with(Rig::on("postgres://nobody@127.0.0.1:1/nothing"), purser::api::Tokens::default()).await
}

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let service = service().await;
    let mut served = BTreeSet::new();
    // The router shows its paths to nobody but a debugger, and the methods of each to whoever tries another.
    // Paths that begin with `//` are those that begin with `/`, as careless clients join them.
    let is_path = |text: &&str| text.starts_with('/') && !text.starts_with("//") && !PAGE.contains(text);
    for path in service.routes.split('"').filter(is_path) {
        let refused = service.request("PROPFIND", path).send().await.unwrap();
        // What belongs to the fallback allows nothing.
        let allowed = refused.headers().get("allow").map_or("head", |allowed| allowed.to_str().unwrap()).to_lowercase();
        served.extend(allowed.split(',').filter(|method| *method != "head").map(|method| format!("{method} {path}")));
    }
    let document = service.document().await;
    let documented = document.operations().into_iter().map(|Operation { method, path, .. }| format!("{method} {path}"));
    assert_eq!(served, documented.collect());
    assert!(served.contains("get /sales/states") && served.contains("post /events/{kind}"), "{served:?}");
}

#[tokio::test]
async fn every_operation_says_all_there_is_to_say() {
    let document = service().await.document().await;
    assert_eq!(document.0["openapi"], "3.1.0");
    let tags: Vec<_> = document.0["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeMap::new();
    for Operation { method, path, said } in document.operations() {
        let at = format!("{method} {path}");
        assert!(text(&said["summary"]) && text(&said["description"]), "{at}: summary, then what it means");
        assert!(said["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag)), "{at}: described tags");
        assert_eq!(ids.insert(said["operationId"].to_string(), at.clone()), None);
        let parameters = said["parameters"].as_array().into_iter().flatten();
        let placed: Vec<_> = parameters
            .inspect(|parameter| assert!(text(&parameter["description"]) && parameter["schema"].is_object(), "{at}"))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        assert_eq!(placed, path.split('/').filter(|word| word.starts_with('{')).collect::<Vec<_>>(), "{at}");
        let bodies: Vec<_> = said["requestBody"]["content"].as_object().into_iter().flatten().collect();
        assert_eq!(bodies.is_empty(), method == "get", "{at}: body");
        assert!(bodies.iter().all(|(_, content)| !examples(content).is_empty()), "{at}: examples of bodies");
        for (status, response) in said["responses"].as_object().unwrap() {
            let response = document.resolve(response);
            let contents = response["content"].as_object();
            assert!(text(&response["description"]), "{at} {status}");
            assert!(contents.is_some_and(|contents| !contents.is_empty()) || status.starts_with('3'), "{at} {status}");
        }
    }
}

#[tokio::test]
async fn errors_are_problems_and_successes_have_examples() {
    let document = service().await.document().await;
    for Operation { method, path, said } in document.operations() {
        for (status, response) in said["responses"].as_object().unwrap() {
            for (media_type, content) in document.resolve(response)["content"].as_object().into_iter().flatten() {
                let at = format!("{method} {path} {status} {media_type}");
                let error = status.as_str() >= "400" && path != "/readyz";
                assert_eq!(media_type == "application/problem+json", error, "{at}");
                let examples = examples(content);
                let is_page = media_type == "text/html" || path == "/openapi.json";
                assert!(error || is_page || !examples.is_empty(), "{at}: an example");
                for example in examples {
                    assert_eq!(document.differences(&content["schema"], example), [""; 0], "{at}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_referred_to_is_there() {
    let document = service().await.document().await;
    let references = objects(&document.0).into_iter().filter(|object| object.contains_key("$ref"));
    let references: Vec<_> = references.map(|object| Value::Object(object.clone())).collect();
    assert!(references.len() > 20);
    let lost: Vec<_> = references.iter().filter(|reference| !document.resolve(reference).is_object()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let schemes = document.0["components"]["securitySchemes"].as_object().unwrap();
    let operations = document.operations();
    let required = operations.iter().flat_map(|operation| operation.said["security"].as_array().into_iter().flatten());
    let names: BTreeSet<_> = required.flat_map(|security| security.as_object().unwrap().keys()).collect();
    assert_eq!(names, schemes.keys().collect());
    assert!(schemes.values().all(|scheme| scheme["scheme"] == "bearer" && text(&scheme["description"])));
}

#[tokio::test]
async fn the_example_of_every_kind_is_a_good_event() {
    for kind in KINDS {
        let (mut delivery, _outcome) = support::delivery(kind.example.into());
        let said = kind.attributes.iter().map(|attribute| (attribute.name.to_owned(), attribute.example.to_owned()));
        let (request_id, attributes) = ("r".to_owned(), said.collect());
        delivery.origin = Origin::Http { request_id, line: None, attributes };
        let verdicts = kind.check(&[delivery], 1 << 20, None).await.unwrap();
        assert!(
            verdicts.iter().flatten().all(|finding| matches!(finding, Finding::Accepted)),
            "{}: {verdicts:?}",
            kind.name
        );
        assert!(text(&Value::from(kind.fields)));
    }
}

#[tokio::test]
async fn the_page_needs_no_other_host() {
    let service = service().await;
    let page = service.request("GET", "/docs").send().await.unwrap();
    assert!(page.url().path() == "/docs/" && page.status() == 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("http"), "{policy}");
    let html = page.text().await.unwrap();
    let named = html.split("=\"./").skip(1).map(|rest| rest.split('"').next().unwrap());
    let named: Vec<&str> = named.chain(["swagger-initializer.js"]).collect();
    assert!(named.contains(&"swagger-ui-bundle.js"), "{html}");
    assert!(!html.contains("//"), "{html}");
    for file in named {
        let file = service.request("GET", &format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(
            (file.status().as_u16(), file.headers()["content-security-policy"].to_str().unwrap()),
            (200, &*policy)
        );
    }
    assert_eq!(json(service.request("GET", "/docs/nothing.js").send().await.unwrap()).await.0, 404);
}

fn text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// One example, or several by name.
fn examples(content: &Value) -> Vec<&Value> {
    let several = content["examples"].as_object().into_iter().flat_map(|examples| examples.values());
    several.map(|example| &example["value"]).chain(content.get("example")).collect()
}
