//! `/tools`

mod categories;
mod execute;
mod get;
mod list;

use crate::route::Operation;

pub(super) fn operations() -> Vec<Operation> {
    vec![list::operation(), categories::operation(), get::operation(), execute::operation()]
}
