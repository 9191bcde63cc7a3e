#!/bin/sh
# FFS, the Fulfillment Server: build, try, test and install. POSIX sh. `./install.sh help` says what it can do.
set -eu
umask 022

top=$(cd "$(dirname "$0")" && pwd)
program=install.sh
prefix=/usr/local
destdir=
# Swift's libraries inside, so that the programs run where there is no compiler; symbols but no debug information.
swift_flags="-c release --static-swift-stdlib -Xlinker -S"

usage() {
    cat <<'TEXT'
usage: ./install.sh COMMAND [OPTION…]

  demo       build, start every daemon in a directory of its own, publish, sign in, stage, fetch, verify; needs no
             answers. --state DIR (default: a fresh one), --base-port N (default 17600), --keep (leave it running)
  test       install what the tests need, build, run all tests
  install    build and install; keeps the configuration, keys and data that are there
  upgrade    install, then restart what runs
  uninstall  remove programs, units and pages; configuration, keys, users and content stay. --purge removes them too, and
             asks first (--yes does not ask)
  check      compare what is installed with etc/install-manifest, then `ffsctl check`
  smoke      `ffsctl smoke`: a product of its own is published, staged, fetched and removed
  start | stop | restart | status
             this host's daemons, by systemd where it runs, else by ffs-service. Where one does not start, start ends with
             69 and shows the end of its log

  --role ROLES   for install: what this host does, of web,internal,storage (default: all). Remembered in /etc/ffs/roles
  --prefix DIR   where programs go (default /usr/local); configuration is always in /etc/ffs
  --destdir DIR  stage the files below DIR, for packagers: no users, no owners, no keys, no services
  --programs DIR use the programs in DIR instead of building them
TEXT
}

say() { printf '%s\n' "$*"; }
step() { printf '\n==> %s\n' "$*"; }
# fail STATUS TEXT…: sysexits(3)
fail() {
    status=$1
    shift
    printf '%s: %s\n' "$program" "$*" >&2
    exit "$status"
}
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# ---------------------------------------------------------------- packages and compiler

# missing PACKAGE…: those that Debian's dpkg does not know as installed
missing() {
    for package; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            "install ok installed") ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

apt() {
    if is_root; then
        DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
    fi
}

# need WHAT PACKAGES: installs what is missing, or says exactly what and why it cannot
need() {
    what=$1
    # shellcheck disable=SC2086 # a list of names
    set -- $2
    if ! have dpkg-query; then
        say "This is no Debian: $what needs what Debian calls: $*. Going on as if they were there."
        return
    fi
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    say "Debian packages that $what needs and that are missing: $wanted"
    if ! is_root && ! { have sudo && sudo -n true 2>/dev/null; }; then
        fail 77 "only root can install them; run: sudo apt-get install $wanted"
    fi
    # shellcheck disable=SC2086 # a list of names
    apt install -y --no-install-recommends $wanted >/dev/null 2>&1 ||
        { apt update && apt install -y --no-install-recommends $wanted >/dev/null; } ||
        fail 69 "apt-get could not install them (see above); install by hand: $wanted"
}

build_packages="libssl-dev libcrypt-dev libsqlite3-dev zlib1g-dev pkg-config libc6-dev git ca-certificates openssl"
run_packages="libssl3 libcrypt1 libsqlite3-0 zlib1g openssl curl"
test_packages="curl wget lftp tnftp ncftp inetutils-ftp mandoc shellcheck strace faketime chromium python3 python3-cryptography
    util-linux procps e2fsprogs age openssh-client debootstrap systemd-container iproute2 binutils"

# builder: the user who called sudo, where they may write the clone: what they build stays theirs
builder() {
    is_root && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ] && have runuser || return 1
    for directory in "$top" "$top/.build"; do
        [ ! -e "$directory" ] || runuser -u "$SUDO_USER" -- test -w "$directory" || return 1
    done
}
home_of() { getent passwd "$1" | cut -d : -f 6; }
# as_builder COMMAND…
as_builder() {
    if builder; then
        runuser -u "$SUDO_USER" -- env HOME="$(home_of "$SUDO_USER")" PATH="$PATH" "$@"
    else
        "$@"
    fi
}

