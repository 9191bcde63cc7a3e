#!/bin/sh
# `install.sh demo`, which reads this file: FFS whole, in one directory, on loopback, with real clients.
#
# Every daemon is a process of its own, as root under a user of its own. The customer's side goes through the front
# doors alone: the web front's JSON API with curl, then FTP, FTPS and HTTPS.

# The clone; install.sh has found it in the same way. The programs are in $programs once build is done.
top=$(cd "$(dirname "$0")" && pwd)
: "${programs:=}"

seconds() { date +%s.%N; }
# since START: seconds, three decimals
since() { echo "$1 $(seconds)" | awk '{ printf "%.3f", $2 - $1 }'; }
# timed NAME START [DETAIL]: a line here, and one of the summary
timed() {
    took=$(since "$2")
    say "    ${3:-done} ($took s)"
    printf '%-44s %9s s\n' "$1" "$took" >>"$work/summary"
}
# json_text NAME: the first string of that name in the JSON on standard input
json_text() { tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
# quoted TEXT: for a shell variable's value
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

demo_end() {
    result=$?
    trap - EXIT INT TERM
    if [ "$result" != 0 ]; then
        for log in "$state"/var/log/ffs/*.log; do
            [ -s "$log" ] || continue
            printf '\n--- the end of %s\n' "$log" >&2
            tail -n 8 "$log" >&2
        done
    fi
    rm -rf "$work"
    if [ "$result" != 0 ] || [ "$keep" = no ]; then
        demo_service stop >/dev/null 2>&1 || :
        [ "$own_state" = no ] || rm -rf "$state"
    fi
    exit "$result"
}

demo_service() {
    FFS_CONFIG=$state/etc/ffs/ffs.yaml FFS_RUN=$state/run/ffs FFS_PIDS=$state/run/ffs-service \
        FFS_LOG=$state/var/log/ffs FFS_SBIN=$programs \
        sh "$top/etc/ffs-service.sh" "$@"
}

ctl() { "$programs/ffsctl" --config "$state/etc/ffs/ffs.yaml" "$@"; }

# The directory, its rights and its space, before anything is made.
demo_place() {
    case $base_port in *[!0-9]* | '') fail 64 "--base-port takes a number, not $base_port" ;; esac
    if [ "$base_port" -lt 1024 ] || [ "$base_port" -gt 65000 ]; then fail 64 "--base-port is from 1024 to 65000"; fi
    [ -n "$state" ] && own_state=no || own_state=yes
    [ -n "$state" ] || state=$(mktemp -d "${TMPDIR:-/var/tmp}/ffs-demo.XXXXXX") || fail 73 "cannot make a directory; give --state DIR"
    mkdir -p "$state" || fail 73 "cannot make $state"
    state=$(cd "$state" && pwd)
    chmod 755 "$state"
    [ ! -e "$state/demo.env" ] || fail 73 "$state holds a demo already; stop it, remove the directory, or give another --state"
    free=$(df -Pk "$state" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge 6 ] || fail 73 "$state has $free GiB free; the demo needs 6: a file of 2 GiB, its copy in the repository, and room"
    # Daemons that gave up root must be able to get there.
    directory=$state
    while is_root && [ "$directory" != / ]; do
        case $(stat -c %a "$directory") in
            *[1357]) ;;
            *) fail 73 "$directory is closed to other users, so the daemons' users cannot reach $state; give another --state" ;;
        esac
        directory=$(dirname "$directory")
    done
}

demo_configure() {
    make_directories "$state"
    make_certificate "$state/etc/ffs/tls"
    cat >"$state/etc/ffs/ffs.yaml" <<YAML
# Made by install.sh demo.
run:
  directory: $state/run/ffs
state:
  directory: $state/var/lib/ffs
log:
  directory: $state/var/log/ffs
metrics:
  base-port: $((base_port + 40))
commlink:
  keybag-directory: $state/etc/ffs/keybag
pipeline:
  base-port: $((base_port + 50))
  journal-directory: $state/var/lib/ffs/journal
  key-directory: $state/etc/ffs/pipeline
auth:
  base-port: $((base_port + 10))
staging:
  base-port: $((base_port + 20))
  repository: $state/srv/ffs/repository
  accounts: $state/srv/ffs/accounts
ftp:
  port: $((base_port + 1))
  https-port: $((base_port + 2))
  public-host: localhost
  relay-host: 127.0.0.1
  certificate: $state/etc/ffs/tls/cert.pem
  private-key: $state/etc/ffs/tls/key.pem
web:
  port: $base_port
  relay-address: 127.0.0.1
  relay-base-port: $((base_port + 30))
  certificate: $state/etc/ffs/tls/cert.pem
  private-key: $state/etc/ffs/tls/key.pem
YAML
    make_keys "$state/etc/ffs/ffs.yaml" "$state/etc/ffs/keybag"
    apply_modes "$state"
}

# The project's own release, 2,000 small files, one file of 2 GiB: below $work/content.
demo_content() {
    mkdir -p "$work/content/release" "$work/content/small" "$work/content/big"
    # The clone may be another user's than the demo's (sudo); reading it is all that happens.
    if ! git -c safe.directory="$top" -C "$top" archive --format=tar.gz --prefix=ffs/ \
        -o "$work/content/release/ffs.tar.gz" HEAD 2>/dev/null; then
        tar -C "$top" --exclude '.build*' --exclude .git -czf "$work/content/release/ffs.tar.gz" . ||
            fail 73 "could not pack $top"
    fi
    seq 1 200000 | (cd "$work/content/small" && split -l 100 -a 4 -d - record-)
    # AES of nothing: as good as random to every tool on the way, and quick to make.
    openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000001 \
        -in /dev/zero 2>/dev/null | head -c 2147483648 >"$work/content/big/image.bin"
    [ "$(stat -c %s "$work/content/big/image.bin")" = 2147483648 ] || fail 73 "could not make a file of 2 GiB in $work"
    for file in release/ffs.tar.gz small/record-1234 big/image.bin; do
        echo "$(sha256 <"$work/content/$file") $file"
    done >"$work/digests"
}

# sha256: of standard input. openssl uses the processor's instructions for it, which sha256sum may not.
sha256() { openssl dgst -sha256 -r | cut -d ' ' -f 1; }

# digest_of FILE: of a published file, named as in an account
digest_of() {
    original=${1%%/*}
    original=${original#ffs-}
    awk -v file="${original%-1.0}/${1##*/}" '$2 == file { print $1 }' "$work/digests"
}

