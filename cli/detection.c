/* detection.c - see detection.h. */
#include "detection.h"

#include <math.h>
#include <stdlib.h>

#include "command.h"

typedef struct judged {
    double score;
    unsigned char truth;
} judged;

static int by_score(const void *a, const void *b)
{
    double x = ((const judged *)a)->score, y = ((const judged *)b)->score;
    return (x > y) - (x < y);
}

static void curve_point(detection_curve *k, double hits, double alarms, double outliers,
                        double normals)
{
    k->recall[k->n] = hits / outliers;
    k->alarms[k->n] = alarms / normals;
    k->precision[k->n++] = hits + alarms > 0 ? hits / (hits + alarms) : 1;
}

detection_curve detection_curve_of(const double *scores, const unsigned char *outlier, size_t n)
{
    detection_curve k = {.recall = block_new(3 * (n + 1), sizeof(double))};
    judged *rows = block_new(n, sizeof *rows);
    double outliers = 0, hits = 0, alarms = 0;
    size_t count = 0;
    k.alarms = k.recall + n + 1;
    k.precision = k.alarms + n + 1;
    for (size_t i = 0; i < n; i++) {
        if (isnan(scores[i]))
            continue;
        rows[count++] = (judged){scores[i], outlier[i]};
        outliers += outlier[i];
    }
    qsort(rows, count, sizeof *rows, by_score);
    curve_point(&k, 0, 0, outliers, (double)count - outliers);
    for (size_t i = 0; i < count; i++) {
        hits += rows[i].truth;
        alarms += !rows[i].truth;
        if (i + 1 == count || rows[i + 1].score != rows[i].score) /* equal scores fall together */
            curve_point(&k, hits, alarms, outliers, (double)count - outliers);
    }
    block_free(rows);
    return k;
}
