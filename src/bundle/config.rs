//! The image's config → the runtime's (image-spec, `conversion.md`; runtime-spec, `config.md` and `config-linux.md`).
//!
//! What an image does not say is as `runc spec` and `runc spec --rootless` have it. It is written as JSON, not through
//! oci-spec's types: their sets and maps come in another order each time. A test reads it back through them.

use std::collections::BTreeMap;

use miette::miette;
use serde_json::{Value, json};

use super::run::is_obeyed;
use super::user::User;
use super::volume::Volume;
use crate::error::Result;
use crate::image::config::{DEFAULT_PATH, Object};
use crate::image::strings;

/// A user and a group of this computer.
pub type Own = (u32, u32);

/// What the runtime's config is made of.
pub struct Config<'a> {
    /// The image's config.
    pub image: &'a Object,
    /// What the container calls itself.
    pub name: &'a str,
    /// Who its program runs as.
    pub user: &'a User,
    /// Its volumes.
    pub volumes: &'a [Volume],
    /// Who is root in the container, where it is for a user without rights.
    pub rootless: Option<Own>,
}

/// What containers may do, as Docker has it: root in one is less than root.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];
const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Linux takes no longer name of a host.
const MOST_HOST_NAME: usize = 63;

/// The program that the image starts, and its arguments.
///
/// # Errors
/// An image that starts none.
pub fn args(image: &Object) -> Result<Vec<String>> {
    let run = image.get("config");
    let part = |key: &str| strings(run.and_then(|run| run.get(key)));
    let args = [part("Entrypoint"), part("Cmd")].concat();
    match args.is_empty() {
        false => Ok(args),
        true => Err(miette!(
            help = "name a program of the image with `--entrypoint /PATH`, and its arguments with `--cmd`",
            "the image starts nothing: it has neither an entrypoint nor a command"
        )),
    }
}

