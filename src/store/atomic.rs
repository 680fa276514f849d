//! Files that are written atomically, and what killed runs leave of them.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::error::ReadError;
use crate::error::{Result, on_path};
use crate::regular_file;

/// The prefix of temporary files and folders.
pub(crate) const TEMP_PREFIX: &str = ".cargo-oci-new-";

/// How long a temporary file is kept where file locks do not tell whether its run is still there.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who can read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever the umask allows. Nobody but the owner and the group can write to it, whatever the umask.
    Everyone,
    /// The owner alone, whatever the umask.
    Owner,
}

/// Creates a temporary file in `folder`, which is removed when it is dropped. While this run has it open, it is locked, so
/// that others do not [sweep](sweep()) it.
///
/// # Errors
/// Returns an error if the file cannot be created.
pub(crate) fn create_in(folder: &Path, audience: Audience) -> io::Result<NamedTempFile> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if audience == Audience::Owner { 0o600 } else { 0o664 });
    let _ = audience; // other systems have no modes
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX).make_in(folder, |path| {
        let file = options.open(path)?;
        // Another run may have swept the file before it was locked: take another name.
        if lock(&file, path) { Ok(file) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    })
}

/// Creates a folder and its parents. Nobody but the owner and the group can write to it, whatever the umask.
///
/// # Errors
/// Returns an error if a folder cannot be created.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o775);
    builder.recursive(true).create(folder)
}

/// Locks a temporary file or folder as long as it is open. Returns false if another run is about to remove it.
pub(crate) fn lock(file: &File, path: &Path) -> bool {
    // Without file locks, only the age tells what may be swept.
    !matches!(try_lock(file), Err(TryLockError::WouldBlock)) && path.symlink_metadata().is_ok()
}

#[cfg(unix)]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// Returns an error: locks of other systems would keep this run itself from reading what it has written.
#[cfg(not(unix))]
fn try_lock(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(io::ErrorKind::Unsupported.into()))
}

/// Removes the temporary files and folders in `folder` that killed runs left. Failing to do so is harmless.
pub(crate) fn sweep(folder: &Path) {
    sweep_with(folder, |folder| drop(fs::remove_dir_all(folder)));
}

/// Does the same, with `remove` for folders. It must not follow links.
pub(crate) fn sweep_with(folder: &Path, remove: impl Fn(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX)
            && let Ok(file) = regular_file::open_unlinked(&path)
            && is_left(&file)
        {
            match file.metadata() {
                Ok(metadata) if metadata.is_dir() => remove(&path),
                _ => drop(fs::remove_file(&path)),
            }
        }
    }
}

/// Returns whether no run has a temporary file open. Then it is locked, so that none takes it from now on.
fn is_left(file: &File) -> bool {
    match try_lock(file) {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let modified = file.metadata().and_then(|found| found.modified());
            modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > DAY))
        }
    }
}

/// Replaces the file at `path`, or the one it links to, with what `write` writes. A pipe, a terminal or `/dev/null` is
/// written to directly. Removes what killed runs left beside it.
///
/// # Errors
/// Returns an error if writing fails. Then an existing file is unchanged.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace_for(Audience::Everyone, path, write)
}

/// Does the same as [`replace`], for this audience.
///
/// # Errors
/// See [`replace`].
pub(crate) fn replace_for(
    audience: Audience,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let path = without_links(path)?;
    if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return write(&mut File::options().write(true).open(path)?);
    }
    sweep(parent(&path));
    replace_name(audience, &path, write)
}

/// Checks that [`replace`] can write to `path`, before there is anything to write.
///
/// # Errors
/// Returns an error if it cannot.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let path = without_links(path)?;
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Ok(()),
        _ => create_in(parent(&path), Audience::Everyone).map(drop),
    }
}

/// Replaces what has the name `path`: a link is replaced itself.
///
/// # Errors
/// Returns an error if writing fails. Then an existing file is unchanged.
pub(crate) fn replace_name(
    audience: Audience,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = create_in(parent(path), audience)?;
    write(file.as_file_mut())?;
    // Otherwise the rename could reach the disk before the content.
    file.as_file().sync_all()?;
    persist(file, path)?;
    sync_folder(parent(path));
    Ok(())
}

