//! What people type who know Docker, Podman, ko or `docker buildx`, and what it is called here, or why it is not. To answer
//! another habit, add a row.

/// A habit.
pub(crate) struct Habit {
    /// What is typed: any of these.
    typed: &'static [&'static str],
    /// The commands that it is typed after; empty for all.
    commands: &'static [&'static str],
    /// The answer. `{typed}` stands for what was typed.
    answer: &'static str,
}

/// A habit in the value of a flag, or in an argument without a flag.
struct ValueHabit {
    /// The flag; empty for an argument without one.
    flag: &'static str,
    /// The commands that it is typed after; empty for all.
    commands: &'static [&'static str],
    /// Whether it is this habit.
    is: fn(&str) -> bool,
    /// The answer. `{typed}` stands for the value, `{before}` and `{after}` for its parts before and after the last colon.
    answer: &'static str,
}

/// Shortens the tables.
const fn habit(typed: &'static [&'static str], commands: &'static [&'static str], answer: &'static str) -> Habit {
    Habit { typed, commands, answer }
}

/// The commands that build an image.
const BUILDING: &[&str] = &["build", "push", "load", "run", "bundle", "sbom"];
/// Those that start no container.
const NOT_RUNNING: &[&str] = &["build", "push", "load", "bundle", "sbom"];

/// Commands that there are not.
const COMMANDS: &[Habit] = &[
    habit(
        &["images", "image", "ls", "list", "ps"],
        &[],
        "your engine lists images and containers, as in `docker image ls`; `cargo oci inspect target/oci/NAME` shows an image that was built",
    ),
    habit(
        &["pull"],
        &[],
        "`cargo oci build` pulls its base; to pull an image into an engine, use the engine, as in `docker pull`",
    ),
    habit(&["tag"], &[], "tags are set by `cargo oci push --tag TAG`, or by the key `tags`"),
    habit(&["version"], &[], "use `cargo oci --version`"),
    habit(&["buildx", "make", "package", "containerize", "dockerize"], &[], "use `cargo oci build`"),
    habit(&["publish", "deploy", "release", "upload"], &[], "use `cargo oci push`"),
    habit(&["save", "export"], &[], "use `cargo oci build -o docker-archive=image.tar`"),
    habit(&["import"], &[], "use `cargo oci load`, which builds the image too"),
    habit(&["start", "create", "up"], &[], "use `cargo oci run`"),
    habit(
        &["exec", "stop", "kill", "logs", "rm", "rmi", "restart", "top", "stats", "cp"],
        &[],
        "containers belong to your engine: use it, as in `docker {typed}`",
    ),
    habit(&["prune", "clean"], &[], "use `cargo oci cache prune` for the cache, and `cargo clean` for target/oci"),
    habit(&["history", "manifest", "show", "describe", "config"], &[], "use `cargo oci inspect`"),
    habit(&["copy"], &[], "use `crane copy`, `skopeo copy` or `oras copy`: they copy what `cargo oci` has made"),
    habit(&["scan", "scout"], &[], "`cargo oci sbom` prints an SBOM, which scanners such as grype and trivy read"),
    habit(&["attest"], &[], "use `cargo oci sign --attest TYPE=FILE`"),
    habit(
        &["init", "new"],
        &[],
        "`cargo oci build` needs no setup; keys are written to [package.metadata.oci] in Cargo.toml",
    ),
    habit(&["search"], &[], "cargo-oci searches no registry"),
];

