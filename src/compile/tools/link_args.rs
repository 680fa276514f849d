//! A linker's arguments, some of them written for a compiler that links → what LLVM's linker takes.
//!
//! rustc writes what this linker takes. What build scripts add with `rustc-link-arg` is written for a C compiler in most crates,
//! since that is what links on their authors' machines.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a linker is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LinkArgs {
    /// Its arguments.
    pub args: Vec<OsString>,
    /// An argument that only a compiler understands, or a library that only a compiler has.
    pub for_compiler: Option<String>,
}

/// Options whose values are arguments of their own.
const WITH_VALUE: [&str; 14] = [
    "-o",
    "-L",
    "-T",
    "-u",
    "-z",
    "-e",
    "-y",
    "-m",
    "-flavor",
    "-plugin",
    "-plugin-opt",
    "-rpath",
    "-soname",
    "-dynamic-linker",
];

/// What a compiler does when it links, and rustc has done or this linker does always.
const DONE: [&str; 22] = [
    "-pthread",
    "-pthreads",
    "-nostartfiles",
    "-nodefaultlibs",
    "-nostdlib",
    "-nostdlib++",
    "-nolibc",
    "-static-libgcc",
    "-static-libstdc++",
    "-shared-libgcc",
    "-pipe",
    "-no-canonical-prefixes",
    "-Qunused-arguments",
    "-O",
    "-Os",
    "-Oz",
    "-Og",
    "-Ofast",
    "-rtlib=compiler-rt",
    "-unwindlib=libunwind",
    "-c",
    "-integrated-as",
];

/// How arguments begin that say how code is compiled, not how it is linked.
const OF_CODE: [&str; 22] = [
    "-fuse-ld=",
    "--ld-path=",
    "-fPI",
    "-fpi",
    "-fno-",
    "-flto",
    "-fvisibility",
    "-ffunction-sections",
    "-fdata-sections",
    "-fstack-",
    "-fomit-",
    "-fcommon",
    "-fexceptions",
    "-funwind-tables",
    "-fasynchronous-unwind-tables",
    "-fdiagnostics",
    "-march=",
    "-mcpu=",
    "-mtune=",
    "-std=",
    "--target=",
    "--gcc-toolchain=",
];

/// Libraries of which musl has everything in `libc.a`, and elsewhere only empty files.
const IN_LIBC: [&str; 8] = ["m", "dl", "pthread", "rt", "util", "xnet", "resolv", "crypt"];

/// Libraries of compilers for which Rust has its own.
const IN_RUST: [&str; 3] = ["gcc", "gcc_s", "gcc_eh"];

/// Libraries that come with a C or C++ compiler.
const OF_COMPILER: [&str; 11] = [
    "stdc++",
    "stdc++fs",
    "supc++",
    "c++",
    "c++abi",
    "c++experimental",
    "gomp",
    "omp",
    "atomic",
    "quadmath",
    "gfortran",
];

/// The start files of a program at a fixed address, and those of one at any.
const START_FILES: [[&str; 2]; 3] = [["crt1.o", "rcrt1.o"], ["crtbegin.o", "crtbeginS.o"], ["crtend.o", "crtendS.o"]];

/// Translates what a compiler would.
pub(super) fn translate(args: Vec<OsString>) -> LinkArgs {
    let folders = library_folders(&args);
    let mut link = LinkArgs::default();
    let mut position = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let Some(text) = arg.to_str() else {
            link.args.push(arg);
            continue;
        };
        if WITH_VALUE.contains(&text) {
            link.args.push(arg);
            link.args.extend(args.next());
        } else if text == "-Xlinker" {
            link.args.extend(args.next());
        } else if let Some(linker_args) = text.strip_prefix("-Wl,") {
            link.args.extend(linker_args.split(',').map(OsString::from));
        } else if matches!(text, "-static-pie" | "-pie" | "-no-pie" | "-nopie") {
            position = Some(matches!(text, "-static-pie" | "-pie"));
            link.args.push(if text.starts_with("-no") { "-no-pie" } else { "-pie" }.into());
        } else if let Some(library) = text.strip_prefix("-l") {
            let library = if library.is_empty() { args.next() } else { Some(library.into()) };
            link.library(&library.unwrap_or_default(), &folders);
        } else if matches!(text, "-target" | "-isysroot" | "-I" | "-D" | "-B" | "-include" | "-isystem") {
            args.next();
        } else {
            link.other(text);
        }
    }
    link.use_start_files(position);
    link
}

