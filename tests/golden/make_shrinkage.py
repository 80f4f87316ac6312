#!/usr/bin/env python3
"""Prints the share of Ledoit and Wolf that test_apply_outlier_family.c expects, as scikit-learn has it
(pip install scikit-learn)."""
import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

i, j = np.arange(10)[:, None], np.arange(4)[None, :]
print(repr(float(ledoit_wolf_shrinkage(np.sin(i * i + j) + (j == 2) * i / 3))))
