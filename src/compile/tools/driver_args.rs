//! A linker's arguments → those of a compiler that links.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Options of both, which a compiler passes on.
const OF_BOTH: [&str; 7] = ["-o", "-L", "-l", "-u", "-T", "-s", "-shared"];

/// Returns the arguments with which a compiler links the same. `is_zig`: zig has its own start files and libc, which the
/// others' compilers would add a second time.
pub(super) fn driver_args(args: &[OsString], is_zig: bool) -> Vec<OsString> {
    let is_independent = is_independent(args);
    let is_static = args.iter().any(|arg| arg == "-static");
    let mut driver: Vec<OsString> = Vec::new();
    let mut left = args.iter();
    while let Some(arg) = left.next() {
        let text = arg.to_string_lossy();
        if matches!(&*text, "-flavor" | "-m") {
            left.next();
        } else if is_zig && is_start_file(arg) {
            // Zig has its own.
        } else if matches!(&*text, "-static" | "-pie" | "-no-pie" | "--no-dynamic-linker") || text.starts_with("-melf")
        {
            // Said once, below.
        } else if matches!(&*text, "-o" | "-L" | "-u" | "-T") {
            driver.push(arg.clone());
            driver.extend(left.next().cloned());
        } else if text == "-z" || text == "-plugin-opt" || text == "-e" {
            let value = left.next().cloned().unwrap_or_default();
            if !(is_zig && text == "-z" && !is_known_to_zig(&value.to_string_lossy())) {
                driver.push(joined(&format!("-Wl,{text},"), &value));
            }
        } else if !text.starts_with('-') || is_of_both(&text) || text.starts_with("-fsanitize") {
            driver.push(arg.clone());
        } else if text.contains(',') {
            driver.extend(["-Xlinker".into(), arg.clone()]);
        } else {
            driver.push(joined("-Wl,", arg));
        }
    }
    match (is_static, is_independent) {
        (true, true) => driver.push("-static-pie".into()),
        (true, false) => driver.extend(["-static".into(), "-no-pie".into()]),
        (false, true) => driver.push("-pie".into()),
        (false, false) => {}
    }
    driver.extend(["-nostartfiles".into(), "-nodefaultlibs".into()]);
    if !is_zig {
        // Code of GCC may call functions of its own library that Rust's has not.
        driver.push("-lgcc".into());
    }
    driver
}

fn is_of_both(text: &str) -> bool {
    OF_BOTH.iter().any(|option| text == *option || option.len() == 2 && *option != "-s" && text.starts_with(option))
}

/// Returns whether zig takes a value of `-z`: it rejects others, of which `text` and `noexecstack` are what it does anyway.
fn is_known_to_zig(value: &str) -> bool {
    const KNOWN: [&str; 9] = ["nodelete", "notext", "defs", "undefs", "origin", "nocopyreloc", "now", "lazy", "relro"];
    KNOWN.contains(&value) || value == "norelro" || value.contains("-page-size=")
}

fn is_independent(args: &[OsString]) -> bool {
    let last = args.iter().rev().find(|arg| *arg == "-pie" || *arg == "-no-pie");
    last.is_some_and(|arg| arg == "-pie")
}

/// Returns whether a file is a start file of Rust's own musl.
fn is_start_file(arg: &OsStr) -> bool {
    let path = Path::new(arg);
    let is_object = path.extension().is_some_and(|extension| extension == "o");
    let is_crt = is_object && path.file_stem().is_some_and(|name| name.to_string_lossy().contains("crt"));
    is_crt && path.iter().any(|part| part == "self-contained")
}

fn joined(before: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(before);
    text.push(value);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_args_are_those_that_rustc_writes_for_gcc() {
        let args = "-flavor gnu /r/self-contained/rcrt1.o main.rcgu.o --as-needed -Bstatic /r/libstd.rlib -lunwind -lc -L /deps \
                    -z noexecstack -o /out --gc-sections -static -pie --no-dynamic-linker -O1 -s --defsym=a,b -melf_x86_64";
        let expected = "/r/self-contained/rcrt1.o main.rcgu.o -Wl,--as-needed -Wl,-Bstatic /r/libstd.rlib -lunwind -lc -L /deps \
                        -Wl,-z,noexecstack -o /out -Wl,--gc-sections -Wl,-O1 -s -Xlinker --defsym=a,b -static-pie -nostartfiles \
                        -nodefaultlibs -lgcc";
        let split = |text: &str| text.split_whitespace().map(OsString::from).collect::<Vec<_>>();
        let args = split(args);
        assert_eq!(driver_args(&args, false), split(expected));
        let of_zig = ["/r/self-contained/rcrt1.o ", "-Wl,-z,noexecstack ", " -lgcc"];
        let of_zig = of_zig.iter().fold(expected.to_owned(), |text, other| text.replace(other, ""));
        assert_eq!(driver_args(&args, true), split(&of_zig));
        assert_eq!(
            driver_args(&split("a.o -z text -z now -z notext"), true)[..3],
            split("a.o -Wl,-z,now -Wl,-z,notext")
        );
        assert_eq!(driver_args(&split("a.o -static"), true), split("a.o -static -no-pie -nostartfiles -nodefaultlibs"));
    }
}
