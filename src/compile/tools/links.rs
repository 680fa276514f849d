//! The links, in the cache folder: their paths stay the same, since cargo rebuilds what was built with another compiler.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic};

use super::tool::{OF_TARGET, ON_PATH, WITH_PREFIX, gnu_name};
use crate::environment::Environment;
use crate::error::Result;
use crate::platform::Target;
use crate::store::atomic;

/// A folder with links to this program, one for each tool.
#[derive(Clone, Debug)]
pub(crate) struct ToolLinks {
    root: PathBuf,
    program: PathBuf,
}

impl ToolLinks {
    /// Returns those in the cache folder, or in `otherwise` where nothing can be written there.
    ///
    /// # Errors
    /// Returns an error if the path of this program is not known, or no folder can be created.
    pub(crate) fn new(environment: &Environment, otherwise: &Path) -> Result<ToolLinks> {
        let program = std::env::current_exe().into_diagnostic().wrap_err("cannot get the path of cargo-oci")?;
        let in_cache = environment.cache_folder().ok().map(|cache| cache.join("tools"));
        let root = in_cache.filter(|root| can_write(root)).unwrap_or_else(|| otherwise.join("tools"));
        create_private_folder(&root).map_err(|error| crate::error::in_directory(&root, error))?;
        Ok(ToolLinks { root, program })
    }

    /// Creates the links of a target, and returns their folder.
    ///
    /// # Errors
    /// Returns an error if one cannot be created.
    pub(crate) fn of_target(&self, target: Target) -> Result<PathBuf> {
        let folder = self.root.join(target.triple);
        for (name, _) in OF_TARGET {
            self.link(&folder, name)?;
        }
        Ok(folder)
    }

    /// Creates the links of a target for PATH, and returns their folder.
    ///
    /// # Errors
    /// Returns an error if one cannot be created.
    pub(crate) fn with_prefix(&self, target: Target) -> Result<PathBuf> {
        let folder = self.root.join("path").join(target.triple);
        for (end, _) in WITH_PREFIX {
            self.link(&folder, &format!("{}{end}", gnu_name(target)))?;
        }
        Ok(folder)
    }

    /// Creates a link of this name for PATH, and returns its folder.
    ///
    /// # Errors
    /// Returns an error if it cannot be created.
    pub(crate) fn named(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join("path").join(name);
        self.link(&folder, name)?;
        Ok(folder)
    }

    /// Creates the links for PATH, and returns their folders: those whose programs are on PATH now.
    ///
    /// # Errors
    /// Returns an error if one cannot be created.
    pub(crate) fn on_path(&self, environment: &Environment) -> Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for (name, _) in ON_PATH {
            if environment.find_program(&[name]).is_some() {
                folders.push(self.named(name)?);
            }
        }
        Ok(folders)
    }

    /// Writes a file beside the links of a target, unless it is there.
    ///
    /// # Errors
    /// Returns an error if it cannot be written.
    pub(crate) fn file(&self, target: Target, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.root.join(target.triple).join(name);
        if !fs::read_to_string(&path).is_ok_and(|before| before == content) {
            let write = || -> io::Result<()> {
                let folder = path.parent().unwrap_or(&self.root);
                let mut new = tempfile::NamedTempFile::new_in(folder)?;
                io::Write::write_all(&mut new, content.as_bytes())?;
                atomic::persist(new, &path).map(drop)
            };
            write().map_err(|error| crate::error::on_path("write", &path, error))?;
        }
        Ok(path)
    }

    fn link(&self, folder: &Path, name: &str) -> Result<()> {
        let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if self.is_link(&path) {
            return Ok(());
        }
        self.replace(folder, &path).map_err(|error| crate::error::on_path("create", &path, error))
    }

    #[cfg(unix)]
    fn is_link(&self, path: &Path) -> bool {
        fs::read_link(path).is_ok_and(|target| target == self.program)
    }

    /// Returns whether a file is this program under another name, or a copy, which has its time. It must not be replaced while
    /// another run has it started: Windows denies that.
    #[cfg(not(unix))]
    fn is_link(&self, path: &Path) -> bool {
        let about = |path: &Path| path.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
        about(path).is_ok_and(|found| about(&self.program).is_ok_and(|program| program == found))
    }

    /// Replaces a link at once: another run may be using it.
    fn replace(&self, folder: &Path, path: &Path) -> io::Result<()> {
        create_private_folder(folder)?;
        let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
        let new = beside.path().join("link");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&self.program, &new)?;
        // A link needs rights there that few users have.
        #[cfg(not(unix))]
        fs::hard_link(&self.program, &new).or_else(|_| fs::copy(&self.program, &new).map(drop))?;
        fs::rename(&new, path)
    }
}

/// Creates a folder that nobody else can change, whatever the umask: programs are started from it.
fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Returns whether links can be created in the folder, which is created.
fn can_write(folder: &Path) -> bool {
    create_private_folder(folder).is_ok() && tempfile::tempdir_in(folder).is_ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn links_are_replaced_when_the_program_moves() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut links = ToolLinks { root: folder.path().join("tools"), program: "/one/cargo-oci".into() };
        let cc = links.of_target(TARGETS[0]).expect("links").join("cc");
        assert_eq!(fs::read_link(&cc).expect("a link"), Path::new("/one/cargo-oci"));
        links.program = "/two/cargo-oci".into();
        assert_eq!(links.of_target(TARGETS[0]).expect("links").join("cc"), cc);
        assert_eq!(fs::read_link(&cc).expect("a link"), Path::new("/two/cargo-oci"));
        let names: Vec<_> = fs::read_dir(cc.parent().expect("a folder")).expect("a folder").collect();
        assert_eq!(names.len(), OF_TARGET.len());
    }

    #[test]
    fn folders_of_links_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let links = ToolLinks { root: folder.path().join("tools"), program: "/one/cargo-oci".into() };
        let of_target = links.of_target(TARGETS[0]).expect("links");
        for path in [links.root.as_path(), &of_target, &links.with_prefix(TARGETS[0]).expect("links")] {
            let mode = fs::metadata(path).expect("a folder").permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
        }
    }

    #[test]
    fn links_move_to_the_run_folder_of_a_read_only_cache() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("cache"), "no folder").expect("a file");
        let environment = [("CARGO_OCI_CACHE_DIR", folder.path().join("cache"))].into_iter().collect();
        let links = ToolLinks::new(&environment, folder.path()).expect("links");
        assert_eq!(links.root, folder.path().join("tools"));
    }
}
