//! Crates that need a C library, and how to have it in a static program. To add one, add a row, and try what it says.

/// A crate that looks for a C library, or is linked with one.
pub struct CLibrary {
    /// The crate.
    pub name: &'static str,
    /// The library, as `pkg-config` and linkers call it.
    pub libraries: &'static [&'static str],
    /// What to do if the library is not there for a target.
    pub way_out: &'static str,
}

/// Shortens the table.
const fn library(name: &'static str, libraries: &'static [&'static str], way_out: &'static str) -> CLibrary {
    CLibrary { name, libraries, way_out }
}

/// The crates.
pub const C_LIBRARIES: &[CLibrary] = &[
    library("libdbus-sys", &["dbus-1"], "have libdbus compiled, with the feature `vendored` of libdbus-sys"),
    library(
        "libsqlite3-sys",
        &["sqlite3"],
        "have SQLite compiled, with the feature `bundled` of libsqlite3-sys or rusqlite",
    ),
    library(
        "openssl-sys",
        &["openssl", "libssl", "libcrypto", "ssl", "crypto"],
        "use rustls instead of OpenSSL, or have it compiled: `openssl = { version = \"0.10\", features = [\"vendored\"] }`",
    ),
    library("pq-sys", &["pq", "libpq"], "have libpq compiled, with the feature `bundled_without_openssl` of pq-sys"),
    library(
        "yeslogic-fontconfig-sys",
        &["fontconfig"],
        "look for fontconfig when the program runs, with the feature `dlopen` of yeslogic-fontconfig-sys",
    ),
];

/// Returns what to do if a package finds no library. `package` is its name, and its version after a space.
pub(super) fn way_out(package: &str, library: &str, target: &str) -> String {
    let name = package.split(' ').next().unwrap_or_default();
    let known = C_LIBRARIES.iter().find(|known| known.name == name);
    match known.or_else(|| C_LIBRARIES.iter().find(|known| known.libraries.contains(&library))) {
        Some(known) => format!("{}; `cargo tree --invert {}` shows what needs it", known.way_out, known.name),
        None => format!(
            "use the feature of the crate that compiles the library (often `vendored`, `bundled` or `static`), or set \
             PKG_CONFIG_LIBDIR_{} to the folder with the .pc files of libraries that are built for it",
            target.replace('-', "_")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_out_names_the_crate_or_the_variable() {
        let found = |package: &str, library: &str| way_out(package, library, "x86_64-unknown-linux-musl");
        assert!(found("openssl-sys 0.9.118", "openssl").contains("`openssl = { version"));
        // The linker names the program, and the library.
        assert!(found("hello v0.1.0", "sqlite3").ends_with("`cargo tree --invert libsqlite3-sys` shows what needs it"));
        assert!(found("hello v0.1.0", "nothing").contains("PKG_CONFIG_LIBDIR_x86_64_unknown_linux_musl"));
    }

    #[test]
    fn libraries_belong_to_one_crate() {
        let mut names: Vec<_> = C_LIBRARIES.iter().flat_map(|known| known.libraries).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
