//! A route and its documentation, declared together: the router and the OpenAPI document are made from the same list.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use wharf_protocol::{ErrorCode, Scope};

use crate::app::App;
use crate::catalogue::{Catalogue, Facts, Needs};

pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The properties themselves, not a reference to them.
fn properties_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// One method of one path.
pub(crate) struct Operation {
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    /// A ticket stands for the key.
    pub(crate) takes_ticket: bool,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) path_params: Vec<(&'static str, SchemaOf)>,
    pub(crate) query: Option<SchemaOf>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<RequestBody>,
    pub(crate) answers: Vec<Success>,
    pub(crate) fails: Vec<ErrorCode>,
    handler: MethodRouter<App>,
}

pub(crate) struct RequestBody {
    pub(crate) schema: SchemaOf,
    pub(crate) required: bool,
    pub(crate) media_type: &'static str,
}

/// One way to succeed.
pub(crate) struct Success {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: Vec<(&'static str, Option<SchemaOf>)>,
}

impl Operation {
    pub(crate) fn new<H, T>(id: &'static str, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        // Unknown only for methods that no route here has.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            id,
            method,
            path,
            needs: Needs::Key,
            takes_ticket: false,
            tag: "server",
            summary: "",
            description: "",
            path_params: Vec::new(),
            query: None,
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            fails: Vec::new(),
            handler: on(filter, handler),
        }
    }

    pub(crate) fn get<H: Handler<T, App>, T: 'static>(id: &'static str, path: &'static str, handler: H) -> Self {
        Self::new(id, Method::GET, path, handler)
    }

    pub(crate) fn post<H: Handler<T, App>, T: 'static>(id: &'static str, path: &'static str, handler: H) -> Self {
        Self::new(id, Method::POST, path, handler)
    }

    pub(crate) fn public(mut self) -> Self {
        self.needs = Needs::Nothing;
        self
    }

    pub(crate) fn scope(mut self, scope: Scope) -> Self {
        self.needs = Needs::Scope(scope);
        self
    }

    pub(crate) fn takes_ticket(mut self) -> Self {
        self.takes_ticket = true;
        self
    }

    pub(crate) fn about(mut self, tag: &'static str, summary: &'static str) -> Self {
        self.tag = tag;
        self.summary = summary;
        self
    }

    pub(crate) fn details(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    pub(crate) fn param<T: JsonSchema>(mut self, name: &'static str) -> Self {
        self.path_params.push((name, schema_of::<T>));
        self
    }

    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(properties_of::<T>);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push((name, description));
        self
    }

    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(RequestBody { schema: schema_of::<T>, required: true, media_type: "application/json" });
        self
    }

    pub(crate) fn optional_body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(RequestBody { schema: schema_of::<T>, required: false, media_type: "application/json" });
        self
    }

    /// A body of lines, the first of which is of this type.
    pub(crate) fn body_of_lines<T: JsonSchema>(mut self, media_type: &'static str) -> Self {
        self.body = Some(RequestBody { schema: schema_of::<T>, required: true, media_type });
        self
    }

    /// A JSON answer.
    pub(crate) fn answers<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answer(Success { status, description, content: vec![("application/json", Some(schema_of::<T>))] })
    }

    /// An answer that is text.
    pub(crate) fn answers_text(self, status: u16, description: &'static str, media_type: &'static str) -> Self {
        self.answer(Success { status, description, content: vec![(media_type, None)] })
    }

    pub(crate) fn answer(mut self, answer: Success) -> Self {
        match self.answers.iter_mut().find(|known| known.status == answer.status) {
            Some(known) => known.content.extend(answer.content),
            None => self.answers.push(answer),
        }
        self
    }

    /// Errors beside those that every route can answer.
    pub(crate) fn fails(mut self, codes: &[ErrorCode]) -> Self {
        self.fails.extend_from_slice(codes);
        self
    }
}

/// The router of `operations`, and what is known of them.
pub(crate) fn build(operations: Vec<Operation>) -> (Router<App>, Catalogue) {
    let mut router = Router::new();
    let mut catalogue = Catalogue::default();
    for operation in operations {
        let Operation { method, path, needs, takes_ticket, handler, .. } = operation;
        catalogue.add(method, path, |index| Facts { index, needs, takes_ticket });
        router = router.route(path, handler);
    }
    (router, catalogue)
}
