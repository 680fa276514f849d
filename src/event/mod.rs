//! Events, as data: only [`report`](crate::report) puts them into words.

mod built;
mod certificate;
pub(crate) mod counter;
mod made;
mod planned;
mod pruned;
mod tested;
pub(crate) mod transfer;
mod verified;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::ConfigError;
use crate::image::Digest;
use crate::platform::Platform;
pub use built::{BuiltAttachment, BuiltBase, BuiltImage, BuiltManifest};
pub use certificate::Certificate;
use counter::Counter;
pub use made::{MadeIndex, MadeManifest};
pub use planned::{PlannedContent, PlannedPush, PlannedTag, PlannedTransfer};
pub use pruned::{PrunedRepository, UnneededManifest};
pub use tested::{ImageVerdicts, TestResult, Verdict};
pub use verified::{RejectedReferrer, UnsignedDocument, VerifiedImage, VerifiedManifest, VerifiedStatement};

/// An event of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A Rust target's standard library is being installed.
    InstallingTarget {
        /// The Rust target triple.
        triple: &'static str,
    },
    /// An allocator is being compiled for a target.
    CompilingAllocator {
        /// Its name.
        name: &'static str,
        /// Name and version of the crate with its sources.
        from: String,
        /// The Rust target triple.
        triple: &'static str,
    },
    /// Cargo has started, and draws on the terminal.
    CargoBegun,
    /// Cargo has ended.
    CargoEnded,
    /// Content of a base is being pulled.
    Pulling {
        /// The base as the user named it.
        base: String,
        /// The number of blobs to pull.
        blobs: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// The tags of an image, before it is built.
    Tagging {
        /// The name of the image.
        image: String,
        /// The tags.
        tags: Vec<String>,
    },
    /// An image is being tested.
    Testing {
        /// The name of the image.
        image: String,
        /// The platforms.
        platforms: Vec<Platform>,
        /// What runs its programs, if a test runs one: `Docker 28.5.2`.
        runner: Option<String>,
    },
    /// A test has ended.
    Tested {
        /// The name of the image.
        image: String,
        /// The result.
        result: TestResult,
    },
    /// A layer was made.
    Layered {
        /// The name of the image.
        image: String,
        /// The platform of the layer.
        platform: Platform,
        /// The absolute paths of its files in the image.
        files: Vec<String>,
        /// The size of its blob in bytes.
        bytes: u64,
    },
    /// Blobs were removed from the cache.
    Pruned {
        /// The number of blobs.
        blobs: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// A base was pinned in Cargo.toml.
    Pinned {
        /// The base as it is written now, with its digest.
        base: String,
        /// The table and the file.
        location: String,
        /// The digest that it had.
        from: Option<Digest>,
        /// Whether nothing was written, as the digest was right.
        was_there: bool,
    },
    /// An output besides the layout was written.
    Wrote {
        /// The platform, if the file holds only this one of several.
        only: Option<Platform>,
        /// The path.
        path: PathBuf,
    },
    /// An image is being unpacked as a bundle.
    Bundling {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// The number of layers.
        layers: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// The layout of an image was committed.
    Finished {
        /// The image.
        image: Box<BuiltImage>,
    },
    /// This run waits for another run that writes the same layout.
    Waiting {
        /// The layout.
        path: PathBuf,
    },
    /// A line that cargo printed besides its messages, such as the output of build scripts with `-vv`.
    CargoSaid {
        /// The line.
        line: String,
    },
    /// An index is being made of images that are elsewhere.
    Indexing {
        /// The name of the image.
        image: String,
        /// `registry/repository`.
        to: String,
        /// Its platforms.
        platforms: Vec<Platform>,
    },
    /// An image is being put on a new base.
    Rebasing {
        /// The image as the user named it.
        image: String,
        /// The new base.
        base: String,
        /// Whether it is on that base already.
        unchanged: bool,
    },
    /// The push of an image has begun.
    Pushing {
        /// The name of the image.
        image: String,
        /// `registry/repository`.
        to: String,
    },
    /// An image was pushed, and its tags were moved.
    Pushed {
        /// The name of the image.
        image: String,
        /// `registry/repository`.
        to: String,
        /// The tags that have moved.
        tags: Vec<String>,
        /// The number of bytes that were sent.
        sent: u64,
        /// Whether it existed there before.
        was_there: bool,
    },
    /// An image is being loaded into an engine.
    Loading {
        /// The name of the image.
        image: String,
        /// The engine's name and version.
        engine: String,
        /// The platform.
        platforms: Vec<Platform>,
    },
    /// An image was loaded into an engine, with all its names.
    Loaded {
        /// `NAME:TAG` each.
        names: Vec<String>,
        /// The engine's name and version.
        engine: String,
        /// The engine's ID of the image.
        id: Digest,
        /// The number of bytes that were sent; `None` if the engine reads the layout itself.
        sent: Option<u64>,
        /// Whether it existed there before.
        was_there: bool,
    },
    /// A container is being started.
    Running {
        /// The image, as `NAME:TAG`.
        name: String,
        /// The engine's name and version.
        engine: String,
        /// The ports that the image declares, if none is published.
        unpublished: Vec<String>,
    },
    /// An image is being validated.
    Validating {
        /// The image as the user named it, in full.
        image: String,
    },
    /// An image is valid.
    Validated {
        /// The image as the user named it, in full.
        image: String,
        /// The number of its documents, configs and layers.
        blobs: usize,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// A manifest of an image was signed.
    Signed {
        /// `index`, or the platform of the manifest.
        image: String,
        /// The digest of the manifest.
        digest: Digest,
        /// The location of the image.
        to: String,
        /// The titles of the signed statements: `signature` for the manifest itself, …
        said: Vec<String>,
        /// Whether all signatures existed before.
        was_there: bool,
    },
    /// A file was attached to an image.
    Attached {
        /// The type of the artifact.
        artifact_type: String,
        /// The digest of the manifest of the image.
        subject: Digest,
        /// The digest of the manifest of the attachment.
        digest: Digest,
        /// The location of the image.
        to: String,
        /// Whether it was attached before.
        was_there: bool,
    },
    /// The statements about a manifest were verified.
    Verified {
        /// `index`, or the platform of the manifest.
        image: String,
        /// The digest of the manifest.
        digest: Digest,
        /// The titles of the statements, such as `signature`.
        said: Vec<String>,
    },
    /// It was verified who has signed an image.
    SignedBy {
        /// Who must have signed it, as the user has named them.
        signer: String,
        /// What the certificate says; `None` if it was signed with a key.
        certificate: Option<Box<Certificate>>,
    },
    /// A request failed and will be repeated after a pause.
    Retrying {
        /// A number that no other pause of this process has.
        id: u64,
        /// The request, and why it failed.
        error: String,
        /// The number of the attempt that failed, and the most attempts; `None` for the first.
        attempt: Option<(u32, u32)>,
        /// Whether the attempt before has failed for the same reason.
        is_told: bool,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// The pause is over, or nothing is repeated after all.
    RetryBegun {
        /// The number of the pause.
        id: u64,
    },
    /// A server has not responded to a request for some seconds. The run waits on.
    WaitingForAnswer {
        /// The method, such as `GET`.
        method: String,
        /// The URL without query and credentials, which may hold secrets.
        url: String,
        /// How long the server may be silent.
        limit: Duration,
    },
    /// A password for a registry was stored.
    LoggedIn {
        /// The registry.
        registry: String,
        /// The user.
        user: String,
        /// Where the password is stored.
        place: String,
    },
    /// The credentials for a registry were erased.
    LoggedOut {
        /// The registry.
        registry: String,
        /// Where they were.
        place: String,
    },
    /// Where the credentials for a registry are from, or where none were found.
    Credentials {
        /// The registry.
        registry: String,
        /// The file, helper or variable.
        source: String,
    },
    /// A request to a registry or its token service has ended.
    Request {
        /// The method, such as `GET`.
        method: String,
        /// The URL without query and credentials, which may hold secrets.
        url: String,
        /// The server that responded after redirects: scheme, host and port.
        by: Option<String>,
        /// The status of the response, or `None` without a response.
        status: Option<u16>,
        /// The time until the headers of the response.
        took: Duration,
        /// The size of the body that was sent, else of the response, if it is known.
        bytes: Option<u64>,
    },
    /// A transfer has begun.
    TransferBegun {
        /// The progress.
        transfer: Arc<Counter>,
    },
    /// A transfer has ended, successfully or not.
    TransferEnded {
        /// The progress.
        transfer: Arc<Counter>,
    },
    /// An image is built again, to compare both.
    Reproducing {
        /// The image with its digest.
        image: String,
        /// What its provenance says, in a few words.
        build: String,
    },
    /// An image was built again, with the same digest.
    Reproduced {
        /// The image with its digest.
        image: String,
    },
    /// Advice, which is given once.
    Advice {
        /// The message.
        message: String,
    },
    /// A table or a key of Cargo.toml that is not read, but was probably meant for us.
    UnreadTable {
        /// The message, and the line.
        warning: Arc<ConfigError>,
    },
    /// A warning. The run continues.
    Warning {
        /// The message.
        message: String,
    },
}

/// A question to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The name of a user of a registry.
    User {
        /// The registry.
        registry: &'a str,
    },
    /// The password of a user of a registry. It is not echoed.
    Password {
        /// The user.
        user: &'a str,
        /// The registry.
        registry: &'a str,
    },
    /// Whether to send the password for a registry to its token service.
    TrustTokenService {
        /// The registry.
        registry: &'a str,
        /// The host of the token service.
        service: &'a str,
    },
    /// The password of a private key. It is not echoed.
    KeyPassword {
        /// The location of the key.
        key: &'a str,
    },
    /// The password for a new private key. It is not echoed.
    NewKeyPassword {
        /// The location of the new key.
        key: &'a str,
        /// Whether the password is repeated.
        again: bool,
    },
}

/// Asks the user a question.
pub type Prompt<'a> = &'a (dyn Fn(Question) -> std::io::Result<String> + Sync);

/// Receives [`Event`]s.
pub type Listener<'a> = &'a (dyn Fn(Event) + Sync);