impl LinkArgs {
    fn other(&mut self, text: &str) {
        let is_of_code = OF_CODE.iter().any(|prefix| text.starts_with(prefix)) || is_machine(text) || is_debug(text);
        // A linker has `-Bstatic`, `-Bdynamic`, `-Bsymbolic`, `-Bno-symbolic` and `-Bgroup`, and no other word that begins so.
        let is_folder = text.starts_with("-B") && text[2..].starts_with(['/', '.']);
        let is_for_headers = ["-D", "-I", "-W", "-U"].iter().any(|prefix| text.starts_with(prefix));
        if is_of_code || is_folder || is_for_headers || DONE.contains(&text) {
            return;
        }
        match text {
            "-rdynamic" => self.args.push("--export-dynamic".into()),
            "-O3" => self.args.push("-O2".into()),
            _ => self.args.push(text.into()),
        }
        let needs_compiler =
            ["-fsanitize", "-fprofile", "-fopenmp", "-fcoverage", "-specs", "--specs", "--coverage", "-pg"];
        if needs_compiler.iter().any(|prefix| text.starts_with(prefix)) {
            self.for_compiler.get_or_insert(text.to_owned());
        }
    }

    fn library(&mut self, library: &OsStr, folders: &[PathBuf]) {
        let name = library.to_str().unwrap_or_default();
        let mut option = OsString::from("-l");
        option.push(library);
        if has_library(folders, library) {
            self.args.push(option);
        } else if IN_RUST.contains(&name) {
            // Beside Rust's own functions of compilers is only what unwinds.
            self.args.extend(has_library(folders, OsStr::new("unwind")).then(|| "-lunwind".into()));
        } else if !IN_LIBC.contains(&name) {
            if OF_COMPILER.contains(&name) {
                self.for_compiler.get_or_insert(format!("-l{name}"));
            }
            self.args.push(option);
        }
    }

    /// Uses the start files that suit the position of a static program, which a crate may change after rustc chose it.
    fn use_start_files(&mut self, is_independent: Option<bool>) {
        let Some(is_independent) = is_independent.filter(|_| self.args.iter().any(|arg| arg == "-static")) else {
            return;
        };
        let (from, to) = if is_independent { (0, 1) } else { (1, 0) };
        for arg in &mut self.args {
            let path = Path::new(arg);
            let files = START_FILES.iter().find(|files| path.file_name().is_some_and(|name| name == files[from]));
            let other = files.map(|files| path.with_file_name(files[to])).filter(|other| other.is_file());
            if let Some(other) = other {
                *arg = other.into();
            }
        }
        if is_independent && !self.args.iter().any(|arg| arg == "--no-dynamic-linker") {
            self.args.push("--no-dynamic-linker".into());
        }
    }
}

/// Returns whether an argument names the machine that code is compiled for, not the linker's `-m elf_x86_64`.
fn is_machine(text: &str) -> bool {
    let value = text.strip_prefix("-m").unwrap_or_default();
    matches!(value, "64" | "32" | "x32" | "arm" | "thumb")
        || ["no-", "sse", "avx", "abi=", "fpu=", "float-abi=", "tls-", "cmodel="]
            .iter()
            .any(|word| value.starts_with(word))
}

fn is_debug(text: &str) -> bool {
    let value = text.strip_prefix("-g").unwrap_or("x");
    value.chars().all(|c| c.is_ascii_digit())
        || ["gdb", "dwarf", "split-dwarf", "z"].iter().any(|word| value.starts_with(word))
}

/// Returns the folders of `-L`, which count for all libraries wherever they stand.
fn library_folders(args: &[OsString]) -> Vec<PathBuf> {
    let values =
        args.iter().zip(args.iter().skip(1)).filter(|(option, _)| *option == "-L").map(|(_, value)| value.into());
    let joined = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("-L").filter(|path| !path.is_empty()));
    values.chain(joined.map(PathBuf::from)).collect()
}