need_swift() {
    homes=${HOME:-/root}
    [ -z "${SUDO_USER:-}" ] || homes="$(home_of "$SUDO_USER") $homes"
    for home in $homes; do
        have swift || PATH=$PATH:$home/.local/share/swiftly/bin
    done
    for directory in /opt/swift/usr/bin /usr/libexec/swift/bin; do
        have swift || PATH=$PATH:$directory
    done
    have swift || fail 69 "the Swift compiler, 6.3 or later, is not in PATH. Get it from https://www.swift.org/install/linux/" \
        "(swiftly, or the archive for this system unpacked to /opt/swift), then run this again."
    version=$(as_builder swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    case $version in
        [7-9].* | [1-9][0-9]*.* | 6.[3-9] | 6.[1-9][0-9]) ;;
        *) fail 69 "this is Swift ${version:-of an unknown version}; FFS needs 6.3 or later: https://www.swift.org/install/linux/" ;;
    esac
}

# build: the programs, unless --programs named them; sets $programs
build() {
    [ -z "$programs" ] || return 0
    need_swift
    need "the build" "$build_packages"
    # shellcheck disable=SC2086 # a list of flags
    (cd "$top" && as_builder swift build $swift_flags) || fail 70 "the build failed (see above)"
    # shellcheck disable=SC2086
    programs=$(cd "$top" && as_builder swift build $swift_flags --show-bin-path)
}

# ---------------------------------------------------------------- users, directories, keys

# Users and groups as etc/sysusers.d/ffs.conf says.
make_users() {
    if have systemd-sysusers; then
        systemd-sysusers "$top/etc/sysusers.d/ffs.conf" || fail 73 "systemd-sysusers could not make the users"
        return
    fi
    have useradd || fail 69 "neither systemd-sysusers nor useradd is here; install the package passwd"
    while read -r kind name argument _; do
        case $kind in
            g) getent group "$name" >/dev/null || groupadd --system "$name" ;;
            u) id "$name" >/dev/null 2>&1 ||
                useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin "$name" ;;
            m) id -nG "$name" | tr ' ' '\n' | grep -qx "$argument" || usermod -a -G "$argument" "$name" ;;
        esac
    done <"$top/etc/sysusers.d/ffs.conf"
}

# manifest: the table without comments, @PREFIX@ replaced, directories as ffs.yaml has them; fields path owner group mode
manifest() {
    installed_files
    kept_files
}
# installed_files, kept_files: its first and its second part
installed_files() { sed -e '/^#/d' -e '/^ *$/,$d' -e "s#@PREFIX@#$prefix#" "$top/etc/install-manifest"; }
# shellcheck disable=SC2154 # read_places in scripts/host.sh sets the directories
kept_files() {
    unused=
    case $repository:$accounts in */srv/ffs/*) ;; *) unused='/^\/srv\/ffs\/ /d' ;; esac
    sed -e "$unused" -e '/^#/d' -e '1,/^ *$/d' -e "s#^/etc/ffs/keybag/#$keybag/#" \
        -e "s#^/etc/ffs/pipeline/#$pipeline/#" -e "s#^/var/lib/ffs/journal/#$journals/#" -e "s#^/var/lib/ffs/#$state_directory/#" \
        -e "s#^/var/log/ffs/#$log_directory/#" -e "s#^/run/ffs/#$run_directory/#" \
        -e "s#^/srv/ffs/repository/#$repository/#" -e "s#^/srv/ffs/accounts/#$accounts/#" "$top/etc/install-manifest"
}

# owned: whether owners and groups are set. Not without root, not for packagers.
owned() { is_root && [ -z "$destdir" ]; }

# give PATH OWNER GROUP MODE: what is there gets them, and nothing that a link leads to. A daemon's user may own the
# directory: it could exchange it for a link at any moment, so the change is made from inside.
give() {
    place=${1%/}
    parent=$(cd -P "$(dirname "$place")" && pwd -P) || fail 73 "cannot enter the directory of $place"
    [ ! -h "$place" ] || fail 73 "$place is a symbolic link, which may lead anywhere; put the real thing in its place"
    case $1 in
        */)
            (
                cd -P "$place" || fail 73 "cannot enter $place"
                [ "$(pwd -P)" = "${parent%/}/${place##*/}" ] || fail 73 "$place is no directory of its own"
                ! owned || chown -h "$2:$3" .
                chmod "$4" .
            )
            ;;
        *)
            # Its directory is root's alone.
            [ "$(stat -c %h "$place")" = 1 ] ||
                fail 73 "$place has a second name (hard link); put a copy in its place"
            ! owned || chown -h "$2:$3" "$place"
            chmod "$4" "$place"
            ;;
    esac
}

