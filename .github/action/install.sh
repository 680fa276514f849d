#!/usr/bin/env bash
# Installs the cargo-oci that find.sh has found, and puts it on the PATH of the steps that follow.
# Reads FROM, VERSION, ARCHIVE, URL, ACTION_REPOSITORY, GH_TOKEN; writes from and version to GITHUB_OUTPUT.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"

made=$folder/made

install_release() {
  local status actual expected
  status=$(download "$URL/$ARCHIVE" "$folder/$ARCHIVE") || true
  [[ $status == 200 ]] || die "cannot download $URL/$ARCHIVE: $(answer "$status")" "run the job again"
  expected=$(checksum "$ARCHIVE")
  actual=$(sha256 <"$folder/$ARCHIVE")
  [[ $actual == "$expected" ]] \
    || die "$URL/$ARCHIVE has another checksum than SHA256SUMS says: $actual, not $expected" "do not use this release"
  say "SHA-256 $actual, as SHA256SUMS says"
  attested
  # In the folder: to tar, `D:` in a path is the name of a host.
  cd "$folder"
  case $ARCHIVE in
    # The tar of Windows reads them, that of Git does not.
    *.zip) if have unzip; then unzip -q -o "$ARCHIVE"; else "$SYSTEMROOT/System32/tar.exe" -xf "$ARCHIVE"; fi ;;
    *) tar -xzf "$ARCHIVE" ;;
  esac
  local inside=${ARCHIVE%.tar.gz}
  bin=$folder/${inside%.zip}
}

# Releases are attested by GitHub; its own program checks that, where it is new enough and knows who asks.
attested() {
  if [[ -z $ACTION_REPOSITORY || $GITHUB_SERVER_URL != https://github.com ]] || ! have gh \
    || ! gh attestation verify --help >/dev/null 2>&1; then
    say "the attestation is not verified: that needs GitHub's gh, and an action that is used by OWNER/NAME@REF"
    return
  fi
  gh attestation verify "$folder/$ARCHIVE" --repo "$ACTION_REPOSITORY" \
    --signer-workflow "$ACTION_REPOSITORY/.github/workflows/release.yml" >&2 \
    || die "GitHub has no attestation that $ACTION_REPOSITORY made $ARCHIVE" "do not use this release"
}

install_source() {
  bin=$made/bin
  if "$bin/cargo-oci$suffix" --version >/dev/null 2>&1; then
    say "taken from the cache"
    return
  fi
  # Not what the project sets for its own crates: toolchain, target and flags. The action may be in a folder of the project.
  mkdir -p "$folder/source"
  cp -R "$source_folder/." "$folder/source"
  cd "$folder/source"
  env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_TARGET \
    cargo install --locked --force --path . --root "$made" >&2
}

if [[ $FROM == release ]]; then
  install_release
else
  install_source
fi
said=$("$bin/cargo-oci$suffix" --version)
[[ $said == "cargo oci $VERSION" || $said == "cargo-oci $VERSION" ]] \
  || die "what was installed is not cargo-oci $VERSION: it says $said"
printf '%s\n' "$bin" >>"$GITHUB_PATH"
output from "$FROM"
output version "$VERSION"
say "cargo-oci $VERSION is installed"
