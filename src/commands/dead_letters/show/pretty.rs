//! A JSON payload, one value a line, with what is wrong beneath the value that it is wrong with.

use std::collections::BTreeMap;

use super::page::Page;
use super::violation::Violation;
use crate::commands::dead_letters::plain::plain;
use crate::pipeline::decode::Json;

/// More characters of a text are only counted.
const TEXT_CHARS: usize = 200;

/// Where a value stands: the places of its ancestors and its own, each in its parent.
type Trail = Vec<usize>;

/// Prints a value and points out what is wrong with it.
pub(super) fn pretty(json: &Json<'_>, violations: &[Violation]) -> Page {
    let mut printer = Printer { page: Page::default(), marks: BTreeMap::new(), trail: Vec::new() };
    for violation in violations {
        let (trail, rest) = find(json, &violation.path);
        printer.marks.entry(trail).or_default().push(Mark { violation, rest });
    }
    printer.value("", json, "");
    printer.page
}

/// A violation at the value that it is about or, where there is no such value, at the nearest one above.
struct Mark<'v> {
    violation: &'v Violation,
    /// What of the pointer leads nowhere: the name of a missing field, mostly.
    rest: Vec<String>,
}

/// Follows a JSON Pointer (RFC 6901) as far as it goes. Of fields with one name the last counts.
fn find(json: &Json<'_>, pointer: &str) -> (Trail, Vec<String>) {
    let unescaped = |token: &str| token.replace("~1", "/").replace("~0", "~");
    let mut rest: Vec<String> = pointer.split('/').skip(1).map(unescaped).collect();
    let (mut trail, mut value) = (Vec::new(), json);
    while let Some((place, child)) = rest.first().and_then(|token| child(value, token)) {
        trail.push(place);
        value = child;
        rest.remove(0);
    }
    (trail, rest)
}

fn child<'j, 'a>(json: &'j Json<'a>, token: &str) -> Option<(usize, &'j Json<'a>)> {
    match json {
        Json::Array(items) => {
            let place = token.parse().ok()?;
            Some((place, items.get(place)?))
        }
        Json::Object(fields) => {
            let (place, (_, value)) = fields.iter().enumerate().rfind(|(_, (name, _))| name == token)?;
            Some((place, value))
        }
        _ => None,
    }
}

struct Printer<'v> {
    page: Page,
    marks: BTreeMap<Trail, Vec<Mark<'v>>>,
    trail: Trail,
}