/// Replaces a file that has the content `expected`, or the one that it links to, with what `write` writes. The new file has the
/// permissions of the old one, and its owner if this user may say so. Removes what killed runs left beside it. Returns false if
/// the content is another.
///
/// # Errors
/// Returns an error if the file cannot be read or written. Then it is unchanged.
pub(crate) fn replace_unchanged(
    path: &Path,
    expected: &[u8],
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<bool> {
    let path = without_links(path)?;
    sweep(parent(&path));
    let mut file = create_in(parent(&path), Audience::Owner)?;
    write(file.as_file_mut())?;
    let old = fs::metadata(&path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Only root may give files away. A group that is not the user's own is lost, as with any editor.
        let _ = std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    }
    file.as_file().set_permissions(old.permissions())?;
    file.as_file().sync_all()?;
    // As late as possible: there is no way to compare and rename in one step.
    if fs::read(&path)? != expected {
        return Ok(false);
    }
    persist(file, &path)?;
    sync_folder(parent(&path));
    Ok(true)
}

/// Gives a temporary file its name, and replaces the file that has it. Windows denies that while somebody has the old file open,
/// such as another run or a virus scanner: then it is tried again for about a second.
///
/// # Errors
/// Returns an error if the file cannot be renamed.
pub(crate) fn persist(mut file: NamedTempFile, path: &Path) -> io::Result<File> {
    let mut pause = Duration::from_millis(1);
    loop {
        match file.persist(path) {
            Ok(file) => return Ok(file),
            Err(error) => {
                let is_in_use = cfg!(windows) && error.error.kind() == io::ErrorKind::PermissionDenied;
                if !is_in_use || pause > LONGEST_PAUSE {
                    return Err(error.error);
                }
                file = error.file;
            }
        }
        thread::sleep(pause);
        pause *= 2;
    }
}

/// The longest pause between two attempts to rename a file.
const LONGEST_PAUSE: Duration = Duration::from_millis(512);

/// How many links may lead to a file, as in Linux.
const MAX_LINKS: usize = 40;

/// Returns the path that a chain of links leads to, where there need not be a file.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder survive a power failure. Where folders cannot be opened, the file system does that.
pub(crate) fn sync_folder(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Writes all of `content` to a temporary file for `path`.
///
/// # Errors
/// Returns a [`ReadError`] if reading fails, or an error that names `path` if writing fails.
pub(crate) fn write_all(file: &mut NamedTempFile, content: &mut dyn Read, path: &Path) -> Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(ReadError)?,
        };
        // Write to the inner file: errors of `NamedTempFile` would name the temporary path.
        file.as_file_mut().write_all(&buffer[..read]).map_err(|error| on_path("write", path, error))?;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write(path: &Path, content: &str) {
        replace(path, |file| file.write_all(content.as_bytes())).expect("writes");
    }

    #[test]
    fn replaced_link_is_followed_to_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let [link, second, target] = ["link", "second", "far/target"].map(|name| folder.path().join(name));
        fs::create_dir(folder.path().join("far")).expect("a folder");
        symlink("second", &link).expect("links");
        symlink("far/target", &second).expect("links");
        // Once without the target, as a shell's redirection writes it, and once with it.
        for content in ["first", "again"] {
            write(&link, content);
            assert_eq!(fs::read_to_string(&target).expect("is written"), content);
            assert!(link.is_symlink() && second.is_symlink());
        }
        symlink("circle", folder.path().join("circle")).expect("links");
        assert!(replace(&folder.path().join("circle"), |_| Ok(())).is_err());
    }

    #[test]
    fn unchanged_file_is_replaced_with_its_mode() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let [link, target] = ["link", "target"].map(|name| folder.path().join(name));
        symlink("target", &link).expect("links");
        fs::write(&target, "old").expect("writes");
        fs::write(folder.path().join(format!("{TEMP_PREFIX}dead")), "half").expect("writes");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("a mode");
        let replace = |expected: &str| replace_unchanged(&link, expected.as_bytes(), |file| file.write_all(b"new"));
        assert!(!replace("other").expect("is there"));
        assert_eq!(fs::read_to_string(&target).expect("is there"), "old");
        assert!(replace("old").expect("is there"));
        assert_eq!(fs::read_to_string(&target).expect("is there"), "new");
        assert_eq!(fs::metadata(&target).expect("is there").permissions().mode() & 0o7777, 0o640);
        assert!(link.is_symlink() && fs::read_dir(folder.path()).expect("a folder").count() == 2);
        fs::remove_file(&target).expect("is there");
        assert!(replace("new").is_err() && !target.exists());
    }

    #[test]
    fn replaced_name_is_never_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let [link, target] = ["link", "target"].map(|name| folder.path().join(name));
        fs::write(&target, "precious").expect("writes");
        symlink("target", &link).expect("links");
        replace_name(Audience::Everyone, &link, |file| file.write_all(b"new")).expect("writes");
        assert_eq!(fs::read_to_string(&target).expect("is there"), "precious");
        assert!(!link.is_symlink());
    }

    #[test]
    fn sweep_removes_only_what_nobody_has_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let left = |name: &str| path(&format!("{TEMP_PREFIX}{name}"));
        fs::write(left("dead"), "half").expect("writes");
        fs::create_dir_all(left("folder").join("rootfs")).expect("a folder");
        fs::write(path(".new-foreign"), "").expect("writes");
        fs::write(path("precious"), "").expect("writes");
        symlink("precious", left("link")).expect("links");
        rustix::fs::mkfifoat(rustix::fs::CWD, left("pipe"), rustix::fs::Mode::RWXU).expect("a pipe");
        let alive = create_in(folder.path(), Audience::Owner).expect("a file");
        write(&path("new"), "");
        assert!(!left("dead").exists() && !left("folder").exists());
        assert!(alive.path().exists() && path("precious").exists() && path(".new-foreign").exists());
        assert!(left("link").is_symlink());
    }
}
