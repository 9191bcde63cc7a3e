#!/bin/sh
# Debian hosts with a real systemd on this machine, for the scenarios beside this file, which read it. Root only.
#
# A scenario runs in mount, process and network namespaces of its own: whatever it starts ends with it. Each host is a
# root directory, booted by systemd-nspawn, with an address on a bridge; the scenario itself is a customer's machine
# beside them. The clone is at /src/ffs in every host, the programs under test in /programs.
#
# Environment: PROGRAMS, the directory of the programs under test.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
scenario=$(basename "$0" .sh)
: "${PROGRAMS:?the directory of the programs under test}"

began=$(date +%s)
# step TEXT: a line with the seconds since the beginning
step() { printf '%3d s  %s\n' "$(($(date +%s) - began))" "$*"; }
die() {
    printf '%s: %s\n' "$scenario" "$*" >&2
    exit 1
}

packages=systemd,systemd-sysv,dbus,ca-certificates,curl,openssl,iproute2,procps,libsqlite3-0,libstdc++6,zlib1g
# A Debian root that every host is copied from; made once for a build directory.
base=$top/.build/tools/debian-12-$(echo "$packages" | cksum | cut -d ' ' -f 1)
make_base() {
    [ ! -d "$base" ] || return 0
    step "debootstrap makes $base"
    mkdir -p "$top/.build/tools"
    rm -rf "$base.new"
    debootstrap --variant=minbase "--include=$packages" bookworm "$base.new" >"$base.log" 2>&1 ||
        die "debootstrap failed: $(tail -n 5 "$base.log")"
    rm -rf "$base.new"/var/cache/apt/* "$base.new"/var/lib/apt/lists/* "$base.new"/usr/share/doc/*
    : >"$base.new/etc/machine-id"
    mv "$base.new" "$base"
}

if [ -z "${FFS_HOSTS_WORLD:-}" ]; then
    # Before the namespaces: there is no network in them.
    make_base
    # Not in the build directory: nspawn's roots are to be reachable for users that are not root.
    world=$(mktemp -d /var/tmp/ffs-hosts.XXXXXX)
    chmod 755 "$world"
    status=0
    # What the caller has loaded into every program is not there in a host.
    unset LD_PRELOAD LD_LIBRARY_PATH
    FFS_HOSTS_WORLD=$world unshare --mount --net --uts --pid --fork --kill-child --mount-proc sh "$0" "$@" || status=$?
    rm -rf "$world"
    for group in /sys/fs/cgroup/*/"${world##*/}"* /sys/fs/cgroup/"${world##*/}"*; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || :
    done
    exit "$status"
fi
world=$FFS_HOSTS_WORLD

# ---------------------------------------------------------------- expectations

# expect STATUS COMMAND…: runs it; its output is in $output, and any other status is the end
expect() {
    wanted=$1
    shift
    status=0
    "$@" >"$world/output" 2>&1 || status=$?
    output=$(cat "$world/output")
    [ "$status" = "$wanted" ] || die "status $status, not $wanted, of: $*
$output"
}
# says TEXT: the last command did
says() { case $output in *"$1"*) ;; *) die "this does not say \"$1\":
$output" ;; esac }
# eventually COMMAND…: within 20 seconds
eventually() {
    tries=0
    until "$@" >"$world/output" 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || die "not within 20 s: $*
$(cat "$world/output")"
        sleep 0.2
    done
}

# ---------------------------------------------------------------- hosts

# programs: those under test, without what only a debugger reads
programs() {
    mkdir "$world/programs"
    for program in ffsauthd ffspiped ffsstaged ffsftpd ffswebd ffsctl; do
        strip -o "$world/programs/$program" "$PROGRAMS/$program"
    done
}

# swift_libraries: where the programs find Swift's, unless those are inside
swift_libraries() { ldd "$PROGRAMS/ffsctl" | awk '/libswiftCore/ { sub(/\/[^\/]*$/, "", $3); print $3 }'; }

# net: the bridge, with this machine on it as 10.99.0.1
net() {
    mkdir -p /run/netns
    mount -t tmpfs none /run/netns
    ip link set lo up
    ip link add ffsbr0 type bridge
    ip addr add 10.99.0.1/24 dev ffsbr0
    ip link set ffsbr0 up
}

# copy NAME: a root directory like the base: a layer over it where the kernel has that, which saves writing it
copy() {
    mkdir "$world/$1" "$world/$1.upper" "$world/$1.work"
    mount -t overlay -o "lowerdir=$base,upperdir=$world/$1.upper,workdir=$world/$1.work" none "$world/$1" 2>/dev/null ||
        cp -a "$base/." "$world/$1"
}

