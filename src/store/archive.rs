//! Layouts in one tar file: `oci-archive` and `docker-archive`.
//!
//! A docker-archive is an OCI archive with a `manifest.json` beside the `index.json`, whose layers are the layout's own
//! blobs: Docker, Podman and containerd all read it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, Report, miette};
use oci_spec::image::{Descriptor, MediaType};
use serde_json::json;
use tar::{EntryType, Header};

use super::layout::{INDEX, MARK, MARK_CONTENT, blob_path, entries, entry, find, index};
use super::{Layout, MOST_DOCUMENT_BYTES, Missing, Source, atomic, open, read};
use crate::error::{Result, on_path};
use crate::image::layer::decompress::decompress;
use crate::image::manifest::{Manifest, parse};
use crate::image::media_type::{as_oci, is_document};
use crate::image::{Digest, canonical_json};

/// The file that lists the images of a docker-archive.
const DOCKER_MANIFEST: &str = "manifest.json";

/// A layout in a tar file, to read from.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// Where in the file each of its files is: offset and size in bytes.
    files: HashMap<String, (u64, u64)>,
    entries: Vec<Descriptor>,
}

impl Archive {
    /// Opens the archive and looks up where its files are.
    ///
    /// # Errors
    /// When it cannot be read, or is not a tar file with a layout in it.
    pub fn open(path: &Path) -> Result<Archive> {
        let failed = |error: io::Error| on_path("read", path, error);
        let file = File::open(path).map_err(failed)?;
        let mut files = HashMap::new();
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = entry.map_err(|error| not_a_tar(path, failed(error)))?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            let name = name.trim_start_matches("./").to_owned();
            files.insert(name, (entry.raw_file_position(), entry.size()));
        }
        let mut archive = Archive { path: path.to_owned(), files, entries: Vec::new() };
        let mut index = Vec::new();
        archive
            .file(INDEX)?
            .ok_or_else(|| miette!(help = WANTED, "{} is not an OCI archive: it has no index.json", path.display()))?
            .take(MOST_DOCUMENT_BYTES)
            .read_to_end(&mut index)
            .map_err(failed)?;
        archive.entries = entries(&index).wrap_err_with(|| format!("{} is not an OCI archive", path.display()))?;
        Ok(archive)
    }

    /// What the archive's `index.json` lists.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    fn file(&self, name: &str) -> Result<Option<io::Take<File>>> {
        let Some(&(offset, size)) = self.files.get(name) else {
            return Ok(None);
        };
        let mut file = File::open(&self.path).map_err(|error| on_path("read", &self.path, error))?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| on_path("read", &self.path, error))?;
        Ok(Some(file.take(size)))
    }
}

/// What an archive has to be.
const WANTED: &str = "an archive is an OCI layout in a tar file that is not compressed, as `cargo oci build -o \
                      oci-archive=PATH` and `skopeo copy` write it";

/// A file of another kind fails in the first header already, and with words about tar files; it is said what it is.
fn not_a_tar(path: &Path, error: Report) -> Report {
    match is_tar(path) {
        true => error,
        false => miette!(help = WANTED, "{} is not an OCI archive: it is no tar file", path.display()),
    }
}

/// Whether a file is a tar file, by the mark that all have in their first header but those of the seventies.
pub fn is_tar(path: &Path) -> bool {
    let mut mark = [0; 5];
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(257))?;
        file.read_exact(&mut mark)
    });
    read.is_ok() && mark == *b"ustar"
}

impl Source for Archive {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        find(self, &self.entries, name)
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.files.get(&blob_path(descriptor.digest())).is_some_and(|(_, size)| *size == descriptor.size()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = self.file(&blob_path(descriptor.digest()))?;
        let file = file.ok_or_else(|| Missing::blob(descriptor, self.location()))?;
        Ok(Box::new(file))
    }

    fn location(&self) -> String {
        format!("the archive {}", self.path.display())
    }
}

/// The image of a docker-archive: one platform's, as such an archive has no more.
pub struct DockerImage<'a> {
    /// Its manifest, in the layout.
    pub manifest: &'a Descriptor,
    /// `name:tag` for each name the engine gives it.
    pub names: Vec<String>,
}

/// A blob in an archive.
struct ArchiveBlob {
    path: String,
    descriptor: Descriptor,
    /// The size of the tar within, where that is written in its place.
    unpacked: Option<u64>,
}

impl ArchiveBlob {
    fn new(descriptor: Descriptor) -> ArchiveBlob {
        ArchiveBlob { path: blob_path(descriptor.digest()), descriptor, unpacked: None }
    }
}

