//! Does the strict registry bite?
mod support;