demo() {
    state=$1
    base_port=$2
    keep=$3
    begin=$(seconds)
    need "the demo" "curl openssl sqlite3"
    demo_place
    work=$(mktemp -d "$state/work.XXXXXX")
    chmod 755 "$work"
    trap demo_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if [ -n "$programs" ]; then
        step "Using the programs in $programs"
    else
        step "Building (release): 5 to 15 minutes the first time"
        say "    Warnings about mktemp and unhandled files are of libraries, not of FFS."
        start=$(seconds)
        build
        timed "build" "$start"
    fi

    step "Setting up $state: users, directories, certificate, key bags, configuration"
    start=$(seconds)
    ! is_root || make_users
    demo_configure
    timed "set up" "$start"

    step "Starting ffsauthd, ffspiped, ffsstaged, ffsftpd and ffswebd"
    start=$(seconds)
    demo_service start || fail 69 "a daemon did not start (see above)"
    timed "start five daemons" "$start"
    pids=$(cat "$state"/run/ffs-service/*.pid | tr '\n' ' ')
    # shellcheck disable=SC2086 # a list of numbers
    ps -o user:12,pid,args -p "$(echo $pids | tr ' ' ,)"

    step "Making content: this project's release, 2,000 small files, one file of 2 GiB"
    start=$(seconds)
    demo_content
    timed "make content" "$start"

    step "Publishing three products"
    for product in release small big; do
        start=$(seconds)
        ctl product publish "ffs-$product" 1.0 "$work/content/$product" \
            --title "FFS demo: $product" || fail 70 "publishing $product failed"
        timed "publish ffs-$product" "$start"
    done

    step "Creating customer demo and their entitlements"
    start=$(seconds)
    password=$(openssl rand -hex 12)
    printf '%s\n' "$password" | ctl customer add demo --password-stdin --display-name "Demo Customer" ||
        fail 70 "the customer could not be created"
    for product in release small big; do
        ctl entitlement grant demo "ffs-$product" || fail 70 "the entitlement to ffs-$product could not be granted"
    done
    timed "customer and entitlements" "$start"

    demo_as_customer
    demo_inodes
    demo_log
    demo_change
    demo_environment

    step "Summary"
    timed "all" "$begin" >/dev/null
    cat "$work/summary"
    say ""
    if [ "$keep" = yes ]; then
        say "Still running: https://localhost:$base_port/ (customer demo, password $password)"
        say "The certificate is self-signed, so a browser warns once; curl trusts it with --cacert $cert"
        say "Variables for programs: $state/demo.env"
        say "Stop it with: kill ${pids% }; rm -rf $state"
    else
        say "Everything worked; the daemons stop now. With --keep they go on."
    fi
}

# What the customer does, through the front doors alone.
demo_as_customer() {
    web=https://localhost:$base_port
    cert=$state/etc/ffs/tls/cert.pem

    step "Signing in at $web as the customer"
    start=$(seconds)
    (umask 077 && printf '{"customer": "demo", "password": "%s"}' "$password" >"$work/login.json")
    reply=$(demo_api sessions "$work/login.json") || fail 70 "signing in failed: $reply"
    timed "sign in" "$start"
    token=$(printf '%s' "$reply" | json_text token)
    (umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$token" >"$work/token")

    step "Staging all three products"
    start=$(seconds)
    cat >"$work/order.json" <<'JSON'
{"items": [{"product": "ffs-release", "version": "1.0"}, {"product": "ffs-small", "version": "1.0"},
           {"product": "ffs-big", "version": "1.0"}]}
JSON
    reply=$(demo_api accounts "$work/order.json" -K "$work/token") || fail 70 "staging failed: $reply"
    timed "stage 2,002 files, 2 GiB" "$start"
    login=$(printf '%s' "$reply" | json_text account)
    account_password=$(printf '%s' "$reply" | json_text password)
    case ,$login,$account_password, in *,,*) fail 70 "the web front's answer has no account: $reply" ;; esac
    say "    account $login"
    (umask 077 && printf 'user = "%s:%s"\n' "$login" "$account_password" >"$work/account")

    ftp=ftp://localhost:$((base_port + 1))
    https=https://localhost:$((base_port + 2))/a/$login
    demo_fetch FTP "$ftp"
    demo_fetch FTPS "$ftp" --ssl-reqd
    demo_fetch HTTPS "$https"
    demo_own_name
}

# The customer's own name and password at the FTP server, which stages on the fly all that they are entitled to.
demo_own_name() {
    step "Signing in to FTPS with the customer's own name and password"
    (umask 077 && printf 'user = "demo:%s"\n' "$password" >"$work/customer")
    file=ffs-release-1.0/ffs.tar.gz
    say "    curl --ssl-reqd --user demo $ftp/$file"
    # Right after the start of all daemons the gate may still be on its way to the relay.
    tries=0
    start=$(seconds)
    until curl -q -sS --fail --cacert "$cert" -K "$work/customer" --ssl-reqd "$ftp/$file" -o "$work/own-name"; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail 69 "the customer could not sign in to FTPS with their own name; see ffsftpd's log"
        sleep 1
        start=$(seconds)
    done
    timed "sign in by own name, stage all, fetch" "$start"
    fetched=$(sha256 <"$work/own-name")
    [ "$fetched" = "$(digest_of "$file")" ] || fail 65 "$file came by the customer's own name as $fetched"
    say "    $file $fetched"
}

# demo_api PATH BODY CURL-OPTION…: one call of the web front's JSON API
demo_api() {
    call=$1
    body=$2
    shift 2
    curl -q -sS --fail-with-body --cacert "$cert" -H 'Content-Type: application/json' --data-binary @"$body" "$@" \
        "$web/api/v1/$call"
}

# demo_fetch NAME URL CURL-OPTION…: SHA256SUMS, the release and the image; compares with what was published.
demo_fetch() {
    name=$1
    url=$2
    shift 2
    step "Fetching over $name with curl, checking SHA-256"
    for file in ffs-release-1.0/ffs.tar.gz ffs-small-1.0/record-1234 ffs-big-1.0/image.bin; do
        start=$(seconds)
        fetched=$(curl -q -sS --fail --cacert "$cert" -K "$work/account" "$@" "$url/$file" | sha256)
        timed "fetch ${file##*/} over $name, hashed" "$start" "$file $fetched"
        published=$(digest_of "$file")
        [ "$fetched" = "$published" ] || fail 65 "$file came over $name as $fetched, not as $published"
        listed=$(curl -q -sS --fail --cacert "$cert" -K "$work/account" "$@" "$url/SHA256SUMS" |
            awk -v file="$file" '$2 == file { print $1 }')
        [ "$listed" = "$published" ] || fail 65 "SHA256SUMS says $listed of $file, which is $published"
    done
}

