//! Warnings about bases that get no more fixes, once a day for each.

use oci_spec::image::Descriptor;
use serde::{Deserialize, Serialize};

use crate::base::os_release::OsRelease;
use crate::base::{Base, certificates, end_of_life};
use crate::context::base::Bases;
use crate::error::Result;
use crate::plan::ImagePlan;
use crate::reference::BaseReference;
use crate::store::Source;
use crate::store::cache::records::RecordKind;
use crate::store::layer::layers_of;

/// So much of a base is read, from its lowest layer, which is mostly the distribution. Reading more would take longer than the
/// rest of the build.
const MOST_BYTES_TO_READ: u64 = 64 << 20;

/// What is known of a base, by its digest.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct SupportRecord {
    /// Whether its layers were read for its os-release.
    is_read: bool,
    /// What was found there.
    release: Option<OsRelease>,
    /// The last day that the user was warned.
    warned: Option<String>,
}

/// Warns if the base of an image gets no more fixes, or if the certificates of the embedded base are old, unless that was said
/// today already.
///
/// # Errors
/// Returns an error if the day cannot be told.
pub(crate) fn check(image: &ImagePlan, base: &Base, bases: &Bases) -> Result<()> {
    let Some(root) = &base.root else { return Ok(()) };
    let (context, key) = (bases.context(), root.digest().as_ref());
    let (cache, today) = (context.cache()?, context.environment.today()?);
    let known: SupportRecord = cache.get(RecordKind::Support, key).unwrap_or_default();
    if known.warned.as_ref().is_some_and(|day| *day == today.to_string()) {
        return Ok(());
    }
    let mut record = known.clone();
    let message = if image.base == BaseReference::Embedded {
        certificates::warning(today)
    } else {
        let local: &dyn Source = match image.base {
            // Nothing is requested for this: what was not pulled is not read.
            BaseReference::Registry(_) => cache.as_ref(),
            _ => bases.source(&image.base)?,
        };
        record.read(base, local);
        let release = record.release.clone().or_else(|| OsRelease::by_name(&image.base));
        end_of_life::warning(&image.base, base, release.as_ref(), today)
    };
    if let Some(message) = message {
        record.warned = Some(today.to_string());
        context.warn_once(message);
    }
    if record != known {
        cache.put(RecordKind::Support, key, record);
    }
    Ok(())
}

impl SupportRecord {
    /// Looks for the os-release of a base in the lowest layers of its first image, once, if they are in
    /// `source`.
    fn read(&mut self, base: &Base, source: &dyn Source) {
        let Some(image) = base.images.first().filter(|_| !self.is_read) else { return };
        let mut left = MOST_BYTES_TO_READ;
        let few = image.layers.iter().take_while(|layer| {
            let rest = left.checked_sub(layer.size());
            left = rest.unwrap_or_default();
            rest.is_some()
        });
        let few: Vec<Descriptor> = few.cloned().collect();
        if !few.iter().all(|layer| source.exists(layer).unwrap_or_default()) {
            return;
        }
        // What cannot be read is reported where it matters.
        let layers = layers_of(&image.config, &few);
        if let Ok(found) = layers.and_then(|layers| OsRelease::find(source, &layers)) {
            (self.is_read, self.release) = (true, found);
        }
    }
}
