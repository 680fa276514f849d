//! What rules and volumes need to know of the base: its users, and the folders it has.

use std::collections::BTreeSet;
use std::fs;

use miette::{Report, miette};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::find::SourceDirs;
use super::folders;
use super::owners::{instead, owners};
use super::plan::{AssetPlan, BaseFacts, is_generated, parents, path};
use crate::config::FileRule;
use crate::error::{Result, cannot_read, or_help};
use crate::filesystem::{ProcessUser, UserDatabase, UserError, contents};
use crate::image::Layer;
use crate::image::layer::{EntryKind, FileContent};
use crate::image::passwd::is_number;
use crate::platform::Platform;
use crate::store::cache::records::RecordKind;
use crate::store::{Cache, Source};

/// A base for one platform.
pub(crate) struct BaseLayers<'a> {
    /// The platform.
    pub(crate) platform: &'a Platform,
    /// The source of its layers.
    pub(crate) source: &'a dyn Source,
    /// Has what was found in the layers before.
    pub(crate) cache: &'a Cache,
    /// Its layers, the lowest first.
    pub(crate) layers: &'a [Layer],
    /// The user of its config, `user[:group]`; empty for root.
    pub(crate) user: &'a str,
}

/// Looks up users and folders in a base. Its layers are read only if they matter.
///
/// # Errors
/// Returns an error if neither the base nor the files of the image have a user or group that is named, or if the base cannot
/// be read.
pub(crate) fn facts(plan: &AssetPlan, base: &BaseLayers) -> Result<BaseFacts> {
    let is_user_named = plan.user.is_some_and(|user| !user.split(':').all(is_number));
    let has_owners = plan.rules.iter().filter_map(|rule| rule.owner.as_ref()).any(|owner| owner.get_ref().has_name());
    let needs_user = is_user_named || !plan.volumes.is_empty();
    let query = BaseQuery { paths: folders::candidates(plan), has_users: needs_user || has_owners };
    let mut facts = BaseFacts { lacks_program: lacks_program(plan, base)?, ..BaseFacts::default() };
    let BaseContent { present, passwd, group } = query.answer(base).map_err(|error| unreadable(error, base))?;
    facts.present = present;
    let mut users = UserDatabase::new(passwd, group);
    let own = if query.has_users { OwnAccounts::read(plan)? } else { OwnAccounts::default() };
    users.replace(own.passwd, own.group);
    facts.owners = owners(plan.rules, &users, base.platform)?;
    if needs_user {
        let user = ProcessUser::find(plan.user.unwrap_or(base.user), &users);
        match user.map_err(|error| cannot_run(plan, base, &error)) {
            Ok(user) if !plan.volumes.is_empty() => facts.volumes = (user.uid.into(), user.gid.into()),
            Err(error) if !(plan.volumes.is_empty() && own.is_generated) => return Err(error),
            _ => {}
        }
    }
    Ok(facts)
}

/// What is looked up in the layers of a base.
#[derive(Serialize)]
struct BaseQuery {
    /// Paths that may be there, without their leading slash.
    paths: BTreeSet<String>,
    /// Whether its users are needed.
    has_users: bool,
}

