//! JSON as models and their servers really write it.