# make_directories ROOT: the manifest's directories below ROOT
make_directories() {
    kept_files | while read -r path owner group mode; do
        case $path in
            */)
                mkdir -p "$1$path"
                give "$1$path" "$owner" "$group" "$mode"
                ;;
        esac
    done
}

# apply_modes ROOT: owners and modes of the manifest's kept files below ROOT
apply_modes() {
    kept_files | while read -r path owner group mode; do
        case $path in
            */) ;;
            # Bags of a rotation belong to the same group.
            "$keybag"/*)
                for file in "$1$path" "$1$path.previous" "$1$path.next" "$1$path"@* "$1$path.previous"@* "$1$path.next"@*; do
                    [ ! -e "$file" ] || give "$file" "$owner" "$group" "$mode"
                done
                ;;
            *) [ ! -e "$1$path" ] || give "$1$path" "$owner" "$group" "$mode" ;;
        esac
    done
}

# make_certificate DIR: a self-signed one, unless there is one
make_certificate() {
    [ ! -e "$1/cert.pem" ] || return 0
    name=$(hostname -f 2>/dev/null || hostname 2>/dev/null || echo localhost)
    (
        umask 077
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -sha256 \
            -subj "/CN=$name" -addext "subjectAltName=DNS:$name,DNS:localhost,IP:127.0.0.1,IP:::1" \
            -addext "extendedKeyUsage=serverAuth" -addext "keyUsage=critical,digitalSignature" \
            -addext "basicConstraints=critical,CA:FALSE" \
            -keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null
    ) || fail 73 "openssl could not make a certificate in $1"
    say "Made a self-signed certificate for $name and localhost in $1; put your own in its place for customers."
}

# make_keys CONFIG DIR: the key bags whose both ends are on this host, unless they are there
make_keys() {
    for link in web-internal web-storage storage-web web-pipe; do
        [ ! -e "$2/$link" ] || continue
        case $(ends_here "$link") in
            2)
                "$programs/ffsctl" keys generate "$link" --config "$1" >/dev/null ||
                    fail 73 "ffsctl could not make the key bag of $link"
                ;;
            1) say "The key bag of $link is made by ffsctl node add: see \"Several hosts\" in README.md." ;;
        esac
    done
    # The host that keeps the log has the pipeline keys of all nodes; the others get theirs from there.
    if has_role internal; then
        "$programs/ffsctl" pipeline key --config "$1" >/dev/null || fail 73 "ffsctl could not make this host's pipeline key"
    fi
}

# ---------------------------------------------------------------- install

# put SOURCE PATH: one file, with @PREFIX@ replaced in text, by rename, so that a program that runs keeps its own.
# A program goes without its symbols, a fifth of it; the build directory's has them, for the addresses of a crash.
put() {
    mkdir -p "$(dirname "$destdir$2")"
    case $1 in
        "$programs"/*) strip -s -o "$destdir$2.new" "$1" 2>/dev/null || cp "$1" "$destdir$2.new" ;;
        *) sed "s#@PREFIX@#$prefix#g" "$1" >"$destdir$2.new" ;;
    esac
    mv -f "$destdir$2.new" "$destdir$2"
}

# source_of PATH: where an installed file comes from
source_of() {
    case $1 in
        */bin/ffsctl | */sbin/ffs*d) echo "$programs/${1##*/}" ;;
        */sbin/ffs-service) echo "$top/etc/ffs-service.sh" ;;
        */systemd/system/*) echo "$top/etc/systemd/${1##*/}" ;;
        */sysusers.d/* | */logrotate.d/*)
            directory=${1%/*}
            echo "$top/etc/${directory##*/}/${1##*/}"
            ;;
        */completions/ffsctl) echo "$work/bash" ;;
        */_ffsctl) echo "$work/zsh" ;;
        */ffsctl.fish) echo "$work/fish" ;;
        *) fail 70 "etc/install-manifest names $1, whose source install.sh does not know" ;;
    esac
}

