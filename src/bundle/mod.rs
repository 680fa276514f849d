//! An image → a runtime bundle: `config.json` and the directory `rootfs` (runtime-spec, `bundle.md`).
//!
//! | file | what it does |
//! | --- | --- |
//! | [`output`] | where the bundle goes, and whether it can be written there |
//! | [`validate`] | checks the image's config before anything is made of it |
//! | `rootfs`, [`archive`] | writes the tree as a directory, or as a tar file |
//! | [`config`], [`volume`] | the image's config → the runtime's |
//! | `staging` | a directory that gets its name when it is complete |
//!
//! The layers are not trusted: it must be safe to unpack anybody's image as root.

pub(crate) mod archive;
pub(crate) mod config;
pub(crate) mod output;
#[cfg(target_os = "linux")]
mod rootfs;
#[cfg(target_os = "linux")]
mod staging;
pub(crate) mod validate;
pub(crate) mod volume;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use miette::{Diagnostic, miette};

use crate::error::Result;
use crate::event::{Event, Listener};
use crate::filesystem::contents;
use crate::filesystem::{NodeId, NodeKind, PathIndex, ProcessUser, Tree, UserDatabase, UserError};
use crate::image::Layer;
use crate::image::canonical_json_pretty;
use crate::image::config::Object;
use crate::image::layer::quote::{join, quote};
use crate::image::layer::tar_reader::SpecialFile;
use crate::store::Source;
use archive::BundleArchive;
use config::RuntimeConfig;
use output::HostOwner;
pub(crate) use output::{BundleFormat, BundleOutput};
use volume::Volumes;

/// An image for one platform, and the source of its layers.
pub(crate) struct BundleImage<'a> {
    /// The source of its layers.
    pub(crate) source: &'a dyn Source,
    /// The hostname of its container.
    pub(crate) name: &'a str,
    /// Its config.
    pub(crate) config: &'a Object,
    /// Its layers, the lowest first.
    pub(crate) layers: Vec<Layer>,
}

/// Writes the bundle.
///
/// # Errors
/// Returns the first error of the image or of the disk; then nothing is left of the bundle.
pub(crate) fn write(image: &BundleImage, output: &BundleOutput, listener: Listener) -> Result<()> {
    output.check()?;
    output.check_parent()?;
    // All that needs no layer is checked before layers are read.
    validate::check(image.config)?;
    config::args(image.config)?;
    let (path, owner) = (output.location()?, output.owner()?);
    let mut tree = contents::merge(image.source, &image.layers)?;
    let removed = tree.remove_xattrs(is_of_build_host);
    if owner.is_some() {
        reject_devices(&tree)?;
    }
    match output.format {
        BundleFormat::Directory => write_directory(image, &tree, &path, owner, listener)?,
        BundleFormat::Tar => {
            let mut archive = BundleArchive::create(&tree, &path, owner)?;
            let users = write_files(image, &tree, |node, content| archive.write_file(node, content))?;
            archive.finish(&runtime_config(image, &tree, &users, owner, listener)?)?;
        }
    }
    warn_of_xattrs("that belong to the host that built the layers", &removed, listener);
    Ok(())
}

