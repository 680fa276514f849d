//! What values have to be, in tables, flags and variables alike; where one is not, why.

use crate::sanitize::is_terminal_control;

/// Whether `tag` is one after the distribution-spec ("Pulling manifests"); if not, why.
///
/// # Errors
/// The rule that it breaks.
pub fn check_tag(tag: &str) -> Result<(), String> {
    match is_tag(tag) {
        true => Ok(()),
        false => Err(no_tag(tag)),
    }
}

pub(super) fn is_tag(tag: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(begins) && tag.chars().all(is_in_tags) && tag.len() <= 128
}

/// Whether a tag may hold it.
pub(super) fn is_in_tags(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

pub(super) fn no_tag(text: &str) -> String {
    format!(
        "`{text}` is not a tag: a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two"
    )
}

/// Whether there is something in `text`; if not, that.
///
/// # Errors
/// When it is empty.
pub fn check_filled(text: &str) -> Result<(), String> {
    match text.is_empty() {
        true => Err("this is empty: leave the key out for the default".to_owned()),
        false => Ok(()),
    }
}

/// Whether `workdir` is an absolute path in the image; if not, that.
///
/// # Errors
/// The rule that it breaks.
pub fn check_workdir(workdir: &str) -> Result<(), String> {
    check_line(workdir)?;
    match workdir.starts_with('/') {
        true => Ok(()),
        false => Err(format!("`{workdir}` is not an absolute path in the image")),
    }
}

/// Whether `user` is a user, and perhaps a group behind a colon: names, or numbers that Linux has (image-spec, `config.md`,
/// "User").
///
/// # Errors
/// The rule that it breaks.
pub fn check_user(user: &str) -> Result<(), String> {
    let is_right = |name: &str| {
        let is_number = name.bytes().all(|digit| digit.is_ascii_digit());
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == ':';
        !name.is_empty() && !name.contains(is_odd) && (!is_number || name.parse::<u32>().is_ok())
    };
    let (name, group) = user.split_once(':').unwrap_or((user, "0"));
    match is_right(name) && is_right(group) {
        true => Ok(()),
        false => {
            Err(format!("`{user}` is not a user: write a name or a number, and a group of that kind behind a colon"))
        }
    }
}

/// Whether `text` has one line and no orders to a terminal in it.
///
/// # Errors
/// When it holds one, or a character that nobody sees.
pub fn check_line(text: &str) -> Result<(), String> {
    match text.chars().find(|c| is_terminal_control(*c)) {
        None => Ok(()),
        // Who does not see it can search for its number.
        Some(c) => {
            Err(format!("control characters and invisible ones are not allowed here: U+{:04X} is one", c as u32))
        }
    }
}

/// Whether `feature` is one feature: cargo would read several where there is a space or a comma.
///
/// # Errors
/// The rule that it breaks.
pub fn check_feature(feature: &str) -> Result<(), String> {
    match feature.is_empty() || feature.contains([' ', ',']) {
        true => Err(format!("`{feature}` is not the name of one feature")),
        false => Ok(()),
    }
}