do_install() {
    is_root || [ -n "$destdir" ] || fail 77 "only root can install; use sudo, or --destdir DIR to stage the files"
    admit_prefix
    build
    need "FFS" "$run_packages"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for shell in bash zsh fish; do
        "$programs/ffsctl" --generate-completion-script "$shell" >"$work/$shell"
    done
    step "Installing below $destdir$prefix"
    ! owned || make_users
    installed_files | while read -r path owner group mode; do
        put "$(source_of "$path")" "$path"
        ! owned || chown "$owner:$group" "$destdir$path"
        chmod "$mode" "$destdir$path"
    done
    # Of former versions: it would open /run/ffs to every daemon again.
    rm -f "$destdir$prefix/lib/tmpfiles.d/ffs.conf"
    for page in "$top"/man/man*/*; do
        section=${page%/*}
        put "$page" "$prefix/share/man/${section##*/}/${page##*/}"
    done
    for text in README.md ARCHITECTURE.md SECURITY.md CONTRIBUTING.md CHANGELOG.md LICENSE docs/formats.md docs/benchmarks.md; do
        put "$top/$text" "$prefix/share/doc/ffs/$text"
    done
    mkdir -p "$destdir/etc/ffs"
    [ -e "$destdir/etc/ffs/ffs.yaml" ] || put "$top/etc/ffs.yaml" /etc/ffs/ffs.yaml
    remember_roles
    [ -n "$destdir" ] || read_places "$programs/ffsctl"
    make_directories "$destdir"
    if [ -n "$destdir" ]; then
        say "Staged. On the target: make the users of etc/sysusers.d/ffs.conf, apply owners and modes of etc/install-manifest,"
        say "put a certificate into /etc/ffs/tls and run ffsctl keys generate for each link, and ffsctl pipeline key"
        return
    fi
    ! serves_customers || make_certificate /etc/ffs/tls
    make_keys /etc/ffs/ffs.yaml "$keybag"
    apply_modes ""
    ! systemd_runs || enable_units
    step "Checking"
    status=0
    "$prefix/bin/ffsctl" check >"$work/check" 2>&1 || status=$?
    case $status in
        # 69: nothing but that daemons do not run yet.
        0 | 69) say "In order." ;;
        *)
            cat "$work/check"
            say "Mend what is marked error, start, then run: ./install.sh check"
            ;;
    esac
    say ""
    say "Installed, to run here: $(daemons)."
    say "Next: look through /etc/ffs/ffs.yaml (ports, ftp.public-host), then ./install.sh start"
}

# confirm_purge: what --purge takes, and a yes to it
confirm_purge() {
    say "--purge removes for good:"
    for path in /etc/ffs /var/lib/ffs /var/log/ffs /srv/ffs; do
        [ ! -e "$destdir$path" ] || du -sh "$destdir$path"
    done
    [ "$yes" = no ] || return 0
    [ -t 0 ] || fail 64 "--purge asks, and there is no terminal to answer at; add --yes if you mean it"
    printf 'Type yes to go on: '
    read -r answer
    [ "$answer" = yes ] || fail 75 "nothing was removed"
}

