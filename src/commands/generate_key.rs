//! `cargo oci generate-key`: a pair of keys, as `cosign generate-key-pair` writes it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use miette::{Context, miette};

use super::login::Asked;
use crate::attest::PrivateKey;
use crate::cli::GenerateKeyArgs;
use crate::context::key::password;
use crate::environment::Environment;
use crate::error::{Result, on_path};
use crate::event::{Event, Listener, Question};

/// Makes a key, and writes `PREFIX.key`, under a password, and `PREFIX.pub`; gives both paths.
///
/// # Errors
/// When one of the files is there, or cannot be written; when there is nobody to ask for a password. Then there is
/// neither file, or those that were there before.
pub fn generate_key(args: &GenerateKeyArgs, asked: Asked, listener: Listener) -> Result<Vec<String>> {
    let with = |ending: &str| PathBuf::from(format!("{}.{ending}", args.output.display()));
    let (private, public) = (with("key"), with("pub"));
    for path in [&private, &public] {
        // Also a link that leads nowhere is somebody's.
        if path.symlink_metadata().is_ok() {
            return Err(miette!(
                help = "name another place with `--output PREFIX`; whoever replaces a key can verify nothing that it signed",
                "{} is there already, and is not overwritten",
                path.display()
            ));
        }
    }
    let key = PrivateKey::generate()?;
    let password = new_password(asked, &private.display().to_string())?;
    write(&private, key.to_encrypted_pem(&password)?.as_bytes(), true)?;
    if let Err(error) = key.public().to_pem().and_then(|pem| write(&public, pem.as_bytes(), false)) {
        // Half a pair is none, and this half was made a moment ago.
        let _ = fs::remove_file(&private);
        return Err(error).wrap_err("cannot make a pair of keys");
    }
    for path in [&private, &public] {
        listener(Event::Wrote { path: path.clone() });
    }
    Ok(vec![private.display().to_string(), public.display().to_string()])
}

/// The password of a new key, which nobody can have mistyped.
fn new_password(asked: Asked, key: &str) -> Result<crate::secret::Secret> {
    let environment = Environment::of_this_process();
    let first = password(&environment, asked, Question::NewKeyPassword { key, again: false })?;
    let second = password(&environment, asked, Question::NewKeyPassword { key, again: true })?;
    match first == second {
        true => Ok(first),
        false => Err(miette!(help = "type the same one twice; nothing was written", "the passwords are not the same")),
    }
}

/// Writes a file that is not there yet; one that is secret can be read by its owner alone, from its first byte on.
fn write(path: &Path, content: &[u8], is_secret: bool) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    // On Windows a file in a user's folder is that user's.
    #[cfg(not(unix))]
    let _ = is_secret;
    let written = options.open(path).and_then(|mut file| write_all(&mut file, content, path));
    written.map_err(|error| on_path("write", path, error))
}

fn write_all(file: &mut File, content: &[u8], path: &Path) -> io::Result<()> {
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}
