//! OpenVEX 0.2.0: which vulnerabilities affect an image, and which do not.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `check` | what the specification demands of a document |
//! | `node` | a value of JSON that knows its place |
//! | [`product`] | the products of a document, and whether an image is one of them |

mod check;
mod node;
pub(crate) mod product;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use miette::{Context, miette};
use serde_json::Value;

use self::product::{VexImage, products};
use super::statement::Statement;
use crate::error::{Result, cannot_read, or_help};
use crate::image::{Digest, predicate};
use crate::regular_file;
use crate::store::MAX_DOCUMENT_BYTES;

/// The end of the names of such files.
const SUFFIX: &str = ".openvex.json";
const HELP: &str = "write what is expected there; `vexctl create` writes valid documents";
/// A signed statement holds the document in base64, and must be small enough to be read again.
const MOST_BYTES: u64 = MAX_DOCUMENT_BYTES / 2;

/// An OpenVEX document in a file.
#[derive(Clone, Debug)]
pub(crate) struct VexFile {
    /// The name of the file, without its folder.
    pub name: String,
    document: Value,
}

impl VexFile {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is too large, or is not OpenVEX 0.2.0.
    pub(crate) fn read(path: &Path) -> Result<VexFile> {
        let mut text = Vec::new();
        let read = regular_file::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut text));
        read.map_err(|error| cannot_read(path, error))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let document = if text.len() as u64 > MOST_BYTES {
            Err(miette!(help = "split it into several files", "it exceeds the limit of {MOST_BYTES} bytes"))
        } else {
            parse(&text)
        };
        let document = document.map_err(|error| or_help(error, || HELP.to_owned()));
        let document = document.wrap_err_with(|| format!("{} is not a valid OpenVEX document", path.display()))?;
        Ok(VexFile { name, document })
    }

    /// Reads and checks the documents in files and folders, in this order. Those in a folder are ordered by name.
    ///
    /// # Errors
    /// Returns an error if one cannot be read or is not OpenVEX 0.2.0, or if a folder has none.
    pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<VexFile>> {
        let mut files = Vec::new();
        for path in paths {
            if !path.is_dir() {
                files.push(VexFile::read(path)?);
                continue;
            }
            let mut found = Vec::new();
            for entry in fs::read_dir(path).map_err(|error| cannot_read(path, error))? {
                found.push(entry.map_err(|error| cannot_read(path, error))?.path());
            }
            found.retain(|path| is_vex(path));
            found.sort();
            if found.is_empty() {
                return Err(miette!(
                    help = format!("put OpenVEX documents there, as NAME{SUFFIX}"),
                    "no *{SUFFIX} file in the folder {}",
                    path.display()
                ));
            }
            for path in found {
                files.push(VexFile::read(&path)?);
            }
        }
        Ok(files)
    }

    /// Returns the statement that the document is about images, given as names with digests.
    pub(crate) fn statement(&self, subjects: Vec<(String, Digest)>) -> Statement {
        Statement { subjects, predicate_type: predicate::VEX.to_owned(), predicate: self.document.clone() }
    }

    /// Returns a warning if the image is none of the products: then no scanner applies the document to it.
    pub(crate) fn mismatch(&self, image: &VexImage) -> Option<String> {
        let products = products(&self.document);
        if products.iter().any(|product| image.is(product)) {
            return None;
        }
        let named = match &products[..] {
            [] => "names no product".to_owned(),
            [one] => format!("is about {one}"),
            [first, .., last] => format!("is about {} products, from {first} to {last}", products.len()),
        };
        Some(format!(
            "{} {named}, and not about the image {}: scanners know it as {}",
            self.name,
            image.name(),
            image.purl()
        ))
    }
}

/// Returns whether the name of a file is that of an OpenVEX document.
pub(crate) fn is_vex(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with(SUFFIX))
}