do_uninstall() {
    is_root || [ -n "$destdir" ] || fail 77 "only root can uninstall; use sudo"
    admit_prefix
    [ "$purge" = no ] || confirm_purge
    # In a shell of its own: that nothing is installed, or runs, is no reason to stop.
    [ -n "$destdir" ] || (do_service stop) 2>/dev/null || :
    ! systemd_runs || disable_units
    [ ! -x "$prefix/bin/ffsctl" ] || [ -n "$destdir" ] || (read_places "$prefix/bin/ffsctl" && say_moved) 2>/dev/null || :
    installed_files | while read -r path _; do rm -f "$destdir$path"; done
    for page in "$top"/man/man*/*; do
        section=${page%/*}
        rm -f "$destdir$prefix/share/man/${section##*/}/${page##*/}"
    done
    rm -rf "$destdir$prefix/share/doc/ffs"
    ! systemd_runs || systemctl daemon-reload
    if [ "$purge" = yes ]; then
        rm -rf "$destdir/etc/ffs" "$destdir/var/lib/ffs" "$destdir/var/log/ffs" "$destdir/run/ffs" "$destdir/srv/ffs"
        say "Removed programs, configuration, keys, databases and content. The users of etc/sysusers.d/ffs.conf stay."
    else
        say "Removed. /etc/ffs, /var/lib/ffs, /var/log/ffs and /srv/ffs stay; --purge removes them."
    fi
}

# say_moved: directories outside the usual places, which --purge leaves
say_moved() {
    for path in "$keybag" "$state_directory" "$log_directory" "$repository" "$accounts"; do
        case $path in
            /etc/ffs/* | /var/lib/ffs | /var/log/ffs | /srv/ffs/*) ;;
            *) say "$path stays: ffs.yaml moved it there, and what else it holds is not known here." ;;
        esac
    done
}

do_check() {
    [ -n "$destdir" ] || [ -x "$prefix/bin/ffsctl" ] || fail 69 "FFS is not installed below $prefix"
    [ -n "$destdir" ] || is_root || fail 77 "only root sees everything that check looks at; use sudo"
    [ -n "$destdir" ] || read_places "$prefix/bin/ffsctl"
    faults=$(
        manifest | while read -r path owner group mode; do
            case $path in
                # What is staged for another machine gets its keys there; a host has those that its daemons use.
                "$keybag"/?*)
                    [ -z "$destdir" ] || continue
                    [ "$(ends_here "${path##*/}")" != 0 ] || [ -e "$path" ] || continue
                    # The bags of single hosts stand beside it, or in its place.
                    set -- "$path"@*
                    [ -e "$path" ] || [ ! -e "$1" ] || continue
                    ;;
                /etc/ffs/tls/?*)
                    [ -z "$destdir" ] || continue
                    serves_customers || [ -e "$path" ] || continue
                    ;;
                # Made at each start.
                /run/*) [ -e "$destdir$path" ] || continue ;;
            esac
            found=$(stat -c '%U %G %a' "$destdir$path" 2>/dev/null) || {
                case $path in
                    "$keybag"/?*) say "$path is missing: it comes from the internal host (README.md, Several hosts)" ;;
                    *) say "$path is missing" ;;
                esac
                continue
            }
            wanted="$owner $group ${mode#0}"
            [ -n "$destdir" ] || [ "$found" = "$wanted" ] || say "$path is $found, should be $wanted"
        done
    )
    if [ -n "$faults" ]; then
        say "$faults"
        fail 78 "the installation differs from etc/install-manifest; ./install.sh install mends what no other host has"
    fi
    say "All files, owners and modes are as in etc/install-manifest."
    [ -n "$destdir" ] || "$prefix/bin/ffsctl" check
}

# ---------------------------------------------------------------- test

# vsftpd serves FFS's accounts in a test. Its package would start a service, so it is unpacked and not installed.
fetch_vsftpd() {
    tools=$top/.build/tools
    [ ! -x "$tools/usr/sbin/vsftpd" ] || return 0
    have vsftpd && return 0
    have dpkg || { say "no dpkg: the test with vsftpd needs vsftpd in PATH"; return 0; }
    need "vsftpd" "libwrap0 libcap2 libpam0g"
    as_builder mkdir -p "$tools"
    (
        cd "$tools" && {
            as_builder apt-get -qq download vsftpd 2>/dev/null ||
                { apt update && as_builder apt-get -qq download vsftpd; }
        } && as_builder dpkg -x vsftpd_*.deb .
    ) || fail 69 "vsftpd could not be downloaded (see above)"
}

do_test() {
    need_swift
    need "the build" "$build_packages"
    need "the tests" "$test_packages"
    fetch_vsftpd
    ! is_root || make_users
    step "Building programs and tests"
    cd "$top"
    as_builder swift build --build-tests || fail 70 "the build failed (see above)"
    step "Testing"
    log=$top/.build/test.log
    as_builder rm -f "$log.status"
    # The build is its caller's; under sudo the tests are root's, as some give rights up, mount, and start whole systems.
    # One test after another: many start whole systems, and none should wait for a processor that others hold.
    # The suite's own status goes through a file, as a pipe has that of its last command.
    { swift test --skip-build --no-parallel 2>&1 || echo "$?" | as_builder tee "$log.status" >/dev/null; } | as_builder tee "$log"
    step "The suites that took longest"
    sed -n 's/^.*Suite \(.*\) [a-z]* after \([0-9.]*\) seconds.*/\2 s  \1/p' "$log" | sort -rn | head -n 10
    [ ! -s "$log.status" ] || exit "$(cat "$log.status")"
}

