//! The OpenAPI document as the service serves it, and what it says about an answer.

use serde_json::{Map, Value};

pub struct Document(pub Value);

/// One method at one path.
pub struct Operation<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub said: &'a Value,
}

impl Document {
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, said)| Operation { method, path, said })
        });
        operations.collect()
    }

    /// The operation that answers a request.
    pub fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let fits = |template: &str| {
            let (template, path) = (template.split('/'), path.split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(word, given)| word.starts_with('{') || word == given)
        };
        let mut found: Vec<_> = self.operations().into_iter().filter(|operation| fits(operation.path)).collect();
        // A fixed path goes before one with a parameter.
        found.sort_by_key(|operation| operation.path.contains('{'));
        found.into_iter().find(|operation| operation.method.eq_ignore_ascii_case(method))
    }

    /// What is not as the document says it would be, of an answer.
    pub fn objections(&self, operation: &Operation<'_>, status: u16, media_type: &str, body: &Value) -> Vec<String> {
        let response = self.resolve(&operation.said["responses"][status.to_string()]);
        let schema = &response["content"][media_type]["schema"];
        match schema.is_object() {
            true => self.differences(schema, body),
            false => vec![format!("no {status} as {media_type}")],
        }
    }

    /// Follows a reference.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap_or(&Value::Null),
            None => value,
        }
    }

    /// Where a value is not what a schema describes. Stricter than JSON Schema: a property that the schema
    /// does not name is wrong.
    pub fn differences(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.compare(schema, value, "", &mut found);
        found
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            if !choices.iter().any(|choice| self.differences(choice, value).is_empty()) {
                found.push(format!("{at}: none of the choices: {value}"));
            }
            return;
        }
        if !types(&schema["type"]).iter().any(|name| is(name, value)) {
            found.push(format!("{at}: {value} is no {}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            found.push(format!("{at}: {value} is not one of {}", schema["enum"]));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.compare(&schema["items"], item, &format!("{at}/{index}"), found);
        }
        if let Some(members) = value.as_object() {
            self.compare_members(schema, members, at, found);
        }
    }

    fn compare_members(&self, schema: &Value, members: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
        let required = schema["required"].as_array().into_iter().flatten();
        let missing = required.filter(|name| !members.contains_key(name.as_str().unwrap()));
        found.extend(missing.map(|name| format!("{at}: {name} is missing")));
        let (properties, others) = (schema["properties"].as_object(), &schema["additionalProperties"]);
        for (name, member) in members {
            let at = format!("{at}/{name}");
            match properties.and_then(|properties| properties.get(name)) {
                Some(property) => self.compare(property, member, &at, found),
                None if others.is_object() => self.compare(others, member, &at, found),
                None if properties.is_none() => {}
                None => found.push(format!("{at} is not described")),
            }
        }
    }
}

/// Every object inside of a value, itself included.
pub fn objects(value: &Value) -> Vec<&Map<String, Value>> {
    let below = |inner: Vec<_>| inner.into_iter().flat_map(objects).collect();
    match value {
        Value::Object(members) => [vec![members], below(members.values().collect())].concat(),
        Value::Array(items) => below(items.iter().collect()),
        _ => Vec::new(),
    }
}

/// Nothing stands for everything.
fn types(schema: &Value) -> Vec<&str> {
    match schema {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::String(name) => vec![name],
        _ => vec!["anything"],
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}
