#!/bin/sh
# Installs a build into a scratch folder, moves that folder, and builds two users' programs against it:
# through pkg-config (shared and static) and through find_package (the same). All must run.
#
#     tests/install/run.sh CMAKE BUILD-FOLDER C-COMPILER
set -eu

cmake=$1 build=$(cd "$2" && pwd) cc=$3
here=$(cd "$(dirname "$0")" && pwd)
version=$(head -n 1 "$here/../../VERSION")
# The C++ compiler that belongs to the C compiler.
case $(basename "$cc") in
clang*) cxx=$(echo "$cc" | sed 's/clang/clang++/') ;;
*) cxx=c++ ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$cmake" --install "$build" --prefix "$scratch/first" >"$scratch/log" || { cat "$scratch/log"; exit 1; }
mv "$scratch/first" "$scratch/prefix"
prefix=$scratch/prefix
libdir=$(dirname "$(find "$prefix" -name libnicest.a)")

for file in include/nicest.h; do
    [ -s "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
soname=libnicest.so.$(echo "$version" | cut -d. -f1,2)
[ -e "$libdir/$soname" ] || { echo "not installed: $soname"; exit 1; }

# ---- every page that a man page names is there
if [ -x "$build/nicest" ]; then
    man=$(dirname "$(find "$prefix" -name nicest.1)")
    cat "$man"/*.1 | sed 's/\\-/-/g' >"$scratch/man"
    for page in $(grep -o 'nicest-[a-z]* (1)' "$scratch/man" | cut -d' ' -f1 | sort -u); do
        [ -s "$man/$page.1" ] || { echo "nicest.1 names $page, which is not installed"; exit 1; }
    done
    for page in $(grep -o 'docs/[a-z-]*\.md' "$scratch/man" | sort -u); do
        [ -s "$(dirname "$man")/../doc/nicest/$page" ] || { echo "a man page names $page, which is not installed"; exit 1; }
    done
fi

# A word of what is run; LD_LIBRARY_PATH because a scratch folder is not in the loader's list.
try() {
    echo "$*"
    LD_LIBRARY_PATH=$libdir "$@"
}

# ---- pkg-config
export PKG_CONFIG_PATH="$libdir/pkgconfig"
[ "$(pkg-config --modversion nicest)" = "$version" ] || { echo "pkg-config: wrong version"; exit 1; }
define="-DEXPECTED_VERSION='\"$version\"'"
flags=$(pkg-config --cflags nicest)
shared=$(pkg-config --libs nicest)
# The archive by its name, and what it needs: so no shared nicest is taken.
static="'$libdir/libnicest.a' $(pkg-config --static --libs nicest | sed 's/-lnicest//')"
strict="-Wall -Wextra -pedantic -Werror"
# eval, because pkg-config quotes blanks in a path for a shell
eval '"$cc"' -std=c11 $strict "$define" "$flags" '"$here/consumer.c" -o "$scratch/c"' "$shared" -lm
eval '"$cc"' -std=c11 "$define" "$flags" '"$here/consumer.c" -o "$scratch/c_static"' "$static"
eval '"$cxx"' -std=c++11 $strict "$define" "$flags" '"$here/consumer.cpp" -o "$scratch/cpp"' "$shared"
try "$scratch/c"
LD_LIBRARY_PATH= "$scratch/c_static"
try "$scratch/cpp"

# ---- the program of docs/engineer.md, as it stands there
if [ -x "$build/nicest" ]; then
    sed -n '/^```c$/,/^```$/p' "$here/../../docs/engineer.md" | grep -v '^```' >"$scratch/example.c"
    eval '"$cc"' -std=c11 $strict "$flags" '"$scratch/example.c" -o "$scratch/example"' "$shared"
    cd "$scratch"
    LD_LIBRARY_PATH=$libdir ./example 2>words && { echo "engineer.md: no model, and no failure"; exit 1; }
    grep -q '^parabola.safetensors: ' words || { echo "engineer.md: no sentence"; exit 1; }
    "$build/nicest" train toy:parabola,n=200 --epochs 1 --hidden 8 -q -o parabola.safetensors
    LD_LIBRARY_PATH=$libdir ./example | grep '^log p = -[0-9.]* nats$' || { echo "engineer.md: no log p"; exit 1; }
    cd - >/dev/null
fi

# ---- find_package
"$cmake" -S "$here" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$prefix" -DEXPECTED_VERSION="$version" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$scratch/log" 2>&1 &&
    "$cmake" --build "$scratch/build" >>"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
for program in c_nicest c_nicest_static cpp_nicest cpp_nicest_static; do
    try "$scratch/build/$program"
done

# ---- the program, its pages and its completion, where this build has them
if [ -x "$build/nicest" ]; then
    [ -x "$prefix/bin/nicest" ] || { echo "not installed: bin/nicest"; exit 1; }
    try "$prefix/bin/nicest" version
fi
if [ -d "$build/man" ]; then
    for page in "$build"/man/*.1; do
        [ -s "$prefix/share/man/man1/$(basename "$page")" ] || { echo "not installed: $page"; exit 1; }
    done
    for file in bash-completion/completions/nicest zsh/site-functions/_nicest fish/vendor_completions.d/nicest.fish; do
        [ -s "$prefix/share/$file" ] || { echo "no completion: $file"; exit 1; }
    done
    # Paths that a page names, under the prefix that the build was configured for, are installed.
    configured=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
    cat "$build"/man/*.1 | sed 's/\\-/-/g' | grep -o '[^ (]*docs/[a-z/-]*\.md' | sort -u >"$scratch/paths"
    [ -s "$scratch/paths" ] || { echo "no page names a document"; exit 1; }
    while read -r path; do
        [ -s "$prefix/${path#"$configured"/}" ] || { echo "a man page names $path, which is not installed"; exit 1; }
    done <"$scratch/paths"
fi
echo "install: all programs ran"
