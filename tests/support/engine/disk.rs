//! Small disks.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::environment;
use crate::support::process;

/// A disk in memory, unmounted on drop.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB on a folder.
    ///
    /// # Panics
    /// Panics if it cannot be mounted, as for a user who is not root.
    pub fn mount(on: &Path, mib: u32) -> Disk {
        process::output(
            environment::command("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(on),
        );
        Disk(on.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        process::run(environment::command("umount").arg(&self.0));
    }
}
