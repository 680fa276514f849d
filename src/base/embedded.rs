//! The embedded base: the few files that static programs need. It needs no network.

use miette::IntoDiagnostic;
use serde_json::json;

use super::certificates::{self, PUBLISHED};
use crate::error::Result;
use crate::image::layer::{FileContent, LayerEntry, with_parents, write};
use crate::image::manifest::{Annotations, config, image, index};
use crate::image::{Compression, CompressionOptions};
use crate::platform::TARGETS;
use crate::store::{Memory, Sink};

const PASSWD: &str = "\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";
const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The user that programs run as.
const NONROOT: u64 = 65532;

/// Creates a store with the embedded base as its only image, for every platform that has a target.
///
/// # Errors
/// Returns an error only for invalid documents, which are constant.
pub(crate) fn embedded() -> Result<Memory> {
    let memory = Memory::default();
    let mut blob = Vec::new();
    let packing = CompressionOptions::single_threaded(Compression::Gzip);
    let layer = write(&with_parents(entries(), true), packing, &mut blob).into_diagnostic()?;
    memory.put(&layer.descriptor, blob);
    // The age of the certificates is the age of the base.
    let created = format!("{PUBLISHED}T00:00:00Z");
    let images: Vec<_> = TARGETS
        .iter()
        .map(|target| {
            let platform = target.platform();
            let mut content = json!({
                "os": platform.os,
                "architecture": platform.architecture,
                "created": created,
                "config": {
                    "User": NONROOT.to_string(),
                    "WorkingDir": "/home/nonroot",
                    "Env": [
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                        format!("SSL_CERT_FILE=/{CERTIFICATES}"),
                    ],
                },
                "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
                "history": [{ "created": created, "created_by": "cargo oci (embedded base)" }],
            });
            if let Some(variant) = &platform.variant {
                content["variant"] = json!(variant);
            }
            let config = memory.put_document(config(content.as_object().cloned().unwrap_or_default()));
            let manifest = image(&config, std::slice::from_ref(&layer.descriptor), &Annotations::new());
            (platform, memory.put_document(manifest))
        })
        .collect();
    let root = memory.put_document(index(&images, &Annotations::new()));
    memory.tag(&root, "embedded")?;
    Ok(memory)
}

fn entries() -> Vec<LayerEntry> {
    // os-release(5). The program version says nothing of the age of what is in the base, which the others do.
    let os_release = format!(
        "ID=cargo-oci\nNAME=\"cargo oci embedded base\"\n\
         PRETTY_NAME=\"cargo oci embedded base {0} (CA certificates of {PUBLISHED})\"\n\
         VERSION_ID=\"{0}\"\nBUILD_ID=\"{PUBLISHED}\"\nSUPPORT_END=\"{1}\"\n",
        env!("CARGO_PKG_VERSION"),
        certificates::support_end()
    );
    vec![
        file("etc/passwd", PASSWD),
        file("etc/group", GROUP),
        file("etc/nsswitch.conf", NSSWITCH),
        file("etc/os-release", &os_release),
        file(CERTIFICATES, &certificates::pem()),
        folder("home/nonroot", 0o700, NONROOT),
        folder("root", 0o700, 0),
        folder("tmp", 0o1777, 0),
    ]
}

fn file(path: &str, text: &str) -> LayerEntry {
    LayerEntry::file(path, 0o644, FileContent::Bytes(text.as_bytes().to_vec()))
}

fn folder(path: &str, mode: u32, owner: u64) -> LayerEntry {
    LayerEntry { mode, owner: (owner, owner), ..LayerEntry::directory(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::platform::{Libc, PlatformChoice};
    use crate::store::Source;
    use crate::store::validate::validate;

    #[test]
    fn embedded_base_is_valid_for_every_target() {
        let memory = embedded().expect("is made");
        let root = memory.resolve(None).expect("one image");
        assert_eq!(validate(&memory, &root), []);
        let base = Base::read(&memory, root, &[PlatformChoice::All(Libc::Musl)]).expect("reads");
        assert_eq!(base.images.len(), TARGETS.len());
    }

    #[test]
    fn embedded_base_is_reproducible() {
        let [first, second] = [(), ()].map(|()| embedded().expect("is made").resolve(None).expect("one image"));
        assert_eq!(first, second);
    }
}
