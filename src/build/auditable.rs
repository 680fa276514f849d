//! Auditable programs: copies of the compiled programs with the list of their crates.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use miette::{Context, miette};

use super::inputs::Inputs;
use crate::attest::auditable;
use crate::compile::{Binary, section};
use crate::error::{Result, cannot_read, on_path};
use crate::image::Digest;
use crate::image::digest::sha256;
use crate::plan::{ImagePlan, Plan};
use crate::store::cache::records::RecordKind;
use crate::store::fingerprint::Fingerprint;
use crate::store::{Cache, atomic};

/// The folder of these programs in cargo's target folder.
const FOLDER: &str = "oci-auditable";

/// Adds the lists.
pub(crate) struct Auditable<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Knows the programs of earlier runs.
    pub cache: &'a Cache,
    /// The crates.
    pub inputs: &'a Inputs<'a>,
}

impl Auditable<'_> {
    /// Returns whether any program may get its list: images of one package share its programs. Without `has_cargo`, all
    /// programs are prebuilt.
    pub(crate) fn is_wanted(plan: &Plan, has_cargo: bool) -> bool {
        plan.images.iter().any(|image| if has_cargo { image.auditable } else { image.auditable_prebuilt })
    }

    /// Returns the program with its list, or the program itself if an image that has it is not auditable.
    ///
    /// # Errors
    /// Returns an error if the program cannot be read, or the copy cannot be written.
    pub(crate) fn program(&self, binary: &Binary) -> Result<Binary> {
        let target = binary.unit.target;
        let has_it = |image: &&ImagePlan| image.unit(target) == binary.unit && image.bins.contains(&binary.name);
        let images: Vec<_> = self.plan.images.iter().filter(has_it).collect();
        let image = match images[..] {
            [image, ..] if images.iter().all(|image| self.plan.is_auditable(image, target)) => image,
            _ => return Ok(binary.clone()),
        };
        let crates = self.inputs.crates(image, target);
        let section = auditable::section(crates)?;
        let run = format!("{}-{}", image.spec.replace('@', "-"), image.run);
        // As in cargo's own folder, a build with another profile may run at the same time.
        let folder = image.target_dir.join(FOLDER).join(target.triple).join(&image.profile).join(run);
        let path = folder.join(&binary.name);
        let made = self.write(binary, &section, &path);
        made.wrap_err_with(|| format!("cannot put the list of its crates into {}", binary.name))?;
        Ok(Binary { path, ..binary.clone() })
    }

    fn write(&self, binary: &Binary, list: &[u8], path: &PathBuf) -> Result<()> {
        let now = SystemTime::now();
        let stamp = |path: &PathBuf| {
            let found = fs::metadata(path).ok()?;
            Fingerprint::of(&found).filter(|stamp| stamp.is_settled_at(now))
        };
        let about = format!("{} of {}", auditable::SECTION, path.display());
        let list_digest = sha256(list);
        let known = self.cache.get::<(Fingerprint, Fingerprint, Digest)>(RecordKind::File, &about);
        if let (Some((from, to, of)), Some(is_from), Some(is_to)) = (known, stamp(&binary.path), stamp(path))
            && (from, to, of) == (is_from, is_to, list_digest.clone())
        {
            return Ok(());
        }
        let program = fs::read(&binary.path).map_err(|error| cannot_read(&binary.path, error))?;
        let made = section::add(&program, auditable::SECTION, list)?.unwrap_or(program);
        let failed = |error| on_path("write", path, error);
        // An identical file keeps its modification time, so that its layer is not made again.
        if fs::read(path).ok().as_ref() != Some(&made) {
            let folder = path.parent().ok_or_else(|| miette!("{} is no file", path.display()))?;
            fs::create_dir_all(folder).map_err(|error| on_path("create", folder, error))?;
            atomic::replace(path, |file| file.write_all(&made)).map_err(failed)?;
        }
        // The copy can be executed like the original.
        let wanted = fs::metadata(&binary.path).map_err(failed)?.permissions();
        if fs::metadata(path).map_err(failed)?.permissions() != wanted {
            fs::set_permissions(path, wanted).map_err(failed)?;
        }
        if let (Some(from), Some(to)) = (stamp(&binary.path), stamp(path)) {
            self.cache.put(RecordKind::File, &about, (from, to, list_digest));
        }
        Ok(())
    }
}
