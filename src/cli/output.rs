//! What is written in addition to the layout, as flags.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::suggest::hint;

/// What is written in addition to the layout in `target/oci`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Also write the image to oci-dir=PATH, oci-archive=PATH or docker-archive=PATH (repeatable)
    #[arg(short, long = "output", value_name = "TYPE=PATH")]
    pub outputs: Vec<Output>,
    /// Write the result (references, digests, sizes) to FILE as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,
    /// Also write the SBOMs to this folder: NAME.cdx.json for the index, NAME-linux-amd64.cdx.json for a platform, or .spdx.json
    #[arg(long, value_name = "DIR")]
    pub sbom_dir: Option<PathBuf>,
}

/// An output: a format and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The format.
    pub kind: OutputKind,
    /// The path.
    pub path: PathBuf,
}

/// The formats that an image is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A folder with an OCI layout.
    OciDir,
    /// A tar file with an OCI layout.
    OciArchive,
    /// A tar file with an OCI layout that `docker load` reads too.
    DockerArchive,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, path) = text.split_once('=').unwrap_or((text, ""));
        let kind = match kind {
            "oci-dir" => OutputKind::OciDir,
            "oci-archive" => OutputKind::OciArchive,
            "docker-archive" => OutputKind::DockerArchive,
            other => {
                let hint = hint(other, ["oci-dir", "oci-archive", "docker-archive"]);
                return Err(format!(
                    "unknown output type `{other}`{hint}: expected oci-dir, oci-archive or docker-archive"
                ));
            }
        };
        if path.is_empty() {
            return Err("missing path: expected TYPE=PATH, such as oci-archive=image.tar".to_owned());
        }
        Ok(Output { kind, path: path.into() })
    }
}
