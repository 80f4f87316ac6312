#!/bin/sh
# Installs the Debian packages that building and testing nicest needs, and only those that are
# missing: when all are there it says nothing and is done in a blink. Where it may not install, it
# prints the one line to type. Uses no other source than the machine's own apt.
#
#     tools/install-deps.sh           install what is missing
#     tools/install-deps.sh --list    print all package names
set -eu

# A tool counts as present wherever it comes from: command=package.
tools="cc=gcc c++=g++ make=make cmake=cmake pkg-config=pkg-config python3=python3"
libraries="libc6-dev librandom123-dev libjansson-dev zlib1g-dev libpng-dev libzip-dev
libcairo2-dev fonts-dejavu-core libcmocka-dev python3-numpy python3-venv"

if [ "${1:-}" = --list ]; then
    for tool in $tools; do echo "${tool#*=}"; done
    for package in $libraries; do echo "$package"; done
    exit 0
fi

missing=
for tool in $tools; do
    command -v "${tool%%=*}" >/dev/null 2>&1 || missing="$missing ${tool#*=}"
done
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: not a Debian system; needed are what these packages hold:" $("$0" --list) >&2
    exit 0 # CMake names what is really missing
fi
for package in $libraries; do
    # Foreign architectures may be listed too: one installed is enough.
    case "$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null || true)" in
    "installed "* | *" installed "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
    else
        echo "deps: packages are missing and only root may install them. Type:" >&2
        echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q update
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
