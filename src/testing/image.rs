//! The image for one platform that is tested.

use std::collections::HashMap;
use std::io::Read;

use super::suite::{Test, TestKind};
use super::text::MOST_BYTES;
use crate::base::BaseImage;
use crate::error::Result;
use crate::filesystem::contents::{merge, read};
use crate::filesystem::{NodeId, NodeKind, Tree};
use crate::image::config::Object;
use crate::image::strings;
use crate::store::Source;
use crate::store::error::read_error;
use crate::store::layer::layers_of;

/// An image: its config, its files, and the contents that tests ask for.
pub(super) struct TestedImage<'a> {
    config: &'a Object,
    tree: Tree,
    contents: HashMap<NodeId, Vec<u8>>,
}

impl<'a> TestedImage<'a> {
    /// Reads what `tests` need. Layers are read only if a test is about files.
    ///
    /// # Errors
    /// Returns an error if a layer cannot be read, or is not what its digests say.
    pub(super) fn read<'t>(
        source: &dyn Source,
        image: &'a BaseImage,
        tests: impl Iterator<Item = &'t Test>,
    ) -> Result<TestedImage<'a>> {
        let mut tested = TestedImage { config: &image.config, tree: Tree::default(), contents: HashMap::new() };
        let (mut needs_files, mut paths) = (false, Vec::new());
        for test in tests {
            match &test.kind {
                TestKind::Existence(_) => needs_files = true,
                TestKind::Content(content) => paths.push(content.path.as_str()),
                _ => {}
            }
        }
        if !needs_files && paths.is_empty() {
            return Ok(tested);
        }
        let layers = layers_of(&image.config, &image.layers)?;
        tested.tree = merge(source, &layers)?;
        let wanted: Vec<_> = paths.iter().filter_map(|path| tested.tree.find(path)).collect();
        let contents = &mut tested.contents;
        read(
            source,
            &layers,
            &tested.tree,
            |node| wanted.contains(&node),
            |node, content| {
                let mut bytes = Vec::new();
                // One more byte says that there are more.
                content.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(read_error)?;
                contents.insert(node, bytes);
                Ok(())
            },
        )?;
        Ok(tested)
    }

    /// Returns the files.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the content of a file, through symbolic links, or `None` if there is no file. What comes after the first bytes
    /// beyond [`MOST_BYTES`] is left out.
    pub(super) fn content(&self, path: &str) -> Option<&[u8]> {
        let node = self.tree.find(path)?;
        match self.tree.node(node).kind {
            NodeKind::File { size: 0, .. } => Some(&[]),
            _ => self.contents.get(&node).map(Vec::as_slice),
        }
    }

    fn run_config(&self, key: &str) -> Option<&serde_json::Value> {
        self.config.get("config").and_then(|config| config.get(key))
    }

    /// Returns a list of the config, such as `Cmd`.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        strings(self.run_config(key))
    }

    /// Returns a text of the config, such as `User`.
    pub(super) fn text(&self, key: &str) -> &str {
        self.run_config(key).and_then(serde_json::Value::as_str).unwrap_or_default()
    }

    /// Returns the names in a set of the config, such as `Volumes`.
    pub(super) fn names(&self, key: &str) -> Vec<&str> {
        let set = self.run_config(key).and_then(serde_json::Value::as_object);
        set.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect()
    }

    /// Returns a label.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.run_config("Labels")?.get(key)?.as_str()
    }

    /// Returns the value of a variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let env = self.list("Env").into_iter().rev();
        env.filter_map(|pair| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// Replaces `$NAME` and `${NAME}` by variables of the image, and of `others`, which win; one that is not set is empty.
    pub(super) fn expand(&self, text: &str, others: &[(String, String)]) -> String {
        let (mut expanded, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, left) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                Some((name, left)) => (name, left),
                None => after.split_at(after.find(|c: char| !is_name(c)).unwrap_or(after.len())),
            };
            if name.is_empty() {
                expanded.push('$');
            }
            let other = others.iter().rfind(|(other, _)| other == name).map(|(_, value)| value.clone());
            expanded.push_str(&other.or_else(|| self.variable(name)).unwrap_or_default());
            rest = left;
        }
        expanded + rest
    }
}
