//! An image → what a runtime starts: a bundle, which is `config.json` and the folder `rootfs` (runtime-spec, `bundle.md`).
//!
//! | file | what it does |
//! | --- | --- |
//! | [`tree`] | the entries of all layers → the files they make together, in memory |
//! | [`contents`] | the two readings of the layers: for the tree, and for what the files hold |
//! | `rootfs`, [`archive`] | the tree → a folder, or a tar file |
//! | [`config`], [`user`] | the image's config → the runtime's |
//! | `staging` | a folder that gets its name when it is whole |
//!
//! The layers are not trusted: who unpacks an image as root must be able to do so with anybody's.

pub mod archive;
pub mod config;
pub mod contents;
#[cfg(target_os = "linux")]
mod rootfs;
#[cfg(target_os = "linux")]
mod staging;
pub mod tree;
pub mod user;

use std::io::Read;
use std::path::{Path, PathBuf};

use miette::miette;

use crate::error::Result;
use crate::event::{Event, Listener};
use crate::image::canonical_json_pretty;
use crate::image::config::Object;
use crate::image::entries;
use crate::store::Source;
use crate::store::layer::{Layer, failed};
use archive::Archive;
use config::{Config, Own, Volume};
use tree::{NodeId, NodeKind, ROOT, Tree};
use user::{Accounts, User};

/// An image for one platform, and where its layers are.
pub struct Image<'a> {
    /// Where its layers come from.
    pub source: &'a dyn Source,
    /// What its container calls itself.
    pub name: &'a str,
    /// Its config.
    pub config: &'a Object,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// What is made, and where.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder or the file, which is not there yet.
    pub path: PathBuf,
    /// Folder or file.
    pub form: Form,
    /// For a user without rights: all files are that user's, who is root in the container.
    pub rootless: bool,
}

/// The forms of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A folder, as runtimes want it.
    #[default]
    Directory,
    /// A tar file of such a folder: needs no rights, and holds what the file system here may not.
    Tar,
}

impl Target {
    /// Finds out, before anything is done, whether the bundle can be made.
    ///
    /// # Errors
    /// Something is in its place, its folder is not there, or the user may not make such a bundle.
    pub fn check(&self) -> Result<()> {
        if self.path.symlink_metadata().is_ok() {
            return Err(miette!(
                help = format!("name another place, or remove it first: rm -r {}", self.path.display()),
                "{} is there already, and nothing is written over it",
                self.path.display()
            ));
        }
        self.own()?;
        match self.form {
            Form::Tar => Ok(()),
            Form::Directory => may_give_files_away(self.rootless),
        }
    }

    /// Whose all files are, for a user without rights.
    fn own(&self) -> Result<Option<Own>> {
        if !self.rootless {
            return Ok(None);
        }
        #[cfg(unix)]
        return Ok(Some((rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())));
        #[cfg(not(unix))]
        return Err(miette!(help = "leave `--rootless` out", "users have no numbers on this system"));
    }
}

#[cfg(target_os = "linux")]
fn may_give_files_away(rootless: bool) -> Result<()> {
    if rootless || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(miette!(
        help = "`--rootless` makes one that is all yours, and `--output tar` a tar file that root can unpack",
        "only root can give files to the users that the image names"
    ))
}

#[cfg(not(target_os = "linux"))]
fn may_give_files_away(_: bool) -> Result<()> {
    Err(miette!(
        help = "`--output tar` makes a tar file, which can be unpacked where runtimes are",
        "the file system of this computer cannot hold a root file system of Linux"
    ))
}

/// No list of users is larger.
const MOST_ACCOUNTS: u64 = 1 << 20;
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Makes the bundle.
///
/// # Errors
/// The first thing that goes wrong, with the image or with the disk; then nothing is left of it.
pub fn write(image: &Image, target: &Target, listener: Listener) -> Result<()> {
    target.check()?;
    // What can be said without the layers is said before they are read.
    config::args(image.config)?;
    let own = target.own()?;
    let tree = contents::merge(image.source, &image.layers)?;
    if own.is_some() {
        refuse_devices(&tree)?;
    }
    match target.form {
        Form::Directory => write_folder(image, &tree, &target.path, own, listener),
        Form::Tar => {
            let mut archive = Archive::begin(&tree, &target.path, own)?;
            let accounts = write_files(image, &tree, |node, content| archive.file(node, content))?;
            archive.finish(&document(image, &tree, &accounts, own, listener)?)
        }
    }
}

