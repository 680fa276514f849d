//! Crates whose build scripts look for a C library, and how to have it in a static program.

/// The crates, and what to do if the library is not there for a target.
const CRATES: [(&str, &str); 2] = [
    (
        "openssl-sys",
        "use rustls instead of OpenSSL, or have it compiled: `openssl = { version = \"0.10\", features = [\"vendored\"] }`",
    ),
    (
        "mysqlclient-sys",
        "have the client compiled: `mysqlclient-sys = { version = \"0.5\", features = [\"bundled\"] }`; or use one in Rust, \
         such as mysql_async or sqlx",
    ),
];

/// Returns what to do if the build script of a package finds no library. `package` is its name, and its version after a space.
pub(super) fn way_out(package: &str, target: &str) -> String {
    let name = package.split(' ').next().unwrap_or_default();
    match CRATES.iter().find(|(known, _)| *known == name) {
        Some((_, way_out)) => (*way_out).to_owned(),
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
        let found = |package: &str| way_out(package, "x86_64-unknown-linux-musl");
        assert!(found("openssl-sys 0.9.118").contains("`openssl = { version"));
        assert!(found("alsa-sys 0.3.1").contains("PKG_CONFIG_LIBDIR_x86_64_unknown_linux_musl"));
    }
}
