//! Until when distributions fix their releases, and so what is said of a base that nobody fixes anymore.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::Base;
use super::os_release::OsRelease;
use crate::reference::BaseReference;

/// A release of a distribution.
struct SupportedRelease {
    /// The `ID` in its os-release. For images of distroless, which has Debian's: [`DISTROLESS`].
    id: &'static str,
    /// The distribution's name.
    name: &'static str,
    /// The `VERSION_ID`, or its first parts.
    version: &'static str,
    /// The code name, which tags may have in its place.
    code_name: &'static str,
    /// The last day with fixes that everybody gets.
    end: Date,
}

const DISTROLESS: &str = "distroless";

/// The releases that bases are made of, the oldest of each distribution first. As of November 2026, from:
///
/// - Debian and Ubuntu: the package distro-info-data (debian.csv, ubuntu.csv). Debian's date is that of LTS, whose fixes are
///   in Debian's images; Ubuntu's that of the standard support, after which fixes are for subscribers.
/// - distroless: its `SUPPORT_POLICY.md`, for its static images. Debian 13 has a year after Debian 14, which is to come: the end of
///   Debian's own support.
/// - Alpine: its page of releases, the column "End of support".
#[rustfmt::skip]
const RELEASES: &[SupportedRelease] = &[
    release("debian", "Debian", "9", "stretch", date(2022, 6, 30)),
    release("debian", "Debian", "10", "buster", date(2024, 6, 30)),
    release("debian", "Debian", "11", "bullseye", date(2026, 8, 31)),
    release("debian", "Debian", "12", "bookworm", date(2028, 6, 30)),
    release("debian", "Debian", "13", "trixie", date(2030, 6, 30)),
    release(DISTROLESS, "distroless Debian", "9", "", date(2020, 7, 18)),
    release(DISTROLESS, "distroless Debian", "10", "", date(2022, 8, 31)),
    release(DISTROLESS, "distroless Debian", "11", "", date(2024, 6, 10)),
    release(DISTROLESS, "distroless Debian", "12", "", date(2026, 9, 30)),
    release(DISTROLESS, "distroless Debian", "13", "", date(2028, 8, 9)),
    release("ubuntu", "Ubuntu", "16.04", "xenial", date(2021, 4, 30)),
    release("ubuntu", "Ubuntu", "18.04", "bionic", date(2023, 5, 31)),
    release("ubuntu", "Ubuntu", "20.04", "focal", date(2025, 5, 29)),
    release("ubuntu", "Ubuntu", "22.04", "jammy", date(2027, 6, 1)),
    release("ubuntu", "Ubuntu", "24.04", "noble", date(2029, 5, 31)),
    release("ubuntu", "Ubuntu", "26.04", "resolute", date(2031, 5, 29)),
    release("alpine", "Alpine", "3.12", "", date(2022, 5, 1)),
    release("alpine", "Alpine", "3.13", "", date(2022, 11, 1)),
    release("alpine", "Alpine", "3.14", "", date(2023, 5, 1)),
    release("alpine", "Alpine", "3.15", "", date(2023, 11, 1)),
    release("alpine", "Alpine", "3.16", "", date(2024, 5, 23)),
    release("alpine", "Alpine", "3.17", "", date(2024, 11, 22)),
    release("alpine", "Alpine", "3.18", "", date(2025, 5, 9)),
    release("alpine", "Alpine", "3.19", "", date(2025, 11, 1)),
    release("alpine", "Alpine", "3.20", "", date(2026, 4, 1)),
    release("alpine", "Alpine", "3.21", "", date(2026, 11, 1)),
    release("alpine", "Alpine", "3.22", "", date(2027, 5, 1)),
    release("alpine", "Alpine", "3.23", "", date(2027, 11, 1)),
];

const fn release(
    id: &'static str,
    name: &'static str,
    version: &'static str,
    code_name: &'static str,
    end: Date,
) -> SupportedRelease {
    SupportedRelease { id, name, version, code_name, end }
}

/// Images before Docker's first release have a made-up time: tools that build reproducibly write 1970 or 1980.
const FIRST_IMAGE: Date = date(2013, 3, 20);

/// Returns a warning if a base gets no more fixes: if its release is known to be past its end, else if the base itself is more
/// than a year old. Wolfi, Chainguard's images and other distributions without releases are fixed by their next image, and so
/// are known by their age alone.
pub(crate) fn warning(
    reference: &BaseReference,
    base: &Base,
    release: Option<&OsRelease>,
    today: Date,
) -> Option<String> {
    let known = release.and_then(known);
    let end = known.map(|known| known.end).or_else(|| release?.support_end.parse().ok());
    let Some(end) = end else { return old(reference, base, today) };
    if today <= end {
        return None;
    }
    let Some(known) = known else {
        let name = release.map(|release| release.name.as_str()).filter(|name| !name.is_empty());
        let name = name.unwrap_or("a release");
        return Some(format!("the base {reference} is {name}, which has no fixes since {end}: use a newer release"));
    };
    let SupportedRelease { name, version, .. } = known;
    let newest = RELEASES.iter().rfind(|other| other.id == known.id && other.end >= today);
    let instead = match newest {
        Some(newest) if known.id == DISTROLESS => newer_name(reference, known, newest),
        Some(newest) => format!("{} {}", newest.name, newest.version),
        None => "a newer release".to_owned(),
    };
    Some(format!("the base {reference} is {name} {version}, which has no fixes since {end}: use {instead}"))
}

/// Returns the entry for a release, or `None` if it is not in the table.
fn known(release: &OsRelease) -> Option<&'static SupportedRelease> {
    let id = if release.id == "debian" && release.name == "Distroless" { DISTROLESS } else { release.id.as_str() };
    RELEASES.iter().find(|known| {
        let rest = release.version.strip_prefix(known.version);
        let is_version = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        known.id == id && (is_version || (!known.code_name.is_empty() && known.code_name == release.version))
    })
}

