//! Programs with another allocator than that of the C library.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::container::{Runtime, run, unpack};
use crate::support::project::{Call, Project};
use crate::support::{digest, problems};

/// The folder in which allocators are compiled, kept between runs: jemalloc takes minutes, if zig compiles it.
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/fixtures-allocators");
const AMD64: &str = "x86_64-unknown-linux-musl";
const ARM64: &str = "aarch64-unknown-linux-musl";

/// Returns a call that builds in the folder, which one test at a time uses: cargo locks it.
fn build(project: &Project, args: &[&str]) -> Call {
    let cache = Path::new(TARGET).join("cache");
    project.build(&[&["--target-dir", TARGET], args].concat()).with_zig().env("CARGO_OCI_CACHE_DIR", cache)
}

/// Returns whether a symbol table of a program, or its text, has this.
fn has(program: &Path, text: &str) -> bool {
    let content = fs::read(program).expect("a program");
    content.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Runs the image for both architectures.
#[track_caller]
fn runs(project: &Project, layout: &Path) {
    assert_eq!(problems(layout), []);
    for architecture in ["amd64", "arm64"] {
        let bundle = project.path(architecture);
        let _ = fs::remove_dir_all(&bundle);
        unpack(layout, "latest", architecture, &bundle);
        let ran = run(&bundle, Runtime::Runc, &[]);
        assert_eq!(ran.status, 0, "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stdout.contains("sum="), "{}", ran.stdout);
    }
}

/// A program of this name whose threads allocate.
fn project(name: &str) -> Project {
    let source = "fn main() {\n    let threads: Vec<_> = (0..4u8).map(|one| std::thread::spawn(move || {\n        \
                  (0..10_000).map(|size| vec![one; size % 700].len()).sum::<usize>()\n    })).collect();\n    \
                  let sum: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();\n    \
                  println!(\"sum={sum}\");\n}\n";
    Project::new(name).file("src/main.rs", source)
}

#[test]
fn allocators_are_linked_for_both_platforms() {
    let project = project("allocating");
    let layout = Path::new(TARGET).join("oci/allocating");
    let programs = [AMD64, ARM64].map(|triple| Path::new(TARGET).join(triple).join("release/allocating"));
    for (allocator, symbol) in [("mimalloc", "mi_malloc"), ("jemalloc", "oci_je_"), ("system", "__libc_malloc_impl")] {
        build(&project, &["--allocator", allocator]).succeeds();
        for program in &programs {
            // musl's own list of functions to call at the end is in its own memory, whatever `malloc` is: jemalloc adds to it.
            for other in ["mi_malloc", "oci_je_", "__libc_malloc_impl"] {
                let may_have = other == symbol || (allocator, other) == ("jemalloc", "__libc_malloc_impl");
                assert!(
                    has(program, symbol) && (may_have || !has(program, other)),
                    "{allocator}: {other} in {}",
                    program.display()
                );
            }
        }
        runs(&project, &layout);
    }
}

#[test]
fn allocator_change_compiles_no_dependency() {
    let project = project("relinked")
        .append("Cargo.toml", "[dependencies]\nbeside.path = \"beside\"\n[workspace]\nexclude = [\"beside\"]\n");
    let project = project
        .file("beside/Cargo.toml", "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .file("beside/src/lib.rs", "");
    let amd64 = ["--platform", "linux/amd64"];
    build(&project, &amd64).succeeds();
    let said = build(&project, &[&amd64[..], &["--allocator", "mimalloc"]].concat()).succeeds().stderr;
    assert!(said.contains("Compiling relinked v0.1.0") && !said.contains("Compiling beside"), "{said}");
    let said = build(&project, &[&amd64[..], &["--allocator", "mimalloc"]].concat()).succeeds().stderr;
    assert!(!said.contains("Compiling"), "{said}");
    let said = build(&project, &amd64).succeeds().stderr;
    assert!(!said.contains("Compiling beside"), "{said}");
}

#[test]
fn allocator_that_changes_is_linked_again() {
    let project = project("renewed");
    let args = ["--platform", "linux/amd64", "--allocator", "mimalloc"];
    build(&project, &args).succeeds();
    let library = Path::new(TARGET).join("oci-allocator/mimalloc").join(AMD64).join("liboci_mimalloc.a");
    // As if another compiler had made it.
    fs::write(&library, fs::read(&library).expect("a library")).expect("a library");
    let said = build(&project, &args).succeeds().stderr;
    assert!(said.contains("Compiling renewed v0.1.0"), "{said}");
}

#[test]
fn two_images_have_their_own_allocators() {
    let tables = "[package.metadata.oci]\nplatforms = [\"linux/amd64\"]\n[package.metadata.oci.images.fast]\nallocator = \"mimalloc\"\n";
    let project = project("paired").append("Cargo.toml", tables);
    build(&project, &[]).succeeds();
    let programs = ["0", "1"].map(|run| Path::new(TARGET).join("oci-runs").join(run).join(AMD64).join("paired"));
    assert_eq!(programs.map(|program| has(&program, "mi_malloc")), [false, true]);
    let of = |name: &str| digest(&Path::new(TARGET).join("oci").join(name));
    let before = ["paired", "fast"].map(of);
    build(&project, &[]).succeeds();
    assert_eq!(["paired", "fast"].map(of), before);
}

#[test]
fn own_global_allocator_is_refused() {
    let own = "#[global_allocator]\nstatic OWN: std::alloc::System = std::alloc::System;\n";
    let in_program = project("owning").file("src/own.rs", own);
    let main = fs::read_to_string(in_program.path("src/main.rs")).expect("a file");
    let in_program = in_program.file("src/main.rs", &format!("mod own;\n{main}"));
    let in_dependency = project("leaning")
        .append("Cargo.toml", "[dependencies]\nowner.path = \"owner\"\n")
        .file("owner/Cargo.toml", "[package]\nname = \"owner\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
        .file("owner/src/lib.rs", own)
        .file("src/main.rs", &format!("use owner as _;\n{main}"));
    let with_macro = format!("#[macro_export]\nmacro_rules! install {{ () => {{ {own} }} }}\n");
    let by_macro = project("installing")
        .append("Cargo.toml", "[dependencies]\nowner.path = \"owner\"\n")
        .file("owner/Cargo.toml", &fs::read_to_string(in_dependency.path("owner/Cargo.toml")).expect("a file"))
        .file("owner/src/lib.rs", &with_macro)
        .file("src/main.rs", &format!("owner::install!();\n{main}"));
    let elsewhere = project("pointing")
        .file("beside.rs", own)
        .file("src/main.rs", &format!("#[path = \"../beside.rs\"]\nmod beside;\n{main}"));
    for (project, package, owner) in [
        (&in_program, "owning", "owning"),
        (&in_dependency, "leaning", "owner"),
        (&by_macro, "installing", "installing"),
        (&elsewhere, "pointing", "pointing"),
    ] {
        let lto = ["--config", "profile.release.lto=true"];
        let args = [&["--platform", "linux/amd64", "--allocator", "mimalloc"], &lto[..]].concat();
        let words = build(project, &args).fails(101);
        let expected =
            format!("cannot link the allocator mimalloc into {package}: the crate {owner} has a `#[global_allocator]`");
        assert!(words.contains(&expected), "{words}");
        assert!(words.contains("help: remove `allocator` from the table"), "{words}");
    }
    // What the program does not use is not in it.
    let unused = in_dependency.file("src/main.rs", &main);
    build(&unused, &["--platform", "linux/amd64", "--allocator", "mimalloc"]).succeeds();
}

#[test]
fn allocator_needs_a_compiler_for_the_target() {
    let project = project("bare");
    let words = project.build(&["--platform", "linux/arm64", "--allocator", "mimalloc"]).without_zig().fails(1);
    let expected = format!("cannot build the allocator mimalloc for {ARM64}: there is no C compiler for it");
    assert!(words.contains(&expected), "{words}");
    assert!(words.contains("help: `pip install ziglang`"), "{words}");
    assert!(!project.path("target/oci").join("bare/index.json").exists());
}

#[test]
fn allocator_sources_come_from_cargo_alone() {
    let project = project("lonely");
    let args = ["--platform", "linux/amd64", "--allocator", "mimalloc", "--offline"];
    // A home without a registry.
    let words = project.build(&args).with_zig().env("CARGO_HOME", project.path("home")).fails(1);
    assert!(
        words.contains("cannot get libmimalloc-sys 0.1.49, which has the sources of the allocator mimalloc"),
        "{words}"
    );
    assert!(words.contains("help: build once without `--offline`"), "{words}");
}

#[test]
fn allocator_is_named_in_sbom_and_provenance() {
    let project = project("named");
    let folder = project.path("sboms");
    let args = ["--platform", "linux/amd64", "--allocator", "mimalloc", "--sbom-dir", folder.to_str().expect("a path")];
    let metadata = project.path("result.json");
    let result = ["--metadata-file", metadata.to_str().expect("a path")];
    build(&project, &[&args[..], &result].concat()).succeeds();
    let mut sbom = fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").path());
    let sbom = sbom.find(|path| path.to_str().is_some_and(|path| path.ends_with(".cdx.json"))).expect("an SBOM");
    let sbom: Value = serde_json::from_slice(&fs::read(sbom).expect("a file")).expect("JSON");
    let components = sbom["components"].as_array().expect("components");
    let found = components.iter().find(|component| component["name"] == "libmimalloc-sys").expect("the allocator");
    assert_eq!((&found["version"], &found["licenses"][0]["expression"]), (&"0.1.49".into(), &"MIT".into()));
    let layout = Path::new(TARGET).join("oci/named");
    let blobs = fs::read_dir(layout.join("blobs/sha256")).expect("blobs").map(|blob| blob.expect("a blob").path());
    let provenance = blobs.filter_map(|blob| serde_json::from_slice::<Value>(&fs::read(blob).ok()?).ok());
    let mut provenance = provenance.map(|statement| statement["predicate"]["buildDefinition"].clone());
    let definition = provenance.find(Value::is_object).expect("a provenance");
    assert_eq!(definition["externalParameters"]["allocator"], "mimalloc");
    let resolved = definition["resolvedDependencies"].to_string();
    assert!(resolved.contains("pkg:cargo/libmimalloc-sys@0.1.49"), "{resolved}");
}

#[test]
fn advice_is_given_once() {
    let project = Project::fixture("service");
    let build = |args: &[&str]| project.build(&[&["--platform", "linux/amd64"], args].concat());
    let note = "note: service uses threads of tokio";
    assert!(!build(&["-q"]).succeeds().stderr.contains(note));
    assert!(!build(&["--allocator", "system"]).succeeds().stderr.contains(note));
    assert_eq!([(); 2].map(|()| build(&[]).succeeds().stderr.contains(note)), [true, false]);
}

#[test]
fn toolchains_that_link_dynamically_make_static_programs() {
    let project = project("static");
    // As that of Alpine: a flag that comes first gives the default.
    project.program("rustc", "exec \"$REAL\" -C target-feature=-crt-static \"$@\"");
    let real =
        crate::support::process::output(crate::support::environment::command("rustc").args(["--print", "sysroot"]));
    let real = Path::new(real.trim()).join("bin/rustc");
    project.build(&[]).env("RUSTC", project.path("programs/rustc")).env("REAL", real).succeeds();
    assert_eq!(problems(&project.layout()), []);
    let chosen = ["--config", "target.x86_64-unknown-linux-musl.rustflags='-Ctarget-feature=-crt-static'"];
    let words = project.build(&[&["--platform", "linux/amd64"], &chosen[..]].concat()).fails(1);
    assert!(words.contains("remove `-C target-feature=-crt-static` from your rustflags"), "{words}");
}
