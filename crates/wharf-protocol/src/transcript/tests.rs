//! Handwritten states, and laws that hold for every log.

mod fixtures;
mod limits;
mod properties;