/// Returns the same image of distroless in a newer release.
fn newer_name(reference: &BaseReference, old: &SupportedRelease, new: &SupportedRelease) -> String {
    let text = reference.to_string();
    let (name, of) = (text.split('@').next().unwrap_or_default(), |release: &SupportedRelease| {
        format!("-debian{}", release.version)
    });
    if name.contains(&of(old)) { name.replace(&of(old), &of(new)) } else { format!("{} {}", new.name, new.version) }
}

/// Returns the day of the `created` of an image, or `None` if it is made up.
pub(crate) fn creation_day(created: &str) -> Option<Date> {
    let day = created.parse::<Timestamp>().ok()?.to_zoned(TimeZone::UTC).date();
    (day >= FIRST_IMAGE).then_some(day)
}

/// Returns a warning if the youngest image of a base was created more than a year ago.
fn old(reference: &BaseReference, base: &Base, today: Date) -> Option<String> {
    let times = base.images.iter().filter_map(|image| image.config.get("created").and_then(Value::as_str));
    let created = times.filter_map(creation_day).max()?;
    let is_old = today > created.saturating_add(1.year());
    is_old.then(|| {
        format!("the base {reference} was created on {created}, more than a year ago: use a newer one, which has fixes since")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::Object;
    use crate::platform::TARGETS;
    use serde_json::json;

    const TODAY: Date = date(2026, 11, 29);

    fn base(created: &[&str]) -> Base {
        let mut base = Base::scratch(&[crate::platform::PlatformChoice::All(crate::platform::Libc::Musl)]);
        base.images = TARGETS
            .iter()
            .zip(created)
            .map(|(target, created)| {
                let mut image = super::super::BaseImage::scratch(*target);
                image.config = Object::from_iter([("created".to_owned(), json!(created))]);
                image
            })
            .collect();
        base
    }

    fn said(reference: &str, os_release: &str, created: &[&str]) -> Option<String> {
        let reference = reference.parse().expect(reference);
        let release = Some(OsRelease::parse(os_release)).filter(|_| !os_release.is_empty());
        let release = release.or_else(|| OsRelease::by_name(&reference));
        warning(&reference, &base(created), release.as_ref(), TODAY)
    }

    #[test]
    fn releases_are_sorted_and_end_in_order() {
        for pair in RELEASES.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            assert!(pair[0].end < pair[1].end, "{} {}", pair[0].name, pair[0].version);
        }
    }

    #[test]
    fn releases_past_their_end_are_named() {
        for (reference, os_release, message) in [
            (
                "gcr.io/distroless/static-debian12:nonroot",
                "",
                "is distroless Debian 12, which has no fixes since 2026-09-30: use gcr.io/distroless/static-debian13:nonroot",
            ),
            ("debian:bullseye-slim", "", "is Debian 11, which has no fixes since 2026-08-31: use Debian 13"),
            (
                "oci:x",
                "ID=debian\nVERSION_ID=\"10\"",
                "the base oci:x is Debian 10, which has no fixes since 2024-06-30",
            ),
            ("oci:x", "ID=debian\nPRETTY_NAME=\"Distroless\"\nVERSION_ID=\"12\"", "use distroless Debian 13"),
            (
                "oci:x",
                "ID=alpine\nVERSION_ID=3.18.4",
                "is Alpine 3.18, which has no fixes since 2025-05-09: use Alpine 3.23",
            ),
            ("ubuntu:20.04", "", "is Ubuntu 20.04, which has no fixes since 2025-05-29: use Ubuntu 26.04"),
            (
                "oci:x",
                "ID=fedora\nPRETTY_NAME=\"Fedora Linux 41\"\nVERSION_ID=41\nSUPPORT_END=2025-12-15",
                "is Fedora Linux 41, which has no fixes since 2025-12-15: use a newer release",
            ),
        ] {
            let said = said(reference, os_release, &[]).unwrap_or_default();
            assert!(said.contains(message), "{reference}: {said}");
        }
    }

    #[test]
    fn releases_with_fixes_may_be_old_images() {
        for os_release in
            ["ID=debian\nVERSION_ID=\"12\"", "ID=alpine\nVERSION_ID=3.22.0", "ID=x\nSUPPORT_END=2027-01-01"]
        {
            assert_eq!(said("oci:x", os_release, &["2024-01-02T03:04:05Z"]), None, "{os_release}");
        }
        // An end is the last day.
        let alpine = OsRelease::parse("ID=alpine\nVERSION_ID=3.21.5");
        let on = |day: Date| warning(&"oci:x".parse().expect("a base"), &base(&[]), Some(&alpine), day).is_some();
        assert_eq!((on(date(2026, 11, 1)), on(date(2026, 11, 2))), (false, true));
    }

    #[test]
    fn unknown_releases_are_judged_by_their_age() {
        let message = "the base oci:x was created on 2024-01-02, more than a year ago";
        for os_release in ["", "ID=wolfi\nVERSION_ID=20230201", "ID=alpine\nVERSION_ID=3.99_alpha20240101", "ID=debian"]
        {
            let said = said("oci:x", os_release, &["2023-01-01T00:00:00Z", "2024-01-02T03:04:05.678+00:00"]);
            assert!(said.as_ref().is_some_and(|said| said.starts_with(message)), "{os_release}: {said:?}");
        }
        for made_up in
            ["1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z", "0001-01-01T00:00:00Z", "soon", "2025-11-29T23:00:00Z"]
        {
            assert_eq!(said("oci:x", "", &[made_up]), None, "{made_up}");
        }
        assert_eq!(said("oci:x", "", &[]), None);
    }
}
