//! `base pin` and `base update`: which keys `base` change, and to what. Everything is read, verified and edited before the first
//! file is written; each file is replaced as a whole.

use std::path::{Path, PathBuf};

use miette::{Report, miette};

use super::ages::{BaseAges, created};
use super::edit::{base_in, with_base};
use super::manifest_file::ManifestFile;
use super::tagged::TaggedBase;
use super::unified_diff::unified_diff;
use super::usage::{self, BaseUsage, relative};
use crate::build::verify_base::BaseVerifier;
use crate::context::GlobalContext;
use crate::error::{Result, with_help};
use crate::event::Event;
use crate::image::{Descriptor, Digest};
use crate::plan::base_keys::BaseKey;
use crate::platform::PlatformChoice;
use crate::reference::BaseReference;

/// What is done with bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinAction {
    /// Those without a digest get one.
    Pin,
    /// The digests of those that have one are replaced.
    Update,
}

/// Changes the bases of a workspace.
pub(crate) struct Pinner<'a> {
    /// What is done.
    pub action: PinAction,
    /// The Cargo.toml of the workspace or of a package in it, if it was named.
    pub manifest: Option<&'a Path>,
    /// The names of the images; empty for all.
    pub names: &'a [String],
    /// Whether cargo is to be quiet.
    pub quiet: bool,
    /// The context.
    pub context: &'a GlobalContext<'a>,
}

/// What changes, before it is written.
pub(crate) struct PlannedPins {
    /// The keys, in the order of the images.
    pins: Vec<PlannedPin>,
    /// The files that change, as they were read, each with its new text.
    files: Vec<(ManifestFile, String)>,
}

/// A key `base`, and its new value.
struct PlannedPin {
    key: BaseKey,
    /// Where it is, in words.
    location: String,
    /// The value that it has afterwards.
    base: String,
    /// The digest that it had.
    from: Option<Digest>,
    is_changed: bool,
}

impl Pinner<'_> {
    /// Decides what changes.
    ///
    /// # Errors
    /// Returns an error if a table is wrong, a tag cannot be resolved, a base does not fit its images or is not signed as it
    /// must be, or a file cannot be edited.
    pub(crate) fn plan(&self) -> Result<PlannedPins> {
        let usages = usage::read(self.manifest, self.names, self.quiet, self.context)?;
        let mut ages = BaseAges::new(self.context)?;
        let mut planned = PlannedPins { pins: Vec::new(), files: Vec::new() };
        for usage in &usages {
            if let Some(pin) = self.pin(usage, &mut ages, &mut planned)? {
                planned.pins.push(pin);
            }
        }
        planned.files.retain(|(file, text)| file.text != *text);
        planned.files.iter().try_for_each(|(file, _)| file.check_writable())?;
        Ok(planned)
    }

    /// Decides about one key. Returns `None` if it is left as it is, for a reason that the user is told.
    fn pin(&self, usage: &BaseUsage, ages: &mut BaseAges, planned: &mut PlannedPins) -> Result<Option<PlannedPin>> {
        let text = planned.text(&usage.key.manifest)?;
        let written = base_in(text, &usage.key.table).unwrap_or_else(|| usage.base.to_string());
        let Some(tagged) = TaggedBase::parse(&written) else { return Ok(None) };
        match (self.action, &tagged.pinned) {
            (PinAction::Pin, Some(_)) => return Ok(Some(PlannedPin::unchanged(usage, written))),
            (PinAction::Update, None) => {
                self.context.warn(format!("{written} is not pinned: `cargo oci base pin` pins it"));
                return Ok(None);
            }
            (PinAction::Update, Some(_)) if !tagged.has_tag => {
                let location = usage.location();
                self.context.warn(format!(
                    "cannot update {written} in {location}: it has no tag, so nothing says what is newer"
                ));
                return Ok(None);
            }
            (PinAction::Pin, None) | (PinAction::Update, Some(_)) => {}
        }
        let Some(root) = ages.documents.root(&tagged.tag()?)? else { return Ok(None) };
        if tagged.pinned.as_ref() == Some(root.digest()) {
            return Ok(Some(PlannedPin::unchanged(usage, written)));
        }
        self.check(usage, &tagged, &root, ages)?;
        let base = tagged.pinned_to(root.digest());
        planned.edit(&usage.key, &base)?;
        Ok(Some(PlannedPin {
            key: usage.key.clone(),
            location: usage.location(),
            base,
            from: tagged.pinned,
            is_changed: true,
        }))
    }

    /// Checks that the new image can take the place of the old one.
    fn check(&self, usage: &BaseUsage, tagged: &TaggedBase, root: &Descriptor, ages: &mut BaseAges) -> Result<()> {
        let tag = tagged.tag()?;
        let new = ages.documents.find(&tag, &usage.platforms).map_err(|error| not_usable(usage, &tag, error))?;
        for key in &usage.verify {
            BaseVerifier::new(&ages.documents).check_root(&tag, root, key)?;
        }
        // What the registry does not have any more need not be compared with.
        let Some(old) = tagged.pinned.as_ref().and_then(|_| ages.documents.find(&usage.base, &usage.platforms).ok())
        else {
            return Ok(());
        };
        let lost = old.images.iter().find(|before| new.images.iter().all(|now| now.target != before.target));
        if let Some(lost) =
            lost.filter(|_| usage.platforms.iter().any(|choice| matches!(choice, PlatformChoice::All(_))))
        {
            let error = miette!("it has no image for {} any more", lost.platform);
            return Err(not_usable(usage, &tag, error));
        }
        if let (Some(before), Some(now)) = (created(&old), created(&new))
            && now < before
        {
            self.context.warn(format!("{tag} names an older image now: created {now}, and the pinned one {before}"));
        }
        let new_reference = tagged.at(root.digest())?;
        match ages.distributions((&usage.base, &old), (&new_reference, &new)) {
            Ok(Some((before, now))) if before != now => {
                let error = miette!("it is made of {now} now, and the pinned image of {before}");
                Err(not_usable(usage, &tag, error))
            }
            Ok(_) => Ok(()),
            Err(error) => {
                self.context
                    .warn(format!("cannot compare the distribution of {new_reference} with the pinned one: {error}"));
                Ok(())
            }
        }
    }
}

