#!/bin/sh
# What install.sh, which reads this file, knows of this host: its role, where ffs.yaml puts things, and its services.

: "${top:=}" "${prefix:=}" "${destdir:=}" "${role:=}" "${programs:=}"

systemd_runs() { [ -d /run/systemd/system ] && [ -z "$destdir" ]; }

# ---------------------------------------------------------------- roles

# read_roles: sets $roles, from --role, else as remembered, else all of them
read_roles() {
    roles=web,internal,storage
    words=$role
    [ -n "$words" ] || [ ! -r "$destdir/etc/ffs/roles" ] || words=$(cat "$destdir/etc/ffs/roles")
    [ -n "$words" ] || return 0
    roles=
    for word in $(echo "$words" | tr , ' '); do
        case $word in
            web | internal | storage) roles=${roles:+$roles,}$word ;;
            *) fail 64 "--role, and the file roles, take web, internal, storage or several with commas, not $word" ;;
        esac
    done
}

remember_roles() {
    [ -z "$role" ] || printf '%s\n' "$roles" >"$destdir/etc/ffs/roles"
}

has_role() { case ,$roles, in *,"$1",*) return 0 ;; *) return 1 ;; esac }
# Those that have a certificate.
serves_customers() { has_role web || has_role storage; }

all_daemons="ffsauthd ffspiped ffsstaged ffsftpd ffswebd"

# daemons: of this host, in the order in which they start
daemons() {
    names=
    ! has_role internal || names="ffsauthd"
    names="$names ffspiped"
    ! has_role storage || names="$names ffsstaged ffsftpd"
    ! has_role web || names="$names ffswebd"
    echo "${names# }"
}

# ends_here LINK: how many ends of it are on this host
ends_here() {
    count=0
    for end in $(echo "$1" | tr - ' '); do
        # ffspiped keeps the log where ffsauthd is.
        [ "$end" != pipe ] || end=internal
        ! has_role "$end" || count=$((count + 1))
    done
    echo "$count"
}

# ---------------------------------------------------------------- places

keybag=/etc/ffs/keybag
pipeline=/etc/ffs/pipeline
journals=/var/lib/ffs/journal
state_directory=/var/lib/ffs
log_directory=/var/log/ffs
run_directory=/run/ffs
repository=/srv/ffs/repository
accounts=/srv/ffs/accounts

# read_places FFSCTL: the directories as ffs.yaml has them
read_places() {
    shown=$(env -i PATH="$PATH" "$1" config show --config /etc/ffs/ffs.yaml) || fail 78 "correct /etc/ffs/ffs.yaml first (see above)"
    keybag=$(place commlink keybag-directory)
    pipeline=$(place pipeline key-directory)
    journals=$(place pipeline journal-directory)
    state_directory=$(place state directory)
    log_directory=$(place log directory)
    run_directory=$(place run directory)
    repository=$(place staging repository)
    accounts=$(place staging accounts)
    for path in "$keybag" "$pipeline" "$journals" "$state_directory" "$log_directory" "$run_directory" "$repository" "$accounts"; do
        case $path in
            /*/ | *//* | */../* | *[!A-Za-z0-9/._@+~-]*)
                fail 78 "ffs.yaml names the directory $path; systemd and install.sh take plain paths, of letters, digits and /._@+~-, that" \
                    "do not end in /"
                ;;
            /?*) ;;
            *) fail 78 "ffs.yaml names the directory $path, which must be an absolute path" ;;
        esac
    done
}

# place SECTION KEY: a value out of $shown
place() {
    printf '%s\n' "$shown" | awk -v section="$1:" -v key="$2:" '
        /^[a-z]/ { inside = $1 == section }
        inside && $1 == key { sub(/^ *[a-z-]+: */, ""); gsub(/^"|"$/, ""); print; exit }'
}

