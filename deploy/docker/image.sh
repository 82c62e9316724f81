#!/bin/bash
# Builds the image's final stage from a binary and tests it: `make image`. Needs root, buildah and
# Debian's apt, but no registry and no daemon.
#
#     image.sh BINARY IMAGE
set -euo pipefail
here=$(dirname "$(realpath "$0")")
binary=$(realpath "$1") image=$2
: "${SOURCE_DATE_EPOCH:=$(git -C "$here" log -1 --format=%ct)}"
# What works in a container and without a kernel module, unless the caller knows better.
: "${BUILDAH_ISOLATION:=chroot}" "${STORAGE_DRIVER:=vfs}"
export SOURCE_DATE_EPOCH BUILDAH_ISOLATION STORAGE_DRIVER

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
install -D "$binary" "$context/out/wecomgw"
"$here/build-root.sh" "$context/out/root"
touch --date "@$SOURCE_DATE_EPOCH" "$context/out/wecomgw"

# The stage itself, with the folder in place of the stages before it.
sed -n '/^FROM scratch/,$p' "$here/Dockerfile" | sed 's/^COPY --from=[a-z]* /COPY /' >"$context/Dockerfile"
version=$("$binary" --version | cut -d' ' -f2)
revision=$(git -C "$here" rev-parse HEAD)
buildah build --quiet --format docker --timestamp "$SOURCE_DATE_EPOCH" --tag "$image" \
	--build-arg VERSION="$version" --build-arg REVISION="$revision" "$context" >/dev/null

"$here/test-image.sh" "$image"