fn has_library(folders: &[PathBuf], name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let files = match name.strip_prefix(':') {
        Some(file) => vec![file.to_owned()],
        None => vec![format!("lib{name}.a"), format!("lib{name}.so")],
    };
    folders.iter().any(|folder| files.iter().any(|file| folder.join(file).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(args: &str) -> LinkArgs {
        translate(args.split_whitespace().map(OsString::from).collect())
    }

    #[track_caller]
    fn check(args: &str, expected: &str) {
        let expected = expected.split_whitespace().map(OsString::from).collect();
        assert_eq!(translated(args), LinkArgs { args: expected, for_compiler: None }, "{args}");
    }

    #[test]
    fn link_args_of_rustc_stay_as_they_are() {
        let args = "-flavor gnu /self-contained/crti.o a.rcgu.o --as-needed -Bstatic libstd.rlib -lunknown -L /deps -Bdynamic \
                    --eh-frame-hdr -z noexecstack -o /out/-static --gc-sections -static --no-dynamic-linker -z text -O1 -O2 \
                    --strip-debug --version-script=/x -melf_x86_64 -m elf_x86_64 --whole-archive -plugin-opt=O3 -shared -s -e main";
        check(args, args);
        check("/rustc/rcrt1.o -static -pie --no-dynamic-linker", "/rustc/rcrt1.o -static -pie --no-dynamic-linker");
    }

    #[test]
    fn link_args_of_compilers_are_translated() {
        for (args, expected) in [
            ("-Wl,--export-dynamic,-z,stack-size=8388608", "--export-dynamic -z stack-size=8388608"),
            ("-Wl,-rpath=/x -Wl,-Map,/out.map", "-rpath=/x -Map /out.map"),
            ("-Xlinker --defsym=a=1 -rdynamic", "--defsym=a=1 --export-dynamic"),
            ("-fuse-ld=mold -fuse-ld=lld -pthread -nostartfiles -nostdlib", ""),
            ("-s -static", "-s -static"),
            ("-m64 -march=armv8-a -mno-avx -g -g3 -ggdb -O3 -Os -flto=thin -fPIE", "-O2"),
            (
                "-gc-sections -Wall -Wa,--noexecstack -D X=1 -DY -I/usr/include -L/x -u main",
                "-gc-sections -L/x -u main",
            ),
            ("-Bsymbolic -B/usr/lib/gold -target x --target=y", "-Bsymbolic"),
            ("-no-pie", "-no-pie"),
            ("-lm -ldl -lpthread -lrt -lutil -lxnet -lresolv -lcrypt -l m -lgcc -lgcc_s -lz", "-lz"),
        ] {
            check(args, expected);
        }
    }

    #[test]
    fn stub_libraries_that_exist_are_linked() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["libm.a", "libstdc++.a", "libunwind.a"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let folders = format!("-L {}", folder.path().display());
        check(&format!("-lm -ldl -lstdc++ {folders}"), &format!("-lm -lstdc++ {folders}"));
        check(&format!("-lgcc_s {folders}"), &format!("-lunwind {folders}"));
    }

    #[test]
    fn what_only_compilers_know_is_named() {
        for (args, named) in [
            ("-lstdc++ -fsanitize=address", "-lstdc++"),
            ("-fsanitize=address", "-fsanitize=address"),
            ("-specs=nosys.specs", "-specs=nosys.specs"),
            ("-lc++ -lm", "-lc++"),
        ] {
            assert_eq!(translated(args).for_compiler.as_deref(), Some(named), "{args}");
        }
    }

    #[test]
    fn start_files_suit_the_position() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in START_FILES.concat() {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let at = |text: &str| text.replace("CRT", &folder.path().display().to_string());
        let fixed = "CRT/crt1.o CRT/crti.o CRT/crtbegin.o -static CRT/crtend.o";
        let any = "CRT/rcrt1.o CRT/crti.o CRT/crtbeginS.o -static CRT/crtendS.o";
        check(&at(&format!("{fixed} -static-pie")), &at(&format!("{any} -pie --no-dynamic-linker")));
        check(&at(&format!("{any} -pie -no-pie")), &at(&format!("{fixed} -pie -no-pie")));
        check(&at(&format!("{any} -pie")), &at(&format!("{any} -pie --no-dynamic-linker")));
    }
}