# common ONE OTHER: the directory that holds both
common() {
    holder=$1
    until case $2/ in "$holder"/*) true ;; *) false ;; esac do holder=${holder%/*}; done
    echo "${holder:-/}"
}

# ---------------------------------------------------------------- systemd

units=$prefix/lib/systemd/system

# admit_prefix: whether services can run from there, and whether those that systemd knows do
admit_prefix() {
    systemd_runs || return 0
    unit=$(readlink -f "$(systemctl show -P FragmentPath ffs.target)") || :
    case $unit in
        "$units"/* | '') ;;
        */lib/systemd/system/ffs.target)
            fail 64 "FFS is installed below ${unit%/lib/systemd/system/ffs.target}: add --prefix ${unit%/lib/systemd/system/ffs.target}" \
                "(to move it, uninstall it there first)"
            ;;
    esac
    case $prefix/ in
        /home/* | /root/* | /run/* | /tmp/* | /var/tmp/*)
            fail 64 "the services could not run from $prefix: their units hide /home, /root and /tmp from them (ProtectHome=," \
                "PrivateTmp=), and /run does not outlive a boot; choose another --prefix, such as /opt/ffs"
            ;;
    esac
}

# write_places: which directories systemd lets each daemon write (ProtectSystem=strict), where ffs.yaml moved them
write_places() {
    storage=$(common "$repository" "$accounts")
    [ "$storage" != / ] ||
        fail 78 "staging.repository ($repository) and staging.accounts ($accounts) have no directory in common. Put both below one," \
            "such as /data/ffs: systemd opens it as one mount, and hard links do not cross mounts"
    # Each records events; ffspiped forwards them.
    journal=
    case $journals in "$state_directory"/*) ;; *) journal=" $journals" ;; esac
    places ffsauthd "$state_directory" /var/lib/ffs
    places ffspiped "$state_directory$journal" /var/lib/ffs
    places ffsstaged "$state_directory$journal $storage" "/var/lib/ffs /srv/ffs"
    places ffsftpd "$log_directory $journals" "/var/log/ffs /var/lib/ffs/journal"
    places ffswebd "$journals" /var/lib/ffs/journal
}

# places DAEMON PATHS USUAL: a drop-in of its unit, unless PATHS are those of the unit
places() {
    drop_in=/etc/systemd/system/$1.service.d/places.conf
    paths=$2
    [ "$run_directory" = /run/ffs ] || paths="$paths $run_directory"
    if [ "$paths" = "$3" ]; then
        rm -f "$drop_in"
        rmdir "${drop_in%/*}" 2>/dev/null || :
        return 0
    fi
    for path in $paths; do
        case $path/ in
            /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/* | /dev/*)
                fail 78 "ffs.yaml puts $path where units see nothing (ProtectHome=, PrivateTmp=, PrivateDevices=); move it, to" \
                    "/srv or /data for instance"
                ;;
        esac
    done
    mkdir -p "${drop_in%/*}"
    printf '%s\n' "# Made by install.sh, at install and at start, from the directories in /etc/ffs/ffs.yaml." \
        "[Service]" "ReadWritePaths=" "ReadWritePaths=$paths" >"$drop_in"
    say "$1 may write$(printf ' %s' "$paths" | tr -s ' '), as ffs.yaml has it: $drop_in"
}

# enable_units: this host's daemons start at boot, others do not
enable_units() {
    write_places
    systemctl daemon-reload
    for unit in ffs.target $(daemons); do
        case $unit in *.target) ;; *) unit=$unit.service ;; esac
        case $prefix in
            # Where systemd looks for units.
            /usr | /usr/local) ;;
            *) unit=$units/$unit ;;
        esac
        systemctl --quiet enable "$unit" || fail 69 "systemd does not enable $unit (see above; is it masked?)"
    done
    for daemon in $all_daemons; do
        case " $(daemons) " in
            *" $daemon "*) ;;
            *) systemctl --quiet disable --now "$daemon" 2>/dev/null || : ;;
        esac
    done
}

disable_units() {
    # shellcheck disable=SC2086 # a list of names
    systemctl --quiet disable ffs.target $all_daemons 2>/dev/null || :
    for daemon in $all_daemons; do
        rm -f "/etc/systemd/system/$daemon.service.d/places.conf"
        rmdir "/etc/systemd/system/$daemon.service.d" 2>/dev/null || :
    done
}

# up VERB DAEMON…: starts or restarts them; ends with 69 and the end of each log when one is not up then
up() {
    verb=$1
    shift
    for daemon; do systemctl --quiet "$verb" "$daemon" 2>/dev/null || :; done
    # All of them: then the target is up, too. It would start what an operator had stopped.
    [ "$*" != "$(daemons)" ] || systemctl --quiet start ffs.target || :
    failed=
    for daemon; do
        if systemctl --quiet is-active "$daemon"; then
            say "$daemon runs"
        else
            failed="$failed $daemon"
            say "$daemon does not run; the end of its log:" >&2
            journalctl --sync 2>/dev/null || :
            journalctl --quiet --no-pager --output=cat --lines=12 --unit="$daemon" | sed 's/^/    /' >&2
        fi
    done
    [ -z "$failed" ] || fail 69 "not running:$failed (see above; all of it: journalctl -u NAME)"
}

# do_service start|stop|restart|status
do_service() {
    admit_prefix
    [ -x "$prefix/sbin/ffs-service" ] || fail 69 "FFS is not installed below $prefix"
    is_root || [ "$1" = status ] || fail 77 "only root can $1 the daemons; use sudo"
    # shellcheck disable=SC2046 # a list of names
    if ! systemd_runs; then
        "$prefix/sbin/ffs-service" "$1"
    elif [ "$1" = status ]; then
        systemctl --no-pager --lines=3 status $(daemons)
    elif [ "$1" = stop ]; then
        systemctl stop ffs.target $(daemons)
    else
        read_places "$prefix/bin/ffsctl"
        write_places
        systemctl daemon-reload
        up "$1" $(daemons)
    fi
}

# running: the daemons of this host that run
running() {
    for daemon in $(daemons); do
        if systemd_runs; then
            ! systemctl --quiet is-active "$daemon" || echo "$daemon"
        else
            ! "$prefix/sbin/ffs-service" status "$daemon" >/dev/null 2>&1 || echo "$daemon"
        fi
    done
}

do_upgrade() {
    before=$(running | tr '\n' ' ')
    build
    # What would stop it half-way shows while everything still runs.
    [ ! -x "$prefix/bin/ffsctl" ] || { make_users; read_places "$prefix/bin/ffsctl"; make_directories ""; }
    # By the script that started them.
    # shellcheck disable=SC2086 # a list of names
    systemd_runs || [ -z "$before" ] || "$prefix/sbin/ffs-service" stop $before
    do_install
    # Of former versions, which kept their sockets there.
    rm -f "$run_directory"/*.sock "$run_directory"/*.pid
    [ -n "$before" ] || return 0
    step "Restarting what ran"
    # shellcheck disable=SC2086 # a list of names
    if systemd_runs; then up restart $before; else "$prefix/sbin/ffs-service" start $before; fi
}
