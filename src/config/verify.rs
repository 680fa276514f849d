//! The key `base-verify`: who must have signed the base.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

use super::base_signers::BASE_SIGNERS;
use super::document::{in_order, parsed, table};
use super::error::ValueError;
use super::value::KeyValue;
use crate::reference::{CertificateIdentity, IdentityPattern, KeyReference, SignerReference};
use crate::suggest::nearest;

/// Who must have signed the base, or `None` for `false`: it need not be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseVerify(pub Option<SignerReference>);

/// The keys of the table: a key alone, or a subject with an issuer.
const KEYS: [&str; 6] = ["key", "identity", "identity-regexp", "issuer", "issuer-regexp", "trusted-root"];
const FORMS: &str = "write `{ key = \"FILE\" }`, `{ identity = \"…\", issuer = \"…\" }`, or the name of a known signer such as `\"distroless\"`";
const EXPECTED: &str = "a table, the name of a signer, or `false`";

impl BaseVerify {
    /// Returns the same, with paths relative to `folder`.
    #[must_use]
    pub(super) fn relative_to(self, folder: &Path) -> BaseVerify {
        BaseVerify(self.0.map(|signer| signer.relative_to(folder)))
    }
}

/// What the table holds.
#[derive(Default)]
struct SignerKeys {
    key: Option<KeyReference>,
    subject: Option<IdentityPattern>,
    issuer: Option<IdentityPattern>,
    trusted_root: Option<PathBuf>,
}

impl SignerKeys {
    /// Returns who that is, or what is missing or too much.
    fn signer(self) -> Result<SignerReference, &'static str> {
        match self {
            SignerKeys { key: Some(key), subject: None, issuer: None, trusted_root: None } => {
                Ok(SignerReference::Key(key))
            }
            SignerKeys { key: Some(_), .. } => Err("`key` stands alone: an identity has no key"),
            SignerKeys { subject: Some(subject), issuer: Some(issuer), trusted_root, .. } => {
                Ok(SignerReference::Identity(Box::new(CertificateIdentity { subject, issuer, trusted_root })))
            }
            SignerKeys { subject: Some(_), .. } => Err("missing `issuer`: who has identified `identity`"),
            SignerKeys { issuer: Some(_), .. } => Err("missing `identity`: whom `issuer` has identified"),
            _ => Err("missing `key`, or `identity` and `issuer`"),
        }
    }
}

impl KeyValue for BaseVerify {
    const TYPE: &'static str = "table, string or `false`";

    fn read(value: &Spanned<DeValue>) -> Result<BaseVerify, ValueError> {
        if value.get_ref().as_bool() == Some(false) {
            return Ok(BaseVerify(None));
        }
        if let Some(name) = value.get_ref().as_str() {
            return named(name, value);
        }
        read_table(value).map_err(|error| ValueError { help: error.help.or(Some(FORMS.to_owned())), ..error })
    }

    fn parse(_: &[&str]) -> Result<BaseVerify, String> {
        Err("only Cargo.toml can set this".to_owned())
    }

    fn schema() -> Json {
        // A file, or a variable: of all schemes, only env:// is known.
        let key = json!({
            "type": "string",
            "pattern": "^(env://[^=]+|(?!.*://).+)$",
            "description": "A file with a public key, or `env://VAR`"
        });
        let text = |description: &str| json!({ "type": "string", "minLength": 1, "description": description });
        let identity = json!({
            "identity": text("The subject of the certificate: an e-mail address, or the URI of a workflow"),
            "identity-regexp": text("A regular expression for a part of the subject"),
            "issuer": text("The URL of the service that has identified it"),
            "issuer-regexp": text("A regular expression for a part of that URL"),
            "trusted-root": text("A file with the authorities and logs to trust, in place of those of sigstore.dev"),
        });
        let one_of = |exact: &str, part: &str| json!({ "oneOf": [{ "required": [exact] }, { "required": [part] }] });
        let names: Vec<_> = BASE_SIGNERS.iter().map(|signer| signer.name).collect();
        json!({ "anyOf": [
            { "type": "object", "properties": { "key": key }, "required": ["key"], "additionalProperties": false },
            {
                "type": "object",
                "properties": identity,
                "allOf": [one_of("identity", "identity-regexp"), one_of("issuer", "issuer-regexp")],
                "additionalProperties": false
            },
            { "enum": names },
            { "const": false }
        ] })
    }
}

