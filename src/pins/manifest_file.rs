//! A Cargo.toml on disk: read once, and replaced as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::{Report, miette};

use crate::error::{Result, on_path, with_help};
use crate::store::atomic::replace_unchanged;

/// A Cargo.toml, as it was read.
#[derive(Clone, Debug)]
pub(super) struct ManifestFile {
    /// The path.
    pub path: PathBuf,
    /// The content.
    pub text: String,
}

impl ManifestFile {
    /// Reads a Cargo.toml.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, or is not UTF-8.
    pub(super) fn read(path: &Path) -> Result<ManifestFile> {
        let text = fs::read_to_string(path).map_err(|error| on_path("read", path, error))?;
        Ok(ManifestFile { path: path.to_owned(), text })
    }

    /// Checks that the file may be replaced, before there is anything to write.
    ///
    /// # Errors
    /// Returns an error if it is read-only.
    pub(super) fn check_writable(&self) -> Result<()> {
        // Some users may write any file: for them, too, this means that it is to stay.
        match fs::metadata(&self.path) {
            Ok(found) if found.permissions().readonly() => {
                Err(self.unwritten(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only")))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.unwritten(error)),
        }
    }

    /// Replaces the content, if nobody has changed it since it was read. The file keeps its permissions; of a link, the file
    /// that it leads to is replaced.
    ///
    /// # Errors
    /// Returns an error if the file was changed, or cannot be written. Then it is as it was.
    pub(super) fn replace(&self, text: &str) -> Result<()> {
        self.check_writable()?;
        let is_replaced = replace_unchanged(&self.path, self.text.as_bytes(), |file| file.write_all(text.as_bytes()));
        match is_replaced {
            Ok(true) => Ok(()),
            Ok(false) => Err(miette!(
                help = "run it again: nothing was written",
                "cannot write {}: somebody has changed it since it was read",
                self.path.display()
            )),
            Err(error) => Err(self.unwritten(error)),
        }
    }

    fn unwritten(&self, error: io::Error) -> Report {
        let help = "make the file and its folder writable; nothing was written";
        with_help(on_path("write", &self.path, error), help.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_manifest_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("Cargo.toml");
        fs::write(&path, "old").expect("writes");
        let file = ManifestFile::read(&path).expect("a file");
        fs::write(&path, "edited").expect("writes");
        let error = file.replace("new").expect_err("it was changed");
        assert!(error.to_string().ends_with("Cargo.toml: somebody has changed it since it was read"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "edited");
        ManifestFile::read(&path).and_then(|file| file.replace("new")).expect("writes");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        fs::write(&path, b"caf\xe9").expect("writes");
        assert!(ManifestFile::read(&path).is_err());
    }
}
