//! The OpenAPI 3.1 document, made from the same list of operations as the router.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use wharf_protocol::{ApiError, ErrorCode};

use crate::catalogue::Needs;
use crate::route::Operation;

const SCHEMAS: &str = "#/components/schemas/";

/// The document of `operations`.
pub(crate) fn document(operations: &[Operation]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations {
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(operation.path).or_default().insert(method, schemas.operation(operation));
    }
    let (paths, components) = schemas.finish(json!(paths));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Wharf",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sessions of a coding agent: commands in, events from any seq out. Besides what each operation \
                lists, every address answers 405 with `Allow` to a method that it does not take, and 403 to a foreign `Host` \
                or `Origin`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "bearer": [] }, { "api_key": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "api_key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "ticket": { "type": "apiKey", "in": "query", "name": "ticket" },
            },
        },
    })
}

/// The schemas of what is sent and of what is answered: one type may look different in each, where a field has a default.
struct Schemas {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        let mut answered = settings().for_serialize().into_generator();
        answered.subschema_for::<ApiError>();
        Self { sent: settings().for_deserialize().into_generator(), answered }
    }

    fn operation(&mut self, operation: &Operation) -> Value {
        let mut out = json!({
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "parameters": self.parameters(operation),
            "responses": self.responses(operation),
        });
        if !operation.description.is_empty() {
            out["description"] = operation.description.into();
        }
        if let Some(body) = &operation.body {
            let mut schema = (body.schema)(&mut self.sent).to_value();
            mark_sent(&mut schema);
            out["requestBody"] =
                json!({ "required": body.required, "content": { body.media_type: { "schema": schema } } });
        }
        match operation.needs {
            Needs::Nothing => out["security"] = json!([]),
            Needs::Key | Needs::Scope(_) if operation.takes_ticket => {
                out["security"] = json!([{ "bearer": [] }, { "api_key": [] }, { "ticket": [] }]);
            }
            Needs::Key | Needs::Scope(_) => {}
        }
        if let Needs::Scope(scope) = operation.needs {
            out["x-scope"] = scope.as_str().into();
        }
        out
    }

    fn parameters(&mut self, operation: &Operation) -> Vec<Value> {
        let mut out = Vec::new();
        for (name, schema) in &operation.path_params {
            let mut schema = schema(&mut self.sent).to_value();
            if let Some(fields) = schema.as_object_mut().filter(|fields| fields.get("type") == Some(&json!("string"))) {
                fields.insert("minLength".to_owned(), 1.into());
            }
            mark_sent(&mut schema);
            out.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
        }
        if let Some(query) = operation.query {
            let schema = query(&mut self.sent).to_value();
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                // Documented as a way to authenticate.
                if name == "ticket" {
                    continue;
                }
                let mut property = without_null(property.clone());
                let description = property.as_object_mut().and_then(|fields| fields.remove("description"));
                if name == "limit" {
                    property["minimum"] = 1.into();
                    property["maximum"] = 1000.into();
                }
                mark_sent(&mut property);
                let mut parameter = json!({ "name": name, "in": "query", "required": false, "schema": property });
                if let Some(description) = description {
                    parameter["description"] = description;
                }
                out.push(parameter);
            }
        }
        for (name, description) in &operation.headers {
            let schema = match *name {
                "Last-Event-ID" => json!({ "type": "integer", "format": "uint64", "minimum": 0 }),
                "Idempotency-Key" => json!({ "type": "string", "pattern": wharf_protocol::id::ID_PATTERN }),
                _ => json!({ "type": "string" }),
            };
            out.push(json!({
                "name": name, "in": "header", "required": false, "description": description, "schema": schema
            }));
        }
        out
    }

    fn responses(&mut self, operation: &Operation) -> Value {
        let mut out: BTreeMap<u16, Value> = BTreeMap::new();
        for (status, codes) in failures(operation) {
            let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
            let mut response = json!({
                "description": names.join(", "),
                "content": { "application/json": { "schema": { "$ref": format!("{SCHEMAS}ApiError") } } },
            });
            match status {
                401 => response["headers"] = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
                429 => response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } }),
                _ => {}
            }
            out.insert(status, response);
        }
        for answer in &operation.answers {
            let mut content = Map::new();
            for (media_type, schema) in &answer.content {
                let value = match schema {
                    Some(schema) => json!({ "schema": schema(&mut self.answered) }),
                    None if media_type.ends_with("json") && !media_type.ends_with("ndjson") => {
                        json!({ "schema": { "type": "object" } })
                    }
                    None => json!({ "schema": { "type": "string" } }),
                };
                content.insert((*media_type).to_owned(), value);
            }
            let response = out.entry(answer.status).or_insert_with(|| json!({}));
            response["description"] = answer.description.into();
            if content.is_empty() {
                continue;
            }
            match response.get_mut("content").and_then(Value::as_object_mut) {
                Some(known) => merge_content(known, content),
                None => response["content"] = content.into(),
            }
        }
        let out: Map<String, Value> = out.into_iter().map(|(status, value)| (status.to_string(), value)).collect();
        out.into()
    }

    /// The definitions of both sides in one namespace: what differs gets another name on the side of requests.
    fn finish(mut self, mut paths: Value) -> (Value, Map<String, Value>) {
        let mut components = self.answered.take_definitions(true);
        let mut sent = self.sent.take_definitions(true);
        for definition in sent.values_mut() {
            mark_sent(definition);
        }
        let mut renamed: BTreeSet<String> = BTreeSet::new();
        loop {
            let more: Vec<String> = sent
                .iter()
                .filter(|(name, definition)| {
                    !renamed.contains(*name)
                        && components.contains_key(*name)
                        && unmarked(definition, &renamed) != components[*name]
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            renamed.extend(more);
        }
        unmark(&mut paths, &renamed);
        for (name, mut definition) in sent {
            unmark(&mut definition, &renamed);
            let name = if renamed.contains(&name) { format!("{name}Request") } else { name };
            components.insert(name, definition);
        }
        components.sort_keys();
        (paths, components)
    }
}

/// The errors of an operation, by status: those that it names, and those that its shape brings.
fn failures(operation: &Operation) -> BTreeMap<u16, Vec<ErrorCode>> {
    let mut codes = operation.fails.clone();
    // The guard answers before any handler.
    codes.push(ErrorCode::Forbidden);
    codes.extend([ErrorCode::RateLimited, ErrorCode::InternalError]);
    if operation.needs != Needs::Nothing {
        codes.push(ErrorCode::Unauthorized);
        codes.extend([ErrorCode::Unavailable, ErrorCode::StorageUnavailable]);
    }
    if operation.path_params.iter().any(|(name, _)| *name == "session_id") {
        codes.push(ErrorCode::SessionDamaged);
    }
    if operation.body.is_some() {
        codes.extend([
            ErrorCode::InvalidJson,
            ErrorCode::ValidationError,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
        ]);
    }
    if operation.query.is_some() || !operation.path_params.is_empty() {
        codes.push(ErrorCode::ValidationError);
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        let known = by_status.entry(code.status()).or_default();
        if !known.contains(&code) {
            known.push(code);
        }
    }
    // A 404 of the router says NOT_FOUND, but only for addresses that are not here.
    debug_assert!(operation.method != Method::HEAD);
    by_status
}

fn merge_content(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (media_type, value) in more {
        match known.get_mut(&media_type) {
            Some(known) => {
                let schema = json!({ "anyOf": [value["schema"], known["schema"]] });
                *known = json!({ "schema": schema });
            }
            None => {
                known.insert(media_type, value);
            }
        }
    }
}

/// A parameter is there or not; it is never null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(options) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        options.retain(|option| option != &json!({ "type": "null" }));
        if let [only] = options.as_slice() {
            let mut only = only.clone();
            if let (Some(fields), Some(description)) = (only.as_object_mut(), schema.get("description")) {
                fields.insert("description".to_owned(), description.clone());
            }
            return only;
        }
    }
    schema
}

/// References from the side of requests carry this mark until it is known which names differ.
const SENT_MARK: &str = "#sent/";

fn mark_sent(schema: &mut Value) {
    each_reference(schema, &mut |reference| {
        if let Some(name) = reference.strip_prefix(SCHEMAS) {
            *reference = format!("{SENT_MARK}{name}");
        }
    });
}

fn unmark(schema: &mut Value, renamed: &BTreeSet<String>) {
    each_reference(schema, &mut |reference| {
        if let Some(name) = reference.strip_prefix(SENT_MARK) {
            let suffix = if renamed.contains(name) { "Request" } else { "" };
            *reference = format!("{SCHEMAS}{name}{suffix}");
        }
    });
}

fn unmarked(schema: &Value, renamed: &BTreeSet<String>) -> Value {
    let mut schema = schema.clone();
    unmark(&mut schema, renamed);
    schema
}

fn each_reference(value: &mut Value, act: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(reference) if name == "$ref" => act(reference),
                    other => each_reference(other, act),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, act)),
        _ => {}
    }
}