fn read_table(value: &Spanned<DeValue>) -> Result<BaseVerify, ValueError> {
    let mut found = SignerKeys::default();
    for (key, value) in in_order(table(value, EXPECTED)?) {
        let again = |is_set: bool| if is_set { Err(twice(key.get_ref(), key)) } else { Ok(()) };
        match key.get_ref().as_ref() {
            "key" => found.key = Some(parsed(value)?),
            "identity" => {
                again(found.subject.is_some())?;
                found.subject = Some(IdentityPattern::Exact(parsed::<NonEmptyText>(value)?.0));
            }
            "identity-regexp" => {
                again(found.subject.is_some())?;
                found.subject = Some(parsed::<Regexp>(value)?.0);
            }
            "issuer" => {
                again(found.issuer.is_some())?;
                found.issuer = Some(IdentityPattern::Exact(parsed::<NonEmptyText>(value)?.0));
            }
            "issuer-regexp" => {
                again(found.issuer.is_some())?;
                found.issuer = Some(parsed::<Regexp>(value)?.0);
            }
            "trusted-root" => found.trusted_root = Some(parsed::<NonEmptyText>(value)?.0.into()),
            other => {
                return Err(ValueError {
                    message: format!("unknown key `{other}` in `base-verify`"),
                    at: key.span(),
                    label: nearest(other, KEYS)
                        .map_or_else(|| "unknown key".to_owned(), |known| format!("did you mean `{known}`?")),
                    help: None,
                });
            }
        }
    }
    found.signer().map(|signer| BaseVerify(Some(signer))).map_err(|why| ValueError {
        message: format!("incomplete `base-verify`: {why}"),
        at: value.span(),
        label: "here".to_owned(),
        help: None,
    })
}

/// Returns the signer of a short name.
fn named(name: &str, value: &Spanned<DeValue>) -> Result<BaseVerify, ValueError> {
    let signer = BASE_SIGNERS.iter().find(|signer| signer.name == name);
    let identity = signer.map(|signer| SignerReference::Identity(Box::new(signer.identity())));
    let names = BASE_SIGNERS.map(|signer| signer.name);
    identity.map(|identity| BaseVerify(Some(identity))).ok_or_else(|| ValueError {
        message: format!("unknown signer `{name}` in `base-verify`"),
        at: value.span(),
        label: nearest(name, names)
            .map_or_else(|| format!("expected {}", names.join(" or ")), |known| format!("did you mean `{known}`?")),
        help: Some("a key is a table: `base-verify = { key = \"FILE\" }`".to_owned()),
    })
}

fn twice(key: &str, at: &Spanned<impl Sized>) -> ValueError {
    ValueError {
        message: format!("`{key}` in `base-verify` is a second one"),
        at: at.span(),
        label: "either the text, or a regular expression".to_owned(),
        help: None,
    }
}

/// A text with at least one character.
struct NonEmptyText(String);

impl std::str::FromStr for NonEmptyText {
    type Err = String;

    fn from_str(text: &str) -> Result<NonEmptyText, String> {
        if text.is_empty() { Err("expected a text".to_owned()) } else { Ok(NonEmptyText(text.to_owned())) }
    }
}

struct Regexp(IdentityPattern);

impl std::str::FromStr for Regexp {
    type Err = String;

    fn from_str(text: &str) -> Result<Regexp, String> {
        let NonEmptyText(text) = text.parse()?;
        IdentityPattern::matching(&text).map(Regexp)
    }
}
