#!/bin/sh
# ffs-service: starts and stops FFS where systemd does not run. Also for /etc/init.d or a supervisor's hook.
#
#   ffs-service start|stop|restart|reload|status [DAEMON…]
#
# Environment: FFS_CONFIG (ffs.yaml to use), FFS_RUN (directory of the pid files), FFS_LOG (directory of the logs),
# FFS_SBIN (directory of the daemons).
set -u

config=${FFS_CONFIG:-/etc/ffs/ffs.yaml}
run=${FFS_RUN:-/run/ffs}
log=${FFS_LOG:-/var/log/ffs}
sbin=${FFS_SBIN:-@PREFIX@/sbin}

usage() {
    echo "usage: ffs-service start|stop|restart|reload|status [ffsauthd] [ffsstaged] [ffsftpd] [ffswebd]" >&2
    exit 64
}

# The process id of a daemon that runs, else nothing. A stale pid file, or another program's id, does not count.
pid_of() {
    [ -r "$run/$1.pid" ] || return 1
    read -r pid <"$run/$1.pid" || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] || return 1
    echo "$pid"
}

start() {
    if pid_of "$1" >/dev/null; then
        echo "$1 runs already"
        return 0
    fi
    # /run does not outlive a boot.
    [ -d "$run" ] || { mkdir -p "$run" && chown root:ffs "$run" && chmod 1771 "$run"; } || return 1
    # A session of its own: neither the terminal's end nor its Ctrl-C reaches the daemon.
    setsid "$sbin/$1" --config "$config" >>"$log/$1.log" 2>&1 </dev/null &
    echo $! >"$run/$1.pid"
    tries=0
    until [ -S "$run/$1.sock" ] && pid_of "$1" >/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 4 ] && ! pid_of "$1" >/dev/null || [ "$tries" -gt 150 ]; then
            echo "$1 did not start; the end of $log/$1.log:" >&2
            tail -n 5 "$log/$1.log" >&2
            rm -f "$run/$1.pid"
            return 1
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
    kill -TERM "$pid"
    # A little longer than drain.timeout at its default.
    tries=0
    while pid_of "$1" >/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 200 ]; then
            echo "$1 still drains after 40 s; it gets SIGKILL" >&2
            kill -KILL "$pid"
            break
        fi
        sleep 0.2
    done
    rm -f "$run/$1.pid"
    echo "$1 stopped"
}

reload() {
    if pid=$(pid_of "$1"); then
        kill -HUP "$pid"
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

[ $# -ge 1 ] || usage
verb=$1
shift
[ $# -gt 0 ] || case $verb in
    stop) set -- ffswebd ffsftpd ffsstaged ffsauthd ;;
    *) set -- ffsauthd ffsstaged ffsftpd ffswebd ;;
esac
for daemon; do
    case $daemon in
        ffsauthd | ffsstaged | ffsftpd | ffswebd) ;;
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