#[cfg(target_os = "linux")]
fn write_folder(image: &Image, tree: &Tree, path: &Path, own: Option<Own>, listener: Listener) -> Result<()> {
    let staging = staging::Staging::begin(path)?;
    let folder = staging.path().join("rootfs");
    let mut rootfs = rootfs::Rootfs::begin(tree, &folder, own)?;
    let accounts = write_files(image, tree, |node, content| rootfs.file(node, content))?;
    // Before the rights of folders are what the image says: they may be none.
    staging.write("config.json", &document(image, tree, &accounts, own, listener)?)?;
    let left_out = rootfs.finish()?;
    staging.commit()?;
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.into_iter().collect();
        let message = format!("extended attributes that could not be set are left out: {}", names.join(", "));
        listener(Event::Warning { message });
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn write_folder(_: &Image, _: &Tree, _: &Path, _: Option<Own>, _: Listener) -> Result<()> {
    may_give_files_away(false)
}

/// Gives all files to `write`, and those of users and groups to the caller.
fn write_files(
    image: &Image,
    tree: &Tree,
    mut write: impl FnMut(NodeId, &mut dyn Read) -> Result<()>,
) -> Result<Accounts> {
    let mut accounts = Accounts::default();
    let (passwd, group) = (tree.find(PASSWD), tree.find(GROUP));
    contents::read(image.source, &image.layers, tree, |node, content| {
        if passwd != Some(node) && group != Some(node) {
            return write(node, content);
        }
        if let NodeKind::File { size, .. } = tree.node(node).kind
            && size > MOST_ACCOUNTS
        {
            let file = if passwd == Some(node) { PASSWD } else { GROUP };
            return Err(miette!("its {file} has {size} bytes; more than {MOST_ACCOUNTS} are refused there"));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(failed)?;
        write(node, &mut bytes.as_slice())?;
        if passwd == Some(node) {
            accounts.passwd.clone_from(&bytes);
        }
        if group == Some(node) {
            accounts.group = bytes;
        }
        Ok(())
    })?;
    Ok(accounts)
}

/// The bytes of `config.json`.
fn document(
    image: &Image,
    tree: &Tree,
    accounts: &Accounts,
    rootless: Option<Own>,
    listener: Listener,
) -> Result<Vec<u8>> {
    let written = image.config.get("config").and_then(|run| run.get("User")).and_then(|user| user.as_str());
    let user: User = accounts.find(written.unwrap_or_default())?;
    if rootless.is_some() && (user.uid, user.gid) != (0, 0) {
        let message = format!(
            "the image runs as {}:{}, but in a rootless bundle there is only 0:0, which is you outside",
            user.uid, user.gid
        );
        listener(Event::Warning { message });
    }
    let volumes: Vec<_> = config::volumes(image.config).into_iter().map(|path| volume(tree, path)).collect();
    let config = Config { image: image.config, name: image.name, user: &user, volumes: &volumes, rootless };
    Ok(canonical_json_pretty(&config.document()?))
}

/// A volume, which is whose the folder in the image is that it is mounted over.
fn volume(tree: &Tree, path: String) -> Volume {
    let attributes = tree.find(&path).map(|node| &tree.node(node).attributes);
    let attributes = attributes.map_or((0o755, (0, 0)), |found| (found.mode, found.owner));
    Volume { path, attributes }
}

/// Only root can make devices.
fn refuse_devices(tree: &Tree) -> Result<()> {
    let mut folders = vec![(ROOT, Vec::new())];
    while let Some((folder, path)) = folders.pop() {
        for (name, node) in tree.children(folder) {
            let path = [&path, &b"/"[..], name].concat();
            match &tree.node(node).kind {
                NodeKind::Directory(_) => folders.push((node, path)),
                NodeKind::Special(special) if *special != entries::Special::Fifo => {
                    return Err(miette!(
                        help = "make the bundle as root, without `--rootless`",
                        "the image has the device {}, which only root can make",
                        entries::show(&path)
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
