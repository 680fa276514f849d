//! `cargo oci generate-key`: generate a pair of keys, as `cosign generate-key-pair` does.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use miette::{Context, miette};

use super::Outcome;
use crate::attest::PrivateKey;
use crate::cli::GenerateKeyArgs;
use crate::context::GlobalContext;
use crate::context::key::password;
use crate::error::{Result, on_path};
use crate::event::{Event, Question};
use crate::git;
use crate::secret::Secret;

/// Generates a key, and writes `PREFIX.key`, encrypted with a password, and `PREFIX.pub`; returns both paths.
///
/// # Errors
/// Returns an error if one of the files exists or cannot be written, or there is no terminal to ask for a password. Then no
/// file was written.
pub(crate) fn run(args: &GenerateKeyArgs, context: &GlobalContext) -> Result<Outcome> {
    let prefix = args.output.display();
    let (private, public) = (PathBuf::from(format!("{prefix}.key")), PathBuf::from(format!("{prefix}.pub")));
    for path in [&private, &public] {
        // A dangling link is somebody's, too.
        if path.symlink_metadata().is_ok() {
            return Err(miette!(
                help = "choose another prefix with `--output PREFIX`: without the old key, what it signed cannot be verified",
                "{} already exists",
                path.display()
            ));
        }
    }
    let key = PrivateKey::generate()?;
    let password = new_password(context, &private.display().to_string())?;
    write(&private, key.to_encrypted_pem(&password)?.as_bytes(), true)?;
    if let Err(error) = key.public().to_pem().and_then(|pem| write(&public, pem.as_bytes(), false)) {
        // Half a pair is of no use.
        let _ = fs::remove_file(&private);
        return Err(error).wrap_err("cannot write the key pair");
    }
    for path in [&private, &public] {
        context.report(Event::Wrote { only: None, path: path.clone() });
    }
    if let Some(message) = missing_in_gitignore(&private, context) {
        context.warn(message);
    }
    Ok(Outcome::Results(vec![private.display().to_string(), public.display().to_string()]))
}

/// Returns a warning if the key is in a work tree of git, which would add it.
fn missing_in_gitignore(key: &Path, context: &GlobalContext) -> Option<String> {
    let folder = key.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = key.file_name()?.to_str()?;
    let ignored = git::ignored(folder, &context.environment, &[name.to_owned()].into())?;
    let list = key.with_file_name(".gitignore");
    (!ignored.contains(name)).then(|| {
        format!(
            "git does not ignore {}, which must stay private: add the line `/{name}` to {}",
            key.display(),
            list.display()
        )
    })
}

/// Asks for the password of a new key, twice.
fn new_password(context: &GlobalContext, key: &str) -> Result<Secret> {
    let first = password(context, Question::NewKeyPassword { key, again: false })?;
    let second = password(context, Question::NewKeyPassword { key, again: true })?;
    if first == second {
        Ok(first)
    } else {
        Err(miette!(help = "type the same password twice; nothing was written", "the passwords do not match"))
    }
}

/// Writes a file that must not exist yet. From its first byte on, only the owner can read a secret one.
fn write(path: &Path, content: &[u8], is_secret: bool) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    // On Windows, files in a user's folder are readable by that user alone.
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
