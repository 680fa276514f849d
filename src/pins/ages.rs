//! Two images of a base, by digest: when they were created, and what differs between them. Each is read once in a run.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::contents::AgeContents;
use crate::base::end_of_life::creation_day;
use crate::base::{Base, BaseImage};
use crate::context::GlobalContext;
use crate::context::base::Bases;
use crate::error::Result;
use crate::image::Digest;
use crate::inspect::base_pins::{BaseAge, BaseChanges, LayerChanges};
use crate::platform::PlatformChoice;
use crate::reference::BaseReference;

/// The images of bases that were read.
pub(super) struct BaseAges<'a> {
    /// Of these, only documents are read.
    pub documents: Bases<'a>,
    /// Of these, the layers are pulled, for one platform each.
    layers: Bases<'a>,
    /// What the layers of manifests say.
    contents: HashMap<Digest, AgeContents>,
    /// The day to which ages are counted.
    today: Date,
}

impl<'a> BaseAges<'a> {
    /// Creates an empty list.
    pub(super) fn new(context: &'a GlobalContext<'a>) -> Result<BaseAges<'a>> {
        let open = || Bases::new(context, true, false);
        Ok(BaseAges {
            documents: open()?,
            layers: open()?,
            contents: HashMap::new(),
            today: context.environment.today()?,
        })
    }

    /// Returns the age of an image.
    pub(super) fn age(&self, digest: Digest, base: Option<&Base>) -> BaseAge {
        let created = base.and_then(created_text);
        let day = created.and_then(creation_day);
        let days = day.map(|day| i64::from(day.until(self.today).map_or(0, |span| span.get_days())).max(0));
        BaseAge { digest, created: created.map(str::to_owned), days }
    }

    /// Returns what differs between two images of a base, or `None` if they have no platform in common.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be read.
    pub(super) fn changes(
        &mut self,
        (old_reference, old): (&BaseReference, &Base),
        (new_reference, new): (&BaseReference, &Base),
    ) -> Result<Option<BaseChanges>> {
        let Some((before, now)) = first_difference(old, new) else { return Ok(None) };
        let old_contents = self.contents(old_reference, before)?;
        let new_contents = self.contents(new_reference, now)?;
        let is_added = |layer: &&Descriptor| before.layers.iter().all(|known| known.digest() != layer.digest());
        let added: Vec<_> = now.layers.iter().filter(is_added).collect();
        Ok(Some(BaseChanges {
            platform: now.platform.to_string(),
            layers: LayerChanges {
                added: added.len(),
                kept: now.layers.len() - added.len(),
                bytes: added.iter().map(|layer| layer.size()).fold(0, u64::saturating_add),
            },
            packages: new_contents.packages_since(&old_contents),
            certificates: new_contents.certificates_since(&old_contents),
            os_release: new_contents.os_release_since(&old_contents),
        }))
    }

    /// Returns the distributions that two images of a base are made of, if both say it.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be read.
    pub(super) fn distributions(
        &mut self,
        (old_reference, old): (&BaseReference, &Base),
        (new_reference, new): (&BaseReference, &Base),
    ) -> Result<Option<(String, String)>> {
        let Some((before, now)) = first_difference(old, new) else { return Ok(None) };
        let (before, now) = (self.contents(old_reference, before)?, self.contents(new_reference, now)?);
        Ok(before.distribution().map(str::to_owned).zip(now.distribution().map(str::to_owned)))
    }

    /// Returns what the layers of an image say. They are pulled, unless the cache has them.
    fn contents(&mut self, reference: &BaseReference, image: &BaseImage) -> Result<AgeContents> {
        let digest = image.manifest.as_ref().map(|manifest| manifest.digest().clone());
        if let Some(known) = digest.as_ref().and_then(|digest| self.contents.get(digest)) {
            return Ok(known.clone());
        }
        self.layers.find(reference, &[PlatformChoice::One(image.target)])?;
        self.layers.fetch_one(reference)?;
        let contents = AgeContents::read(self.layers.source(reference)?, image)?;
        self.contents.extend(digest.map(|digest| (digest, contents.clone())));
        Ok(contents)
    }
}

/// Returns the images for the first platform that both have, and whose manifests differ.
fn first_difference<'b>(old: &'b Base, new: &'b Base) -> Option<(&'b BaseImage, &'b BaseImage)> {
    let pairs = new.images.iter().filter_map(|now| {
        let before = old.images.iter().find(|before| before.platform.agrees_with(&now.platform))?;
        Some((before, now))
    });
    let pairs: Vec<_> = pairs.collect();
    let digest = |image: &BaseImage| image.manifest.as_ref().map(|manifest| manifest.digest().clone());
    pairs.iter().find(|(before, now)| digest(before) != digest(now)).or(pairs.first()).copied()
}

/// Returns when a base was created, as its first image says.
pub(super) fn created(base: &Base) -> Option<Timestamp> {
    created_text(base)?.parse().ok()
}

fn created_text(base: &Base) -> Option<&str> {
    base.images.first()?.config.get("created").and_then(Value::as_str)
}
