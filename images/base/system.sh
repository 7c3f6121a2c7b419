#!/bin/sh
# The Debian part of the base image: packages, security updates, languages, authorities, the user.
# Usage: system.sh [MIRROR]; runs as root while the image is built.
set -eu
mirror=$1
here=$(dirname "$0")
export DEBIAN_FRONTEND=noninteractive

packages=$(grep -v '^#' "$here/packages.txt")
sources=/etc/apt/sources.list
if [ -n "$mirror" ]; then
    rm -rf /etc/apt/sources.list.d
    echo "deb $mirror bookworm main" > "$sources"
fi

# An https mirror of the site may need the site's own authorities, before they are installed.
[ ! -s "$here/ca-certificates.crt" ] ||
    echo "Acquire::https::CaInfo \"$here/ca-certificates.crt\";" > /etc/apt/apt.conf.d/90radlab

# debootstrap knows one suite; the security updates lie beside it, on the same mirror.
if [ -s "$sources" ] && ! grep -qs security "$sources"; then
    sed -n 's#^deb \(.*[^/]\)/* bookworm main.*#deb \1-security bookworm-security main#p' "$sources" \
        >> "$sources"
fi
update="apt-get -q -o APT::Update::Error-Mode=any update"
if ! $update; then
    echo "radlab: this mirror has no security updates; going on without them" >&2
    sed -i '/-security/d' "$sources"
    $update
fi
apt-get -qy -o Dpkg::Options::=--force-unsafe-io upgrade --no-install-recommends
# shellcheck disable=SC2086  # one word a package
apt-get -qy -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends $packages

rm -f /etc/apt/apt.conf.d/90radlab
python3 "$here/trust.py" "$here/ca-certificates.crt"

for language in en_US zh_CN; do
    localedef -i "$language" -f UTF-8 "$language.UTF-8"
done

groupadd --gid 10001 student
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /home/student --shell /bin/bash student
# Docker gives a new, empty home volume the owner and the mode of this folder.
install -d -o student -g student -m 0700 /home/student
install -d -m 0755 /modules /datasets

# Nobody in a container may become another: no file keeps a setuid or setgid bit.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log /usr/share/doc/* \
    /usr/share/man/* /usr/share/info/*
