//! Foreign text, with what hides in it made visible: as everywhere.

pub(crate) use wharf_foreign::visible::{line, shortened, text};
