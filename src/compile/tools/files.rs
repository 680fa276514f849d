//! Files that CMake and Meson read: the tools of a target, and where libraries for it can be.

use std::path::Path;

use crate::platform::Target;

/// The name of Meson's file, beside the links.
pub(super) const MESON_FILE: &str = "meson.ini";

/// Returns CMake's toolchain file. What earlier build scripts built is found in the target folder, nothing else is.
pub(crate) fn cmake_file(target: Target, tools: &Path) -> String {
    let tool = |name: &str| tools.join(name).display().to_string().replace('\\', "/");
    format!(
        r#"set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR {processor})
set(CMAKE_C_COMPILER "{cc}")
set(CMAKE_CXX_COMPILER "{cxx}")
set(CMAKE_AR "{ar}" CACHE FILEPATH "ar")
set(CMAKE_RANLIB "{ranlib}" CACHE FILEPATH "ranlib")
set(CMAKE_C_LINKER_DEPFILE_SUPPORTED FALSE)
set(CMAKE_CXX_LINKER_DEPFILE_SUPPORTED FALSE)
# Linking once to see whether that works has zig compile all of its libraries, which takes minutes. A missing compiler is
# reported when it is used.
set(CMAKE_C_COMPILER_WORKS TRUE)
set(CMAKE_CXX_COMPILER_WORKS TRUE)
# What CMake learns of the target by linking.
set(CMAKE_C_ABI_COMPILED TRUE)
set(CMAKE_CXX_ABI_COMPILED TRUE)
set(CMAKE_C_COMPILER_ABI ELF)
set(CMAKE_CXX_COMPILER_ABI ELF)
set(CMAKE_C_SIZEOF_DATA_PTR {pointer})
set(CMAKE_CXX_SIZEOF_DATA_PTR {pointer})
set(CMAKE_SIZEOF_VOID_P {pointer})
set(CMAKE_C_BYTE_ORDER {order})
set(CMAKE_CXX_BYTE_ORDER {order})
set(PKG_CONFIG_EXECUTABLE "{pkg_config}" CACHE FILEPATH "pkg-config")
# Libraries of this machine are for another libc. Those that build scripts built are below the folder of the target.
set(CMAKE_FIND_ROOT_PATH "{tools}")
if("$ENV{{OUT_DIR}}" MATCHES "^(.*/{triple})/")
  list(APPEND CMAKE_FIND_ROOT_PATH "${{CMAKE_MATCH_1}}")
endif()
if(DEFINED ENV{{CMAKE_FIND_ROOT_PATH_{key}}})
  list(APPEND CMAKE_FIND_ROOT_PATH "$ENV{{CMAKE_FIND_ROOT_PATH_{key}}}")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"#,
        processor = processor(target),
        pointer = if matches!(processor(target), "armv7" | "armv6" | "i686") { 4 } else { 8 },
        order = if processor(target) == "s390x" { "BIG_ENDIAN" } else { "LITTLE_ENDIAN" },
        cc = tool("cc"),
        cxx = tool("c++"),
        ar = tool("ar"),
        ranlib = tool("ranlib"),
        pkg_config = tool("pkg-config"),
        tools = tools.display().to_string().replace('\\', "/"),
        triple = target.triple,
        key = target.env_key(),
    )
}

/// Returns Meson's cross file.
pub(crate) fn meson_file(target: Target, tools: &Path) -> String {
    let tool = |name: &str| tools.join(name).display().to_string().replace('\\', "/").replace('\'', "\\'");
    let processor = processor(target);
    let family = match processor {
        "i686" => "x86",
        "armv7" | "armv6" => "arm",
        "powerpc64le" => "ppc64",
        other => other,
    };
    let endian = if processor == "s390x" { "big" } else { "little" };
    format!(
        "[binaries]\nc = '{}'\ncpp = '{}'\nar = '{}'\nranlib = '{}'\npkg-config = '{}'\npkgconfig = '{}'\n\n\
         [built-in options]\ndefault_library = 'static'\n\n\
         [host_machine]\nsystem = 'linux'\ncpu_family = '{family}'\ncpu = '{processor}'\nendian = '{endian}'\n",
        tool("cc"),
        tool("c++"),
        tool("ar"),
        tool("ranlib"),
        tool("pkg-config"),
        tool("pkg-config"),
    )
}

/// Returns the name of the processor as `uname -m` prints it.
fn processor(target: Target) -> &'static str {
    match target.triple.split_once('-').map_or(target.triple, |(architecture, _)| architecture) {
        "arm" => "armv6",
        "riscv64gc" => "riscv64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::TARGETS;

    #[test]
    fn cmake_file_finds_what_build_scripts_built() {
        let file = cmake_file(TARGETS[1], Path::new("/cache/tools/aarch64-unknown-linux-musl"));
        assert!(file.contains("set(CMAKE_C_COMPILER \"/cache/tools/aarch64-unknown-linux-musl/cc\")"), "{file}");
        assert!(file.contains("MATCHES \"^(.*/aarch64-unknown-linux-musl)/\""), "{file}");
        assert!(file.contains("set(CMAKE_SYSTEM_PROCESSOR aarch64)"), "{file}");
    }

    #[test]
    fn meson_file_names_processor_families() {
        for (target, family) in TARGETS.iter().zip(["x86_64", "aarch64", "arm", "arm", "x86", "riscv64", "ppc64"]) {
            let file = meson_file(*target, Path::new("/tools"));
            assert!(file.contains(&format!("cpu_family = '{family}'\n")), "{file}");
        }
    }
}
