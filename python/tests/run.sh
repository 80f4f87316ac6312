#!/bin/sh
# Runs the package's tests: run.sh FOLDER PROGRAM, where FOLDER holds the package `nicest`.
#
# In a virtual environment beside it, made once, with scikit-learn and its friends from the package index;
# where none can be made, with the Python at hand if that has NumPy and pytest. NICEST_TEST_PYTHON names
# another. Ends with 77, and says why, where nothing of that is there.
folder=$1 program=$2
here=$(dirname "$0")
python=${NICEST_TEST_PYTHON:-$folder/venv/bin/python}

if [ -z "$NICEST_TEST_PYTHON" ] && ! "$python" -c 'import pytest, sklearn, pandas, polars, matplotlib' 2>/dev/null; then
    { python3 -m venv "$folder/venv" && "$python" -m pip install --quiet --retries 1 --timeout 20 \
        pytest scikit-learn pandas polars matplotlib; } >"$folder/venv.log" 2>&1 || {
        tail -n 3 "$folder/venv.log"
        echo "python: no environment with scikit-learn could be made; trying the Python at hand"
        python=python3
    }
    [ "$python" = python3 ] || # whose tests are skipped where these are not
        "$python" -m pip install --quiet --retries 1 --timeout 20 pyod 'dask[dataframe]' distributed >>"$folder/venv.log" 2>&1
fi
if ! "$python" -c 'import numpy, pytest'; then
    echo "SKIPPED: the Python package is not tested: no Python with NumPy and pytest, and none could be made"
    exit 77
fi
export NICEST_PROGRAM="$program" PYTHONPATH="$folder" SCIPY_ARRAY_API=1 MPLBACKEND=Agg
modules="$folder/nicest/__init__.py $folder/nicest/data.py $folder/nicest/model.py $folder/nicest/training.py"
"$python" -c 'import sklearn' 2>/dev/null && modules="$modules $folder/nicest/estimators.py"
# shellcheck disable=SC2086
exec "$python" -m pytest -c "$here/../../pyproject.toml" --rootdir "$here" -p no:cacheprovider --durations=8 --doctest-modules "$here" $modules
