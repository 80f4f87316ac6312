#!/bin/sh
# Installs Dask, Spark and Ray into a virtual environment and runs the three programs beside this file:
#
#     examples/scale/run.sh              all three (Spark wants a Java of 17 or newer)
#     examples/scale/run.sh dask         one of them
set -eu
cd "$(dirname "$0")"
venv=${NICEST_SCALE_VENV:-../../build/scale}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import nicest' 2>/dev/null || "$venv/bin/pip" install --quiet ../..
for engine in ${*:-dask spark ray}; do
    case $engine in
    dask) needs="dask[dataframe] distributed" ;;
    spark) needs="pyspark pandas pyarrow" ;;
    ray) needs="ray pandas pyarrow" ;;
    *) echo "run.sh: $engine is none of dask, spark, ray" >&2; exit 2 ;;
    esac
    # shellcheck disable=SC2086
    "$venv/bin/pip" install --quiet $needs
    echo "== $engine"
    "$venv/bin/python" "${engine}_score.py"
done