impl Config<'_> {
    /// The document.
    ///
    /// # Errors
    /// An image that starts nothing.
    pub fn document(&self) -> Result<Value> {
        let (uid, gid) = if self.rootless.is_some() { (0, 0) } else { (self.user.uid, self.user.gid) };
        let mut process = json!({
            "terminal": false,
            "user": { "uid": uid, "gid": gid },
            "args": args(self.image)?,
            "env": self.env(),
            "cwd": self.cwd(),
            "capabilities": capabilities(uid),
            "noNewPrivileges": true,
        });
        if self.rootless.is_none() && !self.user.groups.is_empty() {
            process["user"]["additionalGids"] = json!(self.user.groups);
        }
        Ok(json!({
            "ociVersion": "1.0.2",
            "process": process,
            "root": { "path": "rootfs" },
            "hostname": self.hostname(),
            "mounts": self.mounts(),
            "annotations": self.annotations(),
            "linux": self.linux(),
        }))
    }

    fn run(&self, key: &str) -> Option<&Value> {
        self.image.get("config").and_then(|run| run.get(key)).filter(|value| !value.is_null())
    }

    fn env(&self) -> Vec<String> {
        let mut env = strings(self.run("Env"));
        let has = |env: &[String], key: &str| env.iter().any(|line| line.split('=').next() == Some(key));
        if !has(&env, "PATH") {
            env.push(format!("PATH={DEFAULT_PATH}"));
        }
        if let Some(home) = self.user.home.as_ref().filter(|_| !has(&env, "HOME")) {
            env.push(format!("HOME={home}"));
        }
        env
    }

    fn cwd(&self) -> String {
        let written = self.run("WorkingDir").and_then(Value::as_str).unwrap_or_default();
        match written.starts_with('/') {
            true => written.to_owned(),
            false => format!("/{written}"),
        }
    }

    fn hostname(&self) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = self.name.chars().map(letter).take(MOST_HOST_NAME).collect();
        match name.trim_matches(['-', '.']) {
            "" => "container".to_owned(),
            name => name.to_owned(),
        }
    }

    /// What describes the image, and its labels: these win where both say something.
    fn annotations(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Array(_) => Some(strings(Some(value)).join(",")),
            Value::Object(keys) => Some(keys.keys().cloned().collect::<Vec<_>>().join(",")),
            _ => None,
        };
        let own = ["os", "architecture", "variant", "os.version", "os.features", "author", "created"];
        let own = own.into_iter().filter_map(|key| Some((key, text(self.image.get(key)?)?)));
        let run = [("stopSignal", "StopSignal"), ("exposedPorts", "ExposedPorts")];
        let run = run.into_iter().filter_map(|(key, written)| Some((key, text(self.run(written)?)?)));
        let said = own.chain(run).filter(|(_, text)| !text.is_empty());
        let mut annotations: BTreeMap<_, _> =
            said.map(|(key, text)| (format!("org.opencontainers.image.{key}"), text)).collect();
        let labels = self.run("Labels").and_then(Value::as_object).into_iter().flatten();
        // A key that is empty is one that runtimes refuse.
        let labels = labels.filter(|(key, _)| !key.is_empty() && !is_obeyed(key));
        annotations.extend(labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))));
        annotations
    }

    fn mounts(&self) -> Vec<Value> {
        let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| {
            let mut mount = json!({ "destination": destination, "type": kind, "source": source });
            if !options.is_empty() {
                mount["options"] = json!(options);
            }
            mount
        };
        let is_rootless = self.rootless.is_some();
        // The group that terminals belong to is not one that is mapped.
        let terminals = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
        let terminals = &terminals[..if is_rootless { 5 } else { 6 }];
        let mut mounts = vec![
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", terminals),
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        ];
        if is_rootless {
            // sysfs shows the network, which is the host's: only its owner may mount it anew.
            mounts.push(mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]));
        } else {
            mounts.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
        }
        let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
        mounts.extend(self.volumes.iter().map(|volume| {
            let (mode, (uid, gid)) = volume.attributes;
            let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), "tmpcopyup".to_owned()];
            options.push(format!("mode={mode:o}"));
            if !is_rootless {
                options.extend([format!("uid={uid}"), format!("gid={gid}")]);
            }
            let options: Vec<_> = options.iter().map(String::as_str).collect();
            mount(&volume.path, "tmpfs", "tmpfs", &options)
        }));
        mounts
    }

    fn linux(&self) -> Value {
        let mut linux = json!({ "maskedPaths": MASKED, "readonlyPaths": READ_ONLY });
        let mut namespaces = vec!["pid", "ipc", "uts", "mount"];
        match self.rootless {
            None => {
                namespaces.push("network");
                linux["resources"] = json!({ "devices": [{ "allow": false, "access": "rwm" }] });
            }
            Some((uid, gid)) => {
                namespaces.push("user");
                let map = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
                linux["uidMappings"] = map(uid);
                linux["gidMappings"] = map(gid);
            }
        }
        linux["namespaces"] = namespaces.into_iter().map(|kind| json!({ "type": kind })).collect();
        linux
    }
}

