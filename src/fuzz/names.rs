//! References, digests, patterns, tags, users, and text for a terminal.

use std::fmt::{Debug, Display};
use std::io::Read;
use std::str::FromStr;

use oci_spec::distribution;
use oci_spec::image::{Descriptor, MediaType};

use super::input::FuzzInput;
use crate::config::check::check_tag;
use crate::config::pattern::Pattern;
use crate::config::template::TagTemplate;
use crate::filesystem::{ProcessUser, UserDatabase};
use crate::image::Digest;
use crate::image::digest::{VerifyReader, sha256};
use crate::image::passwd::{parse_group, parse_id, parse_passwd};
use crate::reference::{BaseReference, EngineReference, Reference, RegistryName, grammar};
use crate::sanitize::{is_terminal_control, sanitize, sanitize_in_place};

pub(super) const REFERENCE_WORDS: &[&str] = &[
    "docker.io/",
    "index.docker.io/",
    "library/",
    "localhost",
    "localhost:5000/",
    "[::1]:5000/",
    "127.0.0.1/",
    "ghcr.io/",
    "@sha256:",
    "@sha512:",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ":latest",
    ":",
    "@",
    "/",
    "__",
    "oci:",
    "oci-archive:",
    "embedded",
    "scratch",
    "A",
    "-",
    ".",
    "docker:",
    "podman",
    "kind:",
];
pub(super) const PATTERN_WORDS: &[&str] = &[
    "**",
    "*",
    "?",
    "[a-z]",
    "[!",
    "]",
    "{a,b}",
    "{",
    "}",
    ",",
    "../",
    "./",
    "//",
    "target/",
    "$OUT_DIR/",
    "$",
    "C:/",
    "\\",
    "{version}",
    "{git.short}",
    "{name",
    "{version.major}",
    "-",
    "_",
];

/// Checks that what is parsed says itself, and is parsed alike again.
fn round_trip<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    if let Ok(parsed) = text.parse::<T>() {
        let said = parsed.to_string();
        assert_eq!(said.parse::<T>().expect("parses what it says"), parsed, "{text:?} is {said:?}");
    }
}

/// Our grammar against that of oci-spec, which is a regular expression.
pub(super) fn references(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match (grammar::parse(&text), text.parse::<distribution::Reference>()) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!((&*ours.registry, &*ours.repository), (theirs.registry(), theirs.repository()), "{text:?}");
            assert_eq!(ours.digest.as_ref().map(AsRef::as_ref), theirs.digest(), "{text:?}");
            // They add the tag that counts where none is written.
            assert!(ours.tag.as_deref().is_none_or(|tag| theirs.tag() == Some(tag)), "{text:?}");
        }
        // IPv6 addresses are hosts here, as in Docker's own grammar.
        (Ok(ours), Err(error)) => assert!(ours.registry.starts_with('['), "{text:?} is {ours:?}, but {error}"),
        // Digests must be lowercase here, as image-spec says, and letters are those of ASCII.
        (Err(error), Ok(theirs)) => {
            assert!(theirs.digest().is_some() || !text.is_ascii(), "{text:?} is {theirs:?}, but {error}");
        }
        (Err(_), Err(_)) => {}
    }
    round_trip::<Reference>(&text);
    round_trip::<BaseReference>(&text);
    round_trip::<EngineReference>(&text);
    let _ = text.parse::<RegistryName>();
}

/// Digests as texts, and content that is verified against one.
pub(super) fn digests(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(digest) = Digest::try_from(text.as_ref()) {
        assert_eq!(digest.to_string(), text);
    }
    let mut input = FuzzInput::new(data);
    let (change, at, step) = (input.byte() % 4, input.below(1 << 16), 1 + input.below(100));
    let content = input.rest();
    let mut found = content.to_vec();
    match change {
        0 => {}
        1 => found.push(0),
        2 => drop(found.pop()),
        _ if found.is_empty() => {}
        _ => {
            let at = at % found.len();
            found[at] ^= 1;
        }
    }
    let descriptor = Descriptor::new(MediaType::ImageLayer, content.len() as u64, sha256(content));
    let mut reader = VerifyReader::new(&found[..], &descriptor);
    let (mut read, mut buffer) = (Vec::new(), vec![0; step]);
    let verified = loop {
        match reader.read(&mut buffer) {
            Ok(0) => break true,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
            Err(_) => break false,
        }
    };
    assert_eq!(verified, found == content);
    assert!(read.len() <= content.len(), "{} bytes of {}", read.len(), content.len());
}

pub(super) fn patterns(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string(), text);
        assert_eq!(text.parse::<Pattern>().as_ref(), Ok(&pattern));
        assert!(!pattern.fixed.split('/').any(|part| part == ".." || part == "."), "{text:?}");
        assert!(!pattern.fixed.starts_with('/') && !pattern.fixed.ends_with('/'), "{text:?}");
        if let Some(glob) = &pattern.glob {
            let matcher = glob.compile_matcher();
            assert_eq!(matcher.is_match("a/b.css"), matcher.is_match("a/b.css"), "{text:?}");
        }
    }
    if let Ok(template) = text.parse::<TagTemplate>() {
        assert_eq!(template.to_string(), text);
        for value in ["x", "feature/ä b", "1.2.3"] {
            let tag = template.expand(|_| Ok::<_, String>(value.to_owned())).expect("a value").expect("a tag");
            let is_short = tag.len() <= 128;
            assert!(!is_short || value != "x" || check_tag(&tag).is_ok(), "{text:?} is {tag:?}");
        }
    }
}

pub(super) fn users(data: &[u8]) {
    let mut input = FuzzInput::new(data);
    let spec = String::from_utf8_lossy(input.line()).into_owned();
    let size = input.below(400);
    let (passwd, group) = (input.bytes(size).to_vec(), input.rest().to_vec());
    let lines = |file: &[u8]| file.split(|byte| *byte == b'\n').count();
    assert!(parse_passwd(&passwd).len() <= lines(&passwd) && parse_group(&group).len() <= lines(&group));
    if let Some(id) = parse_id(&spec) {
        assert!(spec.trim_start_matches('0').is_empty() || spec.trim_start_matches('0') == id.to_string(), "{spec:?}");
    }
    let found = ProcessUser::find(&spec, &UserDatabase::new(passwd, group));
    if let Ok(user) = found {
        // -1 is "do not change" for the kernel.
        assert!(user.uid != u32::MAX && user.gid != u32::MAX && !user.groups.contains(&u32::MAX), "{user:?}");
        assert!(user.home.is_none_or(|home| !home.contains('\0')));
    }
}

pub(super) fn terminal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let safe = sanitize(&text);
    assert!(safe.chars().all(|c| c == '\n' || !is_terminal_control(c)), "{text:?}");
    assert_eq!(sanitize(&safe), safe);
    let in_place = sanitize_in_place(&text);
    let boundaries = |text: &str| text.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(boundaries(&in_place), boundaries(&text), "positions stay");
    assert!(in_place.chars().all(|c| matches!(c, '\n' | '\r' | '\t') || !is_terminal_control(c)), "{text:?}");
}
