//! `/permissions`

pub(super) mod answer;
