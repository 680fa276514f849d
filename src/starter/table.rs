//! A Cargo.toml with `[package.metadata.oci]` at its end. What was there before stays, byte for byte.

use crate::config::{Section, ValueError, Whose};

/// What the table says, where it differs from the defaults.
#[derive(Debug, Default)]
pub(crate) struct StarterTable<'a> {
    /// The name of the package's own image.
    pub image: &'a str,
    /// The package's binaries.
    pub binaries: &'a [&'a str],
    /// The key `repository`, or `None` if the workspace has one.
    pub repository: Option<StarterRepository>,
    /// The short name of who signs the base, if that is known.
    pub base_signer: Option<&'a str>,
    /// The binaries of the image, if it is ambiguous which are meant.
    pub bins: &'a [&'a str],
    /// Whether CI pushes the image: with tags for the commit and for git's tag.
    pub has_ci: bool,
    /// Folders of the package that a program may read.
    pub folders: &'a [&'a str],
}

/// The repository that an image is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StarterRepository {
    /// This one.
    Known(String),
    /// The user has to choose one.
    Unknown,
}

impl StarterTable<'_> {
    /// Returns the lines of the table, each with the line break `\n`.
    pub(crate) fn lines(&self) -> String {
        let mut lines = vec![
            "# The container image of this package. `cargo oci schema` lists all keys.".to_owned(),
            "[package.metadata.oci]".to_owned(),
        ];
        let mut add = |comment: &str, key: String| lines.extend([format!("# {comment}"), key]);
        match &self.repository {
            Some(StarterRepository::Known(repository)) => {
                add("`cargo oci push` pushes to this repository.", format!("repository = {}", quoted(repository)));
            }
            Some(StarterRepository::Unknown) => add(
                "`cargo oci push` pushes to this repository: choose yours.",
                format!("# repository = {}", quoted(&format!("ghcr.io/OWNER/{}", self.image))),
            ),
            None => {}
        }
        if let Some(signer) = self.base_signer {
            add(
                "Accept the base only if its builders have signed it. This asks sigstore.dev once for each base.",
                format!("# base-verify = {}", quoted(signer)),
            );
        }
        if self.has_ci {
            add(
                "Each push moves `latest`, and adds a tag for the commit and the tag of git, if there are any.",
                r#"tags = ["latest", "{git.short?}", "{git.tag?}"]"#.to_owned(),
            );
        }
        if !self.bins.is_empty() {
            let bins: Vec<_> = self.bins.iter().map(|bin| quoted(bin)).collect();
            add("The binaries in the image. The first one is started.", format!("bins = [{}]", bins.join(", ")));
        }
        if !self.folders.is_empty() {
            let rule = |folder: &&str| format!("{{ from = \"{folder}/**\", to = \"/srv/{folder}/\" }}");
            let rules: Vec<_> = self.folders.iter().map(rule).collect();
            add(
                "If the program reads these files at run time: copy them, and start it in the folder above them.",
                format!("# files = [{}]\n# workdir = \"/srv\"", rules.join(", ")),
            );
        }
        lines.join("\n") + "\n"
    }

    /// Returns what is appended to a Cargo.toml, with its line breaks.
    ///
    /// # Errors
    /// Returns an error if the file cannot be continued so, as with `metadata` in an inline table.
    pub(crate) fn appendix(&self, manifest: &str) -> Result<String, ValueError> {
        let is_complete = manifest.is_empty() || manifest.ends_with('\n');
        let lines = format!("{}\n{}", if is_complete { "" } else { "\n" }, self.lines());
        // As git and editors tell: by the first line.
        let is_windows = manifest.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r'));
        let appendix = if is_windows { lines.replace('\n', "\r\n") } else { lines };
        let whose = Whose::Package { image: self.image, binaries: self.binaries };
        Section::parse(&format!("{manifest}{appendix}"), whose).map(|_| appendix)
    }
}

/// Returns a string of TOML. Names of binaries and repositories have no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: StarterTable = StarterTable {
        image: "hello",
        binaries: &["a", "b"],
        repository: None,
        base_signer: None,
        bins: &["a", "b"],
        has_ci: false,
        folders: &[],
    };

    #[test]
    fn appendix_has_line_breaks_of_file() {
        let appendix = |manifest: &str| TABLE.appendix(manifest).map_err(|error| error.message).expect("a table");
        assert!(appendix("[package]\nname = \"hello\"\n").starts_with("\n# The container image"));
        assert!(appendix("[package]\nname = \"hello\"").starts_with("\n\n# The container image"));
        let windows = appendix("[package]\r\nname = \"hello\"\r\n");
        assert!(windows.starts_with("\r\n# The container image"), "{windows:?}");
        assert_eq!(windows.matches('\n').count(), windows.matches("\r\n").count());
    }

    #[test]
    fn appendix_continues_dotted_tables_and_no_inline_ones() {
        for manifest in [
            "[package]\nmetadata.x.y = 1\n",
            "package.name = \"hello\"\npackage.metadata.x = 1\n",
            "\u{feff}[package]\n",
        ] {
            assert!(TABLE.appendix(manifest).is_ok(), "{manifest}");
        }
        for manifest in
            ["package = { name = \"hello\" }\n", "[package]\nmetadata = { x = 1 }\n", "[package.metadata.oci]\n"]
        {
            assert!(TABLE.appendix(manifest).is_err(), "{manifest}");
        }
    }
}
