//! What crates tell the linker: words that a C compiler knows, and libraries that musl has in one file.

use std::path::Path;
use std::process::Command;

use crate::support::project::Project;

/// Arguments of one program each, as build scripts write them.
const ARGS: [(&str, &[&str]); 12] = [
    ("plain", &[]),
    ("wl", &["-Wl,--export-dynamic,-z,stack-size=8388608", "-Wl,-z,now"]),
    ("rdynamic", &["-rdynamic"]),
    ("staticpie", &["-static-pie"]),
    ("pie", &["-pie"]),
    ("nopie", &["-no-pie"]),
    ("strip", &["-s"]),
    ("fuseld", &["-fuse-ld=lld"]),
    ("mold", &["-fuse-ld=mold", "-flto", "-O3"]),
    ("start", &["-static", "-nostartfiles", "-nodefaultlibs", "-pthread", "-m64", "-g"]),
    ("xlinker", &["-Xlinker", "--build-id", "-L/nowhere", "-Wl,-Map,/dev/null"]),
    ("libraries", &["-lm", "-ldl", "-lpthread", "-lrt", "-lutil", "-lxnet", "-lresolv", "-lcrypt", "-lgcc_s", "-lgcc"]),
];

/// A package with one program for each, that unwinds and uses threads, and with libraries that its code names.
fn project() -> Project {
    let script: String = ARGS
        .iter()
        .flat_map(|(name, args)| {
            args.iter().map(move |arg| format!("println!(\"cargo::rustc-link-arg-bin={name}={arg}\");\n"))
        })
        .collect();
    let libraries = "println!(\"cargo::rustc-link-lib=m\");\nprintln!(\"cargo::rustc-link-lib=dylib=resolv\");\n";
    let program = "#[link(name = \"pthread\")]\n#[link(name = \"rt\")]\nunsafe extern \"C\" {}\n\n\
                   fn main() {\n    std::panic::set_hook(Box::new(|_| {}));\n    \
                   let thread = std::thread::spawn(|| panic!(\"unwinds\"));\n    \
                   println!(\"panicked={}\", thread.join().is_err());\n}\n";
    let project = Project::new("x").file("build.rs", &format!("fn main() {{\n{script}{libraries}}}\n"));
    ARGS.iter().fold(project, |project, (name, _)| project.file(&format!("src/bin/{name}.rs"), program))
}

#[test]
fn link_args_of_compilers_need_no_compiler() {
    let project = project();
    let bins: Vec<_> = ARGS.iter().flat_map(|(name, _)| ["--bin", *name]).collect();
    project.build(&bins).without_zig().succeeds();
    for triple in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        for (name, _) in ARGS {
            let path = project.path("target").join(triple).join("release").join(name);
            let output = Command::new(&path).output().expect("it starts");
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(text.trim_end(), "panicked=true", "{triple} {name}: {}", output.status);
        }
    }
    let size = |name: &str| size(&project.path("target/x86_64-unknown-linux-musl/release").join(name));
    assert!(size("strip") < size("plain"));
    assert!(size("rdynamic") > size("plain"), "symbols are exported");
}

fn size(path: &Path) -> u64 {
    path.metadata().expect("a program").len()
}

#[test]
fn link_arg_for_compilers_alone_is_named() {
    let script = "fn main() {\n    println!(\"cargo::rustc-link-arg-bins=-fsanitize=address\");\n}\n";
    let project = Project::new("x").file("build.rs", script);
    let words = project.build(&["--platform", "linux/arm64"]).without_zig().fails(101);
    let error = "x v0.1.0 is linked with `-fsanitize=address`, which only a C compiler understands, and there is none for \
                 aarch64-unknown-linux-musl";
    assert!(words.split_whitespace().collect::<Vec<_>>().join(" ").contains(error), "{words}");
    assert!(words.contains("pip install ziglang"), "{words}");
    assert!(words.contains("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER"), "{words}");
}

#[test]
fn link_args_of_rustflags_keep_the_linker() {
    let config = "[build]\nrustflags = [\"-C\", \"link-arg=-Wl,--build-id\", \"-Clink-args=-s -pthread\"]\n";
    let project = Project::new("x").file(".cargo/config.toml", config);
    project.build(&[]).without_zig().succeeds();
    for triple in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        let output = Command::new(project.path("target").join(triple).join("release/x")).output().expect("it starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello\n", "{triple}");
    }
}
