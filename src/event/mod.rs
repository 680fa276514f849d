//! What happened, as data: the workshops tell it, and only [`report`](crate::report) puts it into words.

pub(crate) mod counter;
pub(crate) mod transfer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oci_spec::image::Descriptor;
use serde::Serialize;

use crate::image::Digest;
use crate::platform::Platform;
use counter::Counter;

/// One thing a user may want to see while it happens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A Rust target's standard library is being installed.
    InstallingTarget {
        /// The Rust target triple.
        triple: &'static str,
    },
    /// Cargo runs from now on, and draws on the terminal.
    CargoBegun,
    /// It does not any more.
    CargoEnded,
    /// Content of a base is being fetched.
    Pulling {
        /// The base as the user named it.
        base: String,
        /// How many blobs are not yet here.
        blobs: usize,
        /// Their size together, in bytes.
        bytes: u64,
    },
    /// Which tags an image will have.
    Tagging {
        /// Its name.
        image: String,
        /// The tags.
        tags: Vec<String>,
    },
    /// A layer was made.
    Layered {
        /// The image's name.
        image: String,
        /// The platform the layer is for.
        platform: Platform,
        /// The files in it, as absolute paths in the image.
        files: Vec<String>,
        /// The size of its blob in bytes.
        bytes: u64,
    },
    /// The cache holds less now.
    Pruned {
        /// How many blobs were removed.
        blobs: usize,
        /// Their bytes together.
        bytes: u64,
    },
    /// An output beside the layout was written.
    Wrote {
        /// Where.
        path: PathBuf,
    },
    /// An image is being unpacked as a bundle.
    Bundling {
        /// The image.
        image: String,
        /// Which of its platforms.
        platform: Platform,
        /// How many layers it has.
        layers: usize,
        /// Their size together, in bytes.
        bytes: u64,
    },
    /// An image is complete and on disk.
    Finished {
        /// All that is known of it.
        image: Box<BuiltImage>,
    },
    /// Another run writes the same layout, and is waited for.
    Waiting {
        /// The layout.
        path: PathBuf,
    },
    /// Something that cargo printed beside its messages, as build scripts do under `-vv`.
    CargoSaid {
        /// A line.
        line: String,
    },
    /// An image begins to go to a repository.
    Pushing {
        /// Its name.
        image: String,
        /// `registry/repository`.
        to: String,
    },
    /// An image is in a repository, and its tags are right.
    Pushed {
        /// Its name.
        image: String,
        /// `registry/repository`.
        to: String,
        /// Whether it was there before.
        was_there: bool,
    },
    /// An image begins to go to an engine.
    Loading {
        /// Its name.
        image: String,
        /// The engine's name and version.
        engine: String,
        /// What it is for.
        platforms: Vec<Platform>,
    },
    /// An engine has an image, under all its names.
    Loaded {
        /// `NAME:TAG` each.
        names: Vec<String>,
        /// The engine's name and version.
        engine: String,
        /// What the engine itself calls it.
        id: Digest,
        /// How many bytes were written to the engine; nothing for one that reads the layout itself.
        sent: Option<u64>,
        /// Whether it was there before.
        was_there: bool,
    },
    /// A program begins to run in an engine.
    Running {
        /// The image, as `NAME:TAG`.
        name: String,
        /// The engine's name and version.
        engine: String,
    },
    /// All of an image is being read and checked.
    Validating {
        /// The image as the user named it, in full.
        image: String,
    },
    /// An image is all that it says it is.
    Validated {
        /// The image as the user named it, in full.
        image: String,
        /// How many documents, configs and layers it has.
        blobs: usize,
        /// Their size together, in bytes.
        bytes: u64,
    },
    /// A part of an image is signed.
    Signed {
        /// `index`, or what the image is for.
        image: String,
        /// Of its manifest.
        digest: Digest,
        /// Where it is.
        to: String,
        /// What is signed: `signature` for the manifest itself, …
        said: Vec<String>,
        /// Whether all of it was before.
        was_there: bool,
    },
    /// Something is attached to an image.
    Attached {
        /// What it is.
        artifact_type: String,
        /// Of the image's manifest.
        subject: Digest,
        /// Of the manifest that is attached.
        digest: Digest,
        /// Where it is.
        to: String,
        /// Whether it was before.
        was_there: bool,
    },
    /// What is attached to a part of an image is what was attached.
    Verified {
        /// `index`, or what the image is for.
        image: String,
        /// Of its manifest.
        digest: Digest,
        /// What is said of it, such as `signature`.
        said: Vec<String>,
    },
    /// A request failed, and is made again.
    Retrying {
        /// What failed, and why.
        error: String,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// A password for a registry is kept.
    LoggedIn {
        /// The registry.
        registry: String,
        /// The user there.
        user: String,
        /// Where the password is.
        place: String,
    },
    /// The credentials for a registry are forgotten.
    LoggedOut {
        /// The registry.
        registry: String,
        /// Where they were.
        place: String,
    },
    /// A request to a registry or to its token service was answered, or given up.
    Request {
        /// `GET`, …
        method: String,
        /// Without its query and without credentials: both may hold secrets.
        url: String,
        /// Who answered in the place of whom was asked: scheme, host and port.
        by: Option<String>,
        /// Of the answer; nothing where there was none.
        status: Option<u16>,
        /// Until the head of the answer came.
        took: Duration,
        /// The size of what was sent, else of what the answer holds, where that is known.
        bytes: Option<u64>,
    },
    /// Content begins to go somewhere.
    TransferBegun {
        /// Its bytes are counted here until the end.
        transfer: Arc<Counter>,
    },
    /// The content is there, or did not get there.
    TransferEnded {
        /// What was counted.
        transfer: Arc<Counter>,
    },
    /// Something the user should know and may want to change; the work goes on.
    Warning {
        /// One sentence.
        message: String,
    },
}

