# lib.sh - what tests/package/run is made of: one check a line, and a minimal system to install into.
# shellcheck shell=bash disable=SC2154

# check WHAT CMD...: runs it; its output is shown when it failed.
check() {
    local what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $what"
        tail -n 25 "$work/out" | sed 's/^/        /'
    fi
}

holds() { grep -qx "\./$1" "$work/contents"; }
version() { sed -n "s/^ *version: '\(.*\)',$/\1/p" meson.build; }

says() {
    local text=$1
    shift
    "$@" 2>&1 | tee "$work/said" | grep -qF -- "$text" || { cat "$work/said"; return 1; }
}

says_nothing() { ! "$@" 2>&1 | grep .; }

ends_with() {
    local wanted=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" = "$wanted" ] || { echo "exit status $status"; return 1; }
}

has_mode() { [ "$(in_system stat -c '%a %U:%G' "$2")" = "$1" ] || { in_system stat -c '%a %U:%G' "$2"; return 1; }; }

in_system() {
    chroot "$system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Where tracepool could have left something: by name, and in the folders that it keeps.
tracepool_files() {
    (cd "$system" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./var/tmp -o -path ./var/cache -o -path ./var/lib/apt \) -prune -o \
        -iname '*tracepool*' -print) | grep -v '^./var/log' | sort
}

# From the sources that this machine installs from, whatever they are; nothing is started in there.
make_system() {
    local source
    source=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk '$3 == "main" && $2 !~ /-/ { print $2, $1; exit }')
    # shellcheck disable=SC2086
    debootstrap --variant=minbase --include=ca-certificates,systemd ${source% *} "$system" "${source#* }" &&
        rm -rf "$system/etc/apt" && cp -a /etc/apt "$system/etc/apt" &&
        { [ ! -d /usr/share/keyrings ] || cp -a /usr/share/keyrings/. "$system/usr/share/keyrings/"; } &&
        cp -L /etc/resolv.conf /etc/hosts "$system/etc/" &&
        printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d" && chmod 755 "$system/usr/sbin/policy-rc.d" &&
        mount -t proc proc "$system/proc" && mount --bind /dev "$system/dev" &&
        in_system apt-get update -q
}

leave() {
    mountpoint -q "$system/dev" && umount -l "$system/dev"
    mountpoint -q "$system/proc" && umount -l "$system/proc"
    # Never into something that is still mounted.
    mountpoint -q "$system/dev" || mountpoint -q "$system/proc" || rm -rf "$work"
}
