#!/usr/bin/env bash
# Decides which cargo-oci the action installs: a release for this runner, or what the action's own source makes.
# Reads VERSION, RELEASES, ACTION_REPOSITORY, ACTION_REF; writes from, version, archive, url and key to GITHUB_OUTPUT.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"

own=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source_folder/Cargo.toml" | sed -n 1p)
wanted=${VERSION#v}
place=${RELEASES%/}
if [[ -z $place && -n $ACTION_REPOSITORY ]]; then
  place=$GITHUB_SERVER_URL/$ACTION_REPOSITORY/releases/download
fi

# The key of what is made of this source: all that is compiled, the compiler, and where the program runs.
take_source() {
  have cargo || die "cargo is not on PATH, and cargo-oci has to be compiled: $1" \
    "install Rust in a step before, or choose a release with the input \`version\`"
  local key
  key=$(cd "$source_folder" && {
    (cd "$RUNNER_TEMP" && rustc -vV)
    cat Cargo.toml Cargo.lock
    # In the order of their names, wherever the action is.
    find src -type f | LC_ALL=C sort | while IFS= read -r file; do
      echo "$file"
      cat "$file"
    done
  } | sha256)
  say "cargo-oci $own from source: $1"
  output from source
  output version "$own"
  output key "cargo-oci-program-$RUNNER_OS-$RUNNER_ARCH-$key"
  exit
}

[[ $wanted != source ]] || take_source "the input \`version\` says so"
if [[ -z $wanted ]]; then
  # Of a workflow, it is PATH@refs/tags/v0.1.0.
  ref=${ACTION_REF##*@}
  ref=${ref#refs/tags/}
  [[ $ref =~ ^v[0-9] ]] || take_source "the action is not used by the tag of a release"
  wanted=$own
fi

# without WHY: there is no such release. The source may be another version than the one that was asked for.
without() {
  [[ $wanted == "$own" ]] && take_source "$1"
  die "$1, and the action's source is cargo-oci $own" "choose another \`version\`, or use the action by its tag v$wanted"
}

case $RUNNER_OS-$RUNNER_ARCH in
  Linux-X64) target=x86_64-unknown-linux-musl ;;
  Linux-ARM64) target=aarch64-unknown-linux-musl ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  # Windows runs programs for x86_64 on ARM64 too.
  Windows-X64 | Windows-ARM64) target=x86_64-pc-windows-gnu ;;
  *) without "there is no release for $RUNNER_OS on $RUNNER_ARCH" ;;
esac
[[ $place ]] || without "it is not known where the releases are: the action is used by a path"
extension=tar.gz
[[ $RUNNER_OS == Windows ]] && extension=zip
archive=cargo-oci-$wanted-$target.$extension
url=$place/v$wanted

mkdir -p "$folder"
status=$(download "$url/SHA256SUMS" "$folder/SHA256SUMS") || true
case $status in
  200) ;;
  404) without "there is no release v$wanted at $place" ;;
  *) die "cannot download $url/SHA256SUMS: $(answer "$status")" "run the job again, or take the source: \`version: source\`" ;;
esac
[[ $(checksum "$archive") ]] || without "release v$wanted has no $archive"
say "cargo-oci $wanted from $url/$archive"
output from release
output version "$wanted"
output archive "$archive"
output url "$url"
