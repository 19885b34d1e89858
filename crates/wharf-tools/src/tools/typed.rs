//! A built-in tool over arguments of its own type: the type is declared once, and the schema that models see, the reading of what
//! they send and what they are told of mistakes come from it.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wharf_protocol::tool::ToolSource;
use wharf_protocol::{CallOutcome, Seen, ToolKind, ToolSpec};

use crate::arguments::{parse, schema};
use crate::{CallContext, Tool};

/// What a built-in tool says of itself.
pub(super) struct About<A> {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// For listings.
    pub(super) category: &'static str,
    pub(super) kind: ToolKind,
    pub(super) read_only: bool,
    pub(super) subject: Option<Subject<A>>,
    pub(super) timeout_ms: u64,
}

/// The argument that permission rules match.
pub(super) struct Subject<A> {
    pub(super) name: &'static str,
    pub(super) of: fn(&A) -> &str,
}

/// A tool that gets its arguments read.
pub(super) trait TypedTool: Send + Sync + 'static {
    type Arguments: DeserializeOwned + JsonSchema + Send;

    fn about(&self) -> About<Self::Arguments>;

    /// What permission rules match in these arguments.
    fn subjects(&self, arguments: &Self::Arguments) -> Vec<String> {
        self.about().subject.map(|subject| (subject.of)(arguments).to_owned()).into_iter().collect()
    }

    /// As [`Tool::look`].
    fn look(
        &self,
        arguments: Self::Arguments,
        context: &CallContext,
        preview: bool,
    ) -> impl Future<Output = Seen> + Send {
        let _ = (arguments, context, preview);
        std::future::ready(Seen::default())
    }

    /// As [`Tool::run`].
    fn run(&self, arguments: Self::Arguments, context: CallContext) -> impl Future<Output = CallOutcome> + Send;
}

/// Behind the port that all tools have in common.
pub(super) fn tool<T: TypedTool>(tool: T) -> Arc<dyn Tool> {
    let About { name, description, category, kind, read_only, subject, timeout_ms } = tool.about();
    let spec = ToolSpec {
        name: name.into(),
        description: description.into(),
        category: category.into(),
        kind,
        source: ToolSource::Builtin,
        read_only,
        subject: subject.map(|subject| subject.name.to_owned()),
        parameters: schema::<T::Arguments>(),
        timeout_ms,
    };
    Arc::new(Typed { spec: Arc::new(spec), tool })
}

struct Typed<T> {
    spec: Arc<ToolSpec>,
    tool: T,
}

#[async_trait]
impl<T: TypedTool> Tool for Typed<T> {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    fn subjects(&self, arguments: &Value) -> Vec<String> {
        parse(&self.spec, arguments.clone()).map(|arguments| self.tool.subjects(&arguments)).unwrap_or_default()
    }

    async fn look(&self, arguments: &Value, context: &CallContext, preview: bool) -> Seen {
        match parse(&self.spec, arguments.clone()) {
            Ok(arguments) => self.tool.look(arguments, context, preview).await,
            // The call will be told what is wrong with them.
            Err(_) => Seen::default(),
        }
    }

    async fn run(&self, arguments: Value, context: CallContext) -> CallOutcome {
        self.tool.run(parse(&self.spec, arguments)?, context).await
    }
}
