#!/bin/sh
# A host without systemd: ffs-service starts the daemons. And what `install.sh install` does with a user's compiler.
# shellcheck disable=SC1091,SC2154 # lib.sh is checked on its own
. "$(dirname "$0")/lib.sh"

name=plain.example.net
install=/src/ffs/install.sh
root=$world/plain
# A root directory and no more: it shares this machine's processes and network.
plain() {
    chroot "$root" env -i HOME=/root LANG=C.UTF-8 SECRET=of-root \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "$*" </dev/null
}
certificate=$root/etc/ffs/tls/cert.pem

programs
net
copy plain
echo "10.99.0.1 $name" >"$world/hosts"
customer
hostname "$name"
mkdir -p "$root/src/ffs" "$root/programs"
mount --bind "$top" "$root/src/ffs"
mount --bind "$world/programs" "$root/programs"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/run"
libraries=$(swift_libraries)
[ -z "$libraries" ] || { mkdir -p "$root$libraries" && mount --bind "$libraries" "$root$libraries"; }
cp "$world/customer-hosts" "$root/etc/hosts"

step "install, start, check, fetch"
expect 0 plain $install install --programs /programs
plain "sed -i -E 's/^( *)#? *public-host:.*/\1public-host: $name/' /etc/ffs/ffs.yaml"
expect 0 plain $install start
expect 0 plain $install status
plain "mkdir /root/content && seq 1 1000 >/root/content/numbers"
numbers=$(sha256sum <"$root/root/content/numbers" | cut -d ' ' -f 1)
expect 0 plain "ffsctl product publish tool 1.0 /root/content"
expect 0 plain "echo sesame-opens-it | ffsctl customer add acme --password-stdin"
expect 0 plain "ffsctl entitlement grant acme tool"
order "$name" "$certificate" acme sesame-opens-it tool 1.0
fetch "$name" "$certificate" tool-1.0/numbers "$numbers"

step "what daemons get of root, and what they can leave for it"
pid=$(cat "$root/run/ffs-service/ffsauthd.pid")
expect 1 grep -a SECRET "/proc/$pid/environ"
expect 0 grep -E "Max core file size *0 *0 " "/proc/$pid/limits"
for user in ffsauth ffsrepo ffsftp ffsweb; do
    for place in /run/ffs/planted /run/ffs-service/ffswebd.pid /run/ffs/ffsauthd/planted; do
        [ "$user:$place" != ffsauth:/run/ffs/ffsauthd/planted ] || continue
        expect 1 plain "runuser -u $user -- ln -sf /etc/passwd $place"
        says "Permission denied"
    done
done

step "stop as somebody else says so at once, and stops nothing"
expect 77 plain "runuser -u ffsweb -- /usr/local/sbin/ffs-service stop ffsauthd"
says "ffsauthd goes on: its process $pid is ffsauth's"
expect 77 plain "runuser -u ffsweb -- $install stop"
kill -0 "$pid"

step "a daemon that does not start: its log, and 69"
expect 0 plain $install stop
plain "chmod 0644 /etc/ffs/keybag/web-internal"
expect 69 plain $install start
says "the end of /var/log/ffs/ffsauthd.log"
says "ffsstaged started"
says "web-internal has mode 0644"
plain "chmod 0640 /etc/ffs/keybag/web-internal"
expect 0 plain $install start
expect 0 plain $install stop

step "directories in /run that are not root's"
rm -rf "$root/run/ffs" "$root/run/ffs-service"
plain "mkdir /var/tmp/theirs && chown ffsweb: /var/tmp/theirs && ln -s /var/tmp/theirs /run/ffs-service"
expect 69 plain $install start
says "/run/ffs-service is not a directory of user root"
rm "$root/run/ffs-service"
mkdir -p "$root/run/ffs/ffsauthd"
plain "chown ffsweb: /run/ffs/ffsauthd"
expect 69 plain $install start
says "/run/ffs/ffsauthd is not a directory of user ffsauth"
rmdir "$root/run/ffs/ffsauthd"
expect 0 plain $install start

step "upgrade, role, uninstall"
expect 0 plain $install upgrade --programs /programs
says "ffswebd started"
[ "$(cat "$root/run/ffs-service/ffsauthd.pid")" != "$pid" ] || die "ffsauthd was not restarted"
fetch "$name" "$certificate" tool-1.0/numbers "$numbers"
expect 0 plain $install stop
expect 0 plain $install install --programs /programs --role web,storage
expect 0 plain $install start
case $output in *ffsauthd*) die "ffsauthd is not of this role: $output" ;; esac
# As a hand may write it: blanks, and no line feed at the end.
printf 'storage web' >"$root/etc/ffs/roles"
expect 0 plain $install restart
says "ffswebd started"
case $output in *ffsauthd*) die "ffsauthd is not of this role: $output" ;; esac
expect 0 plain $install uninstall --purge --yes
expect 1 pgrep -x "ffsauthd|ffspiped|ffsstaged|ffsftpd|ffswebd"

step "the compiler of the user who called sudo, before any package; what they build is theirs"
plain "useradd --create-home dev && mkdir /home/dev/ffs"
(cd "$top" && cp -r install.sh etc scripts man docs ./*.md LICENSE "$root/home/dev/ffs/")
plain "chown -R dev: /home/dev"
expect 69 plain "SUDO_USER=dev /home/dev/ffs/install.sh install"
says "the Swift compiler, 6.3 or later, is not in PATH"
case $output in *"Debian packages"*) die "packages before the compiler: $output" ;; esac
mkdir -p "$root/home/dev/.local/share/swiftly/bin" "$root/opt/there"
# It says what the real one says, and notes who called it.
cat >"$root/home/dev/.local/share/swiftly/bin/swift" <<'SWIFT'
#!/bin/sh
case "$*" in
    --version) echo "Swift version 6.3 (swift-6.3-RELEASE)" ;;
    *--show-bin-path*) echo /programs ;;
    test*) echo "tested by $(id -un)" ;;
    build*) mkdir -p .build && id -un >>.build/builder && echo "$HOME" >>.build/builder ;;
esac
SWIFT
printf '#!/bin/sh\nprintf "install ok installed"\n' >"$root/opt/there/dpkg-query"
chmod 755 "$root/opt/there/dpkg-query" "$root/home/dev/.local/share/swiftly/bin/swift"
plain "chown -R dev: /home/dev"
expect 0 plain "PATH=/opt/there:\$PATH SUDO_USER=dev /home/dev/ffs/install.sh install"
[ "$(tr '\n' ' ' <"$root/home/dev/ffs/.build/builder")" = "dev /home/dev " ] || die "the builder: $(cat "$root/home/dev/ffs/.build/builder")"
expect 0 plain "stat -c %U /home/dev/ffs/.build"
says dev
# So does a test, though the tests themselves are root's.
printf '#!/bin/sh\n' >"$root/opt/there/vsftpd"
chmod 755 "$root/opt/there/vsftpd"
expect 0 plain "cd / && PATH=/opt/there:\$PATH SUDO_USER=dev /home/dev/ffs/install.sh test"
says "tested by root"
[ "$(tail -n 2 "$root/home/dev/ffs/.build/builder" | tr '\n' ' ')" = "dev /home/dev " ] || die "the builder of the tests: $(cat "$root/home/dev/ffs/.build/builder")"
expect 0 plain "find /home/dev/ffs/.build ! -user dev"
[ -z "$output" ] || die "not dev's: $output"
step "done"
