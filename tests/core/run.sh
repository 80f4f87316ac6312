#!/bin/sh
# The core of the library by itself: run.sh LIBRARY PROGRAM..., where the programs are core.c with it, with its
# archive and with the whole library. All print the same bits; the library needs jansson and zlib alone.
set -eu
library=$1
shift
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for model in v1 v1-picture; do
    for program in "$@"; do
        "$program" "$here/../fixtures/$model.safetensors" >"$work/now"
        [ -f "$work/$model" ] || mv "$work/now" "$work/$model"
        [ ! -f "$work/now" ] || cmp "$work/now" "$work/$model"
    done
    [ "$(grep -c yes "$work/$model")" = 2 ] || { tail -2 "$work/$model"; exit 1; }
    [ "$(wc -l <"$work/$model")" = 66 ]
done
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $needed; do
    case $name in
    libjansson.so* | libz.so* | libm.so* | libc.so* | libpthread.so* | libgcc_s.so* | ld-linux* | libasan.so* | libubsan.so* | libgcov*) ;;
    *) echo "the core needs $name"; exit 1 ;;
    esac
done
echo "core: the same bits, $(echo $needed)"