#[cfg(target_os = "linux")]
fn write_directory(
    image: &BundleImage,
    tree: &Tree,
    path: &Path,
    owner: Option<HostOwner>,
    listener: Listener,
) -> Result<()> {
    let staging = staging::Staging::create(path)?;
    let directory = staging.path().join("rootfs");
    let mut rootfs = rootfs::Rootfs::create(tree, &directory, owner)?;
    let users = write_files(image, tree, |node, content| rootfs.write_file(node, content))?;
    // Before directories get the modes of the image, which may deny all access.
    staging.write("config.json", &runtime_config(image, tree, &users, owner, listener)?)?;
    let unsupported = rootfs.finish()?;
    staging.commit()?;
    warn_of_xattrs("that the file system does not accept", &unsupported, listener);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn write_directory(_: &BundleImage, _: &Tree, _: &Path, _: Option<HostOwner>, _: Listener) -> Result<()> {
    output::check_can_change_owners(false)
}

/// Returns whether an extended attribute is about the host that built a layer: its SELinux labels, and its overlays.
fn is_of_build_host(xattr: &[u8]) -> bool {
    xattr == b"security.selinux" || xattr.starts_with(b"trusted.overlay.")
}

fn warn_of_xattrs(which: &str, names: &BTreeSet<String>, listener: Listener) {
    if !names.is_empty() {
        let message = format!("ignored extended attributes {which}: {}", join(names.iter()));
        listener(Event::Warning { message });
    }
}

/// Passes all files to `write`, and returns the image's users and groups.
fn write_files(
    image: &BundleImage,
    tree: &Tree,
    mut write: impl FnMut(NodeId, &mut dyn Read) -> Result<()>,
) -> Result<UserDatabase> {
    let mut users = UserDatabase::locate(tree)?;
    contents::read(
        image.source,
        &image.layers,
        tree,
        |_| true,
        |node, content| {
            if users.contains(node) {
                let bytes = users.read_file(node, content)?;
                write(node, &mut bytes.as_slice())
            } else {
                write(node, content)
            }
        },
    )?;
    Ok(users)
}

/// The user that an image runs as, or its group, has no entry in the image.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("the image runs as {user}, but its {why}")]
#[diagnostic(help("name it by number, as in `--user 65532:65532`, or choose a base whose {file} has it"))]
pub(crate) struct MissingUser {
    user: String,
    why: String,
    file: &'static str,
}

/// Returns the bytes of `config.json`.
fn runtime_config(
    image: &BundleImage,
    tree: &Tree,
    users: &UserDatabase,
    rootless: Option<HostOwner>,
    listener: Listener,
) -> Result<Vec<u8>> {
    let user = image.config.get("config").and_then(|config| config.get("User")).and_then(|user| user.as_str());
    let user = user.unwrap_or_default();
    let user = ProcessUser::find(user, users).map_err(|error| match &error {
        UserError::Unknown { kind, .. } => {
            MissingUser { user: quote(user.as_bytes()), why: error.to_string(), file: kind.file() }.into()
        }
        UserError::NulInHome(_) => miette!("{error}"),
    })?;
    if rootless.is_some() && (user.uid, user.gid) != (0, 0) {
        let message = format!(
            "the image runs as {}:{}, but a rootless bundle runs as 0:0, which is you on the host",
            user.uid, user.gid
        );
        listener(Event::Warning { message });
    }
    let labels = validate::runtime_labels(image.config);
    if !labels.is_empty() {
        let message = format!("ignored labels of the image that configure the runtime: {}", join(labels.iter()));
        listener(Event::Warning { message });
    }
    let Volumes { mounted: volumes, skipped } = Volumes::new(image.config, tree);
    if !skipped.is_empty() {
        let message = format!("ignored volumes of the image that cannot be mounted: {}", join(skipped.iter()));
        listener(Event::Warning { message });
    }
    let config = RuntimeConfig { image: image.config, name: image.name, user: &user, volumes: &volumes, rootless };
    Ok(canonical_json_pretty(&config.document()?))
}

/// Rejects images with devices, which only root can create.
fn reject_devices(tree: &Tree) -> Result<()> {
    for entry in tree.entries() {
        if let NodeKind::Special(SpecialFile::Character(..) | SpecialFile::Block(..)) = tree.node(entry.node).kind {
            let path = PathIndex::new(tree).path(entry.node).join(&b'/');
            return Err(miette!(
                help = "make the bundle as root, without `--rootless`",
                "the image has the device {}, which only root can create",
                quote(&[b"/", path.as_slice()].concat())
            ));
        }
    }
    Ok(())
}