/// Flags that a command has not, and arguments that are always the same.
const FLAGS: &[Habit] = &[
    habit(&["-e"], NOT_RUNNING, "use `--env KEY=VALUE`: it becomes a variable of the image"),
    habit(&["-u"], NOT_RUNNING, "use `--user USER[:GROUP]`"),
    habit(&["-w"], NOT_RUNNING, "use `--workdir PATH`"),
    habit(&["-d", "--detach"], NOT_RUNNING, "`cargo oci run --detach` runs the image in the background"),
    habit(
        &["-f", "--file", "--dockerfile"],
        BUILDING,
        "there is no Dockerfile: the image is described by flags and by [package.metadata.oci] in Cargo.toml",
    ),
    habit(&["--push"], BUILDING, "use `cargo oci push`, which builds the image too"),
    habit(&["--load"], BUILDING, "use `cargo oci load`, which builds the image too"),
    habit(
        &["--dry-run"],
        &["build", "load", "run", "bundle", "sbom"],
        "`cargo oci push --dry-run` shows what would be sent; `cargo oci build` sends nothing",
    ),
    habit(
        &["--no-cache"],
        BUILDING,
        "`{typed}` is needless: cargo knows what has changed, and layers are looked up by their content; `cargo clean` and `cargo oci cache prune --max-size 0` remove both caches",
    ),
    habit(&["--pull"], BUILDING, "a base with a tag is looked up in each build; `--offline` prevents that"),
    habit(
        &["--build-arg", "--build-args"],
        BUILDING,
        "for `{typed}`, set an environment variable: cargo, build.rs and `env!` see it; tags, labels and `repository` take `{env.NAME}`",
    ),
    habit(
        &["--secret", "--ssh"],
        BUILDING,
        "cargo runs on this machine, with your environment, and none of it gets into the image",
    ),
    habit(
        &["--cache-from", "--cache-to"],
        BUILDING,
        "keep cargo's target folder and the folder that `cargo oci cache path` prints",
    ),
    habit(
        &["--platforms", "--arch", "--os"],
        BUILDING,
        "use `--platform LIST`, as in `--platform linux/amd64,linux/arm64`",
    ),
    habit(&["--from"], &["build", "push", "load", "run", "sbom"], "use `--base REF`"),
    habit(
        &["--iidfile", "--digestfile", "--image-refs"],
        BUILDING,
        "stdout has the digest; `--metadata-file FILE` writes it, too",
    ),
    habit(&["--no-sbom"], BUILDING, "use `--sbom false`"),
    habit(&["--no-provenance"], BUILDING, "use `--provenance false`"),
    habit(&["--debug", "--dev"], BUILDING, "use `--profile dev`"),
    habit(&["--insecure", "--tls-verify", "--plain-http"], &[], "use `--insecure-registry HOST[:PORT]`"),
    habit(
        &["--creds", "--username", "--password", "-u"],
        &["push", "inspect", "validate", "sign", "verify", "attach", "referrers"],
        "log in first, with `cargo oci login` or `docker login`",
    ),
    habit(&["-a", "--all-tags"], &["push"], "all tags of the key `tags` are pushed; `--tag` names others"),
    habit(&["--name"], NOT_RUNNING, "the image has the name of the package, or of `--repository`"),
    habit(&["-o", "--output"], &["sbom"], "the SBOM is printed to stdout, as in `cargo oci sbom > sbom.json`"),
    habit(&["--squash"], BUILDING, "all binaries are one layer, and all files another"),
    habit(
        &["--network", "--net"],
        NOT_RUNNING,
        "cargo uses the network of this machine; `cargo oci run --network NETWORK` is for the container",
    ),
    habit(
        &["-i", "-it", "-ti", "--interactive", "--tty"],
        &["run"],
        "leave `-i` and `-t` out: the program gets the terminal if there is one",
    ),
    habit(&["-P", "--publish-all"], &["run"], "use `--engine-arg=--publish-all`"),
    habit(
        &["--publish", "--volume"],
        NOT_RUNNING,
        "use `cargo oci run {typed}`; an image declares ports with `--expose` and volumes with the key `volumes`",
    ),
    habit(&["--cmd"], &["run"], "arguments of the program follow `--`, as in `cargo oci run -- ARGS`"),
    habit(
        &[
            "--pid",
            "--memory",
            "-m",
            "--cpus",
            "--restart",
            "--mount",
            "--env-file",
            "--hostname",
            "--add-host",
            "--privileged",
            "--gpus",
            "--read-only",
            "--cap-add",
            "--cap-drop",
            "--device",
            "--tmpfs",
            "--ulimit",
            "--link",
            "--init",
            "--log-driver",
            "--shm-size",
            "--security-opt",
            "--userns",
            "--dns",
            "--ip",
            "--label-file",
            "--stop-timeout",
        ],
        &["run"],
        "pass `{typed}` to the engine, as `--engine-arg={typed}` or `--engine-arg={typed}=VALUE`",
    ),
    habit(&["."], BUILDING, "leave out the `.`: the package of this folder is built"),
];

