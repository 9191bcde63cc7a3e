#!/bin/sh
# One booted host, from `install.sh install` to `uninstall --purge`: every daemon as its unit has it.
# shellcheck disable=SC1091,SC2154,SC2086 # lib.sh is checked on its own; $all is a list
. "$(dirname "$0")/lib.sh"

name=one.example.net
install=/src/ffs/install.sh
one() { on one "$@"; }
certificate=$world/one/etc/ffs/tls/cert.pem
all="ffsauthd ffspiped ffsstaged ffsftpd ffswebd"

programs
net
host one 10.99.0.2 "$name"
boot one
customer

step "what can be said before anything is installed"
expect 69 one $install start
says "not installed"
expect 64 one $install install --programs /programs --prefix /home/ffs
says "ProtectHome"
expect 64 one $install install --programs /programs --role web,mail
says "--role, and the file roles, take web, internal, storage"

step "install"
expect 0 one $install install --programs /programs
says "to run here: $all"
one "sed -i 's/^  public-host:.*/  public-host: $name/; s/^  #* *public-host:.*/  public-host: $name/' /etc/ffs/ffs.yaml"
expect 0 one "grep 'public-host: $name' /etc/ffs/ffs.yaml"
expect 0 openssl x509 -in "$certificate" -noout -ext basicConstraints
says "CA:FALSE"
# Each line of the units is one that this systemd knows.
expect 0 one "systemd-analyze verify --man=no ffs.target $(printf '%s.service ' $all)"
[ -z "$output" ] || die "systemd-analyze verify: $output"

step "start"
expect 0 one $install start
for daemon in $all; do says "$daemon runs"; done
expect 0 one $install check
expect 0 one $install status

step "publish, entitle, sign in, stage, fetch"
one "mkdir -p /root/content/deep && seq 1 100000 >/root/content/deep/numbers && echo hello >/root/content/hello"
numbers=$(sha256sum <"$world/one/root/content/deep/numbers" | cut -d ' ' -f 1)
expect 0 one "ffsctl product publish tool 1.0 /root/content --title Tool"
expect 0 one "echo sesame-opens-it | ffsctl customer add acme --password-stdin --display-name ACME"
expect 0 one "ffsctl entitlement grant acme tool"
order "$name" "$certificate" acme sesame-opens-it tool 1.0
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"
# A certificate that is no authority's is trusted by clients of GnuTLS as well.
expect 0 wget --no-config -q --ca-certificate="$certificate" --user="$login" --password="$secret" --auth-no-challenge \
    -O "$world/fetched" "https://$name:8443/a/$login/tool-1.0/deep/numbers"
digest "$numbers"
expect 0 one $install smoke

step "each user: its own key bags, its own directory, no core dumps"
for pair in ffsauth:web-internal ffsrepo:web-storage ffsrepo:storage-web ffsweb:web-internal ffsweb:web-storage \
    ffsweb:storage-web ffsweb:web-pipe ffspipe:web-pipe ffspipe:storage-web; do
    expect 0 one "runuser -u ${pair%:*} -- head -c 10 /etc/ffs/keybag/${pair#*:}"
done
for pair in ffsauth:web-storage ffsauth:storage-web ffsauth:web-pipe ffsrepo:web-internal ffsrepo:web-pipe \
    ffsftp:web-internal ffsftp:web-storage ffsftp:storage-web ffspipe:web-internal ffspipe:web-storage; do
    expect 1 one "runuser -u ${pair%:*} -- head -c 10 /etc/ffs/keybag/${pair#*:}"
    says "Permission denied"
done
for user in ffsauth ffspipe ffsrepo ffsftp ffsweb; do
    expect 1 one "runuser -u $user -- ln -s /etc/passwd /run/ffs/planted"
    says "Permission denied"
done
expect 1 one "runuser -u ffsweb -- rm /run/ffs/ffsauthd/control.sock"
for daemon in $all; do
    expect 0 one "grep 'Max core file size *0 *0 ' /proc/\$(systemctl show -P MainPID $daemon)/limits"
    # Bits beyond those the unit names would be a hardening line without effect.
    expect 0 one "grep -E '^(NoNewPrivs:.1|Seccomp:.2)' /proc/\$(systemctl show -P MainPID $daemon)/status"
    says Seccomp
    says NoNewPrivs
done

step "reboot: everything comes back"
halt one
boot one
eventually one systemctl is-active $all
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"

step "a broken daemon: start names it and ends with 69"
one "chmod 0644 /etc/ffs/keybag/web-internal; systemctl stop ffs.target"
expect 69 one $install start
says "ffsauthd does not run; the end of its log:"
says "/etc/ffs/keybag/web-internal has mode 0644"
says "ffsstaged runs"
says "not running: ffsauthd ffswebd"
one "chmod 0640 /etc/ffs/keybag/web-internal"
expect 0 one $install start