/// Parses and checks a document.
///
/// # Errors
/// Returns an error if it is not OpenVEX 0.2.0.
fn parse(text: &[u8]) -> Result<Value> {
    let document = serde_json::from_slice(text)
        .map_err(|error| miette!(help = "VEX documents must be OpenVEX 0.2.0, in JSON", "invalid JSON: {error}"))?;
    check::document(&document)?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Value {
        json!({
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": "https://example.org/vex/1",
            "author": "Acme",
            "timestamp": "2026-01-02T03:04:05Z",
            "version": 1,
            "statements": [{
                "vulnerability": { "name": "CVE-2026-1" },
                "products": [{ "@id": "pkg:oci/hello", "subcomponents": [{ "@id": "pkg:cargo/time@0.1.0" }] }],
                "status": "not_affected",
                "justification": "vulnerable_code_not_in_execute_path",
            }],
        })
    }

    fn error(change: impl FnOnce(&mut Value)) -> String {
        let mut document = document();
        change(&mut document);
        parse(document.to_string().as_bytes()).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn vex_of_the_specification_is_accepted() {
        assert_eq!(error(|_| ()), "");
        assert_eq!(error(|document| document["statements"][0]["products"] = Value::Null), "");
        assert_eq!(error(|document| document["last_updated"] = json!("2026-01-02T03:04:05.678+01:00")), "");
        assert_eq!(
            error(|document| {
                document["statements"][0]["status"] = json!("affected");
                document["statements"][0]["action_statement"] = json!("update to 2.0");
            }),
            ""
        );
    }

    #[test]
    fn vex_errors_name_the_place() {
        let statement = |key: &'static str, value: Value| error(move |document| document["statements"][0][key] = value);
        let root = |key: &'static str, value: Value| error(move |document| document[key] = value);
        for (found, expected) in [
            (root("@context", Value::Null), "missing key `@context`: it is not OpenVEX"),
            (
                root("@context", json!("https://example.org")),
                "`@context`: expected https://openvex.dev/ns/v0.2.0, found `https://example.org`",
            ),
            (root("author", json!("")), "`author`: expected text, found an empty string"),
            (
                root("timestamp", json!("yesterday")),
                "`timestamp`: expected a time such as 2026-01-31T12:00:00Z, found `yesterday`",
            ),
            (root("version", json!("1")), "`version`: expected a number from 1 on, found `1`"),
            (root("version", json!(0)), "`version`: expected a number from 1 on, found a number"),
            (root("statements", json!([])), "`statements`: expected at least one statement, found an empty array"),
            (root("statements", json!({})), "`statements`: expected an array, found an object"),
            (
                statement("vulnerability", json!("CVE-2026-1")),
                "`statements[0].vulnerability`: expected an object, found `CVE-2026-1`",
            ),
            (statement("vulnerability", json!({})), "missing key `statements[0].vulnerability.name`"),
            (
                statement("status", json!("fixd")),
                "`statements[0].status`: expected not_affected, affected, fixed or under_investigation, found `fixd` (did you mean `fixed`?)",
            ),
            (
                statement("status", json!("affected")),
                "missing key `statements[0].action_statement`, which the status `affected` needs",
            ),
            (
                statement("justification", Value::Null),
                "missing key `statements[0].justification` or `impact_statement`, which the status `not_affected` needs",
            ),
            (
                statement("products", json!([{}])),
                "`statements[0].products[0]`: expected `@id`, `identifiers` or `hashes`, found none of them",
            ),
            (
                statement("products", json!(["pkg:oci/x"])),
                "`statements[0].products[0]`: expected an object, found `pkg:oci/x`",
            ),
        ] {
            assert_eq!(found, expected);
        }
        assert!(parse(b"{").expect_err("is no JSON").to_string().starts_with("invalid JSON: EOF"));
        let cyclonedx = parse(br#"{ "bomFormat": "CycloneDX" }"#).expect_err("is no VEX").to_string();
        assert_eq!(cyclonedx, "missing key `@context`: it is CycloneDX, not OpenVEX");
    }
}