/// Returns the error that a newer image cannot take the place of a base.
fn not_usable(usage: &BaseUsage, tag: &BaseReference, error: Report) -> Report {
    let help = format!(
        "choose another base for {} in {}, with its digest; nothing was written",
        usage.images.join(", "),
        usage.location()
    );
    with_help(error.wrap_err(format!("cannot pin {tag} as it is now")), help)
}

impl PlannedPin {
    fn unchanged(usage: &BaseUsage, base: String) -> PlannedPin {
        PlannedPin { key: usage.key.clone(), location: usage.location(), base, from: None, is_changed: false }
    }
}

impl PlannedPins {
    /// Returns the text of a file as it is planned, which is read when it is first needed.
    fn text(&mut self, path: &Path) -> Result<&str> {
        let at = self.position(path)?;
        Ok(&self.files[at].1)
    }

    fn position(&mut self, path: &Path) -> Result<usize> {
        if let Some(at) = self.files.iter().position(|(file, _)| file.path == path) {
            return Ok(at);
        }
        let file = ManifestFile::read(path)?;
        let text = file.text.clone();
        self.files.push((file, text));
        Ok(self.files.len() - 1)
    }

    fn edit(&mut self, key: &BaseKey, base: &str) -> Result<()> {
        let at = self.position(&key.manifest)?;
        let text = &mut self.files[at].1;
        *text = with_base(text, &key.table, base).ok_or_else(|| {
            miette!(
                help = format!("write `base = \"{base}\"` into {} by hand; nothing was written", key.table),
                "cannot add the key `base` to {} in {}",
                key.table,
                relative(&key.manifest).display()
            )
        })?;
        Ok(())
    }

    /// Returns what would be written, as a patch.
    pub(crate) fn diff(&self) -> String {
        self.files.iter().map(|(file, text)| unified_diff(&relative(&file.path), &file.text, text)).collect()
    }

    /// Writes the files, and returns the bases as they are now.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written. It is as it was then; files before it are written.
    pub(crate) fn write(&self, context: &GlobalContext) -> Result<Vec<String>> {
        for (file, text) in &self.files {
            file.replace(text)?;
            self.report(&file.path, context);
        }
        for pin in self.pins.iter().filter(|pin| !pin.is_changed) {
            context.report(pin.event());
        }
        Ok(self.pins.iter().map(|pin| pin.base.clone()).collect())
    }

    /// Reports what has changed in a file.
    fn report(&self, path: &PathBuf, context: &GlobalContext) {
        for pin in self.pins.iter().filter(|pin| pin.is_changed && pin.key.manifest == *path) {
            context.report(pin.event());
        }
    }
}

impl PlannedPin {
    fn event(&self) -> Event {
        Event::Pinned {
            base: self.base.clone(),
            location: self.location.clone(),
            from: self.from.clone(),
            was_there: !self.is_changed,
        }
    }
}
