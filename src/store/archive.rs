//! Layouts in one tar file: `oci-archive` and `docker-archive`.
//!
//! A docker-archive is an OCI archive with a `manifest.json` beside the `index.json`, whose layers are the layout's own
//! blobs: Docker, Podman and containerd all read it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, miette};
use oci_spec::image::Descriptor;
use serde_json::json;
use tar::{EntryType, Header};

use super::layout::{MARK, MARK_CONTENT, blob_path, entries, find};
use super::{Layout, MOST_DOCUMENT_BYTES, Missing, Source, file, open, read};
use crate::error::{Result, on_path};
use crate::image::canonical_json;
use crate::image::manifest::{Manifest, parse};

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
            let entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            let name = name.trim_start_matches("./").to_owned();
            files.insert(name, (entry.raw_file_position(), entry.size()));
        }
        let mut archive = Archive { path: path.to_owned(), files, entries: Vec::new() };
        let mut index = Vec::new();
        archive
            .file("index.json")?
            .ok_or_else(|| miette!("{} is not an OCI archive: it has no index.json", path.display()))?
            .take(MOST_DOCUMENT_BYTES)
            .read_to_end(&mut index)
            .map_err(failed)?;
        archive.entries = entries(&index).wrap_err_with(|| format!("{} is not an OCI archive", path.display()))?;
        Ok(archive)
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

impl Source for Archive {
    fn resolve(&self, name: Option<&str>) -> Result<Descriptor> {
        find(&self.entries, name, &self.place())
    }

    fn exists(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.files.get(&blob_path(descriptor.digest())).is_some_and(|(_, size)| *size == descriptor.size()))
    }

    fn fetch(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send + '_>> {
        let file = self.file(&blob_path(descriptor.digest()))?;
        let file = file.ok_or_else(|| Missing::blob(descriptor, self.place()))?;
        Ok(Box::new(file))
    }

    fn place(&self) -> String {
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

/// Writes `layout` as one tar file: atomically, with `time` (seconds since 1970) as every mtime. With `docker` it is a
/// docker-archive as well.
///
/// # Errors
/// Of reading the layout and writing the file; then a file that was there before is as it was.
pub fn write(layout: &Layout, docker: Option<&DockerImage>, time: u64, path: &Path) -> Result<()> {
    let mut blobs = reachable(layout)?;
    blobs.sort_by_key(|blob| blob_path(blob.digest()));
    blobs.dedup_by_key(|blob| blob_path(blob.digest()));
    let mut documents = vec![("index.json", layout.index()?)];
    if let Some(image) = docker {
        documents.push(("manifest.json", docker_manifest(layout, image)?));
    }
    documents.push((MARK, MARK_CONTENT.as_bytes().to_vec()));

    let write = |file: &mut dyn Write| -> io::Result<()> {
        let mut tar = tar::Builder::new(io::BufWriter::new(file));
        for blob in &blobs {
            let content = open(layout, blob).map_err(|error| io::Error::other(error.to_string()))?;
            append(&mut tar, &blob_path(blob.digest()), blob.size(), time, content)?;
        }
        for (name, bytes) in &documents {
            append(&mut tar, name, bytes.len() as u64, time, &bytes[..])?;
        }
        tar.into_inner()?.flush()
    };
    file::replace(path, write).map_err(|error| on_path("write", path, error))
}

/// All content of a layout.
fn reachable(layout: &Layout) -> Result<Vec<Descriptor>> {
    let mut found = Vec::new();
    let mut left = layout.entries().to_vec();
    while let Some(descriptor) = left.pop() {
        if crate::image::media_type::is_document(descriptor.media_type()) {
            left.extend(parse_in(layout, &descriptor)?.children());
        }
        found.push(descriptor);
    }
    Ok(found)
}

fn parse_in(layout: &Layout, descriptor: &Descriptor) -> Result<Manifest> {
    parse(descriptor.media_type(), &read(layout, descriptor)?).into_diagnostic()
}

/// What `docker load` reads: Docker's image-spec v1.2, `manifest.json`.
fn docker_manifest(layout: &Layout, image: &DockerImage) -> Result<Vec<u8>> {
    let Manifest::Image { config, layers } = parse_in(layout, image.manifest)? else {
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
        let writer = LayoutWriter::begin(root, "x", crate::store::layout::Place::Own, &|_| ()).expect("begins");
        copy(&memory, &writer, std::slice::from_ref(&image)).expect("copies");
        writer.tag(&image, "latest").expect("tags");
        (writer.commit().expect("commits"), image)
    }

    #[test]
    fn an_archive_holds_what_the_layout_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let (layout, image) = layout(&folder.path().join("x"));
        let path = folder.path().join("x.tar");
        write(&layout, None, 0, &path).expect("writes");
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
        write(&layout, Some(&docker), 0, &path).expect("writes");
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
