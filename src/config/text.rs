//! Values that are strings with a rule.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::check::{check_feature, check_filled, check_line, check_user, check_workdir};
use super::folder::Folder;
use super::value::Text;
use crate::image::Compression;
use crate::platform::{Libc, PlatformChoice, TARGETS};
use crate::reference::{BaseReference, EngineKind, EngineReference};

/// Defines a string that a function checks, and that may be a number in TOML or not.
macro_rules! checked {
    ($($(#[$doc:meta])+ $name:ident, $check:expr, $may_be_number:literal, $schema:expr;)*) => {$(
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                $check(text)?;
                Ok($name(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Text for $name {
            const MAY_BE_NUMBER: bool = $may_be_number;

            fn schema() -> Json {
                $schema
            }
        }
    )*};
}

checked! {
    /// The name of a binary.
    BinName, check_line, false, json!({ "type": "string" });
    /// `user[:group]`, each a name or a number.
    UserAndGroup, check_user, true, json!({
        "type": ["string", "integer"], "pattern": "^[^\\s:]+(:[^\\s:]+)?$", "minimum": 0, "maximum": u32::MAX
    });
    /// An absolute path in the image to start in.
    WorkingDir, check_workdir, false, json!({ "type": "string", "pattern": "^/" });
    /// A feature of the package.
    Feature, check_feature, false, json!({ "type": "string", "pattern": "^[^ ,]+$" });
    /// A profile of cargo.
    Profile, check_filled, false, json!({ "type": "string", "minLength": 1 });
}

/// A folder that a volume can be mounted over: any but the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFolder(pub Folder);

impl FromStr for VolumeFolder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let folder: Folder = text.parse()?;
        if folder.is_root() {
            return Err("the root of the image cannot be a volume".to_owned());
        }
        Ok(VolumeFolder(folder))
    }
}

impl Text for VolumeFolder {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^/.*[^/]" })
    }
}

impl Text for BaseReference {
    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn words() -> Vec<String> {
        ["embedded", "scratch"].map(str::to_owned).to_vec()
    }
}

impl Text for PlatformChoice {
    fn schema() -> Json {
        let words = <PlatformChoice as Text>::words();
        // An unwritten variant is the usual one, and a written one is right.
        let more = ["linux/arm64", "linux/arm", "linux/amd64/v1"].map(str::to_owned);
        json!({ "type": "string", "enum": words.into_iter().chain(more).collect::<Vec<_>>() })
    }

    fn words() -> Vec<String> {
        let platforms = TARGETS.iter().map(|target| target.platform().to_string());
        platforms.chain(["host", "all"].map(str::to_owned)).collect()
    }
}

impl Text for Libc {
    fn schema() -> Json {
        json!({ "type": "string", "enum": <Libc as Text>::words() })
    }

    fn words() -> Vec<String> {
        Libc::ALL.map(|libc| libc.to_string()).to_vec()
    }
}

impl Text for Compression {
    fn schema() -> Json {
        json!({ "type": "string", "enum": <Compression as Text>::words() })
    }

    fn words() -> Vec<String> {
        [Compression::Gzip, Compression::Zstd, Compression::None].map(|kind| kind.to_string()).to_vec()
    }
}

impl Text for EngineReference {
    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^({})(:[^-].*)?$", EngineKind::names().join("|")) })
    }

    fn words() -> Vec<String> {
        EngineKind::names().map(str::to_owned).to_vec()
    }
}
