//! Writing a layout or an image as a tar file.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;
use tar::{EntryType, Header};

use crate::error::{Result, on_path};
use crate::image::layer::decompress::{TarLimit, decompress};
use crate::image::layer::name::{extended_header, set_path};
use crate::image::manifest::{Manifest, ManifestContent};
use crate::image::media_type::as_oci;
use crate::image::{Digest, canonical_json};
use crate::store::atomic;
use crate::store::graph::reachable;
use crate::store::layout::index::{
    INDEX, OCI_LAYOUT, OCI_LAYOUT_CONTENT, blob_path, index_entry, subject_of, write_index,
};
use crate::store::layout::lists::REFERRERS;
use crate::store::layout::subject_lists::subject_lists;
use crate::store::layout::{Layout, ReferrersPlace};
use crate::store::source::{Source, open, read};

/// The file that lists the images of a docker-archive.
const DOCKER_MANIFEST: &str = "manifest.json";

/// The image of a docker-archive, for one platform: the format has no indexes.
pub struct DockerImage<'a> {
    /// The manifest in the layout.
    pub manifest: &'a Descriptor,
    /// The names (`name:tag`) that the engine gives it.
    pub names: Vec<String>,
}

/// A blob in an archive.
struct ArchiveBlob {
    path: String,
    descriptor: Descriptor,
    /// The size of the uncompressed tar, if that is written instead of the blob.
    unpacked_size: Option<u64>,
}

impl ArchiveBlob {
    fn size(&self) -> u64 {
        self.unpacked_size.unwrap_or(self.descriptor.size())
    }

    fn open<'a>(&self, source: &'a dyn Source, limit: &'a TarLimit) -> Result<Box<dyn Read + 'a>> {
        if self.unpacked_size.is_some() {
            unpack(source, &self.descriptor, limit)
        } else {
            Ok(Box::new(open(source, &self.descriptor)?))
        }
    }
}

/// The contents of an archive to write.
pub struct ArchiveContents<'a> {
    source: &'a dyn Source,
    blobs: Vec<ArchiveBlob>,
    documents: Vec<(String, Vec<u8>)>,
}

impl<'a> ArchiveContents<'a> {
    /// Returns a layout with everything in `layout`. What is attached is listed at `referrers`.
    ///
    /// # Errors
    /// Returns an error if the layout cannot be read.
    pub fn of_layout(layout: &'a Layout, referrers: ReferrersPlace) -> Result<ArchiveContents<'a>> {
        let entries = layout.entries();
        if referrers == ReferrersPlace::Index {
            let mut all: Vec<_> = entries.iter().map(|entry| json!(entry)).collect();
            let attached = layout.referrers().iter();
            let attached =
                attached.filter_map(|entry| Some((subject_of(layout, entry)?.digest().clone(), json!(entry))));
            let mut lists = Vec::new();
            for list in subject_lists(&attached.collect::<Vec<_>>()) {
                lists.push((blob_path(list.document.descriptor.digest()), list.document.bytes));
                all.push(list.entry);
            }
            let mut contents = ArchiveContents::new(layout, entries, write_index(&all))?;
            contents.documents.splice(0..0, lists);
            return Ok(contents);
        }
        let mut contents = ArchiveContents::new(layout, entries, layout.index().to_vec())?;
        contents.documents.extend(layout.referrers_list().map(|list| (REFERRERS.to_owned(), list.to_vec())));
        Ok(contents)
    }

    /// Returns a layout with the image `root` under each of `names` (`NAME:TAG`), or without a name.
    ///
    /// # Errors
    /// Returns an error if the documents of the image cannot be read.
    pub fn of_image(source: &'a dyn Source, root: &Descriptor, names: &[String]) -> Result<ArchiveContents<'a>> {
        let mut entries: Vec<_> = names.iter().map(|name| index_entry(root, name)).collect();
        if entries.is_empty() {
            entries.push(json!(root));
        }
        ArchiveContents::new(source, std::slice::from_ref(root), write_index(&entries))
    }

    fn new(source: &'a dyn Source, roots: &[Descriptor], index: Vec<u8>) -> Result<ArchiveContents<'a>> {
        let blobs = deduplicate(reachable(source, roots)?);
        let mark = (OCI_LAYOUT.to_owned(), OCI_LAYOUT_CONTENT.as_bytes().to_vec());
        let documents = vec![(INDEX.to_owned(), index), mark];
        Ok(ArchiveContents { source, blobs, documents })
    }

    /// Returns an archive in Docker's format only, without a layout. Unpacks zstd layers unless `supports_zstd`.
    ///
    /// # Errors
    /// Returns an error if the manifest or a layer to unpack cannot be read.
    pub fn of_docker_image(
        source: &'a dyn Source,
        image: &DockerImage,
        supports_zstd: bool,
    ) -> Result<ArchiveContents<'a>> {
        let mut blobs = deduplicate(read_manifest(source, image.manifest)?.children());
        for blob in blobs.iter_mut().filter(|blob| !supports_zstd && is_zstd(&blob.descriptor)) {
            // The header of a file comes before its content, so the size must be known first.
            let limit = TarLimit::of([&blob.descriptor]);
            let size = io::copy(&mut unpack(source, &blob.descriptor, &limit)?, &mut io::sink()).into_diagnostic();
            blob.unpacked_size = Some(size.wrap_err_with(|| format!("cannot unpack {}", blob.descriptor.digest()))?);
        }
        ArchiveContents { source, blobs, documents: Vec::new() }.with_docker_image(image)
    }

    /// Adds what Docker needs to load the image.
    ///
    /// # Errors
    /// Returns an error if the manifest cannot be read.
    pub fn with_docker_image(mut self, image: &DockerImage) -> Result<ArchiveContents<'a>> {
        self.documents.push((DOCKER_MANIFEST.to_owned(), docker_manifest(self.source, image)?));
        Ok(self)
    }

    /// Removes the blobs for which `has` returns true, for readers that have them.
    #[must_use]
    pub fn without(mut self, has: impl Fn(&Digest) -> bool) -> ArchiveContents<'a> {
        self.blobs.retain(|blob| !has(blob.descriptor.digest()));
        self
    }

