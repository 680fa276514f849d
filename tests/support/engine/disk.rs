//! Disks that are soon full.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::environment;
use crate::support::process;

/// A disk in memory; it is unmounted when this is dropped.
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts one of so many MiB on a folder.
    ///
    /// # Panics
    /// Where it cannot be mounted: whoever runs this is not root.
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