/// What was found.
#[derive(Default, Serialize, Deserialize)]
struct BaseContent {
    /// The paths that are there.
    present: BTreeSet<String>,
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl BaseQuery {
    /// Looks it up. The layers are read once for each query: what is found is kept in the cache.
    fn answer(&self, base: &BaseLayers) -> Result<BaseContent> {
        if self.paths.is_empty() && !self.has_users {
            return Ok(BaseContent::default());
        }
        let layers: Vec<_> = base.layers.iter().map(|layer| layer.descriptor.digest().as_ref()).collect();
        let key = json!({ "layers": layers, "query": self }).to_string();
        if let Some(known) = base.cache.get::<BaseContent>(RecordKind::Base, &key) {
            return Ok(known);
        }
        let tree = contents::merge(base.source, base.layers)?;
        let users =
            if self.has_users { UserDatabase::read(base.source, base.layers, &tree)? } else { UserDatabase::default() };
        let found = BaseContent {
            present: self.paths.iter().filter(|path| tree.find(path).is_some()).cloned().collect(),
            passwd: users.passwd().to_vec(),
            group: users.group().to_vec(),
        };
        base.cache.put(RecordKind::Base, &key, &found);
        Ok(found)
    }
}

/// Returns whether the program that starts is neither in the image's own layers nor in its base. A base that cannot be read
/// may have it.
fn lacks_program(plan: &AssetPlan, base: &BaseLayers) -> Result<bool> {
    let Some(program) = plan.program.map(|program| program.trim_matches('/')) else { return Ok(false) };
    if program.is_empty() || plan.binaries.iter().any(|binary| binary == program) || may_have(plan, program)? {
        return Ok(false);
    }
    let query = BaseQuery { paths: BTreeSet::from([program.to_owned()]), has_users: false };
    Ok(query.answer(base).is_ok_and(|found| found.present.is_empty()))
}

/// Returns whether the rules of `files` may make something at a path, or a link on the way to it.
fn may_have(plan: &AssetPlan, program: &str) -> Result<bool> {
    let (generated, rules): (Vec<_>, Vec<_>) = plan.rules.iter().partition(|rule| is_generated(rule, plan.target_dir));
    let is_below = |folder: &str| {
        folder.is_empty() || program.strip_prefix(folder).is_some_and(|end| end.is_empty() || end.starts_with('/'))
    };
    if generated.into_iter().any(|rule| is_below(path(rule))) {
        return Ok(true);
    }
    let dirs = SourceDirs { target_dir: plan.target_dir, out_dir: None };
    let files = plan.files(rules.into_iter().map(|rule| (rule, (0, 0))), &dirs, &BaseFacts::default())?;
    let is_link = |path: &str| files.get(path).is_some_and(|file| matches!(file.entry.kind, EntryKind::Symlink(_)));
    Ok(files.contains_key(program) || parents(program).any(is_link))
}

fn unreadable(error: Report, base: &BaseLayers) -> Report {
    or_help(error, || "write users and owners by number".to_owned())
        .wrap_err(format!("cannot look up users and folders in the base for {}", base.platform))
}

fn cannot_run(plan: &AssetPlan, base: &BaseLayers, error: &UserError) -> Report {
    let (user, origin) = match plan.user {
        Some(user) => (user, ""),
        None => (base.user, ", the user of its base"),
    };
    let platform = base.platform;
    let (cause, help) = match error {
        UserError::Unknown { kind, name, known } => {
            let help = match plan.user {
                Some(_) => instead(*kind, known),
                None => format!("set `user`: {}", instead(*kind, known)),
            };
            (format!("the base for {platform} has no {kind} `{name}`"), help)
        }
        UserError::NulInHome(_) => (format!("in the base for {platform}, {error}"), "choose another `user`".to_owned()),
    };
    miette!(help = help, "the image {} cannot run as `{user}`{origin}: {cause}", plan.name)
}

/// Files of the image that replace those of the base.
#[derive(Default)]
struct OwnAccounts {
    passwd: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    /// Whether cargo may write one.
    is_generated: bool,
}

impl OwnAccounts {
    fn read(plan: &AssetPlan) -> Result<OwnAccounts> {
        let may_write = |rule: &&FileRule| {
            ["/", "/etc", "/etc/", "/etc/passwd", "/etc/group"].contains(&rule.to.get_ref().as_str())
        };
        let (generated, rules): (Vec<_>, Vec<_>) =
            plan.rules.iter().filter(may_write).partition(|rule| is_generated(rule, plan.target_dir));
        let dirs = SourceDirs { target_dir: plan.target_dir, out_dir: None };
        let files = plan.files(rules.into_iter().map(|rule| (rule, (0, 0))), &dirs, &BaseFacts::default())?;
        let content = |path: &str| match files.get(path).map(|file| &file.entry.kind) {
            Some(EntryKind::File(FileContent::Path(path))) => {
                fs::read(path).map(Some).map_err(|error| cannot_read(path, error))
            }
            _ => Ok(None),
        };
        Ok(OwnAccounts {
            passwd: content("etc/passwd")?,
            group: content("etc/group")?,
            is_generated: !generated.is_empty(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::plan::OwnerIds;
    use super::*;
    use crate::config::{Folder, Section, Whose};
    use crate::image::layer::{LayerEntry, write};
    use crate::image::{Compression, CompressionOptions};
    use crate::store::Memory;

    pub(in super::super) fn file(path: &str, content: &str) -> LayerEntry {
        LayerEntry::file(path, 0o644, FileContent::Bytes(content.as_bytes().to_vec()))
    }

    /// Returns the facts over layers of these entries, whose config has a user, for a package with this table and these files.
    pub(in super::super) fn facts_over(
        layers: &[Vec<LayerEntry>],
        user: &str,
        table: &str,
        files: &[(&str, &str)],
    ) -> Result<BaseFacts, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("Cargo.toml");
        fs::write(&manifest, format!("[package.metadata.oci]\n{table}")).expect("a file");
        for (name, content) in [&[("a", ""), ("b", "")], files].concat() {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let whose = Whose::Package { image: "x", binaries: &[] };
        let table = Section::read(&manifest, whose).expect("a right table").table.expect("a table");
        let memory = Memory::default();
        let mut written = Vec::new();
        for entries in layers {
            let mut blob = Vec::new();
            let layer = write(entries, CompressionOptions::single_threaded(Compression::Gzip), &mut blob)
                .expect("a layer in memory");
            memory.put(&layer.descriptor, blob);
            written.push(Layer { descriptor: layer.descriptor, diff_id: layer.diff_id });
        }
        let platform = "linux/arm64".parse().expect("a platform");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let base = BaseLayers { platform: &platform, source: &memory, cache: &cache, layers: &written, user };
        let rules = table.files.unwrap_or_default();
        let volumes: Vec<Folder> = table.volumes.into_iter().flatten().map(|volume| volume.0).collect();
        let target_dir = folder.path().join("target");
        let plan = AssetPlan {
            volumes: &volumes,
            user: table.user.as_ref().map(|user| user.0.as_str()),
            program: table.entrypoint.as_ref().map(|entrypoint| entrypoint.0[0].as_str()),
            ..AssetPlan::of(&rules, &target_dir)
        };
        let found = facts(&plan, &base);
        // What was found is found again without the layers.
        let empty = Memory::default();
        let again = facts(&plan, &BaseLayers { source: &empty, ..base });
        assert!(found.is_err() || again.as_ref().ok() == found.as_ref().ok(), "{again:?}");
        found.map_err(|error| {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            format!("{} ({})", causes.join(": "), error.help().map(|help| help.to_string()).unwrap_or_default())
        })
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv:\n";
    const GROUP: &str = "root:x:0:\nlogs:x:50:web\n";

    /// Returns the owner of volumes over a base that runs as `web`, or the error.
    fn volumes(table: &str, files: &[(&str, &str)]) -> Result<OwnerIds, String> {
        let base = [vec![file("etc/passwd", PASSWD), file("etc/group", GROUP)]];
        facts_over(&base, "web", table, files).map(|facts| facts.volumes)
    }

    #[test]
    fn user_must_be_one_of_the_base() {
        for user in ["web", "web:logs", "web:7", "1000", "1000:logs", "4294967294", "0:0"] {
            assert_eq!(volumes(&format!("user = '{user}'"), &[]), Ok((0, 0)), "{user}");
        }
        assert_eq!(
            volumes("user = 'app'", &[]),
            Err("the image x cannot run as `app`: the base for linux/arm64 has no user `app` \
                 (write a number, or a user of the base, such as root, web)"
                .to_owned())
        );
        let group = volumes("user = '1000:app'", &[]).expect_err("no such group");
        assert!(
            group.contains("has no group `app` (write a number, or a group of the base, such as root, logs)"),
            "{group}"
        );
        // A base whose own user is missing is its publisher's matter, until the number is needed.
        assert_eq!(facts_over(&[], "web", "", &[]), Ok(BaseFacts::default()));
        let base = facts_over(&[], "web", "volumes = ['/data']", &[]).expect_err("no such user");
        assert!(
            base.contains("cannot run as `web`, the user of its base: the base for linux/arm64 has no user `web`"),
            "{base}"
        );
        assert!(base.contains("(set `user`: write a number: the base has no users)"), "{base}");
    }

    #[test]
    fn user_may_be_of_the_image_itself() {
        let own = ("accounts", "app:x:1000:1001::/:\n");
        for rule in ["from = 'accounts', to = '/etc/passwd'", "from = './accounts', to = '/etc/passwd'"] {
            let table = format!("user = 'app'\nvolumes = ['/data']\nfiles = [{{ {rule} }}]");
            assert_eq!(volumes(&table, &[own]), Ok((1000, 1001)));
        }
        let table = "user = 'app'\nfiles = [{ from = 'passwd', to = '/etc/', owner = 'app:logs' }]";
        let facts = facts_over(&[vec![file("etc/group", GROUP)]], "", table, &[("passwd", own.1)]).expect("facts");
        assert_eq!(facts.owners, [(1000, 50)]);
        // Cargo may write it.
        assert_eq!(volumes("user = 'app'\nfiles = [{ from = 'target/passwd', to = '/etc/' }]", &[]), Ok((0, 0)));
        assert!(volumes("user = 'app'\nfiles = [{ from = 'target/passwd', to = '/srv/' }]", &[]).is_err());
    }

    #[test]
    fn volumes_have_the_user_of_the_process() {
        for (user, owner) in [
            ("", (33, 34)),
            ("user = 'root'", (0, 0)),
            ("user = 'web:logs'", (33, 50)),
            ("user = 33", (33, 34)),
            ("user = 1000", (1000, 0)),
            ("user = '1000:1001'", (1000, 1001)),
        ] {
            assert_eq!(volumes(&format!("{user}\nvolumes = ['/data']"), &[]), Ok(owner), "{user}");
        }
    }

    #[test]
    fn base_is_read_only_for_names_and_folders() {
        // A folder that is a file below.
        let broken = [vec![file("a", "")], vec![file("a/b", "")]];
        let read = |table: &str| facts_over(&broken, "web", table, &[]).is_err();
        assert!(!read(
            "user = '7:8'\nfiles = [{ from = 'a', to = '/srv/a', owner = 5 }, { to = '/data/', owner = 5 }]"
        ));
        assert!(!read("files = [{ from = 'a', to = '/etc/', owner = 5 }, { from = 'a', to = '/srv/www/' }]"));
        assert!(read("user = 'root'") && read("volumes = ['/data']"));
        assert!(read("files = [{ from = 'a', to = '/srv/www/', owner = 5 }]"));
    }

    #[test]
    fn program_is_in_the_base_or_the_image() {
        let link = LayerEntry { kind: EntryKind::Symlink("usr/bin".to_owned()), ..LayerEntry::directory("bin") };
        let base = [vec![link, file("usr/bin/tini", "")]];
        let lacks = |table: &str| facts_over(&base, "", table, &[]).expect("facts").lacks_program;
        for there in [
            "entrypoint = ['/usr/bin/tini']",
            "entrypoint = ['/bin/tini', '--']",
            "entrypoint = ['/opt/a']\nfiles = [{ from = 'a', to = '/opt/' }]",
            "entrypoint = ['/opt/a/x']\nfiles = [{ from = 'target/x', to = '/opt/' }]",
        ] {
            assert!(!lacks(there), "{there}");
        }
        for missing in [
            "entrypoint = ['/usr/bin/tiny']",
            "entrypoint = ['/opt/b']\nfiles = [{ from = 'a', to = '/opt/' }, { from = 'target/x', to = '/optional/' }]",
        ] {
            assert!(lacks(missing), "{missing}");
        }
        // A base that cannot be read may have it.
        let broken = [vec![file("a", "")], vec![file("a/b", "")]];
        assert!(!facts_over(&broken, "", "entrypoint = ['/tini']", &[]).expect("facts").lacks_program);
    }

    #[test]
    fn folders_of_the_base_are_present() {
        let link = LayerEntry { kind: EntryKind::Symlink("srv".to_owned()), ..LayerEntry::directory("var") };
        let base = [vec![link, file("srv/www/x", ""), LayerEntry::directory("data")]];
        let table = "volumes = ['/data', '/var/www/a', '/cache']\nuser = 1\n\
                     files = [{ from = 'a', to = '/srv/www/', owner = 5 }, { from = 'a', to = '/opt/a/', owner = 5 }]";
        let facts = facts_over(&base, "", table, &[]).expect("facts");
        assert_eq!(Vec::from_iter(facts.present), ["data", "srv/www", "var", "var/www"]);
    }
}
