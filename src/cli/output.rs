//! What is written in addition to the layout, as flags.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::suggest::{hint, nearest};

/// What is written in addition to the layout in `target/oci`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Also write the image to oci-dir=PATH, oci-archive=PATH or docker-archive=PATH (repeatable). With
    /// PATH,referrers=true, its index.json lists attachments too
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
    /// Whether its `index.json` lists what is attached too.
    pub referrers: bool,
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
        let (path, referrers) = split_option(path)?;
        if path.is_empty() {
            return Err("missing path: expected TYPE=PATH, such as oci-archive=image.tar".to_owned());
        }
        if referrers && kind == OutputKind::DockerArchive {
            return Err(
                "a docker-archive has no attachments: expected oci-dir or oci-archive with `referrers`".to_owned()
            );
        }
        Ok(Output { kind, path: path.into(), referrers })
    }
}

/// The option behind a path.
const REFERRERS: &str = "referrers";

/// Splits `PATH,referrers=BOOL`. Other commas are part of the path.
fn split_option(text: &str) -> Result<(&str, bool), String> {
    let Some((path, key, value)) = text.rsplit_once(',').and_then(|(path, option)| {
        let (key, value) = option.split_once('=')?;
        Some((path, key, value))
    }) else {
        return Ok((text, false));
    };
    match (key, value) {
        (REFERRERS, "true") => Ok((path, true)),
        (REFERRERS, "false") => Ok((path, false)),
        (REFERRERS, value) => Err(format!("invalid value `{value}` of `{REFERRERS}`: expected true or false")),
        (key, _) => match nearest(key, [REFERRERS]) {
            Some(near) => Err(format!("unknown option `{key}` (did you mean `{near}`?)")),
            None => Ok((text, false)),
        },
    }
}
