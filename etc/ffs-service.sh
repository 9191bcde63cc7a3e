#!/bin/sh
# ffs-service: starts and stops FFS where systemd does not run. Also for /etc/init.d or a supervisor's hook.
#
#   ffs-service start|stop|restart|reload|status [DAEMON…]
#
# Without a name it means the daemons of this host's role (the file roles beside ffs.yaml, install.sh install --role);
# stop means all. Ends with 69 when a daemon does not start or stop, 3 when status finds one that does not run.
#
# Environment: FFS_CONFIG (ffs.yaml to use), FFS_RUN (run.directory), FFS_PIDS (directory of the process ids, which nobody
# but this script's user may write), FFS_LOG (directory of the logs), FFS_SBIN (directory of the daemons).
set -u

config=${FFS_CONFIG:-/etc/ffs/ffs.yaml}
run=${FFS_RUN:-/run/ffs}
pids=${FFS_PIDS:-/run/ffs-service}
log=${FFS_LOG:-/var/log/ffs}
sbin=${FFS_SBIN:-@PREFIX@/sbin}

usage() {
    echo "usage: ffs-service start|stop|restart|reload|status [ffsauthd] [ffspiped] [ffsstaged] [ffsftpd] [ffswebd]" >&2
    exit 64
}

# The process id of a daemon that runs, else nothing. A stale pid file, or another program's id, does not count.
pid_of() {
    [ -r "$pids/$1.pid" ] || return 1
    read -r pid <"$pids/$1.pid" || return 1
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 1
    echo "$pid"
}

# The user of each daemon, as etc/sysusers.d/ffs.conf has them.
user_of() {
    case $1 in
        ffsauthd) echo ffsauth ;;
        ffspiped) echo ffspipe ;;
        ffsstaged) echo ffsrepo ;;
        ffsftpd) echo root ;;
        ffswebd) echo ffsweb ;;
    esac
}

# own_directory PATH USER: makes it, or accepts it as it is when it is USER's own directory and no link
own_directory() {
    mkdir "$1" 2>/dev/null && chmod 0755 "$1" && { [ "$(id -u)" != 0 ] || chown -h "$2:" "$1"; } && return
    if [ -h "$1" ] || [ ! -d "$1" ] || { [ "$(id -u)" = 0 ] && [ "$(stat -c %U "$1")" != "$2" ]; }; then
        echo "$1 is not a directory of user $2, as it should be; look at it, and remove it" >&2
        return 1
    fi
}

# /run does not outlive a boot.
prepare() {
    own_directory "$pids" "$(id -un)" && own_directory "$run" "$(id -un)" && own_directory "$run/$1" "$(user_of "$1")"
}

start() {
    if pid_of "$1" >/dev/null; then
        echo "$1 runs already"
        return 0
    fi
    prepare "$1" || return 69
    # A session of its own: neither the terminal's end nor its Ctrl-C reaches the daemon. Nothing of the caller's
    # environment does, and no core dump is left: memory holds keys.
    (
        # shellcheck disable=SC3045 # dash and bash both have it
        ulimit -c 0
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 ${TZ:+"TZ=$TZ"} \
            setsid "$sbin/$1" --config "$config" >>"$log/$1.log" 2>&1 </dev/null
    ) &
    echo $! >"$pids/$1.pid"
    tries=0
    until [ -S "$run/$1/control.sock" ] && pid_of "$1" >/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 4 ] && ! pid_of "$1" >/dev/null || [ "$tries" -gt 150 ]; then
            echo "$1 did not start; the end of $log/$1.log:" >&2
            tail -n 10 "$log/$1.log" >&2
            rm -f "$pids/$1.pid"
            return 69
        fi
        sleep 0.2
    done
    echo "$1 started"
}

stop() {
    if ! pid=$(pid_of "$1"); then
        echo "$1 does not run"
        return 0
    fi
    if ! kill -TERM "$pid" 2>/dev/null && pid_of "$1" >/dev/null; then
        echo "$1 goes on: its process $pid is $(stat -c %U "/proc/$pid")'s; stop it as that user or as root" >&2
        return 77
    fi
    # A little longer than drain.timeout at its default.
    tries=0
    while pid_of "$1" >/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -eq 200 ]; then
            echo "$1 still drains after 40 s; it gets SIGKILL" >&2
            kill -KILL "$pid"
        elif [ "$tries" -gt 225 ]; then
            echo "$1, process $pid, does not end; see ps(1)" >&2
            return 69
        fi
        sleep 0.2
    done
    rm -f "$pids/$1.pid"
    echo "$1 stopped"
}

reload() {
    if pid=$(pid_of "$1"); then
        kill -HUP "$pid" || return 77
        echo "$1 reloads"
    else
        echo "$1 does not run" >&2
        return 1
    fi
}

status() {
    if pid=$(pid_of "$1"); then
        echo "$1 runs, process $pid"
    else
        echo "$1 does not run"
        return 3
    fi
}

# The daemons of this host, in the order in which they start.
of_this_host() {
    roles=web,internal,storage
    [ ! -r "${config%/*}/roles" ] || roles=$(tr -s ' \t\n' , <"${config%/*}/roles")
    case ,$roles, in *,internal,*) echo ffsauthd ;; esac
    echo ffspiped
    case ,$roles, in *,storage,*) echo ffsstaged ffsftpd ;; esac
    case ,$roles, in *,web,*) echo ffswebd ;; esac
}

[ $# -ge 1 ] || usage
verb=$1
shift
# shellcheck disable=SC2046 # a list of names
[ $# -gt 0 ] || case $verb in
    stop) set -- ffswebd ffsftpd ffsstaged ffspiped ffsauthd ;;
    *) set -- $(of_this_host) ;;
esac
for daemon; do
    case $daemon in
        ffsauthd | ffspiped | ffsstaged | ffsftpd | ffswebd) ;;
        *) usage ;;
    esac
done

result=0
case $verb in
    start) for daemon; do start "$daemon" || result=$?; done ;;
    stop) for daemon; do stop "$daemon" || result=$?; done ;;
    reload) for daemon; do reload "$daemon" || result=$?; done ;;
    status) for daemon; do status "$daemon" || result=$?; done ;;
    restart)
        for daemon; do stop "$daemon" && start "$daemon" || result=$?; done
        ;;
    *) usage ;;
esac
exit "$result"