/// Values that flags do not take.
const VALUES: &[ValueHabit] = &[
    ValueHabit {
        flag: "--tag",
        commands: &[],
        is: is_tagged,
        answer: "name and tag are apart: `--repository {before} --tag {after}`",
    },
    ValueHabit {
        flag: "--tag",
        commands: &[],
        // A registry's port is no tag.
        is: |text| text.contains(':') && !text.contains('/'),
        answer: "a tag is without the name, as in `--tag {after}`; the name is that of the package, or of `--repository`",
    },
    ValueHabit {
        flag: "--tag",
        commands: &[],
        is: |text| text.contains('/'),
        answer: "use `--repository {typed}`: a tag is without the name",
    },
    ValueHabit {
        flag: "--repository",
        commands: &["push"],
        is: is_tagged,
        answer: "use `--repository {before} --tag {after}`, or `cargo oci push {typed}`",
    },
    ValueHabit {
        flag: "--repository",
        commands: &[],
        is: is_tagged,
        answer: "use `--repository {before} --tag {after}`",
    },
    ValueHabit {
        flag: "--package",
        commands: &["run"],
        is: |text| text.starts_with(|c: char| c.is_ascii_digit()),
        answer: "`-p` is `--package`, as in cargo; to publish a port, use `--publish {typed}`",
    },
    ValueHabit {
        flag: "--package",
        commands: &[],
        is: |text| text.starts_with(|c: char| c.is_ascii_digit()),
        answer: "`-p` is `--package`, as in cargo; ports are published by `cargo oci run --publish {typed}`",
    },
    ValueHabit {
        flag: "--output",
        commands: &["build", "push"],
        is: |text| ["type=registry", "type=image", "registry"].iter().any(|kind| text.starts_with(kind)),
        answer: "use `cargo oci push`",
    },
    ValueHabit {
        flag: "--output",
        commands: &["build", "push"],
        is: |text| text == "type=docker" || text == "docker",
        answer: "use `cargo oci load`",
    },
    ValueHabit {
        flag: "--output",
        commands: &["build", "push"],
        is: |text| text.starts_with("type="),
        answer: "write TYPE=PATH, as in `-o oci-archive=image.tar`, `-o docker-archive=image.tar` or `-o oci-dir=image`",
    },
    ValueHabit {
        flag: "--output",
        commands: &["build", "push"],
        is: |text| text.rsplit('.').next() == Some("tar") && !text.contains('='),
        answer: "use `-o docker-archive={typed}` for `docker load`, or `-o oci-archive={typed}`",
    },
    ValueHabit {
        flag: "--output",
        commands: &["build", "push"],
        is: |text| text.contains(['/', '.']) && !text.contains('='),
        answer: "use `-o oci-dir={typed}`; a file needs its type, too, as in `-o oci-archive=image.tar`",
    },
    ValueHabit {
        flag: "",
        commands: &["run"],
        is: |text| text.contains(":/"),
        answer: "`-v` is `--verbose`, as in cargo; to mount a folder or a volume, use `--volume {typed}`",
    },
    ValueHabit {
        flag: "",
        commands: &["run"],
        is: |text| text.contains('/') && !text.starts_with(['.', '/', '-']),
        answer: "`cargo oci run` builds and runs the package of this folder; your engine runs other images, as in `docker run {typed}`",
    },
    ValueHabit {
        flag: "",
        commands: &["push"],
        is: |text| text.contains('/') && !text.starts_with(['.', '/', '-']),
        answer: "write `--repository` before each of several repositories",
    },
    ValueHabit {
        flag: "",
        commands: &["run"],
        is: |text| !text.starts_with('-'),
        answer: "the package of this folder is built and run; arguments of the program follow `--`, as in `cargo oci run -- {typed}`",
    },
    ValueHabit {
        flag: "",
        commands: &["sbom"],
        is: |text| !text.starts_with('-') && text.contains(['/', ':']),
        answer: "the SBOM of an image is printed by `cargo oci sbom --from {typed}`",
    },
    ValueHabit {
        flag: "",
        commands: BUILDING,
        is: |text| text.starts_with(['.', '/']) || text.ends_with('/'),
        answer: "the package of this folder is built; another is chosen with `--manifest-path {typed}/Cargo.toml`",
    },
    ValueHabit {
        flag: "",
        commands: BUILDING,
        is: |text| !text.starts_with('-') && text.contains('/'),
        answer: "the image is named by `--repository`, as in `cargo oci push {typed}`",
    },
    ValueHabit {
        flag: "",
        commands: BUILDING,
        is: |text| !text.starts_with('-'),
        answer: "the package of this folder is built; another is chosen with `--package {typed}`",
    },
];

