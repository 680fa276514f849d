//! The limit of path lengths in a finished tree.

use super::error::ApplyError;
use super::node::NodeKind;
use super::tree::Tree;

/// Paths from the root may be this many times as long as the layers write them, plus a constant: links make them longer.
const MOST_GROWTH: usize = 4;
const FREE_GROWTH: usize = 8 << 20;

impl Tree {
    /// Checks that the finished tree is about as large as its layers: a tar of it has each path in full.
    ///
    /// # Errors
    /// Returns an error if links make the paths much longer than they are written.
    pub(crate) fn check_growth(&self) -> Result<(), ApplyError> {
        let most = MOST_GROWTH * self.written() + FREE_GROWTH;
        // The length of the first path of each node.
        let mut lengths = vec![None; self.node_count()];
        let mut total = 0;
        for entry in self.entries() {
            let length = lengths[entry.parent].unwrap_or(0) + 1 + entry.name.len();
            total += length;
            match (lengths[entry.node], &self.node(entry.node).kind) {
                (Some(first), NodeKind::File { .. } | NodeKind::Symlink(_) | NodeKind::Special(_)) => total += first,
                _ => lengths[entry.node] = Some(length),
            }
            if total > most {
                return Err(ApplyError::PathGrowth(MOST_GROWTH));
            }
        }
        Ok(())
    }
}
