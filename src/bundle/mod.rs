//! An image → what a runtime starts: a bundle, which is `config.json` and the folder `rootfs` (runtime-spec, `bundle.md`).
//!
//! | file | what it does |
//! | --- | --- |
//! | `rootfs`, [`archive`] | the tree → a folder, or a tar file |
//! | [`run`] | what the image says of its program, checked |
//! | [`config`], [`user`], [`volume`] | the image's config → the runtime's |
//! | `failure` | what could not be written |
//! | `staging` | a folder that gets its name when it is whole |
//!
//! The layers are not trusted: who unpacks an image as root must be able to do so with anybody's.

pub mod archive;
pub mod config;
mod failure;
#[cfg(target_os = "linux")]
mod rootfs;
pub mod run;
#[cfg(target_os = "linux")]
mod staging;
pub mod user;
pub mod volume;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use miette::miette;

use crate::error::Result;
use crate::event::{Event, Listener};
use crate::filesystem::contents;
use crate::filesystem::{NodeId, NodeKind, Places, Tree};
use crate::image::Layer;
use crate::image::canonical_json_pretty;
use crate::image::config::Object;
use crate::image::layer::quote;
use crate::image::layer::tar_reader::SpecialFile;
use crate::store::Source;
use crate::store::error::read_error;
use archive::Archive;
use config::{Config, Own};
use failure::WriteFailed;
use user::{Accounts, User};
use volume::Volumes;

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
    /// Something is in its place, or can never be there; the user may not make such a bundle.
    pub fn check(&self) -> Result<()> {
        let place = self.place()?;
        if place.symlink_metadata().is_ok() {
            let help = match place.file_name() {
                Some(_) => format!("name another place, or remove it first: rm -r {}", place.display()),
                // The root, this folder and the one above are not there to be removed.
                None => "name another place".to_owned(),
            };
            return Err(miette!(help = help, "{} is there already, and nothing is written over it", place.display()));
        }
        if place.file_name().is_none() {
            return Err(miette!(help = "name a new folder", "`{}` is no name for a bundle", self.path.display()));
        }
        self.own()?;
        match self.form {
            Form::Tar => Ok(()),
            Form::Directory => may_give_files_away(self.rootless),
        }
    }

    /// Finds out whether the folder that the bundle is to be in is there: that of a build is made by then.
    ///
    /// # Errors
    /// It is not.
    pub fn check_folder(&self) -> Result<()> {
        let place = self.place()?;
        let folder = folder_of(&place);
        let found = folder.metadata().and_then(|found| match found.is_dir() {
            true => Ok(()),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        found.map_err(|error| WriteFailed::report("write in", folder, error))
    }

    /// The path without what only a folder can have at its end.
    fn place(&self) -> Result<PathBuf> {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        if self.form == Form::Tar && (bytes.ends_with(b"/") || bytes.ends_with(b"/.")) {
            return Err(miette!(
                help = "leave the end of the path out, or make a folder with `--output dir`",
                "{} can only be a folder, and not a tar file",
                self.path.display()
            ));
        }
        Ok(self.path.components().collect())
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

/// The folder that something is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
    target.check_folder()?;
    // What can be said without the layers is said before they are read.
    run::check(image.config)?;
    config::args(image.config)?;
    let (place, own) = (target.place()?, target.own()?);
    let mut tree = contents::merge(image.source, &image.layers)?;
    let not_ours = tree.take_xattrs(is_of_a_computer);
    if own.is_some() {
        refuse_devices(&tree)?;
    }
    match target.form {
        Form::Directory => write_folder(image, &tree, &place, own, listener)?,
        Form::Tar => {
            let mut archive = Archive::begin(&tree, &place, own)?;
            let accounts = write_files(image, &tree, |node, content| archive.file(node, content))?;
            archive.finish(&document(image, &tree, &accounts, own, listener)?)?;
        }
    }
    warn_of_xattrs("that are about this computer, and not about the image,", &not_ours, listener);
    Ok(())
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
    warn_of_xattrs("that could not be set", &left_out, listener);
    Ok(())
}

/// Whether an extended attribute is about the computer that a layer was made on: its labels, and its overlays.
fn is_of_a_computer(xattr: &[u8]) -> bool {
    xattr == b"security.selinux" || xattr.starts_with(b"trusted.overlay.")
}

fn warn_of_xattrs(why: &str, left_out: &BTreeSet<String>, listener: Listener) {
    if !left_out.is_empty() {
        let names = quote::join(left_out.iter());
        let message = format!("extended attributes {why} are left out: {names}");
        listener(Event::Warning { message });
    }
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
        content.read_to_end(&mut bytes).map_err(read_error)?;
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
    let obeyed = run::obeyed(image.config);
    if !obeyed.is_empty() {
        let labels = quote::join(obeyed.iter());
        let message = format!("labels of the image that are orders to runtimes are left out: {labels}");
        listener(Event::Warning { message });
    }
    let Volumes { mounted: volumes, skipped } = Volumes::of(image.config, tree);
    if !skipped.is_empty() {
        let paths = quote::join(skipped.iter());
        let message = format!("volumes of the image that nothing can be mounted over are left out: {paths}");
        listener(Event::Warning { message });
    }
    let config = Config { image: image.config, name: image.name, user: &user, volumes: &volumes, rootless };
    Ok(canonical_json_pretty(&config.document()?))
}

/// Only root can make devices.
fn refuse_devices(tree: &Tree) -> Result<()> {
    let is_device = |node| matches!(&tree.node(node).kind, NodeKind::Special(special) if *special != SpecialFile::Fifo);
    let Some((_, _, device)) = tree.names().find(|(_, _, node)| is_device(*node)) else {
        return Ok(());
    };
    let path = Places::of(tree).path(device).join(&b'/');
    Err(miette!(
        help = "make the bundle as root, without `--rootless`",
        "the image has the device {}, which only root can make",
        quote::quote(&[b"/", path.as_slice()].concat())
    ))
}
