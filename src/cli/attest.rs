//! The arguments of `cargo oci generate-key`, `sign`, `verify`, `attach` and `referrers`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::inspect::platform;
use super::{TalkArgs, key_value};
use crate::image::predicate;
use crate::platform::Platform;
use crate::reference::KeyReference;
use crate::suggest::hint;

/// The arguments of `cargo oci generate-key`.
#[derive(Args, Clone, Debug)]
pub struct GenerateKeyArgs {
    /// What the names of both files begin with, maybe with a folder before it
    #[arg(short, long, value_name = "PREFIX", default_value = "cosign", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// An image that something is attached to.
#[derive(Args, Clone, Debug)]
pub struct SubjectArgs {
    /// A registry reference, or a layout: its path with or without `:TAG` or `@DIGEST` behind it, or `oci:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
}

/// Who signs: the group `signer`, of which there is one.
#[derive(Args, Clone, Debug, Default)]
pub struct SignerArgs {
    /// The private key: a file, or a variable that holds what would be in the file; its password comes from
    /// COSIGN_PASSWORD, else it is asked for
    #[arg(short, long, value_name = "FILE|env://VAR", group = "signer", value_hint = ValueHint::FilePath)]
    pub key: Option<KeyReference>,
    /// Sign without a key, as whoever runs this: a certificate (Fulcio) names the job of CI, or whom the token in
    /// SIGSTORE_ID_TOKEN names, and a public log (Rekor) keeps it for ever
    #[cfg(feature = "keyless")]
    #[arg(long, group = "signer")]
    pub keyless: bool,
    /// The services to sign without a key, as `cosign signing-config create` writes them [default: those of sigstore.dev]
    #[cfg(feature = "keyless")]
    #[arg(long, value_name = "FILE", requires = "keyless", value_hint = ValueHint::FilePath)]
    pub signing_config: Option<PathBuf>,
}

/// The arguments of `cargo oci sign`.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("signer").required(true)))]
pub struct SignArgs {
    /// The image.
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// Who signs.
    #[command(flatten)]
    pub signer: SignerArgs,
    /// Say this of the index too, signed: TYPE is cyclonedx, spdx, provenance or a URI, FILE a JSON document (repeatable)
    #[arg(long = "attest", value_name = "TYPE=FILE")]
    pub statements: Vec<Attest>,
    /// Sign the image alone, and not the SBOMs and the provenance that are attached to it
    #[arg(long)]
    pub image_only: bool,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// A registry reference, the path of a layout or an archive with or without `:TAG` or `@DIGEST` behind it,
    /// `oci:PATH[:NAME]` or `oci-archive:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// The public key: a file, or a variable that holds what would be in the file
    #[arg(short, long, value_name = "FILE|env://VAR", value_hint = ValueHint::FilePath)]
    pub key: KeyReference,
    /// Refuse an image of which the key has not signed this too: sbom or provenance (repeatable)
    #[arg(long, value_name = "WHAT")]
    pub require: Vec<Required>,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What may be asked of a signed image besides its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Required {
    /// Signed SBOMs, in whatever format.
    Sbom,
    /// Signed provenance.
    Provenance,
}

/// The arguments of `cargo oci attach`.
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    /// The image.
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// What is attached to it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// What it is, as a media type: application/spdx+json, application/vnd.acme.report.v1+json, …
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub artifact_type: String,
    /// The media type of the file [default: the artifact type]
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub media_type: Option<String>,
    /// Say this of it too (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<(String, String)>,
    /// Attach it to the image for this platform alone: linux/amd64, linux/arm64, …, or `host`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci referrers`.
#[derive(Args, Clone, Debug)]
pub struct ReferrersArgs {
    /// A registry reference, the path of a layout or an archive with or without `:TAG` or `@DIGEST` behind it,
    /// `oci:PATH[:NAME]` or `oci-archive:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Print what is found as JSON
    #[arg(long)]
    pub json: bool,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What is said of an image, and where that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attest {
    /// The predicate type: a URI.
    pub predicate_type: String,
    /// The file with the predicate.
    pub path: PathBuf,
}

impl FromStr for Attest {
    type Err = String;

    fn from_str(text: &str) -> Result<Attest, String> {
        // A URI may hold such a sign itself, a known name does not.
        let (kind, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or("write it as TYPE=FILE")?;
        let predicate_type = match kind {
            "cyclonedx" => predicate::CYCLONEDX,
            "spdx" => predicate::SPDX,
            "provenance" => predicate::PROVENANCE,
            uri if uri.contains("://") => uri,
            other => {
                let hint = hint(other, ["cyclonedx", "spdx", "provenance"]);
                return Err(format!("`{other}` is neither cyclonedx, spdx, provenance nor a URI{hint}"));
            }
        };
        Ok(Attest { predicate_type: predicate_type.to_owned(), path: path.into() })
    }
}

/// A media type (RFC 6838, section 4.2).
fn media_type(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 127 && name.chars().all(is_part)
    };
    match text.split_once('/') {
        Some((kind, name)) if is_name(kind) && is_name(name) => Ok(text.to_owned()),
        _ => Err("it is written as a media type, such as application/spdx+json".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_media_type() {
        for right in ["application/spdx+json", "text/plain", "application/vnd.acme.report.v1+json"] {
            assert_eq!(media_type(right).as_deref(), Ok(right));
        }
        for wrong in ["", "sbom", "a/", "/a", "a/b/c", "a/b c", "a/b;version=1"] {
            assert!(media_type(wrong).is_err(), "{wrong}");
        }
    }
}
