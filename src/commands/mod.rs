//! The commands: make the plan, call the verbs, give the result.

pub mod build;
