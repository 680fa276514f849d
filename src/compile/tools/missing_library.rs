//! What a linker says of libraries that it lacks: not there, or of this machine and so for another libc.

use super::run_folder::MissingTool;
use super::tool::Invocation;

/// Folders with libraries of this machine.
const OF_THIS_MACHINE: [&str; 4] = ["/lib/", "/lib64/", "/usr/lib", "/usr/local/lib"];

/// Keeps what a linker lacked for the end of the run: its own words are among many.
pub(super) fn keep(invocation: &Invocation, said: &[u8]) {
    let found = missing_library(&String::from_utf8_lossy(said));
    if let (Some(library), Some(folder), Some(package)) = (found, &invocation.run_folder, invocation.package()) {
        let triple = invocation.target.triple.to_owned();
        folder.keep_missing(&MissingTool { package, triple, library: Some(library), out_dir: None });
    }
}

/// Returns the name of the first library that is missing, as in `-lNAME`.
fn missing_library(said: &str) -> Option<String> {
    let not_found = said.lines().find_map(|line| line.split_once("unable to find library -l"));
    if let Some((_, name)) = not_found {
        return name.split_whitespace().next().map(str::to_owned);
    }
    // Symbols that no library of the target has.
    let archives = said.lines().filter_map(|line| Some(line.split_once("in archive ")?.1.trim()));
    let of_this_machine = archives.into_iter().filter(|path| OF_THIS_MACHINE.iter().any(|at| path.starts_with(at)));
    let mut names = of_this_machine.filter_map(|path| path.rsplit('/').next()?.strip_prefix("lib")?.strip_suffix(".a"));
    names.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_library_is_read_from_the_linker() {
        let found = |said: &str| missing_library(said);
        assert_eq!(found("rust-lld: error: unable to find library -lsqlite3\n").as_deref(), Some("sqlite3"));
        let undefined = |archive: &str| {
            format!("rust-lld: error: undefined symbol: SSL_new\n>>> referenced by a.o:(b) in archive {archive}\n")
        };
        assert_eq!(found(&undefined("/usr/lib/x86_64-linux-gnu/libpq.a")).as_deref(), Some("pq"));
        assert_eq!(found(&undefined("/home/me/target/x86_64-unknown-linux-musl/release/deps/libmine.a")), None);
        assert_eq!(found("rust-lld: error: undefined symbol: main"), None);
    }
}
