//! Regular expressions that outputs and files of an image are tested with.
//!
//! Their syntax is that of the crate `regex`, which is that of Go's RE2, with one difference: to Go, a `{` that begins no
//! repetition is a plain character. Test files for container-structure-test rely on it, as in `{"status": "ok"}`.

use std::fmt;
use std::str::FromStr;

use regex::Regex;

/// A regular expression that may match anywhere in a text.
#[derive(Clone, Debug)]
pub struct Expression(Regex, String);

impl Expression {
    /// Returns whether it matches a part of `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl FromStr for Expression {
    type Err = String;

    fn from_str(text: &str) -> Result<Expression, String> {
        let regex = Regex::new(&with_plain_braces(text)).map_err(|error| {
            let lines = error.to_string();
            let why = lines.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("`{text}` is no regular expression: {why}")
        })?;
        Ok(Expression(regex, text.to_owned()))
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.1 == other.1
    }
}

/// Escapes each `{` that begins no repetition, such as `{2,5}`, and no name of a character, such as `\x{2a}`.
fn with_plain_braces(text: &str) -> String {
    let (mut escaped, mut rest) = (String::new(), text);
    let mut is_in_class = false;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '\\' => {
                let named = rest[1..].starts_with(['x', 'u', 'U', 'p', 'P']) && rest[2..].starts_with('{');
                let end = named.then(|| rest.find('}')).flatten().map(|end| end + 1);
                end.unwrap_or_else(|| 1 + rest[1..].chars().next().map_or(0, char::len_utf8))
            }
            '{' if !is_in_class && !is_repetition(rest) => {
                escaped.push('\\');
                1
            }
            _ => c.len_utf8(),
        };
        is_in_class = match c {
            '[' => true,
            ']' => false,
            _ => is_in_class,
        };
        escaped.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    escaped
}

/// Returns whether a text begins with `{N}`, `{N,}` or `{N,M}`.
fn is_repetition(text: &str) -> bool {
    let Some((inner, _)) = text[1..].split_once('}') else { return false };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match inner.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_plain_where_go_takes_them_so() {
        for (pattern, text, is) in [
            (r#"{"status": ?"ok"}"#, r#"{"status":"ok"}"#, true),
            ("a{2}b", "aab", true),
            ("a{2,}b", "ab", false),
            ("a{,2}", "a{,2}", true),
            (r"\x{61}[{}]\{", "a{{", true),
            (r"\p{Lu}x", "Äx", true),
            ("^b$", "a\nb\nc", false),
            ("(?m)^b$", "a\nb\nc", true),
        ] {
            let expression: Expression = pattern.parse().expect(pattern);
            assert_eq!(expression.is_match(text), is, "{pattern}");
        }
        let error = "a(b".parse::<Expression>().expect_err("is no expression");
        assert_eq!(error, "`a(b` is no regular expression: unclosed group");
    }
}
