#!/usr/bin/env bash
# Says whether the cache of images was there. Reads HIT, as actions/cache says it.
# shellcheck source=SCRIPTDIR/shell
source "$(dirname "${BASH_SOURCE[0]}")/shell"

case $HIT in
  true) say "cache hit: that of this commit" ;;
  false) say "cache hit: that of an older commit" ;;
  *) say "cache miss: nothing was kept for this job" ;;
esac
cargo-oci cache list >/dev/null