# ---------------------------------------------------------------- command line

[ $# -gt 0 ] || { usage >&2; exit 64; }
verb=$1
shift
purge=no
yes=no
role=
keep=no
state=
base_port=17600
programs=
while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
        --keep) keep=yes && continue ;;
        --purge) purge=yes && continue ;;
        --yes) yes=yes && continue ;;
        --*=*)
            value=${option#*=}
            option=${option%%=*}
            ;;
        --*)
            [ $# -gt 0 ] || fail 64 "$option needs a value"
            value=$1
            shift
            ;;
        *) fail 64 "unexpected argument $option; see ./install.sh help" ;;
    esac
    # shellcheck disable=SC2034 # scripts/host.sh reads role
    case $option in
        --prefix) prefix=${value%/} ;;
        --destdir) destdir=${value%/} ;;
        --state) state=$value ;;
        --base-port) base_port=$value ;;
        --programs) programs=$value ;;
        --role) role=$value ;;
        *) fail 64 "unknown option $option; see ./install.sh help" ;;
    esac
done
case $prefix in /*) ;; *) fail 64 "--prefix takes an absolute path, not $prefix" ;; esac

# shellcheck disable=SC1091 # checked on its own
. "$top/scripts/host.sh"
read_roles

case $verb in
    demo)
        # shellcheck disable=SC1091 # checked on its own
        . "$top/scripts/demo.sh"
        demo "$state" "$base_port" "$keep"
        ;;
    test) do_test ;;
    install) do_install ;;
    upgrade) do_upgrade ;;
    uninstall) do_uninstall ;;
    check) do_check ;;
    smoke)
        [ -x "$prefix/bin/ffsctl" ] || fail 69 "FFS is not installed below $prefix"
        exec "$prefix/bin/ffsctl" smoke
        ;;
    start | stop | restart | status) do_service "$verb" ;;
    help | --help | -h) usage ;;
    *)
        usage >&2
        exit 64
        ;;
esac
