//! Arguments of a call that come in pieces, each with the place that it belongs to.

use serde_json::{Map, Value};

/// Levels of a path, and places in a list. What is beyond is no argument of a tool.
const MAX_STEPS: usize = 64;
const MAX_PLACES: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Place(usize),
}

/// Puts a value in its place; text goes on behind the text that is there. Whether the path could be read.
pub(super) fn add(arguments: &mut Map<String, Value>, path: &str, value: Value) -> bool {
    let Some(steps) = steps(path) else { return false };
    let mut whole = Value::Object(std::mem::take(arguments));
    let mut place = &mut whole;
    for step in &steps {
        place = match step {
            Step::Name(name) => {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                &mut place[name.as_str()]
            }
            Step::Place(at) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                if let Value::Array(list) = place
                    && list.len() <= *at
                {
                    list.resize(at + 1, Value::Null);
                }
                &mut place[*at]
            }
        };
    }
    match (place, value) {
        (Value::String(text), Value::String(more)) => text.push_str(&more),
        (place, value) => *place = value,
    }
    if let Value::Object(fields) = whole {
        *arguments = fields;
    }
    true
}

/// `$.name`, `$['name']`, `$.list[0].name`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == MAX_STEPS {
            return None;
        }
        if let Some(dotted) = rest.strip_prefix('.') {
            let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Name(dotted[..end].to_owned()));
            rest = &dotted[end..];
        } else {
            let inner = rest.strip_prefix('[')?;
            if let Some(quote @ ('\'' | '"')) = inner.chars().next() {
                let (name, after) = inner[1..].split_once(quote)?;
                steps.push(Step::Name(name.to_owned()));
                rest = after.strip_prefix(']')?;
            } else {
                let (number, after) = inner.split_once(']')?;
                steps.push(Step::Place(number.parse().ok().filter(|place| *place < MAX_PLACES)?));
                rest = after;
            }
        }
    }
    matches!(steps.first(), Some(Step::Name(_))).then_some(steps)
}

#[cfg(test)]
mod tests {
    //! Paths as servers write them, and as they had better not.

    use serde_json::{Map, Value, json};

    use super::add;

    #[test]
    fn pieces_find_their_places() {
        let mut arguments = Map::new();
        let pieces = [
            ("$.id", json!("A")),
            ("$.id", json!("")),
            ("$.id", json!("B")),
            ("$.list[1].name", json!(true)),
            ("$['odd name']", json!(2.5)),
            ("$.list[0]", json!("first")),
        ];
        for (path, value) in pieces {
            assert!(add(&mut arguments, path, value), "{path}");
        }
        let wanted = json!({"id": "AB", "list": ["first", {"name": true}], "odd name": 2.5});
        assert_eq!(Value::Object(arguments), wanted);
    }

    #[test]
    fn a_path_that_leads_nowhere_changes_nothing() {
        let mut arguments = Map::from_iter([("a".to_owned(), json!(1))]);
        let deep = format!("${}", ".a".repeat(1_000));
        let paths = ["", "id", "$", "$.", "$..a", "$[0]", "$.a[", "$.a[x]", "$.a[99999999]", "$['a", &deep];
        for path in paths {
            assert!(!add(&mut arguments, path, json!(2)), "{path}");
        }
        assert_eq!(Value::Object(arguments), json!({"a": 1}));
    }
}
