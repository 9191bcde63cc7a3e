#!/bin/sh
# Web, internal and storage host, set up by the words of README.md's section "Several hosts": its code blocks are run as
# they stand. In them "# on HOST" says where, and "# carry FILE from HOST to HOST" is done by hand.
# shellcheck disable=SC1091,SC2154 # lib.sh is checked on its own
. "$(dirname "$0")/lib.sh"

programs
net
number=1
for role in web internal storage; do
    number=$((number + 1))
    host "$role" "10.99.0.$number" "$role.example.net"
done
for role in web internal storage; do boot "$role"; done
customer

# blocks KIND: the section's code blocks of that language
blocks() {
    awk -v kind="$1" '
        /^## / { inside = /^## Several hosts/ }
        inside && $0 == "```" { block = 0 }
        block
        inside && $0 == "```" kind { block = 1 }' "$top/README.md"
}

step "README.md, line by line"
for role in web internal storage; do mkdir -p "$world/$role/etc/ffs" && blocks yaml >"$world/$role/etc/ffs/ffs.yaml"; done
mkdir -p "$world/storage/root/ignite" && seq 1 100000 >"$world/storage/root/ignite/numbers"
numbers=$(sha256sum <"$world/storage/root/ignite/numbers" | cut -d ' ' -f 1)
blocks sh >"$world/commands"
[ "$(wc -l <"$world/commands")" -gt 20 ] || die "README.md has no commands for several hosts"
while read -r line; do
    case $line in
        '# on '*) place=${line#\# on } ;;
        '# carry '*)
            words=${line#\# carry }
            from=${words#* from }
            cp "$world/${from% to *}/root/${words%% *}" "$world/${from#* to }/root/"
            ;;
        *)
            step "$place: $line"
            expect 0 on "$place" "sudo() { \"\$@\"; }
                cd /root
                install() { (cd /src/ffs && ./install.sh \"\$@\"); }
                $(echo "$line" | sed -e 's#\./install\.sh install#install install --programs /programs#' -e 's#\./install\.sh#install#')"
            ;;
    esac
done <"$world/commands"

step "each host runs its own daemons, and no other"
expect 0 on web systemctl is-active ffswebd
expect 0 on internal systemctl is-active ffsauthd
expect 0 on storage systemctl is-active ffsstaged ffsftpd
for pair in web:ffsauthd web:ffsstaged web:ffsftpd internal:ffswebd internal:ffsstaged storage:ffsauthd storage:ffswebd; do
    expect 3 on "${pair%:*}" systemctl is-active "${pair#*:}"
done
for role in web internal storage; do expect 0 on "$role" /src/ffs/install.sh check; done
expect 1 on internal "ls /etc/ffs/keybag | grep -v -e web-internal -e web-pipe"

step "a customer"
expect 0 on internal "echo sesame-opens-it | ffsctl customer add acme --password-stdin"
expect 0 on internal "ffsctl entitlement grant acme ignite-ux"
order web.example.net "$world/web/etc/ffs/tls/cert.pem" acme sesame-opens-it ignite-ux C.7.24
fetch storage.example.net "$world/storage/etc/ffs/tls/cert.pem" ignite-ux-C.7.24/numbers "$numbers"
# With their own name: the storage host asks the web host, and that the internal one.
login=acme
secret=sesame-opens-it
eventually curl -q -sS --fail --cacert "$world/storage/etc/ffs/tls/cert.pem" --ssl-reqd -u "$login:$secret" \
    ftp://storage.example.net/ignite-ux-C.7.24/numbers -o "$world/fetched"
digest "$numbers"

step "what was downloaded is in the log, by way of the web host alone"
logged() {
    entries=$(on internal "ffsctl log tail -n 500 --json")
    for type in order.placed account.staged login download.completed; do
        case $entries in *"$type"*) ;; *) echo "no $type in: $entries" && return 1 ;; esac
    done
}
eventually logged
expect 0 on internal "ffsctl log verify"

step "upgrade, and a reboot of all three"
for role in web internal storage; do
    expect 0 on "$role" /src/ffs/install.sh upgrade --programs /programs
    halt "$role"
done
for role in web internal storage; do boot "$role"; done
eventually on storage systemctl is-active ffsstaged ffsftpd
eventually on web systemctl is-active ffswebd
order web.example.net "$world/web/etc/ffs/tls/cert.pem" acme sesame-opens-it ignite-ux C.7.24
fetch storage.example.net "$world/storage/etc/ffs/tls/cert.pem" ignite-ux-C.7.24/numbers "$numbers"
expect 3 on internal systemctl is-active ffswebd
for role in web internal storage; do halt "$role"; done
step "done"