/// An archive that is to be written: what is in it, and where that is.
pub struct ArchiveContents<'a> {
    source: &'a dyn Source,
    blobs: Vec<ArchiveBlob>,
    documents: Vec<(&'static str, Vec<u8>)>,
}

impl<'a> ArchiveContents<'a> {
    /// A layout with all that `layout` holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_layout(layout: &'a Layout) -> Result<ArchiveContents<'a>> {
        ArchiveContents::new(layout, layout.entries(), layout.index()?)
    }

    /// A layout with the one image `root`, by each of `names` (`NAME:TAG`), or without a name.
    ///
    /// # Errors
    /// When its documents cannot be read.
    pub fn of_image(source: &'a dyn Source, root: &Descriptor, names: &[String]) -> Result<ArchiveContents<'a>> {
        let mut entries: Vec<_> = names.iter().map(|name| entry(root, name)).collect();
        if entries.is_empty() {
            entries.push(json!(root));
        }
        ArchiveContents::new(source, std::slice::from_ref(root), index(&entries))
    }

    fn new(source: &'a dyn Source, roots: &[Descriptor], index: Vec<u8>) -> Result<ArchiveContents<'a>> {
        let blobs = each_once(reachable(source, roots)?);
        let documents = vec![(INDEX, index), (MARK, MARK_CONTENT.as_bytes().to_vec())];
        Ok(ArchiveContents { source, blobs, documents })
    }

    /// No layout: only what Docker's own format wants, for a reader that may know `zstd` or not.
    ///
    /// # Errors
    /// When the manifest cannot be read, or a layer that is to be unpacked.
    pub fn of_docker_image(source: &'a dyn Source, image: &DockerImage, zstd: bool) -> Result<ArchiveContents<'a>> {
        let mut blobs = each_once(parse_in(source, image.manifest)?.children());
        for blob in blobs.iter_mut().filter(|blob| !zstd && is_zstd(&blob.descriptor)) {
            // A tar says how long a file is before the file.
            let size = io::copy(&mut unpack(source, &blob.descriptor)?, &mut io::sink()).into_diagnostic();
            blob.unpacked = Some(size.wrap_err_with(|| format!("cannot unpack {}", blob.descriptor.digest()))?);
        }
        ArchiveContents { source, blobs, documents: Vec::new() }.with_docker_image(image)
    }

    /// The same, readable by Docker as well.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn with_docker_image(mut self, image: &DockerImage) -> Result<ArchiveContents<'a>> {
        self.documents.push((DOCKER_MANIFEST, docker_manifest(self.source, image)?));
        Ok(self)
    }

    /// The same without the blobs that `has` knows: for readers that have them.
    #[must_use]
    pub fn without(mut self, has: impl Fn(&Digest) -> bool) -> ArchiveContents<'a> {
        self.blobs.retain(|blob| !has(blob.descriptor.digest()));
        self
    }

    /// How many bytes the tar has.
    pub fn size(&self) -> u64 {
        let blobs = self.blobs.iter().map(|blob| blob.unpacked.unwrap_or(blob.descriptor.size()));
        let documents = self.documents.iter().map(|(_, bytes)| bytes.len() as u64);
        // A header before each, and two empty blocks at the end; a size that a manifest lies about stops nobody here.
        let files = blobs.chain(documents).map(|size| size.checked_next_multiple_of(512).unwrap_or(size));
        files.fold(1024, |sum: u64, size| sum.saturating_add(512).saturating_add(size))
    }

    /// Writes it as one tar, with `time` (seconds since 1970) as every mtime.
    ///
    /// # Errors
    /// Of reading the content, and of writing.
    pub fn write(&self, time: u64, file: &mut dyn Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(io::BufWriter::new(file));
        for blob in &self.blobs {
            let unreadable = |error: Report| io::Error::other(error.to_string());
            match blob.unpacked {
                None => {
                    let content = open(self.source, &blob.descriptor).map_err(unreadable)?;
                    append(&mut tar, &blob.path, blob.descriptor.size(), time, content)?;
                }
                Some(size) => {
                    let content = unpack(self.source, &blob.descriptor).map_err(unreadable)?;
                    append(&mut tar, &blob.path, size, time, content)?;
                }
            }
        }
        for (name, bytes) in &self.documents {
            append(&mut tar, name, bytes.len() as u64, time, &bytes[..])?;
        }
        tar.into_inner()?.flush()
    }

    /// Writes it as the file `path`, atomically.
    ///
    /// # Errors
    /// Of reading the content and writing the file; then a file that was there before is as it was.
    pub fn write_file(&self, time: u64, path: &Path) -> Result<()> {
        atomic::replace(path, |file| self.write(time, file)).map_err(|error| on_path("write", path, error))
    }
}

