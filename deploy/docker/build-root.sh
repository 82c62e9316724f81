#!/bin/bash
# Makes the root of the image: what a dynamic binary needs of Debian and nothing to start another
# program with, neither shell nor package manager.
#
#     build-root.sh FOLDER
#
# Runs on the Debian release that the image shall have, with apt's lists fetched. Packages are
# unpacked, not installed: no script of theirs runs.
set -euo pipefail

# The C library, for name look-ups; unwinding; certificate authorities; time zones.
PACKAGES=(libc6 libgcc-s1 ca-certificates tzdata)
USER_ID=65532

root=$(realpath -m "$1")
# Much is deleted below it.
[ ! -e "$root" ] || { echo "$root is there already" >&2; exit 1; }
mkdir -p "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# apt fetches as a user of its own, who needs the folder.
chmod 755 "$work"
(cd "$work" && apt-get download -qq "${PACKAGES[@]}" 2> >(grep -v 'unsandboxed as root' >&2))
# Scanners learn from here what is inside.
mkdir -p "$root/var/lib/dpkg/status.d"
for package in "$work"/*.deb; do
	dpkg-deb --extract "$package" "$root"
	dpkg-deb --field "$package" >"$root/var/lib/dpkg/status.d/$(dpkg-deb --field "$package" Package)"
done

mkdir -p "$root/etc/ssl/certs"
cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"

# Documentation, the authorities one by one, converters of character sets, programs.
rm -rf "$root"/usr/share/{doc,lintian,man,locale,bug} "$root"/usr/share/ca-certificates \
	"$root"/usr/lib/*/gconv "${root:?}"/usr/{bin,sbin} "${root:?}"/{bin,sbin} "$root"/etc/ca-certificates*
# The last is where settings and secrets are mounted.
mkdir -p "$root"/{proc,sys,dev,usr/bin,etc/wecomgw}

echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# Container runtimes put theirs over it.
printf '%s\n' '127.0.0.1 localhost' '::1 localhost' >"$root/etc/hosts"
printf '%s\n' 'root:x:0:0::/:/nonexistent' "wecomgw:x:$USER_ID:$USER_ID::/var/lib/wecomgw:/nonexistent" >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' "wecomgw:x:$USER_ID:" >"$root/etc/group"
cp /usr/lib/os-release "$root/etc/os-release"
install -d -m 1777 "$root/tmp" "$root/var/tmp"
# The working directory, for the SQLite file of who sets no other.
install -d -m 700 -o "$USER_ID" -g "$USER_ID" "$root/var/lib/wecomgw"

# The same packages give the same bytes.
find "$root" -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH:-0}" {} +