impl Printer<'_> {
    /// Prints a value behind its name and before its comma. As deep as the parser goes, which is 127 levels.
    fn value(&mut self, name: &str, json: &Json<'_>, comma: &str) {
        let marks = self.marks.remove(&self.trail).unwrap_or_default();
        let in_object = matches!(json, Json::Object(_));
        let (lacking, wrong): (Vec<_>, Vec<_>) = marks.into_iter().partition(|mark| in_object && mark.rest.len() == 1);
        match json {
            Json::Array(items) if !items.is_empty() => {
                self.open(name, '[', &wrong);
                for (place, item) in items.iter().enumerate() {
                    self.child(place, "", item, place + 1 < items.len());
                }
                self.close("]", comma);
            }
            Json::Object(fields) if !(fields.is_empty() && lacking.is_empty()) => {
                self.open(name, '{', &wrong);
                for (place, (name, value)) in fields.iter().enumerate() {
                    self.child(place, &format!("{}: ", text(name)), value, place + 1 < fields.len());
                }
                lacking.iter().for_each(|mark| self.lacking(mark));
                self.close("}", comma);
            }
            scalar => {
                self.page.line(format!("{}{name}{}{comma}", self.indent(), self::scalar(scalar)));
                self.point_out(name, &wrong);
            }
        }
    }

    fn child(&mut self, place: usize, name: &str, value: &Json<'_>, more: bool) {
        self.trail.push(place);
        self.value(name, value, if more { "," } else { "" });
        self.trail.pop();
    }

    fn open(&mut self, name: &str, bracket: char, wrong: &[Mark<'_>]) {
        self.page.line(format!("{}{name}{bracket}", self.indent()));
        self.point_out(name, wrong);
    }

    fn close(&mut self, bracket: &str, comma: &str) {
        self.page.line(format!("{}{bracket}{comma}", self.indent()));
    }

    /// What is wrong with the value that was just begun, beneath its first character.
    fn point_out(&mut self, name: &str, wrong: &[Mark<'_>]) {
        let column = format!("{}{}", self.indent(), " ".repeat(name.chars().count()));
        for Mark { violation, rest } in wrong {
            let inside = if rest.is_empty() { String::new() } else { format!(" at /{}", plain(&rest.join("/"))) };
            self.page.mark(format!("{column}^ {}{inside} {}", violation.number, violation.said()));
        }
    }

    /// A field that should be there, in the place where it would be.
    fn lacking(&mut self, mark: &Mark<'_>) {
        let Mark { violation, rest } = mark;
        let name = text(&rest.concat());
        self.page.mark(format!("{}  + {name}: {} {}", self.indent(), violation.number, violation.said()));
    }

    fn indent(&self) -> String {
        "  ".repeat(self.trail.len())
    }
}

fn scalar(json: &Json<'_>) -> String {
    match json {
        Json::String(string) => text(string),
        Json::Array(_) => "[]".to_owned(),
        Json::Object(_) => "{}".to_owned(),
        plain => plain.to_string(),
    }
}

/// A text as JSON, cut where it is long.
fn text(string: &str) -> String {
    let quoted = |text: &str| plain(&text.replace('\\', "\\\\").replace('"', "\\\"")).into_owned();
    match string.char_indices().nth(TEXT_CHARS) {
        None => format!("\"{}\"", quoted(string)),
        Some((end, _)) => format!("\"{}…\" ({} characters)", quoted(&string[..end]), string.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::decode::decode;
    use serde_json::json;

    /// The payload as it is printed when this is wrong with it, as `code path`.
    fn printed(payload: &str, wrong: &[(&str, &str)]) -> String {
        let error = |(code, path): &(&str, &str)| json!({"code": code, "path": path, "expected": "e", "actual": "a"});
        let errors: Vec<_> = wrong.iter().map(error).collect();
        pretty(&decode(payload.as_bytes()).unwrap(), &Violation::all(&json!({"errors": errors}))).print("")
    }

    #[test]
    fn violations_point_into_the_payload() {
        let payload = r#"{"id_":"x","cart":[{"quantity":1},{"quantity":-2,"a/b~c":[]},[]],"note":"\u202e\u001b\"\\"}"#;
        let wrong = [
            ("format", "/id_"),
            ("range", "/cart/1/quantity"),
            ("missing", "/cart/0/article_id"),
            ("missing", "/cart/2/0"),
            ("length", "/cart/1/a~1b~0c"),
            ("wrong_type", "/note/inside/0"),
            ("content_differs", ""),
        ];
        let expected = r#"{
^ 7 content_differs: expected e, found a
  "id_": "x",
         ^ 1 format: expected e, found a
  "cart": [
    {
      "quantity": 1
      + "article_id": 3 missing: expected e
    },
    {
      "quantity": -2,
                  ^ 2 range: expected e, found a
      "a/b~c": []
               ^ 5 length: expected e, found a
    },
    []
    ^ 4 at /0 missing: expected e
  ],
  "note": "\u202e\u001b\"\\"
          ^ 6 at /inside/0 wrong_type: expected e, found a
}
"#;
        assert_eq!(printed(payload, &wrong), expected);
    }

    #[test]
    fn of_fields_with_one_name_the_last_is_meant() {
        let expected = "{\n  \"a\": 1,\n  \"a\": 2\n       ^ 1 duplicate_field: expected e, found a\n}\n";
        assert_eq!(printed(r#"{"a":1,"a":2}"#, &[("duplicate_field", "/a")]), expected);
        assert_eq!(printed("{}", &[("missing", "/a")]), "{\n  + \"a\": 1 missing: expected e\n}\n");
    }

    #[test]
    fn what_is_long_is_cut_and_its_marks_are_kept() {
        let payload = json!({"long": "é".repeat(1 << 20), "many": vec![0; 5000]}).to_string();
        let text = printed(&payload, &[("range", "/many/4000")]);
        assert!(text.lines().count() < 100 && text.len() < 5000, "{text}");
        assert!(text.contains("é…\" (1048576 characters)") && text.contains("    ^ 1 range"), "{text}");
    }
}
