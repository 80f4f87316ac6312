#!/bin/sh
# Every file of the library compiles, without a warning, where PNG, ZIP, threads and code for particular processors
# are left out: without.sh COMPILER ROOT [INCLUDE-FOLDER...]
set -eu
cc=$1 root=$2
shift 2
for folder in "$@"; do
    set -- "$@" -isystem "$folder"
    shift
done
# flow/proof.c is compiled in double alone
"$cc" -std=c11 -fsyntax-only -Wall -Wextra -Werror -D_XOPEN_SOURCE=700 -DNICEST_VERSION='"0"' -DNICEST_NO_PNG=1 -DNICEST_NO_ZIP=1 \
    -DNICEST_NO_THREADS=1 -DNICEST_PORTABLE=1 -I"$root/src" -I"$root/include" "$@" $(ls "$root"/src/*/*.c | grep -v flow/proof.c)