/// What only the user knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// Who one is at a registry.
    User {
        /// The registry.
        registry: &'a str,
    },
    /// A password, which nobody is to see.
    Password {
        /// Whose it is.
        user: &'a str,
        /// At which registry.
        registry: &'a str,
    },
    /// The password of a private key, which nobody is to see.
    KeyPassword {
        /// Where the key is.
        key: &'a str,
    },
    /// The password that a new private key is to have.
    NewKeyPassword {
        /// Where the key will be.
        key: &'a str,
        /// Whether it is asked for a second time.
        again: bool,
    },
}

/// Asks the user a question.
pub type Prompt<'a> = &'a (dyn Fn(Question) -> std::io::Result<String> + Sync);

/// Receives [`Event`]s.
pub type Listener<'a> = &'a (dyn Fn(Event) + Sync);

/// An image that was built.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltImage {
    /// Its local name.
    pub name: String,
    /// What engines call it, without a tag.
    #[serde(skip)]
    pub local_names: Vec<String>,
    /// `oci:LAYOUT@DIGEST`: the result line.
    pub reference: String,
    /// Of the index.
    pub digest: Digest,
    /// All its blobs together, in bytes.
    pub size: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// The folder of its layout.
    pub layout: PathBuf,
    /// What is below our layers.
    pub base: BuiltBase,
    /// The image for each platform.
    pub manifests: Vec<BuiltManifest>,
    /// What is attached to it, and to the image for each platform.
    pub attached: Vec<BuiltAttachment>,
    /// Of the index, or of the one manifest there is.
    #[serde(skip)]
    pub root: Descriptor,
}

/// Something that is attached to an image: an SBOM, …
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuiltAttachment {
    /// What it is.
    pub artifact_type: String,
    /// What it is attached to.
    pub subject: Digest,
    /// Of its manifest.
    pub digest: Digest,
    /// Of its manifest, in bytes.
    pub size: u64,
    /// What it is called as a file.
    pub file: String,
    /// The document itself.
    #[serde(skip)]
    pub content: Descriptor,
    /// Of its manifest, as the layout knows it.
    #[serde(skip)]
    pub descriptor: Descriptor,
}

impl BuiltImage {
    /// `NAME:TAG` for every name and every tag.
    pub fn tagged_names(&self) -> Vec<String> {
        self.local_names
            .iter()
            .flat_map(|name| self.tags.iter().map(|tag| format!("{name}:{tag}")).collect::<Vec<_>>())
            .collect()
    }
}

/// The base of an image, as it was found.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltBase {
    /// As the user named it.
    pub name: String,
    /// What that name stood for; nothing for `scratch`.
    pub digest: Option<Digest>,
}

/// The image for one platform.
#[derive(Clone, Debug, Serialize)]
pub struct BuiltManifest {
    /// What it is for, with the variant as the base writes it.
    pub platform: Platform,
    /// Of the manifest.
    pub digest: Digest,
    /// Of the manifest, in bytes.
    pub size: u64,
    /// Its config.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// How many of them are the base's.
    #[serde(skip)]
    pub below: usize,
    /// Of the manifest, as the layout knows it.
    #[serde(skip)]
    pub descriptor: Descriptor,
}