/// A program that is not root's has none, and gets none from others: they are what it may have at most.
fn capabilities(uid: u32) -> Value {
    let mut capabilities = json!({ "bounding": CAPABILITIES });
    if uid == 0 {
        capabilities["effective"] = json!(CAPABILITIES);
        capabilities["permitted"] = json!(CAPABILITIES);
    }
    capabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::Spec;

    fn image() -> Object {
        let image = json!({
            "os": "linux", "architecture": "arm64", "variant": "v8", "author": "me", "os.features": ["a", "b"],
            "config": {
                "Entrypoint": ["/app/x"], "Cmd": ["y"], "Env": ["A=1"], "User": "web", "StopSignal": "SIGINT",
                "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "Volumes": { "/data": {}, "/": {} },
                "Labels": { "org.opencontainers.image.author": "another", "mine": "1", "": "no" },
            },
        });
        image.as_object().expect("an object").clone()
    }

    fn document(image: &Object, rootless: Option<Own>) -> Value {
        let user = User { uid: 33, gid: 34, groups: vec![50], home: Some("/srv".to_owned()) };
        let volumes = [Volume { path: "/data".to_owned(), attributes: (0o1777, (33, 34)) }];
        let config = Config { image, name: "My_app", user: &user, volumes: &volumes, rootless };
        config.document().expect("a config")
    }

    #[test]
    fn the_process_is_the_images() {
        let process = &document(&image(), None)["process"];
        assert_eq!(process["args"], json!(["/app/x", "y"]));
        assert_eq!(process["env"], json!(["A=1", format!("PATH={DEFAULT_PATH}"), "HOME=/srv"]));
        assert_eq!(process["user"], json!({ "uid": 33, "gid": 34, "additionalGids": [50] }));
        assert_eq!(process["cwd"], "/");
        assert_eq!(process["capabilities"].get("effective"), None);
        assert_eq!(document(&image(), None)["hostname"], "My-app");
    }

    #[test]
    fn what_describes_the_image_becomes_annotations_and_labels_win() {
        let annotations = &document(&image(), None)["annotations"];
        let expected = [
            ("architecture", "arm64"),
            ("author", "another"),
            ("exposedPorts", "53/udp,80/tcp"),
            ("os", "linux"),
            ("os.features", "a,b"),
            ("stopSignal", "SIGINT"),
            ("variant", "v8"),
        ];
        let mut expected: Object = expected
            .map(|(key, value)| (format!("org.opencontainers.image.{key}"), json!(value)))
            .into_iter()
            .collect();
        expected.insert("mine".to_owned(), json!("1"));
        assert_eq!(annotations, &Value::Object(expected));
    }

    #[test]
    fn labels_that_runtimes_obey_become_no_annotations() {
        let orders = [
            "run.oci.keep_original_groups",
            "org.systemd.property.ExecStop",
            "org.systemd.other",
            "org.criu.config",
            "io.katacontainers.config.hypervisor.path",
            "module.wasm.image/variant",
            "dev.gvisor.spec.mount.x.type",
        ];
        let mut labels: Object = orders.iter().map(|order| ((*order).to_owned(), json!("1"))).collect();
        labels.insert("run.ocis".to_owned(), json!("fine"));
        let mut image = image();
        image["config"]["Labels"] = json!(labels);
        assert_eq!(super::super::run::obeyed(&image).len(), orders.len());
        let annotations = document(&image, None)["annotations"].to_string();
        assert!(orders.iter().all(|order| !annotations.contains(order)), "{annotations}");
        assert!(annotations.contains(r#""run.ocis":"fine""#), "{annotations}");
    }

    #[test]
    fn volumes_are_mounts_with_the_owner_and_the_content_that_the_image_has_there() {
        let mounts = document(&image(), None)["mounts"].clone();
        let volume = mounts.as_array().and_then(|mounts| mounts.last()).expect("a mount");
        assert_eq!(volume["destination"], "/data");
        assert_eq!(volume["options"], json!(["nosuid", "nodev", "tmpcopyup", "mode=1777", "uid=33", "gid=34"]));
    }

    #[test]
    fn a_container_for_a_user_without_rights_is_that_users() {
        let config = document(&image(), Some((1000, 1001)));
        assert_eq!(config["process"]["user"], json!({ "uid": 0, "gid": 0 }));
        assert_eq!(config["linux"]["uidMappings"], json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]));
        assert_eq!(config["linux"]["gidMappings"], json!([{ "containerID": 0, "hostID": 1001, "size": 1 }]));
        let text = config.to_string();
        assert!(!text.contains("gid=") && !text.contains("network"), "{text}");
    }

    #[test]
    fn an_image_that_starts_nothing_is_refused_with_the_way_out() {
        for config in [json!({}), json!({ "config": null }), json!({ "config": { "Entrypoint": null, "Cmd": [] } })] {
            let error = args(config.as_object().expect("an object")).unwrap_err();
            assert!(error.help().expect("a way out").to_string().contains("--entrypoint"), "{error}");
        }
    }

    #[test]
    fn all_of_it_is_what_the_runtime_spec_knows() {
        /// Lists are sets in the spec's types: they come back in any order.
        fn sorted(value: &mut Value) {
            match value {
                Value::Array(items) => {
                    items.iter_mut().for_each(sorted);
                    items.sort_by_key(ToString::to_string);
                }
                Value::Object(fields) => fields.values_mut().for_each(sorted),
                _ => {}
            }
        }
        for rootless in [None, Some((1000, 1000))] {
            let mut written = document(&image(), rootless);
            let spec: Spec = serde_json::from_value(written.clone()).expect("is a runtime's config");
            let mut read = serde_json::to_value(&spec).expect("JSON");
            sorted(&mut written);
            sorted(&mut read);
            assert_eq!(written, read);
        }
    }
}
