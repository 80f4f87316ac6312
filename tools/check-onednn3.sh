#!/bin/sh
# Builds and runs the tests of the kernel room against oneDNN 3.x, whose C API differs from the 2.6
# that Debian 12 ships. The library comes as a Python package into a temporary folder; nothing else
# on the machine changes.
#
# usage: tools/check-onednn3.sh [PACKAGE]      default: onednn-devel-cpu-gomp
set -eu

package=${1:-onednn-devel-cpu-gomp}
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet --disable-pip-version-check "$package"
header=$scratch/venv/include/oneapi/dnnl/dnnl.h
library=$scratch/venv/lib/libdnnl.so
for file in "$header" "$library"; do
    if [ ! -e "$file" ]; then
        echo "check-onednn3: $package brings no ${file#"$scratch"/venv/}" >&2
        exit 1
    fi
done
# pip unpacks the links of a library as copies, and the program will ask for its full name.
LD_LIBRARY_PATH=$scratch/venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

cmake -S "$root" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Release \
    -DDNNL_INCLUDE="$scratch/venv/include" -DDNNL_LIBRARY="$library" >"$scratch/cmake.log" ||
    { cat "$scratch/cmake.log" >&2; exit 1; }
cmake --build "$scratch/build" --parallel 2 \
    --target test_kernel_gemm test_kernel_gemm_double >"$scratch/build.log" ||
    { cat "$scratch/build.log" >&2; exit 1; }
if ! ldd "$scratch/build/tests/test_kernel_gemm" | grep -q "$scratch/venv/lib/libdnnl.so.3"; then
    echo "check-onednn3: the tests were linked with another oneDNN" >&2
    exit 1
fi
"$scratch/build/tests/test_kernel_gemm"
"$scratch/build/tests/test_kernel_gemm_double"
