//! Tools that somebody else has, an MCP server or a client: their names, descriptions and results are foreign text, which is
//! bounded and made visible before anybody sees it.

pub(crate) mod description;
pub(crate) mod names;
pub(crate) mod result;
pub(crate) mod visible;
