//! What OpenVEX 0.2.0 demands of a document (openvex/spec, `OPENVEX-SPEC.md` and its JSON Schema).

use miette::{Report, miette};
use serde_json::Value;

use super::node::JsonNode;
use crate::error::{Result, with_help};
use crate::suggest::hint;

/// The start of `@context`, and what follows in this version.
const CONTEXT: &str = "https://openvex.dev/ns";
const VERSION: &str = "/v0.2.0";
const STATUSES: [&str; 4] = ["not_affected", "affected", "fixed", "under_investigation"];
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
];

/// Checks a document.
///
/// # Errors
/// Returns an error for the first thing that is missing or wrong.
pub(super) fn document(document: &Value) -> Result<()> {
    let root = JsonNode::root(document);
    root.object()?;
    context(&root)?;
    for key in ["@id", "author"] {
        root.need(key)?.text()?;
    }
    root.need("timestamp")?.time()?;
    times(&root, &["last_updated"])?;
    let version = root.need("version")?;
    if version.number().is_none_or(|number| number == 0) {
        return Err(version.wrong("a number from 1 on"));
    }
    let statements = root.need("statements")?;
    let items = statements.items()?;
    if items.is_empty() {
        return Err(statements.wrong("at least one statement"));
    }
    items.iter().try_for_each(statement)
}

/// Checks that it is OpenVEX, and of this version.
fn context(root: &JsonNode) -> Result<()> {
    let Some(context) = root.get("@context") else {
        let other = [("bomFormat", "CycloneDX"), ("spdxVersion", "SPDX"), ("document", "CSAF"), ("runs", "SARIF")];
        let found = other.into_iter().find(|(key, _)| root.get(key).is_some());
        let what = found.map_or_else(|| "not OpenVEX".to_owned(), |(_, name)| format!("{name}, not OpenVEX"));
        return Err(is_no_vex(root.missing("@context", &format!(": it is {what}"))));
    };
    let text = context.text()?;
    match text.strip_prefix(CONTEXT) {
        Some(VERSION) => Ok(()),
        Some(_) => Err(with_help(
            context.wrong(&format!("{CONTEXT}{VERSION}")),
            "write it anew as OpenVEX 0.2.0, for example with `vexctl merge`".to_owned(),
        )),
        None => Err(is_no_vex(context.wrong(&format!("{CONTEXT}{VERSION}")))),
    }
}

fn is_no_vex(error: Report) -> Report {
    with_help(
        error,
        "name an OpenVEX 0.2.0 document, as `vexctl create` writes it; `cargo oci attach` takes any file".to_owned(),
    )
}

fn statement(statement: &JsonNode) -> Result<()> {
    statement.object()?;
    let vulnerability = statement.need("vulnerability")?;
    vulnerability.object()?;
    vulnerability.need("name")?.text()?;
    times(statement, &["timestamp", "last_updated", "action_statement_timestamp"])?;
    // Without products, it is about the subject of the attestation.
    components(statement, "products")?;
    let status = one_of(&statement.need("status")?, &STATUSES)?;
    if let Some(justification) = statement.get("justification") {
        one_of(&justification, &JUSTIFICATIONS)?;
    }
    for key in ["impact_statement", "action_statement"] {
        statement.get(key).map(|text| text.text()).transpose()?;
    }
    let has = |key| statement.get(key).is_some();
    match status {
        "not_affected" if !has("justification") && !has("impact_statement") => Err(miette!(
            help = format!(
                "say why: `\"justification\": \"{}\"`, {}, or {}",
                JUSTIFICATIONS[0],
                JUSTIFICATIONS[1..4].join(", "),
                JUSTIFICATIONS[4]
            ),
            "{}",
            statement.missing("justification", " or `impact_statement`, which the status `not_affected` needs")
        )),
        "affected" if !has("action_statement") => Err(with_help(
            statement.missing("action_statement", ", which the status `affected` needs"),
            "say what users should do, such as `\"action_statement\": \"update to 1.2.4\"`".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Checks the components under a key.
fn components(node: &JsonNode, key: &str) -> Result<()> {
    let Some(components) = node.get(key) else { return Ok(()) };
    for component in components.items()? {
        component.object()?;
        if let Some(id) = component.get("@id") {
            id.text()?;
        } else if component.get("identifiers").is_none() && component.get("hashes").is_none() {
            return Err(component.differs("`@id`, `identifiers` or `hashes`", "none of them"));
        }
        for key in ["identifiers", "hashes"] {
            component.get(key).map(|names| names.object().map(drop)).transpose()?;
        }
        self::components(&component, "subcomponents")?;
    }
    Ok(())
}

fn times(node: &JsonNode, keys: &[&str]) -> Result<()> {
    keys.iter().filter_map(|key| node.get(key)).try_for_each(|time| time.time())
}

/// Returns the text, which must be one of `known`.
fn one_of<'a>(node: &JsonNode<'a>, known: &[&'static str]) -> Result<&'a str> {
    let text = node.text()?;
    if known.contains(&text) {
        return Ok(text);
    }
    let (last, others) = known.split_last().unwrap_or((&"", &[]));
    let hint = hint(text, known.iter().copied());
    Err(node.differs(&format!("{} or {last}", others.join(", ")), &format!("`{text}`{hint}")))
}
