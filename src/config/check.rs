//! Rules for values, in tables, flags and variables alike.

use crate::sanitize::is_terminal_control;

/// The length limit of a tag.
pub(crate) const MAX_TAG: usize = 128;

/// Checks a tag by the rules of the distribution-spec ("Pulling manifests").
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn check_tag(tag: &str) -> Result<(), String> {
    if is_tag(tag) { Ok(()) } else { Err(invalid_tag(tag)) }
}

/// Returns a tag that was typed.
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn typed_tag(text: &str) -> Result<String, String> {
    check_tag(text).map(|()| text.to_owned())
}

pub(super) fn is_tag(tag: &str) -> bool {
    tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.chars().all(is_tag_character)
        && tag.len() <= MAX_TAG
}

/// Returns whether a tag may contain `c`.
pub(super) fn is_tag_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

pub(super) fn invalid_tag(text: &str) -> String {
    if let Some((_, tag)) = text.rsplit_once(':')
        && is_tag(tag)
    {
        return format!("invalid tag `{text}`: a tag is without the name of the image, as in `{tag}`");
    }
    format!(
        "invalid tag `{text}`: tags have 1 to {MAX_TAG} letters, digits, `_`, `.` and `-`, and do not begin with `.` or `-`"
    )
}

/// Checks that `text` is not empty.
///
/// # Errors
/// Returns an error if it is.
pub(crate) fn check_filled(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the value must not be empty: remove the key for the default".to_owned());
    }
    Ok(())
}

/// Checks that `workdir` is an absolute path in the image.
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn check_workdir(workdir: &str) -> Result<(), String> {
    check_line(workdir)?;
    if !workdir.starts_with('/') {
        return Err(format!("`{workdir}` is not an absolute path in the image"));
    }
    Ok(())
}

/// Checks a user and an optional group after a colon: names, or numbers that Linux has (image-spec, `config.md`, "User").
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn check_user(user: &str) -> Result<(), String> {
    let (name, group) = user.split_once(':').unwrap_or((user, "0"));
    if !is_account(name) || !is_account(group) {
        return Err(format!("invalid user `{user}`: expected USER or USER:GROUP, each a name or a number"));
    }
    Ok(())
}

fn is_account(name: &str) -> bool {
    let is_number = name.bytes().all(|digit| digit.is_ascii_digit());
    !name.is_empty()
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':')
        && (!is_number || name.parse::<u32>().is_ok())
}

/// Checks that `text` is one line without control characters.
///
/// # Errors
/// Returns an error if it holds one, or an invisible character.
pub(crate) fn check_line(text: &str) -> Result<(), String> {
    match text.chars().find(|c| is_terminal_control(*c)) {
        None => Ok(()),
        // The character may be invisible; its number can be searched for.
        Some(c) => {
            Err(format!("control characters and invisible characters are not allowed: found U+{:04X}", c as u32))
        }
    }
}

/// Checks that `feature` is one feature: cargo splits at spaces and commas.
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn check_feature(feature: &str) -> Result<(), String> {
    if feature.is_empty() || feature.contains([' ', ',']) {
        return Err(format!("invalid feature `{feature}`: expected the name of one feature"));
    }
    Ok(())
}

/// Splits `KEY=VALUE`.
///
/// # Errors
/// Returns an error if there is no key, or it has control characters.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            check_line(key)?;
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// Returns whether a file of this name in a layer deletes another (image-spec, `layer.md`, "Whiteouts").
pub(crate) fn is_whiteout(name: &str) -> bool {
    name.starts_with(".wh.")
}

/// Returns the error that `path` contains a whiteout.
pub(super) fn whiteout_in(path: &str) -> String {
    format!("`{path}` would delete files of the base: in a layer, names that begin with `.wh.` do that")
}
