//! The image's config → the runtime's (image-spec, `conversion.md`; runtime-spec, `config.md` and `config-linux.md`).
//!
//! What an image does not say is as in `runc spec` and `runc spec --rootless`. The config is written as JSON, not through
//! oci-spec's types: their sets and maps have a random order. A test reads it back through them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use miette::miette;
use serde_json::{Value, json};

use super::output::HostOwner;
use super::validate::is_runtime_label;
use super::volume::Volume;
use crate::error::Result;
use crate::filesystem::ProcessUser;
use crate::image::config::{DEFAULT_PATH, Object};
use crate::image::strings;

/// What the runtime's config is made from.
pub(crate) struct RuntimeConfig<'a> {
    /// The image's config.
    pub(crate) image: &'a Object,
    /// The image's name, from which the hostname is made.
    pub(crate) name: &'a str,
    /// The user of the process.
    pub(crate) user: &'a ProcessUser,
    /// The volumes to mount.
    pub(crate) volumes: &'a [Volume],
    /// The user of the host who is root in a rootless container.
    pub(crate) rootless: Option<HostOwner>,
}

/// Docker's default capabilities.
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
/// The longest hostname that runtimes accept.
const MOST_HOST_NAME: usize = 63;

/// Returns the program that the image starts, and its arguments.
///
/// # Errors
/// Returns an error if the image has neither an entrypoint nor a command.
pub(crate) fn args(image: &Object) -> Result<Vec<String>> {
    let args = [strings(run_config(image, "Entrypoint")), strings(run_config(image, "Cmd"))].concat();
    if args.is_empty() {
        return Err(miette!(
            help = "set the program with `--entrypoint /PATH`, and its arguments with `--cmd`",
            "the image has neither an entrypoint nor a command"
        ));
    }
    Ok(args)
}

/// Returns a value of the image's `config`, or `None` if it is missing or null.
fn run_config<'a>(image: &'a Object, key: &str) -> Option<&'a Value> {
    image.get("config").and_then(|config| config.get(key)).filter(|value| !value.is_null())
}

impl RuntimeConfig<'_> {
    /// Returns the JSON document.
    ///
    /// # Errors
    /// Returns an error if the image has neither an entrypoint nor a command.
    pub(crate) fn document(&self) -> Result<Value> {
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
        run_config(self.image, key)
    }

    fn env(&self) -> Vec<String> {
        let mut env = strings(self.run("Env"));
        if !has_variable(&env, "PATH") {
            env.push(format!("PATH={DEFAULT_PATH}"));
        }
        if let Some(home) = self.user.home.as_ref().filter(|_| !has_variable(&env, "HOME")) {
            env.push(format!("HOME={home}"));
        }
        env
    }

    fn cwd(&self) -> String {
        let path = self.run("WorkingDir").and_then(Value::as_str).unwrap_or_default();
        if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
    }

    fn hostname(&self) -> String {
        let name = self.name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        let name: String = name.chars().take(MOST_HOST_NAME).collect();
        match name.trim_matches(['-', '.']) {
            "" => "container".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Returns the annotations: properties of the image, and its labels, which take precedence.
    fn annotations(&self) -> BTreeMap<String, String> {
        let own = ["os", "architecture", "variant", "os.version", "os.features", "author", "created"];
        let own = own.into_iter().filter_map(|key| Some((key, annotation(self.image.get(key)?)?)));
        let run = [("stopSignal", "StopSignal"), ("exposedPorts", "ExposedPorts")];
        let run = run.into_iter().filter_map(|(key, source)| Some((key, annotation(self.run(source)?)?)));
        let properties = own.chain(run).filter(|(_, text)| !text.is_empty());
        let mut annotations: BTreeMap<_, _> =
            properties.map(|(key, text)| (format!("org.opencontainers.image.{key}"), text)).collect();
        let labels = self.run("Labels").and_then(Value::as_object).into_iter().flatten();
        // Runtimes reject an empty key.
        let labels = labels.filter(|(key, _)| !key.is_empty() && !is_runtime_label(key));
        annotations.extend(labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))));
        annotations
    }

    fn mounts(&self) -> Vec<Value> {
        let is_rootless = self.rootless.is_some();
        // The group of terminals is not mapped in a rootless container.
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
            // A rootless container shares the host's network, so it cannot mount its own sysfs.
            mounts.push(mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]));
        } else {
            mounts.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
        }
        let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
        mounts.extend(self.volumes.iter().map(|volume| {
            let (uid, gid) = volume.owner;
            let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), "tmpcopyup".to_owned()];
            options.push(format!("mode={:o}", volume.mode));
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
                linux["uidMappings"] = json!([{ "containerID": 0, "hostID": uid, "size": 1 }]);
                linux["gidMappings"] = json!([{ "containerID": 0, "hostID": gid, "size": 1 }]);
            }
        }
        linux["namespaces"] = namespaces.into_iter().map(|kind| json!({ "type": kind })).collect();
        linux
    }
}

fn has_variable(env: &[String], key: &str) -> bool {
    env.iter().any(|variable| variable.split('=').next() == Some(key))
}

/// Returns the text of an annotation: lists and keys are joined by commas.
fn annotation(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(_) => Some(strings(Some(value)).join(",")),
        Value::Object(keys) => Some(keys.keys().cloned().collect::<Vec<_>>().join(",")),
        _ => None,
    }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    let mut mount = json!({ "destination": destination, "type": kind, "source": source });
    if !options.is_empty() {
        mount["options"] = json!(options);
    }
    mount
}

/// Returns the capabilities of a process: other users than root have none, but for the bounding set.
fn capabilities(uid: u32) -> Value {
    let mut capabilities = json!({ "bounding": CAPABILITIES });
    if uid == 0 {
        capabilities["effective"] = json!(CAPABILITIES);
        capabilities["permitted"] = json!(CAPABILITIES);
    }
    capabilities
}
