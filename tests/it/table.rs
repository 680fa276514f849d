//! Precedence of every setting: flag, environment variable, image, package, workspace, default.

use cargo_oci::commands::{Cli, Command};
use cargo_oci::config::key::KeyDefault;
use cargo_oci::config::{KEYS, Labels};
use cargo_oci::environment::Environment;
use cargo_oci::plan::{self, ImagePlan, Request};
use clap::Parser;

use crate::support::environment;
use crate::support::project::Project;

/// A key, and its value at each place.
struct Key {
    name: &'static str,
    default: &'static str,
    /// The values in the tables of workspace, package and image.
    tables: [&'static str; 3],
    /// A variable, its value, and the value of the key.
    variable: Option<[&'static str; 3]>,
    /// Flags, and the value of the key.
    flags: Option<(&'static [&'static str], &'static str)>,
    /// The plan's value, as in a table.
    planned: fn(&ImagePlan) -> String,
}

fn texts<T: ToString>(items: &[T]) -> String {
    format!("{:?}", items.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn text<T: ToString>(item: Option<&T>) -> String {
    item.map_or_else(String::new, |item| format!("{:?}", item.to_string()))
}

fn label(labels: &Labels) -> String {
    let value = labels.get("a").map(|value| value.as_ref().map_or("false".to_owned(), |value| format!("{value:?}")));
    value.map_or_else(String::new, |value| format!("{{ a = {value} }}"))
}

const ALL: [Key; 36] = [
    Key {
        name: "base",
        default: r#""gcr.io/distroless/static-debian13:nonroot""#,
        tables: [r#""example.org/a:1""#, r#""example.org/a:2""#, r#""example.org/a:3""#],
        variable: Some(["CARGO_OCI_BASE", "example.org/a:4", r#""example.org/a:4""#]),
        flags: Some((&["--base", "example.org/a:5"], r#""example.org/a:5""#)),
        planned: |image| text(Some(&image.base)),
    },
    Key {
        name: "base-verify",
        default: "",
        tables: [r#"{ key = "env://A" }"#, r#"{ key = "env://B" }"#, r#"{ key = "env://C" }"#],
        variable: None,
        flags: None,
        planned: |image| image.base_verify.as_ref().map_or_else(String::new, |key| format!("{{ key = \"{key}\" }}")),
    },
    Key {
        name: "debug-base",
        default: "",
        tables: [r#""example.org/a:1""#, r#""example.org/a:2""#, r#""example.org/a:3""#],
        variable: None,
        flags: None,
        planned: |image| text(image.debug_base.as_ref()),
    },
    Key {
        name: "platforms",
        default: r#"["linux/amd64", "linux/arm64/v8"]"#,
        tables: [r#"["linux/386"]"#, r#"["linux/riscv64"]"#, r#"["linux/s390x", "all"]"#],
        variable: Some(["CARGO_OCI_PLATFORMS", "linux/ppc64le, all", r#"["linux/ppc64le", "all"]"#]),
        flags: Some((&["--platform", "linux/loong64"], r#"["linux/loong64"]"#)),
        planned: |image| texts(&image.platforms),
    },
    Key {
        name: "libc",
        default: r#""musl""#,
        tables: [r#""gnu""#, r#""musl""#, r#""gnu""#],
        variable: None,
        flags: Some((&["--libc", "gnu"], r#""gnu""#)),
        planned: |image| text(image.platforms.first().map(|choice| choice.libc()).as_ref()),
    },
    Key {
        name: "repository",
        default: "",
        tables: [r#""example.org/1""#, r#""example.org/2""#, r#""example.org/3""#],
        variable: Some(["CARGO_OCI_REPOSITORY", "example.org/4", r#""example.org/4""#]),
        flags: Some((&["--repository", "example.org/5", "--repository", "example.org/5"], r#""example.org/5""#)),
        planned: |image| match &image.repositories[..] {
            [] => String::new(),
            [one] => format!("\"{}/{}\"", one.registry(), one.repository()),
            several => panic!("{several:?}"),
        },
    },
    Key {
        name: "tags",
        default: r#"["latest"]"#,
        tables: [r#"["a"]"#, r#"["b", "c"]"#, r#"["d"]"#],
        variable: Some(["CARGO_OCI_TAGS", "e, {version},e", r#"["e", "0.1.0"]"#]),
        flags: Some((&["-t", "f,g", "--tag", "f"], r#"["f", "g"]"#)),
        planned: |image| texts(&image.tags),
    },
    Key {
        name: "bins",
        default: r#"["x"]"#,
        tables: [r#"["a"]"#, r#"["b", "a"]"#, r#"["c"]"#],
        variable: None,
        flags: Some((&["--bin", "d", "--bin", "a", "--bin", "d"], r#"["d", "a"]"#)),
        planned: |image| texts(&image.bins),
    },
    Key {
        name: "bin-dir",
        default: r#""/app""#,
        tables: [r#""/1""#, r#""/2""#, r#""/3""#],
        variable: None,
        flags: None,
        planned: |image| text(Some(&image.bin_dir)),
    },
    Key {
        name: "entrypoint",
        default: r#"["/app/x"]"#,
        tables: [r#"["/1"]"#, r#"["/2", "-a"]"#, r#"["/3"]"#],
        variable: None,
        flags: Some((&["--entrypoint", "/4", "--entrypoint", "-b"], r#"["/4", "-b"]"#)),
        planned: |image| texts(&image.entrypoint),
    },
    Key {
        name: "cmd",
        default: "[]",
        tables: [r#"["1"]"#, "[]", r#"["3"]"#],
        variable: None,
        flags: Some((&["--cmd", "-4"], r#"["-4"]"#)),
        planned: |image| texts(&image.cmd),
    },
    Key {
        name: "env",
        default: "",
        tables: [r#"{ a = "1" }"#, r#"{ a = "2" }"#, r#"{ a = "3" }"#],
        variable: None,
        flags: Some((&["--env", "a=4"], r#"{ a = "4" }"#)),
        planned: |image| image.env.iter().map(|(key, value)| format!("{{ {key} = {value:?} }}")).collect(),
    },
    Key {
        name: "user",
        default: "",
        tables: [r#""1""#, r#""2:2""#, r#""three""#],
        variable: None,
        flags: Some((&["--user", "4"], r#""4""#)),
        planned: |image| text(image.user.as_ref()),
    },
    Key {
        name: "workdir",
        default: "",
        tables: [r#""/1""#, r#""/2""#, r#""/3""#],
        variable: None,
        flags: Some((&["--workdir", "/4"], r#""/4""#)),
        planned: |image| text(image.workdir.as_ref()),
    },
    Key {
        name: "expose",
        default: "[]",
        tables: [r#"["1/tcp"]"#, r#"["2/udp"]"#, r#"["3/sctp", "4/tcp"]"#],
        variable: None,
        flags: Some((&["--expose", "5,6/udp"], r#"["5/tcp", "6/udp"]"#)),
        planned: |image| texts(&image.expose),
    },
    Key {
        name: "volumes",
        default: "[]",
        tables: [r#"["/1"]"#, r#"["/2", "/3"]"#, "[]"],
        variable: None,
        flags: None,
        planned: |image| texts(&image.volumes),
    },
    Key {
        name: "stop-signal",
        default: "",
        tables: [r#""SIGINT""#, r#""3""#, r#""SIGRTMIN+3""#],
        variable: None,
        flags: None,
        planned: |image| text(image.stop_signal.as_ref()),
    },
    Key {
        name: "labels",
        default: "",
        tables: [r#"{ a = "1" }"#, "{ a = false }", r#"{ a = "3" }"#],
        variable: None,
        flags: Some((&["--label", "a=4"], r#"{ a = "4" }"#)),
        planned: |image| label(&image.labels),
    },
    Key {
        name: "annotations",
        default: "",
        tables: [r#"{ a = "1" }"#, r#"{ a = "2" }"#, "{ a = false }"],
        variable: None,
        flags: Some((&["--annotation", "a=4"], r#"{ a = "4" }"#)),
        planned: |image| label(&image.annotations),
    },
    Key {
        name: "compression",
        default: r#""gzip""#,
        tables: [r#""zstd""#, r#""none""#, r#""gzip""#],
        variable: None,
        flags: Some((&["--compression", "zstd"], r#""zstd""#)),
        planned: |image| format!("{:?}", image.packing.compression).to_lowercase().replacen("", "\"", 1) + "\"",
    },
    Key {
        name: "max-size",
        default: "",
        tables: ["1000", "\"2 kB\"", "\"3 KiB\""],
        variable: None,
        flags: Some((&["--max-size", "4 MB"], "4000000")),
        planned: |image| match image.max_size {
            Some(1_000) => "1000".to_owned(),
            Some(2_000) => "\"2 kB\"".to_owned(),
            Some(3_072) => "\"3 KiB\"".to_owned(),
            other => other.map_or_else(String::new, |bytes| bytes.to_string()),
        },
    },
    Key {
        name: "features",
        default: "[]",
        tables: [r#"["f"]"#, r#"["g", "f"]"#, "[]"],
        variable: None,
        flags: Some((&["--features", "g"], "[]")),
        planned: |image| texts(&image.features.list),
    },
    Key {
        name: "no-default-features",
        default: "false",
        tables: ["true", "false", "true"],
        variable: None,
        // Any flag of cargo's about features takes the place of all that the tables say of them.
        flags: Some((&["-F", "g"], "false")),
        planned: |image| image.features.no_default.to_string(),
    },
    Key {
        name: "all-features",
        default: "false",
        tables: ["true", "false", "true"],
        variable: None,
        flags: Some((&["-F", "f"], "false")),
        planned: |image| image.features.all.to_string(),
    },
    Key {
        name: "profile",
        default: r#""release""#,
        tables: [r#""dev""#, r#""mine""#, r#""release""#],
        variable: None,
        flags: Some((&["--profile", "dev"], r#""dev""#)),
        planned: |image| text(Some(&image.profile)),
    },
    Key {
        name: "allocator",
        default: r#""system""#,
        tables: [r#""mimalloc""#, r#""jemalloc""#, r#""system""#],
        variable: None,
        flags: Some((&["--allocator", "mimalloc"], r#""mimalloc""#)),
        planned: |image| text(Some(&image.allocator())),
    },
    Key {
        name: "engine",
        default: "",
        tables: [r#""docker""#, r#""podman""#, r#""kind:a""#],
        variable: None,
        flags: None,
        planned: |image| text(image.engine.as_ref()),
    },
    Key {
        name: "files",
        default: "[]",
        tables: [
            r#"[{ from = "1", to = "/1" }]"#,
            r#"[{ from = "2", to = "/2" }, { from = "2/**", to = "/2/" }]"#,
            r#"[{ from = "3", to = "/3" }]"#,
        ],
        variable: None,
        flags: None,
        planned: |image| {
            let rules = image.files.iter().map(|rule| (rule.title().0, rule.to.get_ref()));
            let rules: Vec<_> = rules.map(|(from, to)| format!("{{ from = {from:?}, to = {to:?} }}")).collect();
            format!("[{}]", rules.join(", "))
        },
    },
    Key {
        name: "sbom",
        default: r#"["cyclonedx"]"#,
        tables: [r#"["spdx"]"#, r#"["cyclonedx", "spdx"]"#, r#"["cyclonedx"]"#],
        variable: None,
        flags: Some((&["--sbom", "spdx,cyclonedx"], r#"["cyclonedx", "spdx"]"#)),
        planned: |image| texts(&image.sbom),
    },
    Key {
        name: "provenance",
        default: "true",
        tables: ["false", "true", "false"],
        variable: None,
        flags: Some((&["--provenance", "true"], "true")),
        planned: |image| image.provenance.to_string(),
    },
    Key {
        name: "attestations",
        default: r#""referrers""#,
        tables: [r#""index""#, r#""both""#, r#""referrers""#],
        variable: None,
        flags: Some((&["--attestations", "both"], r#""both""#)),
        planned: |image| format!("\"{}\"", image.attestations),
    },
    Key {
        name: "signature-format",
        default: r#""bundle""#,
        tables: [r#""legacy""#, r#""both""#, r#""bundle""#],
        variable: None,
        // Of commands that sign.
        flags: None,
        planned: |image| format!("\"{}\"", image.signature_format),
    },
    Key {
        name: "policy",
        default: "",
        tables: ["{ max-age = \"1d\" }", "{ max-age = \"2w\" }", "{ max-age = \"3h\" }"],
        variable: None,
        flags: None,
        planned: |image| {
            let age = image.policy.as_ref().and_then(|policy| policy.max_age.as_ref());
            age.map_or_else(String::new, |age| format!("{{ max-age = \"{}\" }}", age.text))
        },
    },
    Key {
        name: "vex",
        default: "[]",
        tables: [r#"["/a.openvex.json"]"#, r#"["/b", "/c"]"#, "[]"],
        variable: None,
        flags: Some((&["--vex", "d", "--vex", "e"], r#"["d", "e"]"#)),
        planned: |image| texts(&image.vex.iter().map(|path| path.display()).collect::<Vec<_>>()),
    },
    Key {
        name: "auditable",
        default: "true",
        tables: ["false", "true", "false"],
        variable: None,
        flags: Some((&["--auditable", "true"], "true")),
        planned: |image| image.auditable.to_string(),
    },
    Key {
        name: "test",
        default: "[]",
        tables: [r#"[{ name = "a", run = [] }]"#, r#"[{ name = "b", run = [] }]"#, "[]"],
        variable: None,
        flags: None,
        planned: |image| {
            let tests = image
                .tests
                .iter()
                .map(|test| format!("{{ name = {:?}, run = [] }}", test.name.as_deref().unwrap_or_default()));
            format!("[{}]", tests.collect::<Vec<_>>().join(", "))
        },
    },
];

/// A package with five programs and two features.
fn project() -> Project {
    let project = Project::new("x").append("Cargo.toml", "[features]\nf = []\ng = []\n");
    ["a", "b", "c", "d"]
        .iter()
        .fold(project, |project, name| project.file(&format!("src/bin/{name}.rs"), "fn main() {}\n"))
}

/// Returns the plan of the image `y`.
fn planned(project: &Project, args: &[&str], variables: &[[&str; 3]]) -> ImagePlan {
    let manifest = project.path("Cargo.toml").display().to_string();
    let typed = ["cargo-oci", "build", "--image", "y", "--offline", "--manifest-path", &manifest];
    let Command::Build(args) = Cli::try_parse_from(typed.iter().chain(args)).expect("parses").command else {
        panic!("not a build");
    };
    let environment: Environment =
        [("CARGO", env!("CARGO"))].into_iter().chain(variables.iter().map(|[key, value, _]| (*key, *value))).collect();
    plan::make(&Request::new(&args.args), &environment).expect("a plan").images.remove(0)
}

#[test]
fn settings_follow_precedence_for_every_key() {
    environment::alone("table::settings_follow_precedence_for_every_key", || {
        let table = |place: &str, at: usize| {
            let lines = ALL.iter().map(|key| format!("{} = {}\n", key.name, key.tables[at])).collect::<String>();
            format!("[{place}]\n{lines}")
        };
        let image = "[package.metadata.oci.images.y]\n";
        let check = |place: &str, image: &ImagePlan, wanted: &dyn Fn(&Key) -> &'static str| {
            for key in &ALL {
                assert_eq!((key.planned)(image), wanted(key), "{} of the {place}", key.name);
            }
        };
        check("default", &planned(&project().append("Cargo.toml", image), &[], &[]), &|key| key.default);

        let project = project().append("Cargo.toml", &table("workspace.metadata.oci", 0));
        let project = project.append("Cargo.toml", image);
        check("workspace", &planned(&project, &[], &[]), &|key| key.tables[0]);
        let project = project.append("Cargo.toml", &table("package.metadata.oci", 1));
        check("package", &planned(&project, &[], &[]), &|key| key.tables[1]);
        let text = std::fs::read_to_string(project.path("Cargo.toml")).expect("a file").replace(image, "");
        let project = project.file("Cargo.toml", &(text + &table("package.metadata.oci.images.y", 2)));
        check("image", &planned(&project, &[], &[]), &|key| key.tables[2]);

        let variables: Vec<_> = ALL.iter().filter_map(|key| key.variable).collect();
        let said = |key: &Key| key.variable.map_or(key.tables[2], |[_, _, meaning]| meaning);
        check("environment", &planned(&project, &[], &variables), &said);
        let flags: Vec<_> = ALL.iter().filter_map(|key| Some(key.flags?.0)).flatten().copied().collect();
        check("flags", &planned(&project, &flags, &variables), &|key| {
            key.flags.map_or(key.tables[2], |(_, meaning)| meaning)
        });
    });
}

#[test]
fn entrypoint_is_one_of_the_binaries() {
    environment::alone("table::entrypoint_is_one_of_the_binaries", || {
        let of_a = project().append("Cargo.toml", "[package.metadata.oci.images.y]\nbins = [\"a\"]\ncmd = [\"-1\"]\n");
        let starts = |project: &Project, args: &[&str]| {
            let image = planned(project, args, &[]);
            (image.entrypoint, image.cmd)
        };
        let program = |name: &str, cmd: &[&str]| {
            (vec![format!("/app/{name}")], cmd.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(starts(&of_a, &[]), program("a", &["-1"]));
        assert_eq!(starts(&of_a, &["--bin", "a", "--bin", "b"]), program("a", &["-1"]));
        assert_eq!(starts(&of_a, &["--bin", "b"]), program("b", &[]));
        assert_eq!(starts(&of_a, &["--bin", "b", "--cmd", "2"]), program("b", &["2"]));
        let table = "[package.metadata.oci.images.y]\nbins = [\"a\", \"b\"]\nentrypoint = [\"/app/b\"]\n";
        let of_two = project().append("Cargo.toml", table);
        assert_eq!(starts(&of_two, &["--bin", "b"]), program("b", &[]));
        assert_eq!(starts(&of_two, &["--bin", "a"]), program("a", &[]));
    });
}

#[test]
fn placeholders_are_for_repositories_and_labels() {
    environment::alone("table::placeholders_are_for_repositories_and_labels", || {
        let table = "[package.metadata.oci.images.y]\nlabels = { run = \"{env.RUN?}\", build = \"{env.BUILD} {a}\" }\n";
        let project = project().append("Cargo.toml", table);
        let variables = [
            ["CARGO_OCI_REPOSITORY", "ghcr.io/{env.OWNER|lower}/", ""],
            ["CARGO_OCI_TAGS", "{version},{git.tag?}", ""],
            ["OWNER", "Acme", ""],
            ["BUILD", "7", ""],
        ];
        let image = planned(&project, &[], &variables);
        assert_eq!(image.repositories.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ghcr.io/acme/y:latest"]);
        assert_eq!(image.tags, ["0.1.0"]);
        assert_eq!(image.labels.get("build"), Some(&Some("7 {a}".to_owned())));
        assert_eq!(image.labels.get("run"), None);
    });
}

#[test]
fn missing_entrypoint_is_reported() {
    environment::alone("table::missing_entrypoint_is_reported", || {
        let missing = |entrypoint: &str| {
            let table = format!("[package.metadata.oci.images.y]\nentrypoint = [\"{entrypoint}\"]\nbins = [\"a\"]\n");
            planned(&project().append("Cargo.toml", &table), &[], &[]).missing_program()
        };
        assert_eq!(
            missing("/app/nope").as_deref(),
            Some("the entrypoint of the image y is /app/nope, but its binaries are a")
        );
        assert_eq!((missing("/app/a"), missing("/sbin/init")), (None, None));
    });
}

#[test]
fn keys_are_all_covered() {
    let here: Vec<_> = ALL.iter().map(|key| key.name).collect();
    assert_eq!(here, KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    for (key, row) in ALL.iter().zip(KEYS) {
        // The plan writes platforms with their variant, and the formats of SBOMs as an array.
        if let KeyDefault::Value(default) = row.default
            && !["platforms", "sbom"].contains(&key.name)
        {
            assert_eq!(key.default, default, "{}", key.name);
        }
    }
}