    /// Returns the size of the tar in bytes.
    pub fn size(&self) -> u64 {
        let blobs = self.blobs.iter().map(|blob| (blob.path.as_str(), blob.size()));
        let documents = self.documents.iter().map(|(name, bytes)| (name.as_str(), bytes.len() as u64));
        let folders = self.folders();
        let folders = folders.iter().map(|name| (name.as_str(), 0));
        // Two zero blocks end the tar. Sizes in manifests are not trusted to be sane.
        folders.chain(blobs).chain(documents).fold(1024, |sum: u64, (name, size)| {
            let content = size.checked_next_multiple_of(512).unwrap_or(size);
            sum.saturating_add(header_size(name)).saturating_add(content)
        })
    }

    /// Returns the folders of the blobs, each before what is in it: syft unpacks no file whose folder has no entry.
    fn folders(&self) -> Vec<String> {
        let ends = |path: &str| path.match_indices('/').map(|(at, _)| at + 1).collect::<Vec<_>>();
        let folders = self.blobs.iter().flat_map(|blob| ends(&blob.path).into_iter().map(|end| &blob.path[..end]));
        folders.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Writes the tar with `time` (seconds since 1970) as every mtime.
    ///
    /// # Errors
    /// Returns an error if reading the content or writing fails.
    pub fn write(&self, time: u64, file: &mut dyn Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(io::BufWriter::new(file));
        for folder in self.folders() {
            append(&mut tar, EntryType::Directory, &folder, 0, time, io::empty())?;
        }
        for blob in &self.blobs {
            let limit = TarLimit::of([&blob.descriptor]);
            let content = blob.open(self.source, &limit).map_err(|error| io::Error::other(error.to_string()))?;
            append(&mut tar, EntryType::Regular, &blob.path, blob.size(), time, content)?;
        }
        for (name, bytes) in &self.documents {
            append(&mut tar, EntryType::Regular, name, bytes.len() as u64, time, &bytes[..])?;
        }
        tar.into_inner()?.flush()
    }

    /// Writes the tar atomically to the file `path`.
    ///
    /// # Errors
    /// Returns an error if reading the content or writing fails. Then an existing file is unchanged.
    pub fn write_file(&self, time: u64, path: &Path) -> Result<()> {
        atomic::replace(path, |file| self.write(time, file)).map_err(|error| on_path("write", path, error))
    }
}

/// Returns each blob once, sorted by path.
fn deduplicate(mut descriptors: Vec<Descriptor>) -> Vec<ArchiveBlob> {
    descriptors.sort_by_key(|blob| blob_path(blob.digest()));
    descriptors.dedup_by_key(|blob| blob_path(blob.digest()));
    let blobs = descriptors.into_iter();
    blobs
        .map(|descriptor| ArchiveBlob { path: blob_path(descriptor.digest()), descriptor, unpacked_size: None })
        .collect()
}

fn is_zstd(layer: &Descriptor) -> bool {
    as_oci(layer.media_type()) == MediaType::ImageLayerZstd
}

/// Returns a reader of the tar in a layer.
fn unpack<'a>(source: &'a dyn Source, layer: &Descriptor, limit: &'a TarLimit) -> Result<Box<dyn Read + 'a>> {
    decompress(layer.media_type(), BufReader::new(open(source, layer)?), limit).into_diagnostic()
}

fn read_manifest(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest> {
    Manifest::parse(descriptor.media_type(), &read(source, descriptor)?).into_diagnostic()
}

/// Returns the `manifest.json` that `docker load` reads (Docker image-spec v1.2).
fn docker_manifest(source: &dyn Source, image: &DockerImage) -> Result<Vec<u8>> {
    let ManifestContent::Image { config, layers } = read_manifest(source, image.manifest)?.content else {
        return Err(miette!("{} is not the manifest of an image", image.manifest.digest()));
    };
    let layers: Vec<_> = layers.iter().map(|layer| blob_path(layer.digest())).collect();
    Ok(canonical_json(&json!([{
        "Config": blob_path(config.digest()),
        "RepoTags": image.names,
        "Layers": layers,
    }])))
}

fn append(
    tar: &mut tar::Builder<impl io::Write>,
    kind: EntryType,
    name: &str,
    size: u64,
    time: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(size);
    let mut records = Vec::new();
    set_path(&mut header, name, &mut records)?;
    header.set_cksum();
    tar.get_mut().write_all(&extended_header(&records))?;
    tar.append(&header, content)
}

/// Returns how many bytes the headers of a file take. The name of a blob with SHA-512 is too long for one.
fn header_size(name: &str) -> u64 {
    let mut records = Vec::new();
    // Names are digests or ours.
    let _ = set_path(&mut Header::new_ustar(), name, &mut records);
    512 + extended_header(&records).len() as u64
}