/// Keys that the table has not.
const KEYS: &[Habit] = &[
    habit(
        &["healthcheck", "health-check"],
        &[],
        "OCI images have no health check: set one where the image runs, as `livenessProbe` in Kubernetes or `healthcheck` in Compose",
    ),
    habit(
        &["dockerfile", "containerfile", "run", "context"],
        &[],
        "there is no Dockerfile, and no commands are run in the image: a build.rs makes files, and `base` has the packages",
    ),
    habit(&["from", "base-image"], &[], "use `base`"),
    habit(&["image", "name", "registry"], &[], "use `repository`, as in `repository = \"ghcr.io/acme/hello\"`"),
    habit(&["command", "args"], &[], "use `cmd` for arguments, and `entrypoint` for the program"),
    habit(&["ports", "port"], &[], "use `expose`; ports are published by `cargo oci run --publish`"),
    habit(&["environment", "envs", "variables"], &[], "use `env`"),
    habit(&["copy", "add", "assets", "include", "extra-files"], &[], "use `files`"),
    habit(
        &["arg", "build-args"],
        &[],
        "set an environment variable: cargo, build.rs and `env!` see it; tags, labels and `repository` take `{env.NAME}`",
    ),
    habit(
        &["maintainer", "author", "authors", "description", "licenses"],
        &[],
        "use `labels` and `annotations`; Cargo.toml's `authors`, `description` and `license` are in both",
    ),
    habit(&["working-dir", "working-directory", "cwd"], &[], "use `workdir`"),
    habit(&["targets", "target", "arch", "architectures"], &[], "use `platforms`"),
    habit(&["shell", "onbuild", "on-build"], &[], "OCI images have none: it is of Dockerfiles"),
    habit(
        &["sign", "key", "signing-key"],
        &[],
        "images are signed by `cargo oci push --sign --key FILE`, or by `cargo oci sign`",
    ),
    habit(&["push", "load"], &[], "use the commands `cargo oci push` and `cargo oci load`"),
];

/// Returns whether a text is a repository with a tag.
fn is_tagged(text: &str) -> bool {
    !text.contains('@') && text.rsplit_once(':').is_some_and(|(name, tag)| name.contains('/') && !tag.contains('/'))
}

fn find(habits: &[Habit], command: &str, typed: &str) -> Option<String> {
    let fits = |habit: &&Habit| {
        habit.typed.contains(&typed) && (habit.commands.is_empty() || habit.commands.contains(&command))
    };
    habits.iter().find(fits).map(|habit| habit.answer.replace("{typed}", typed))
}

/// Returns the answer to a command that there is not.
pub(crate) fn of_command(typed: &str) -> Option<String> {
    find(COMMANDS, "", typed)
}

/// Returns the answer to a flag that `command` has not, or to an argument that it does not take.
pub(crate) fn of_argument(command: &str, typed: &str) -> Option<String> {
    find(FLAGS, command, typed).or_else(|| of_value(command, "", typed))
}

/// Returns the answer to a flag that `command` has not.
pub(crate) fn of_flag(command: &str, typed: &str) -> Option<String> {
    find(FLAGS, command, typed).filter(|_| typed.starts_with('-'))
}

/// Returns the answer to a value that a flag of `command` does not take.
pub(crate) fn of_value(command: &str, flag: &str, typed: &str) -> Option<String> {
    let of_command = |commands: &[&str]| commands.is_empty() || commands.contains(&command);
    let habit = VALUES.iter().find(|habit| habit.flag == flag && of_command(habit.commands) && (habit.is)(typed))?;
    let (before, after) = typed.rsplit_once(':').unwrap_or((typed, ""));
    Some(habit.answer.replace("{typed}", typed).replace("{before}", before).replace("{after}", after))
}

/// Returns the answer to a key that the table has not.
pub(crate) fn of_key(typed: &str) -> Option<String> {
    find(KEYS, "", typed)
}
