//! The arguments of `cargo oci generate-key`, `sign`, `verify`, `attach` and `referrers`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::attachment::AttachmentName;
use super::identity::IdentityArgs;
use super::inspect::platform;
use super::registry::RegistryArgs;
use super::talk::{CommandArgs, TalkArgs};
use crate::config::SignatureFormat;
use crate::config::check::key_value;
use crate::image::predicate;
use crate::platform::Platform;
use crate::reference::{KeyReference, SignerReference};
use crate::suggest::hint;

/// The arguments of `cargo oci generate-key`.
#[derive(Args, Clone, Debug)]
pub struct GenerateKeyArgs {
    /// Write PREFIX.key and PREFIX.pub; PREFIX may include a folder
    #[arg(short, long, value_name = "PREFIX", default_value = "cosign", value_hint = ValueHint::AnyPath)]
    pub output: PathBuf,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// An image that artifacts are attached to.
#[derive(Args, Clone, Debug)]
pub struct SubjectArgs {
    /// A registry reference, the path of a layout, optionally with `:TAG` or `@DIGEST`, or `oci:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
}

/// Who signs: the group `signer`.
#[derive(Args, Clone, Debug, Default)]
pub struct SignerArgs {
    /// Sign with this private key: a file, or a variable that holds its content; the password comes from COSIGN_PASSWORD or
    /// a prompt
    #[arg(short, long, value_name = "FILE|env://VAR", group = "signer", value_hint = ValueHint::FilePath)]
    pub key: Option<KeyReference>,
    /// Sign without a key: the certificate (Fulcio) names the CI job or the identity in SIGSTORE_ID_TOKEN, and a public log
    /// (Rekor) keeps it forever
    #[arg(long, group = "signer")]
    pub keyless: bool,
    /// Use these services for keyless signing, as `cosign signing-config create` writes them [default: sigstore.dev]
    #[arg(long, value_name = "FILE", requires = "keyless", value_hint = ValueHint::FilePath)]
    pub signing_config: Option<PathBuf>,
    /// Sign as cosign 3 does (bundle), as cosign 2 does (legacy: tags that Podman, Skopeo and Harbor read), or both
    /// [default: bundle]
    #[arg(long, value_name = "FORMAT", requires = "signer")]
    pub signature_format: Option<SignatureFormat>,
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
    /// Also sign FILE, a JSON document, as an attestation of this type: cyclonedx, spdx, provenance, vex or a URI (repeatable)
    #[arg(long = "attest", value_name = "TYPE=FILE")]
    pub statements: Vec<Attest>,
    /// Sign only the image, not the attached SBOMs, provenance and VEX documents
    #[arg(long)]
    pub image_only: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci verify`.
#[derive(Args, Clone, Debug)]
#[command(group(ArgGroup::new("verifier").required(true).multiple(true).args(["key", "certificate_identity", "certificate_identity_regexp", "policy"])))]
pub struct VerifyArgs {
    /// A registry reference, the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`, `oci:PATH[:NAME]` or
    /// `oci-archive:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Verify with this public key: a file, or a variable that holds its content
    #[arg(short, long, value_name = "FILE|env://VAR", group = "verifier", conflicts_with = "identity", value_hint = ValueHint::FilePath)]
    pub key: Option<KeyReference>,
    /// Whom the certificates must name.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Check the rules in this file: who must have signed, sources, bases, licenses, …; see `policy` in the configuration
    #[arg(long, value_name = "FILE", group = "verifier", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
    /// Also require that this is attached and signed: sbom, provenance or vex (repeatable)
    #[arg(long, value_name = "WHAT")]
    pub require: Vec<Required>,
    /// Print JSON: who has signed what, and what is not signed
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

impl VerifyArgs {
    /// Returns who must have signed the image, or `None` if the arguments do not say.
    pub(crate) fn signer(&self) -> Option<SignerReference> {
        self.identity.signer_or(self.key.as_ref())
    }
}

/// What can be required of a signed image besides its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Required {
    /// Signed SBOMs, in whatever format.
    Sbom,
    /// Signed provenance.
    Provenance,
    /// Signed VEX documents.
    Vex,
}

/// The arguments of `cargo oci attach`.
#[derive(Args, Clone, Debug)]
pub struct AttachArgs {
    /// The image.
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// The file to attach
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Attach it as an artifact of this type, such as application/spdx+json [default: by the name of FILE: *.cdx.json,
    /// *.spdx.json, *.intoto.jsonl, *.sarif; *.openvex.json as a statement, as scanners expect]
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub artifact_type: Option<String>,
    /// Set the media type of the file [default: the artifact type]
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    pub media_type: Option<String>,
    /// Add an annotation to the artifact (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = key_value)]
    pub annotations: Vec<(String, String)>,
    /// Attach it to the image for this platform instead of the index: linux/amd64, linux/arm64, … or `host`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The arguments of `cargo oci referrers`.
#[derive(Args, Clone, Debug)]
pub struct ReferrersArgs {
    /// A registry reference, the path of a layout or an archive, optionally with `:TAG` or `@DIGEST`, `oci:PATH[:NAME]` or
    /// `oci-archive:PATH[:NAME]`
    #[arg(value_name = "REF|PATH", value_hint = ValueHint::AnyPath, value_parser = NonEmptyStringValueParser::new())]
    pub image: String,
    /// Print the content of one attachment: cyclonedx, spdx, provenance, vex, signature, an artifact type, or a digest or its start
    #[arg(long, value_name = "TYPE|DIGEST", conflicts_with = "json")]
    pub get: Option<AttachmentName>,
    /// Write the content to this file, and print its path
    #[arg(short, long, value_name = "FILE", requires = "get", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Read only what is attached to the image for this platform: linux/amd64, linux/arm64, … or `host`
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    pub platform: Option<Platform>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryArgs,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// An attestation about an image.
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
        // A URI may contain `=`; FILE is what follows the first one.
        let (kind, path) = text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or("expected TYPE=FILE")?;
        let predicate_type = match kind {
            "cyclonedx" => predicate::CYCLONEDX,
            "spdx" => predicate::SPDX,
            "provenance" => predicate::PROVENANCE,
            "vex" => predicate::VEX,
            uri if uri.contains("://") => uri,
            other => {
                let hint = hint(other, ["cyclonedx", "spdx", "provenance", "vex"]);
                return Err(format!(
                    "unknown type `{other}`{hint}: expected cyclonedx, spdx, provenance, vex or a URI"
                ));
            }
        };
        Ok(Attest { predicate_type: predicate_type.to_owned(), path: path.into() })
    }
}

/// Checks a media type (RFC 6838, section 4.2).
fn media_type(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((kind, name)) if is_restricted_name(kind) && is_restricted_name(name) => Ok(text.to_owned()),
        _ => Err("expected a media type, such as application/spdx+json".to_owned()),
    }
}

fn is_restricted_name(name: &str) -> bool {
    name.len() <= 127
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
}

impl CommandArgs for GenerateKeyArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }
}

impl CommandArgs for SignArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}

impl CommandArgs for VerifyArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}

impl CommandArgs for AttachArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}

impl CommandArgs for ReferrersArgs {
    fn talk(&self) -> TalkArgs {
        self.talk.clone()
    }

    fn registries(&self) -> RegistryArgs {
        self.registries.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_type_must_be_a_media_type() {
        for right in ["application/spdx+json", "text/plain", "application/vnd.acme.report.v1+json"] {
            assert_eq!(media_type(right).as_deref(), Ok(right));
        }
        for wrong in ["", "sbom", "a/", "/a", "a/b/c", "a/b c", "a/b;version=1"] {
            assert!(media_type(wrong).is_err(), "{wrong}");
        }
    }
}
