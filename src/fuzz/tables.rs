//! `[package.metadata.oci]`: tables that people write by hand, and edits of them.

use std::path::Path;

use crate::config::document::as_json;
use crate::config::section::{Section, Whose};
use crate::pins::edit::{base_in, with_base};
use crate::plan::base_keys::BaseTable;

/// A base that is written into tables.
const BASE: &str = "ghcr.io/acme/base:1@sha256:0";

pub(super) const WORDS: &[&str] = &[
    "[package.metadata.oci]\n",
    "[workspace.metadata.oci]\n",
    "[package.metadata]\noci = ",
    "base = ",
    "platforms = ",
    "tags = ",
    "files = ",
    "{ from = \"a\", to = \"/b\" }",
    "mode = \"0644\"",
    "mtime = \"commit\"",
    "owner = \"0:0\"",
    "env = ",
    "expose = ",
    "volumes = ",
    "labels = ",
    "images.x = ",
    "[package.metadata.oci.images.y]\n",
    "[[package.metadata.oci.files]]\n",
    "bins = ",
    "entrypoint = ",
    "sbom = ",
    "base-verify = ",
    "stop-signal = ",
    "\"",
    "'''",
    "[",
    "]",
    "{ ",
    " }",
    "true",
    "false",
    "1",
    "-1",
    "\"linux/amd64\"",
    "\"all\"",
    "\"65532:65532\"",
    "\"{version}\"",
    "\"$PATH\"",
    "\n",
    " = ",
    "ä",
    "1979-05-27",
    "0x10",
    "1e3",
];

pub(super) fn tables(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    edits(&text);
    let binaries = ["x", "y"];
    for whose in [Whose::Workspace, Whose::Package { image: "x", binaries: &binaries }] {
        match Section::parse(&text, whose) {
            Ok(section) => {
                assert!(as_json(&text).is_ok(), "{text:?}");
                assert!(!section.is_off || section.table.is_none() && section.images.is_empty(), "{text:?}");
            }
            Err(error) => {
                // The position is one that can be shown.
                assert!(text.get(error.at.clone()).is_some(), "{:?} of {text:?}", error.at);
                assert!(!error.message.is_empty());
                let shown = error.within(Path::new("Cargo.toml"), &text);
                assert!(!shown.to_string().is_empty());
            }
        }
    }
}

/// An edit changes one place, and the meaning of one key.
fn edits(text: &str) {
    for table in [BaseTable::Workspace, BaseTable::Package, BaseTable::Image("y".to_owned())] {
        let Some(edited) = with_base(text, &table, BASE) else { continue };
        assert_eq!(base_in(&edited, &table).as_deref(), Some(BASE), "{text:?}");
        assert_eq!(with_base(&edited, &table, BASE).as_ref(), Some(&edited), "{text:?}");
        if base_in(text, &table).is_none() {
            let same = |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(old, new)| old == new).count();
            let before = same(&mut text.bytes().zip(edited.bytes()));
            let behind = same(&mut text.bytes().rev().zip(edited.bytes().rev()));
            assert!(before + behind >= text.len(), "{text:?} and {edited:?}");
        }
    }
}