step "a port that is taken: start says so, and the daemon comes once it is free"
one "systemctl stop ffsftpd; systemd-run --quiet --unit=squatter --property=Type=exec openssl s_server -accept 21 -cert /etc/ffs/tls/cert.pem -key /etc/ffs/tls/key.pem"
eventually one "ss -ltn | grep -q ':21 '"
expect 69 one $install start
says "port 21"
says "not running: ffsftpd"
one "systemctl stop squatter"
eventually one systemctl is-active ffsftpd

step "a moved repository"
one "systemctl stop ffs.target && mkdir /data && mv /srv/ffs /data/ffs"
one "sed -i -E 's|^( *)#? *repository:.*|\1repository: /data/ffs/repository|; s|^( *)#? *accounts: */srv.*|\1accounts: /data/ffs/accounts|' /etc/ffs/ffs.yaml"
one "grep -E '^ +(repository|accounts):' /etc/ffs/ffs.yaml" >"$world/output"
expect 0 one $install start
says "ffsstaged may write /var/lib/ffs /data/ffs"
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"
order "$name" "$certificate" acme sesame-opens-it tool 1.0
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"
expect 0 one $install check
one "sed -i 's|/data/ffs/repository|/home/ffs/repository|; s|/data/ffs/accounts|/home/ffs/accounts|' /etc/ffs/ffs.yaml"
expect 78 one $install restart
says "ProtectHome"
one "systemctl stop ffs.target && mv /data/ffs /srv/ffs"
one "sed -i 's|/home/ffs/|/srv/ffs/|' /etc/ffs/ffs.yaml"
expect 0 one $install start
[ ! -e "$world/one/etc/systemd/system/ffsstaged.service.d" ] || die "the drop-in is still there"

step "links planted for root's next install"
one "systemctl stop ffsauthd; runuser -u ffsauth -- sh -c 'mv /var/lib/ffs/auth /var/lib/ffs/mine && ln -s /etc /var/lib/ffs/auth'"
expect 73 one $install install --programs /programs
says "/var/lib/ffs/auth is a symbolic link"
expect 0 one "stat -c '%U %a' /etc"
says "root 755"
one "runuser -u ffsauth -- sh -c 'rm /var/lib/ffs/auth && mv /var/lib/ffs/mine /var/lib/ffs/auth'"
expect 0 one $install start

step "upgrade of an installation as the last version made it"
one "chgrp ffs /etc/ffs/keybag/*; chgrp ffs /run/ffs; chmod 1771 /run/ffs; mkdir -p /usr/local/lib/tmpfiles.d
    echo 'd /run/ffs 1771 root ffs -' >/usr/local/lib/tmpfiles.d/ffs.conf"
before=$(one systemctl show -P MainPID ffsauthd)
expect 0 one $install upgrade --programs /programs
for daemon in $all; do says "$daemon runs"; done
[ "$(one systemctl show -P MainPID ffsauthd)" != "$before" ] || die "ffsauthd was not restarted"
expect 0 one $install check
expect 0 one "stat -c '%U:%G %a' /etc/ffs/keybag/web-internal /run/ffs"
says "root:ffs-web-internal 640"
says "root:root 755"
[ ! -e "$world/one/usr/local/lib/tmpfiles.d/ffs.conf" ] || die "the old tmpfiles.d file is still there"
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"

step "another role, and back"
expect 0 one $install install --programs /programs --role internal
says "to run here: ffsauthd ffspiped."
expect 3 one systemctl is-active ffswebd
expect 0 one systemctl is-active ffsauthd
expect 0 one $install upgrade --programs /programs
expect 1 one systemctl is-enabled ffswebd ffsstaged ffsftpd
expect 0 one $install install --programs /programs --role web,internal,storage
expect 0 one $install start
for daemon in $all; do says "$daemon runs"; done

step "uninstall, another prefix, purge"
expect 0 one $install uninstall
expect 0 one "systemctl list-units --all --plain --no-legend 'ffs*'"
[ -z "$output" ] || die "left over: $output"
[ -e "$world/one/etc/ffs/ffs.yaml" ] || die "uninstall took the configuration"
expect 0 one $install install --programs /programs --prefix /opt/ffs
expect 0 one $install start --prefix /opt/ffs
for verb in "install --programs /programs" start "uninstall --purge --yes"; do
    expect 64 one $install $verb
    says "add --prefix /opt/ffs"
done
fetch "$name" "$certificate" tool-1.0/deep/numbers "$numbers"
halt one
boot one
eventually one systemctl is-active $all
expect 64 one $install uninstall --purge --prefix /opt/ffs
says "add --yes"
expect 0 one systemctl is-active $all
expect 0 one $install uninstall --purge --yes --prefix /opt/ffs
for path in /etc/ffs /var/lib/ffs /var/log/ffs /srv/ffs /run/ffs /opt/ffs/sbin/ffsauthd; do
    [ ! -e "$world/one$path" ] || die "$path is still there"
done
expect 1 one "find /etc/systemd/system -name 'ffs*' | grep ."
step "done"
