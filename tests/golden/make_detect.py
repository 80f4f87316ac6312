"""Writes detect.h: what scikit-learn says about a few small sets of scores. Run it by hand:

    python3 tests/golden/make_detect.py > tests/golden/detect.h
"""

import numpy as np
from sklearn import metrics

random = np.random.default_rng(5)


def case(n, share, gap, decimals):
    outlier = (random.random(n) < share).astype(int)
    outlier[0], outlier[1] = 1, 0
    scores = np.round(random.normal(size=n) + gap * (1 - outlier), decimals)
    return scores, outlier, float(np.round(np.quantile(scores, 0.3), 2)) + 0.001


def numbers(values):
    return ", ".join(repr(float(v)) for v in values)


cases = [case(12, 0.4, 1, 0), case(40, 0.2, 1.5, 1), case(60, 0.1, 0, 1), case(50, 0.5, -1, 6)]
print("/* detect.h - written by make_detect.py with scikit-learn; do not edit. */")
print("typedef struct golden_detection {\n    size_t n;\n    double threshold, auroc, auprc, "
      "precision, recall, f1, best_f1;\n    double scores[60];\n    unsigned char outlier[60];\n"
      "} golden_detection;\n")
print("static const golden_detection golden_detect[] = {")
for scores, outlier, threshold in cases:
    flagged = scores < threshold
    precision, recall, _ = metrics.precision_recall_curve(outlier, -scores)
    f1 = np.divide(2 * precision * recall, precision + recall, out=np.zeros_like(recall),
                   where=precision + recall > 0)
    figures = [threshold, metrics.roc_auc_score(outlier, -scores),
               metrics.average_precision_score(outlier, -scores),
               metrics.precision_score(outlier, flagged, zero_division=0),
               metrics.recall_score(outlier, flagged), metrics.f1_score(outlier, flagged), f1.max()]
    print(f"    {{{len(scores)}, {numbers(figures)},\n     {{{numbers(scores)}}},\n"
          f"     {{{', '.join(map(str, outlier))}}}}},")
print("};")
