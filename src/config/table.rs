//! Tables: set from flags and variables, and merged.

use super::key::Key;
use super::keys::{KEYS, Table};

impl Key<Table> {
    /// Sets the key of `table` from the values of its flag, or from the items of its variable.
    ///
    /// # Errors
    /// Returns an error for the first invalid value.
    pub fn set(&self, table: &mut Table, texts: &[&str]) -> Result<(), String> {
        (self.value.parse)(table, texts)
    }
}

impl Table {
    /// Returns this table, with the values of `inherited` for keys that it does not set. Tables in it merge key by key, and
    /// arrays replace.
    #[must_use]
    pub fn over(mut self, mut inherited: Table) -> Table {
        // The entrypoint and the arguments are for the inherited binaries.
        if self.bins.is_some() && self.bins != inherited.bins {
            (inherited.entrypoint, inherited.cmd) = (None, None);
        }
        for key in KEYS {
            (key.value.inherit)(&mut self, &mut inherited);
        }
        self
    }
}
