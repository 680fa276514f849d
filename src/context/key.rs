//! Key references → keys, with their passwords; arguments → the signer.

use std::fs::File;
use std::io::{self, IsTerminal, Read};

use miette::{Context, Report, miette};
use zeroize::Zeroizing;

use super::GlobalContext;
use crate::attest::{PrivateKey, PublicKey, Signer};
use crate::cli::SignerArgs;
use crate::environment::IDENTITY_TOKEN;
use crate::environment::{Environment, KEY_PASSWORD};
use crate::error::{Result, cannot_read, or_help};
use crate::event::Question;
use crate::interrupt::blocking;
use crate::reference::KeyReference;
use crate::secret::Secret;

/// The help of errors about keys.
const FILE: &str = "name a file that `cargo oci generate-key` or `cosign generate-key-pair` has written";
/// The maximum size of a key.
const MOST_BYTES: u64 = 64 << 10;

/// Returns the signer, or `None` if the arguments name none.
///
/// # Errors
/// Returns an error if the key cannot be used, or if there is no identity to sign without a key.
pub(crate) fn signer(args: &SignerArgs, context: &GlobalContext) -> Result<Option<Signer>> {
    if args.keyless {
        let token = context.environment.get(IDENTITY_TOKEN).and_then(|token| token.to_str());
        let identity = crate::attest::keyless::Identity::find(token, args.signing_config.as_deref())?;
        return Ok(Some(Signer::Identity(Box::new(identity))));
    }
    let key = args.key.as_ref().map(|key| private(key, context));
    Ok(key.transpose()?.map(Signer::Key))
}

/// Reads a private key.
///
/// # Errors
/// Returns an error if it cannot be read, is not a private key, or its password is missing or wrong.
fn private(key: &KeyReference, context: &GlobalContext) -> Result<PrivateKey> {
    let name = key.to_string();
    if let KeyReference::Variable(variable) = key {
        context.environment.hide_key(variable);
    }
    let read = text(key, &context.environment).and_then(|text| {
        PrivateKey::from_pem(&text, &name, &mut || password(context, Question::KeyPassword { key: &name }))
    });
    read.map_err(|error| or_help(error, || FILE.to_owned())).wrap_err_with(|| format!("cannot use the key {name}"))
}

/// Reads a public key.
///
/// # Errors
/// Returns an error if it cannot be read, or is not a public key.
pub(crate) fn public(key: &KeyReference, environment: &Environment) -> Result<PublicKey> {
    let read = text(key, environment).and_then(|text| PublicKey::from_pem(&text));
    read.map_err(|error| or_help(error, || FILE.to_owned())).wrap_err_with(|| format!("cannot use the key {key}"))
}

fn text(key: &KeyReference, environment: &Environment) -> Result<Zeroizing<String>> {
    match key {
        KeyReference::File(path) => {
            let name = path.clone();
            // The file may be a pipe, as in `--key <(…)`.
            let text = blocking::run(move || {
                let mut text = Zeroizing::new(Vec::new());
                File::open(name)?.take(MOST_BYTES + 1).read_to_end(&mut text)?;
                Ok(text)
            });
            let text = text.map_err(|error| cannot_read(path, error))?;
            if text.len() as u64 > MOST_BYTES {
                return Err(miette!(help = FILE, "it exceeds the maximum size of a key, 64 KiB"));
            }
            let text = str::from_utf8(&text).map_err(|_| miette!(help = FILE, "it is not text: expected PEM"))?;
            Ok(Zeroizing::new(text.to_owned()))
        }
        KeyReference::Variable(name) => match environment.get(name).map(|value| value.to_str()) {
            Some(Some(text)) => Ok(Zeroizing::new(text.to_owned())),
            Some(None) => {
                Err(miette!(help = "put the text of a key into it", "the variable {name} is not valid UTF-8"))
            }
            None => Err(miette!(
                help = format!("`export {name}=\"$(cat cosign.key)\"` sets it, or name a file"),
                "the variable {name} is not set"
            )),
        },
    }
}

/// Returns the password of a key: from the variable, even if it is empty, else from a prompt.
///
/// # Errors
/// Returns an error if there is no terminal.
pub(crate) fn password(context: &GlobalContext, question: Question) -> Result<Secret> {
    if context.environment.is_set(KEY_PASSWORD) {
        let value = context.environment.get(KEY_PASSWORD).unwrap_or_default();
        let text = value.to_str().ok_or_else(|| no_password("the variable COSIGN_PASSWORD is not valid UTF-8"))?;
        return Ok(Secret::new(text));
    }
    if !io::stdin().is_terminal() {
        let key = match question {
            Question::KeyPassword { key } | Question::NewKeyPassword { key, .. } => key,
            _ => "the key",
        };
        return Err(no_password(&format!("cannot prompt for the password of {key}: no terminal")));
    }
    let answer =
        context.ask(question).map_err(|error| no_password(&format!("cannot prompt for the password: {error}")))?;
    Ok(Secret::new(answer))
}

fn no_password(why: &str) -> Report {
    miette!(help = "set COSIGN_PASSWORD to the password of the key, or to an empty string if it has none", "{why}")
}
