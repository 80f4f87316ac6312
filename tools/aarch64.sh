#!/bin/sh
# Builds for 64-bit ARM and runs the tests of C under qemu, on a Debian 12 of another processor:
#
#     apt-get install cmake gcc-aarch64-linux-gnu mmdebstrap python3 qemu-user-static
#     tools/aarch64.sh [what ctest is told, instead of what is left out below]
#
# The libraries of that processor are unpacked into build/aarch64-sysroot (with --sysroot nothing else is
# done), so the machine's own are not touched. The program runs as well: qemu-aarch64-static -L build/aarch64-sysroot build/aarch64/nicest.
set -eu
cd "$(dirname "$0")/.."
sysroot=build/aarch64-sysroot

if [ ! -e $sysroot ]; then
    mkdir -p build
    mmdebstrap --variant=extract --architectures=arm64 --include=libc6-dev,libcairo2-dev,libcmocka-dev,\
libjansson-dev,libpng-dev,librandom123-dev,libzip-dev,zlib1g-dev bookworm $sysroot.part
    find $sysroot.part -type l -lname '/*' | while read -r link; do # as seen from outside
        ln -srfn "$sysroot.part$(readlink "$link")" "$link"
    done
    mv $sysroot.part $sysroot
fi
[ "${1:-}" != --sysroot ] || exit 0
cmake --preset aarch64
cmake --build --preset aarch64 -j "$(nproc)"
if [ $# -eq 0 ]; then # Python and a browser of the host, and what starts the program by itself
    set -- -LE 'cli|house|python|examples'
fi
ctest --preset aarch64 "$@"
