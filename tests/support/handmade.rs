//! Images with any content, also invalid content, in a layout.
//!
//! This code writes them, not the code under test.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::registry::sha256;

/// An image for one platform, whose program is `/bin/x`.
pub struct Image {
    platform: Value,
    config: Value,
    layers: Vec<Layer>,
}

/// How a layer is packed.
#[derive(Clone, Copy, Debug)]
pub enum Packing {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

/// A tar in the making, and what becomes of it. Names are written as they are.
pub struct Layer {
    tar: tar::Builder<Vec<u8>>,
    packing: Packing,
    behind: Vec<u8>,
    cut: usize,
    diff_id: Option<String>,
    records: Vec<u8>,
    owner: u64,
    mode: Option<u32>,
    mtime: u64,
}

impl Image {
    /// One without layers, for linux/amd64.
    pub fn new() -> Image {
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        Image { platform, config: json!({ "Entrypoint": ["/bin/x"] }), layers: Vec::new() }
    }

    /// With another layer on top.
    pub fn layer(mut self, layer: Layer) -> Image {
        self.layers.push(layer);
        self
    }

    /// With this in what it says of its program.
    pub fn config(mut self, key: &str, value: Value) -> Image {
        self.config[key] = value;
        self
    }

    /// Writes it as the layout `folder`.
    pub fn write(self, folder: &Path) {
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder for the layout");
        let put = |media_type: &str, content: &[u8]| {
            let digest = sha256(content);
            fs::write(super::blob(folder, &digest), content).expect("a blob");
            json!({ "mediaType": format!("application/vnd.oci.image.{media_type}"), "digest": digest, "size": content.len() })
        };
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in self.layers {
            let media_type = layer.packing.media_type();
            let (blob, diff_id) = layer.pack();
            layers.push(put(media_type, &blob));
            diff_ids.push(diff_id);
        }
        let mut config = self.platform.clone();
        config["config"] = self.config;
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let config = put("config.v1+json", config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        });
        let mut manifest = put("manifest.v1+json", manifest.to_string().as_bytes());
        manifest["platform"] = self.platform;
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(folder.join("index.json"), index.to_string()).expect("an index");
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a mark");
    }
}

/// An image with much that is unusual and nothing that is wrong: two layers over [`base`]. It runs as `web`.
pub fn unusual() -> Image {
    let long = format!("long/{}", "d".repeat(120));
    let lower = Layer::new()
        .packed(Packing::None)
        .mtime(1_000_000_000)
        .folder("gone/")
        .file("gone/file", b"1")
        .folder("opaque/")
        .file("opaque/old", b"2")
        .file("replaced", b"3")
        .folder("now-a-file/")
        .file("now-a-file/x", b"")
        .file("now-a-folder", b"")
        .folder("kept/")
        .file("kept/old", b"old")
        .hard_link("kept/older", "kept/old");
    let upper = Layer::new()
        .mtime(1_500_000_000)
        .file(".wh.gone", b"")
        .folder("opaque/")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/new", b"4")
        .mode(0o4755)
        .file("setuid", b"5")
        .mode(0o1777)
        .folder("sticky/")
        .mode(0o500)
        .folder("closed/")
        .file("closed/file", b"6")
        .hard_link("second", "setuid")
        .symlink("replaced", "/etc/passwd")
        .folder("usr/")
        .symlink("usr/bin", "../bin")
        .file("usr/bin/y", b"7")
        .file("now-a-file", b"")
        .folder("now-a-folder/")
        .mode(0o2770)
        .folder("kept/")
        .folder("long/")
        .folder(&long)
        .file(&format!("{long}/{}", "f".repeat(150)), b"8")
        .symlink("far", &format!("{long}/{}", "f".repeat(150)))
        .odd_file(b"odd-\xff\n", b"9")
        .xattr("user.with.breaks", b"a\nb=\0c")
        .xattr("user.empty", b"")
        .file("noted", b"")
        .xattr("user.folder", b"x")
        .folder("noted-folder/")
        .record("mtime", b"1500000000.25")
        .file("fine", b"")
        .special(EntryType::Fifo, "pipe");
    Image::new().layer(base()).layer(lower).layer(upper).config("User", json!("web"))
}

/// A layer that most images could begin with.
pub fn base() -> Layer {
    Layer::new()
        .folder("./")
        .folder("etc/")
        .file("etc/passwd", b"root:x:0:0::/root:\nweb:x:33:34::/srv:\n")
        .file("etc/group", b"root:x:0:\nlogs:x:50:web\n")
        .folder("bin/")
        .mode(0o755)
        .file("bin/x", b"#!")
}

impl Packing {
    fn media_type(self) -> &'static str {
        match self {
            Packing::None => "layer.v1.tar",
            Packing::Gzip => "layer.v1.tar+gzip",
            Packing::Zstd => "layer.v1.tar+zstd",
        }
    }

    fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Packing::None => tar.to_owned(),
            Packing::Gzip => {
                let mut gzip = GzBuilder::new().write(Vec::new(), Compression::new(6));
                gzip.write_all(tar).and_then(|()| gzip.finish()).expect("gzip into memory")
            }
            Packing::Zstd => zstd::encode_all(tar, 3).expect("zstd into memory"),
        }
    }
}

