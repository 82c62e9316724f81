#!/bin/bash
# Builds a package of the last commit in two folders, one after the other, and compares the binaries.
#
#     reproducible.sh PACKAGE PROFILE
set -euo pipefail
package=$1 profile=$2
here=$(dirname "$(realpath "$0")")
: "${SOURCE_DATE_EPOCH:=$(git -C "$here" log -1 --format=%ct)}"
: "${CARGO_HOME:=$HOME/.cargo}"
export SOURCE_DATE_EPOCH CARGO_HOME CARGO_INCREMENTAL=0
# cargo calls the folder of the profile `dev` debug.
output=$profile
[ "$profile" != dev ] || output=debug

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for folder in "$work/one" "$work/another/and/longer"; do
	mkdir -p "$folder"
	git -C "$here/../.." archive HEAD | tar --extract --directory "$folder"
	# No path of this machine in what rustc and the C compiler write, as in the Dockerfile.
	export RUSTFLAGS="--remap-path-prefix=$folder=. --remap-path-prefix=$CARGO_HOME=/cargo"
	export CFLAGS="-ffile-prefix-map=$folder=. -ffile-prefix-map=$CARGO_HOME=/cargo"
	(cd "$folder" && cargo build --locked --profile "$profile" --package "$package" --bin "$package")
	cp "$folder/target/$output/$package" "$work/$(basename "$folder").binary"
	rm -rf "$folder/target"
done
sha256sum "$work"/*.binary | sed "s|$work/||"
if grep --quiet --binary --fixed-strings "$work" "$work"/*.binary; then
	echo "FAULT a path of this machine is in the binary" >&2
	exit 1
fi
cmp "$work"/*.binary && echo "$package, profile $profile: the binaries are the same"
