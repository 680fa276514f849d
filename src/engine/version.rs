//! The versions and machines of engines.

use crate::platform::Platform;

/// Returns whether a version such as `20.10.24+dfsg1` is at least `major.minor`. An unreadable version counts as new.
pub(super) fn is_at_least(version: &str, major: u32, minor: u32) -> bool {
    let numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let mut numbers = numbers.map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(own_major), Some(own_minor)) => (own_major, own_minor) >= (major, minor),
        (Some(own_major), None) => own_major >= major,
        (None, _) => true,
    }
}

/// Returns the platform of an engine. `machine` is as `uname -m` prints it, or Go's name.
pub(super) fn platform_of(os: &str, machine: &str) -> Platform {
    let (architecture, variant) = match machine {
        "x86_64" | "amd64" => ("amd64", None),
        "aarch64" | "arm64" => ("arm64", Some("v8")),
        "armv6l" => ("arm", Some("v6")),
        "armv7l" | "armv8l" | "arm" => ("arm", Some("v7")),
        "i386" | "i486" | "i586" | "i686" | "386" => ("386", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_at_least_compares_numbers() {
        assert!(is_at_least("20.10.24+dfsg1", 17, 6));
        assert!(is_at_least("v1.6.20~ds1", 1, 4));
        assert!(!is_at_least("1.13.1", 17, 6));
        assert!(is_at_least("dev", 17, 6));
    }

    #[test]
    fn platform_of_reads_names_of_uname() {
        for (machine, platform) in [
            ("x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64/v8"),
            ("armv7l", "linux/arm/v7"),
            ("s390x", "linux/s390x"),
        ] {
            assert_eq!(platform_of("linux", machine).to_string(), platform);
        }
    }
}