# Nothing was copied: the account's files are the repository's.
demo_inodes() {
    step "Comparing inodes of account and repository"
    for file in ffs-release-1.0/ffs.tar.gz ffs-small-1.0/record-1234 ffs-big-1.0/image.bin; do
        staged=$state/srv/ffs/accounts/$login/root/$file
        digest=$(digest_of "$file")
        object=$state/srv/ffs/repository/objects/$(printf %.2s "$digest")/$digest
        one=$(stat -c %i "$staged")
        other=$(stat -c %i "$object")
        [ "$one" = "$other" ] || fail 65 "$staged is inode $one, the repository's object is $other"
        say "    $file: inode $one, as objects/$(printf %.2s "$digest")/$digest"
    done
}

# Each download is one entry of the log, with a proof, as soon as ffspiped has brought it there.
demo_log() {
    step "Looking at the log: each download is there once, and can be proved"
    start=$(seconds)
    tries=0
    until [ "$(ctl log search --customer demo --limit 0 --json | grep -o '"download.completed"' | wc -l)" -ge 10 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail 70 "the downloads are not in the log after 10 s; ffsctl pipeline status says why"
        sleep 0.1
    done
    ctl log tail -n 4
    event=$(ctl log tail -n 1 --json | json_text event)
    ctl log prove "$event" || fail 70 "event $event has no proof"
    ctl log verify || fail 70 "the log is not whole"
    timed "log: wait, prove, verify" "$start"
    ctl why demo ffs-release || fail 70 "ffsctl why says no"
}

# What somebody changes in the master database with SQL of their own reaches the storage host at once.
demo_change() {
    step "Revoking an entitlement with sqlite3, and watching the account end"
    printf '%s\n' "$password" | ctl customer add passing --password-stdin --display-name "Passing Customer" ||
        fail 70 "the second customer could not be created"
    ctl entitlement grant passing ffs-small --policy cut || fail 70 "the second customer's entitlement could not be granted"
    (umask 077 && printf '{"customer": "passing", "password": "%s"}' "$password" >"$work/login.json")
    reply=$(demo_api sessions "$work/login.json") || fail 70 "signing in failed: $reply"
    (umask 077 && printf 'header = "Authorization: Bearer %s"\n' "$(printf '%s' "$reply" | json_text token)" >"$work/token")
    echo '{"items": [{"product": "ffs-small", "version": "1.0"}]}' >"$work/order.json"
    reply=$(demo_api accounts "$work/order.json" -K "$work/token") || fail 70 "staging failed: $reply"
    passing=$(printf '%s' "$reply" | json_text account)
    [ -e "$state/srv/ffs/accounts/$passing/record" ] || fail 70 "the account $passing is not there"
    statement="UPDATE entitlements SET revoked = unixepoch() WHERE customer = 'passing'"
    say "    sqlite3 master.sqlite \"$statement\""
    start=$(seconds)
    sqlite3 "$state/var/lib/ffs/auth/master.sqlite" "PRAGMA busy_timeout = 5000; $statement" >/dev/null ||
        fail 70 "sqlite3 could not change the master database"
    tries=0
    while [ -e "$state/srv/ffs/accounts/$passing/record" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 500 ] || fail 70 "the account $passing still stands 5 s after its entitlement was revoked"
        sleep 0.01
    done
    timed "raw SQL revoked, account ended" "$start"
}

demo_environment() {
    {
        echo "FFS_WEB_URL=$(quoted "https://localhost:$base_port")"
        echo "FFS_FTP_HOST=localhost"
        echo "FFS_FTP_PORT=$((base_port + 1))"
        echo "FFS_HTTPS_PORT=$((base_port + 2))"
        echo "FFS_CUSTOMER=demo"
        echo "FFS_PASSWORD=$(quoted "$password")"
        echo "FFS_ACCOUNT_LOGIN=$(quoted "$login")"
        echo "FFS_ACCOUNT_PASSWORD=$(quoted "$account_password")"
        echo "FFS_AUTH_PORTS=$((base_port + 10))-$((base_port + 17))"
        echo "FFS_STAGE_PORTS=$((base_port + 20))-$((base_port + 27))"
        echo "FFS_KEYBAG_AUTH=$(quoted "$state/etc/ffs/keybag/web-internal")"
        echo "FFS_KEYBAG_STAGE=$(quoted "$state/etc/ffs/keybag/web-storage")"
        echo "FFS_REPOSITORY=$(quoted "$state/srv/ffs/repository")"
        echo "FFS_ACCOUNTS=$(quoted "$state/srv/ffs/accounts")"
        echo "FFS_PIDS=$(quoted "${pids% }")"
        # Beyond the fixed list: what a program needs to trust the certificate and to operate.
        echo "FFS_CACERT=$(quoted "$state/etc/ffs/tls/cert.pem")"
        echo "FFS_CONFIG=$(quoted "$state/etc/ffs/ffs.yaml")"
    } >"$state/demo.env"
    chmod 600 "$state/demo.env"
}