# host NAME ADDRESS FULLNAME: a new host, not yet booted
host() {
    copy "$1"
    echo "$3" >"$world/$1/etc/hostname"
    mkdir -p "$world/$1/src/ffs" "$world/$1/programs"
    printf '%s %s\n' "$2" "$3" >>"$world/hosts"
    ip netns add "$1"
    ip link add "v-$1" type veth peer name eth0 netns "$1"
    ip link set "v-$1" master ffsbr0 up
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$1" addr add "$2/24" dev eth0
}

# group NAME: moves this shell into a control group of that host, so that its systemd meets no other's
group() {
    for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ -e "$hierarchy/cgroup.procs" ] || continue
        mkdir -p "$hierarchy/${world##*/}-$1"
        echo 0 >"$hierarchy/${world##*/}-$1/cgroup.procs"
    done
}

# boot NAME: and waits until it is up
boot() {
    { echo "127.0.0.1 localhost"; cat "$world/hosts"; } >"$world/$1/etc/hosts"
    libraries=$(swift_libraries)
    unified=0
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || unified=1
    # nspawn's own filter refuses these calls by default; FFS and its units need them.
    (
        group "$1"
        exec env "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=$unified" setsid systemd-nspawn --quiet --register=no --keep-unit \
            -D "$world/$1" --hostname="$(cat "$world/$1/etc/hostname")" --network-namespace-path="/run/netns/$1" \
            --resolv-conf=off --timezone=off --console=pipe --capability=all \
            --bind-ro="$top:/src/ffs" --bind-ro="$world/programs:/programs" ${libraries:+"--bind-ro=$libraries"} \
            --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self openat2 close_range @memlock" \
            -b </dev/null >"$world/$1.console" 2>&1
    ) &
    echo $! >"$world/$1.pid"
    tries=0
    until state=$(on "$1" systemctl is-system-running 2>/dev/null) || [ "${state:-}" = degraded ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || die "$1 does not come up: $(tail -n 20 "$world/$1.console"; on "$1" systemctl is-system-running 2>&1)"
        sleep 0.2
    done
}

# leader NAME: the process id of its systemd
leader() {
    children=$(cat "/proc/$(cat "$world/$1.pid")/task/$(cat "$world/$1.pid")/children")
    echo "${children%% *}"
}

# on NAME COMMAND-LINE: in a booted host
on() {
    on=$1
    shift
    nsenter -t "$(leader "$on")" -m -u -i -n -p -r -w env -i HOME=/root LANG=C.UTF-8 TERM=dumb SYSTEMD_PAGER= \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$*" </dev/null
}

# halt NAME
halt() {
    on "$1" systemctl poweroff --no-block >/dev/null 2>&1 || :
    tries=0
    while kill -0 "$(cat "$world/$1.pid")" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || die "$1 does not power off"
        sleep 0.2
    done
}

# ---------------------------------------------------------------- a customer's machine

# customer: the hosts' names for the clients of this machine
customer() {
    { echo "127.0.0.1 localhost"; cat "$world/hosts"; } >"$world/customer-hosts"
    mount --bind "$world/customer-hosts" /etc/hosts
}

# json NAME: the first string of that name in $output
json() { printf '%s' "$output" | tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }

# order WEB CERTIFICATE CUSTOMER PASSWORD PRODUCT VERSION: signs in at the web front and stages; sets $login and $secret
order() {
    printf '{"customer": "%s", "password": "%s"}' "$3" "$4" >"$world/login.json"
    expect 0 curl -q -sS --fail-with-body --cacert "$2" --json @"$world/login.json" "https://$1/api/v1/sessions"
    token=$(json token)
    expect 0 curl -q -sS --fail-with-body --cacert "$2" -H "Authorization: Bearer $token" \
        --json "{\"items\": [{\"product\": \"$5\", \"version\": \"$6\"}]}" "https://$1/api/v1/accounts"
    login=$(json account)
    secret=$(json password)
    [ -n "$login$secret" ] || die "no account in: $output"
}

# fetch HOST CERTIFICATE PATH DIGEST: over FTP, FTPS and HTTPS, as $login
fetch() {
    expect 0 curl -q -sS --fail -u "$login:$secret" "ftp://$1/$3" -o "$world/fetched"
    digest "$4"
    expect 0 curl -q -sS --fail --cacert "$2" --ssl-reqd -u "$login:$secret" "ftp://$1/$3" -o "$world/fetched"
    digest "$4"
    expect 0 curl -q -sS --fail --cacert "$2" -u "$login:$secret" "https://$1:8443/a/$login/$3" -o "$world/fetched"
    digest "$4"
}
digest() { [ "$(sha256sum <"$world/fetched")" = "$1  -" ] || die "what came is not what was published"; }
