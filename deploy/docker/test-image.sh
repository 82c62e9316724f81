#!/bin/bash
# Tests an image of buildah's: what is in it, and that it serves, answers its probe and drains as
# user 65532 on a root that nobody can write to.
#
#     test-image.sh IMAGE
set -euo pipefail
image=$1
: "${BUILDAH_ISOLATION:=chroot}" "${STORAGE_DRIVER:=vfs}"
export BUILDAH_ISOLATION STORAGE_DRIVER
LIMIT_BYTES=$((40 * 1024 * 1024))
START_SECONDS=15
# [grpc] drain_accept and drain_grace, and what the store needs.
DRAIN_SECONDS=35

fail() {
	echo "FAULT $*" >&2
	tail -n 5 "$work"/*.log >&2 2>/dev/null || true
	exit 1
}

work=$(mktemp -d)
container=$(buildah from "$image")
root=$(buildah mount "$container")
pids=()
cleanup() {
	kill "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	buildah umount "$container" >/dev/null
	buildah rm "$container" >/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

# What is in it
size=$(du --summarize --bytes --apparent-size "$root" | cut -f1)
((size <= LIMIT_BYTES)) || fail "$size bytes, more than $LIMIT_BYTES"
programs=$(find "$root" -type f -perm /111 ! -name '*.so*' -printf '%P\n')
[ "$programs" = usr/bin/wecomgw ] || fail "programs: $programs"
privileged=$(find "$root" -perm /6000)
[ -z "$privileged" ] || fail "setuid or setgid: $privileged"
open=$(find "$root" ! -type l -perm /022 ! -path "$root/tmp" ! -path "$root/var/tmp")
[ -z "$open" ] || fail "not only root can write: $open"
! readelf --sections --wide "$root/usr/bin/wecomgw" | grep -q '\.symtab' || fail "the binary is not stripped"
grep -q 'BEGIN CERTIFICATE' "$root/etc/ssl/certs/ca-certificates.crt" || fail "no certificate authorities"

# What it says of itself
said() { buildah inspect --format "{{$1}}" "$image"; }
[ "$(said .OCIv1.Config.User)" = 65532:65532 ] || fail "user $(said .OCIv1.Config.User)"
[ "$(said .OCIv1.Config.StopSignal)" = SIGTERM ] || fail "stop signal $(said .OCIv1.Config.StopSignal)"
[ "$(said .OCIv1.Config.Entrypoint)" = '[/usr/bin/wecomgw]' ] || fail "entrypoint $(said .OCIv1.Config.Entrypoint)"
[ "$(said .OCIv1.Config.Cmd)" = '[serve]' ] || fail "command $(said .OCIv1.Config.Cmd)"
[ "$(said .OCIv1.Config.WorkingDir)" = /var/lib/wecomgw ] || fail "directory $(said .OCIv1.Config.WorkingDir)"
[ "$(said .OCIv1.Config.Labels | grep -o 'org.opencontainers.image[^:]*' | wc -l)" = 5 ] || fail "labels"

# How it runs
mkdir "$work/data" "$work/settings"
chmod 755 "$work"
chown 65532:65532 "$work/data"
inside() {
	# No step here forks, so the process keeps the number that the shell knows.
	# shellcheck disable=SC2016 # $1 and $2 are those of the inner shell
	exec env -i unshare --mount /bin/bash -c '
		root=$1 work=$2; shift 2
		mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
		mount -t tmpfs -o size=16m tmpfs "$root/tmp"
		mount --bind "$work/data" "$root/var/lib/wecomgw"
		mount --bind "$work/settings" "$root/etc/wecomgw"
		exec setpriv --no-new-privs /usr/sbin/chroot --userspec=65532:65532 --groups= "$root" /usr/bin/wecomgw "$@"
	' inside "$root" "$work" "$@"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wecom=$(free_port) grpc=$(free_port) health=$(free_port) admin=$(free_port)
echo "a token of a test" >"$work/settings/caller"
# `localhost` is a name on purpose: look-ups must work in this root.
cat >"$work/settings/wecomgw.toml" <<END
grpc.listen = "127.0.0.1:$grpc"
health.listen = "127.0.0.1:$health"
admin.listen = "127.0.0.1:$admin"
wecom.base_url = "http://localhost:$wecom"
store.url = "sqlite:/var/lib/wecomgw/wecomgw.db"
[[apps]]
name = "youxiao"
corp_id = "ww5a9db0c5a9db0c5a"
agent_id = 1000002
secret = "sandbox-secret-youxiao"
[[callers]]
name = "test"
token_file = "/etc/wecomgw/caller"
permissions = ["*"]
apps = ["*"]
END

(inside sandbox --listen "127.0.0.1:$wecom") >"$work/sandbox.log" 2>&1 &
pids+=($!)
(inside serve --config /etc/wecomgw/wecomgw.toml) >"$work/gateway.log" 2>&1 &
gateway=$!
pids+=("$gateway")
asked() { (inside health --address "127.0.0.1:$health" --service "$1") >/dev/null 2>&1; }
for ((tries = START_SECONDS * 10; tries > 0; tries--)); do
	! asked readiness || break
	sleep 0.1
done
for name in startup readiness liveness; do
	asked $name || fail "$name does not serve"
done
(inside send --address "http://127.0.0.1:$grpc" --token-file /etc/wecomgw/caller --app youxiao --to zhangsan --text Lunch) \
	>"$work/send.log" 2>&1 || fail "nothing sent"
[ -s "$work/data/wecomgw.db" ] || fail "no store"

grep -q '^Uid:.65532.65532' "/proc/$gateway/status" || fail "not user 65532"
grep -q '^CapEff:.0*$' "/proc/$gateway/status" || fail "capabilities"
began=$SECONDS
kill -TERM "$gateway"
sleep 0.5
! asked readiness || fail "ready while it drains"
asked liveness || fail "not alive while it drains"
wait "$gateway" || fail "exit code $? after SIGTERM"
took=$((SECONDS - began))
((took <= DRAIN_SECONDS)) || fail "drained for $took s"

echo "$image: $((size / 1024)) KiB, no shell, user 65532, read-only root; served, drained in $took s"