impl Layer {
    /// An empty one, in gzip. What is put into it is root's, from 1970, unless something else is said before.
    pub fn new() -> Layer {
        Layer {
            tar: tar::Builder::new(Vec::new()),
            packing: Packing::Gzip,
            behind: Vec::new(),
            cut: 0,
            diff_id: None,
            records: Vec::new(),
            owner: 0,
            mode: None,
            mtime: 0,
        }
    }

    /// Packed so.
    pub fn packed(mut self, packing: Packing) -> Layer {
        self.packing = packing;
        self
    }

    /// With these bytes behind the end of its blob, of which its descriptor knows.
    pub fn with_garbage(mut self, garbage: &[u8]) -> Layer {
        garbage.clone_into(&mut self.behind);
        self
    }

    /// With a blob that lacks its last bytes, of which its descriptor knows.
    pub fn cut_by(mut self, bytes: usize) -> Layer {
        self.cut = bytes;
        self
    }

    /// With the digest of something else as its diffID.
    pub fn wrong_diff_id(mut self) -> Layer {
        self.diff_id = Some(sha256(b"something else"));
        self
    }

    /// What comes next has this user and group.
    pub fn owner(mut self, owner: u64) -> Layer {
        self.owner = owner;
        self
    }

    /// The next entry has this mode.
    pub fn mode(mut self, mode: u32) -> Layer {
        self.mode = Some(mode);
        self
    }

    /// What comes next was changed then.
    pub fn mtime(mut self, mtime: u64) -> Layer {
        self.mtime = mtime;
        self
    }

    /// The next entry has this PAX record.
    pub fn record(mut self, key: &str, value: &[u8]) -> Layer {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..rest + 20).find(|length| length.to_string().len() + rest == *length).expect("a length");
        self.records.extend(format!("{length} {key}=").into_bytes());
        self.records.extend(value);
        self.records.push(b'\n');
        self
    }

    /// The next entry has this extended attribute.
    pub fn xattr(self, name: &str, value: &[u8]) -> Layer {
        self.record(&format!("SCHILY.xattr.{name}"), value)
    }

    /// A folder.
    pub fn folder(self, path: &str) -> Layer {
        self.entry(EntryType::Directory, path.as_bytes(), b"", b"", 0o755)
    }

    /// A file.
    pub fn file(self, path: &str, content: &[u8]) -> Layer {
        self.entry(EntryType::Regular, path.as_bytes(), b"", content, 0o644)
    }

    /// A file whose name is not text.
    pub fn odd_file(self, path: &[u8], content: &[u8]) -> Layer {
        self.entry(EntryType::Regular, path, b"", content, 0o644)
    }

    /// A symbolic link.
    pub fn symlink(self, path: &str, to: &str) -> Layer {
        self.entry(EntryType::Symlink, path.as_bytes(), to.as_bytes(), b"", 0o777)
    }

    /// A hard link.
    pub fn hard_link(self, path: &str, to: &str) -> Layer {
        self.entry(EntryType::Link, path.as_bytes(), to.as_bytes(), b"", 0o644)
    }

    /// A device like /dev/null, a named pipe, or anything else without content.
    pub fn special(self, kind: EntryType, path: &str) -> Layer {
        self.entry(kind, path.as_bytes(), b"", b"", 0o644)
    }

    fn entry(mut self, kind: EntryType, path: &[u8], to: &[u8], content: &[u8], mode: u32) -> Layer {
        if path.len() > 100 {
            self.append(EntryType::GNULongName, b"././@LongLink", b"", &[path, b"\0"].concat(), 0o644);
        }
        if to.len() > 100 {
            self.append(EntryType::GNULongLink, b"././@LongLink", b"", &[to, b"\0"].concat(), 0o644);
        }
        let records = std::mem::take(&mut self.records);
        if !records.is_empty() {
            self.append(EntryType::XHeader, b"PaxHeaders/x", b"", &records, 0o644);
        }
        let mode = self.mode.take().unwrap_or(mode);
        self.append(kind, &path[..path.len().min(100)], &to[..to.len().min(100)], content, mode);
        self
    }

    fn append(&mut self, kind: EntryType, path: &[u8], to: &[u8], content: &[u8], mode: u32) {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..to.len()].copy_from_slice(to);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(self.owner);
        header.set_gid(self.owner);
        header.set_mtime(self.mtime);
        header.set_size(content.len() as u64);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).and_then(|()| header.set_device_minor(3)).expect("a GNU header");
        }
        header.set_cksum();
        self.tar.append(&header, content).expect("a tar in memory");
    }

    fn pack(self) -> (Vec<u8>, String) {
        let tar = self.tar.into_inner().expect("a tar in memory");
        let mut blob = self.packing.pack(&tar);
        blob.extend(self.behind);
        blob.truncate(blob.len() - self.cut);
        (blob, self.diff_id.unwrap_or_else(|| sha256(&tar)))
    }
}