fn each_once(mut descriptors: Vec<Descriptor>) -> Vec<ArchiveBlob> {
    descriptors.sort_by_key(|blob| blob_path(blob.digest()));
    descriptors.dedup_by_key(|blob| blob_path(blob.digest()));
    descriptors.into_iter().map(ArchiveBlob::new).collect()
}

fn is_zstd(layer: &Descriptor) -> bool {
    as_oci(layer.media_type()) == MediaType::ImageLayerZstd
}

/// The tar in a layer.
fn unpack<'a>(source: &'a dyn Source, layer: &Descriptor) -> Result<Box<dyn Read + 'a>> {
    decompress(layer.media_type(), BufReader::new(open(source, layer)?)).into_diagnostic()
}

/// All that `roots` name, and themselves.
///
/// # Errors
/// When a document cannot be read.
pub fn reachable(source: &dyn Source, roots: &[Descriptor]) -> Result<Vec<Descriptor>> {
    let mut found = Vec::new();
    let mut left = roots.to_vec();
    while let Some(descriptor) = left.pop() {
        if is_document(descriptor.media_type()) {
            left.extend(parse_in(source, &descriptor)?.children());
        }
        found.push(descriptor);
    }
    Ok(found)
}

fn parse_in(source: &dyn Source, descriptor: &Descriptor) -> Result<Manifest> {
    parse(descriptor.media_type(), &read(source, descriptor)?).into_diagnostic()
}

/// What `docker load` reads: Docker's image-spec v1.2, `manifest.json`.
fn docker_manifest(source: &dyn Source, image: &DockerImage) -> Result<Vec<u8>> {
    let Manifest::Image { config, layers } = parse_in(source, image.manifest)? else {
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
    name: &str,
    size: u64,
    time: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(size);
    header.set_cksum();
    tar.append(&header, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::Object;
    use crate::image::manifest::{self, Annotations};
    use crate::store::{LayoutWriter, Sink, copy};

    fn layout(root: &Path) -> (Layout, Descriptor) {
        let memory = crate::store::Memory::default();
        let config = memory.put_document(manifest::config(Object::new()));
        let image = memory.put_document(manifest::image(&config, &[], &Annotations::new()));
        let writer =
            LayoutWriter::begin(root, "x", crate::store::layout::LayoutFolder::Managed, &|_| ()).expect("begins");
        copy(&memory, &writer, std::slice::from_ref(&image)).expect("copies");
        writer.tag(&image, "latest").expect("tags");
        (writer.commit().expect("commits"), image)
    }

    #[test]
    fn an_archive_holds_what_the_layout_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let (layout, image) = layout(&folder.path().join("x"));
        let path = folder.path().join("x.tar");
        ArchiveContents::of_layout(&layout).expect("reads").write_file(0, &path).expect("writes");
        let size = ArchiveContents::of_layout(&layout).expect("reads").size();
        assert_eq!(size, path.metadata().expect("a file").len());
        let archive = Archive::open(&path).expect("opens");
        assert_eq!(archive.resolve(Some("latest")).expect("is tagged").digest(), image.digest());
        assert_eq!(read(&archive, &image).expect("reads"), read(&layout, &image).expect("reads"));
    }

    #[test]
    fn a_docker_archive_names_the_layouts_own_blobs() {
        let folder = tempfile::tempdir().expect("a folder");
        let (layout, image) = layout(&folder.path().join("x"));
        let path = folder.path().join("x.tar");
        let docker = DockerImage { manifest: &image, names: vec!["x:latest".to_owned()] };
        let contents = ArchiveContents::of_layout(&layout).and_then(|contents| contents.with_docker_image(&docker));
        contents.expect("reads").write_file(0, &path).expect("writes");
        let archive = Archive::open(&path).expect("opens");
        let mut manifest = String::new();
        let file = archive.file("manifest.json").expect("reads");
        file.expect("is there").read_to_string(&mut manifest).expect("reads");
        assert!(manifest.contains(r#""Config":"blobs/sha256/"#) && manifest.contains("x:latest"));
    }

    #[test]
    fn another_file_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.tar");
        std::fs::write(&path, [0; 1024]).expect("writes");
        let error = Archive::open(&path).unwrap_err();
        assert!(error.to_string().contains("is not an OCI archive"), "{error}");
    }
}
