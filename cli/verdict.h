/* verdict.h - rows judged by a score: what is known of them, the threshold, what is flagged, and
 * the figures and words about it. For `nicest outliers`. */
#pragma once

#include "common.h"

typedef struct outliers_settings {
    shared_settings shared;
    const char *model, *data, *against, *corrupt, *score, *neighbours, *calibrate, *save;
    const char *picture, *roc, *pr;
    size_t group;
    double rate, threshold;
    bool best_f1;
    const char *keep;
    int explain;
} outliers_settings;

/* The truth about a row. */
enum { NORMAL, OUTLIER, UNKNOWN };

/* Rows with what is known and found about them. */
typedef struct verdict {
    size_t n, first; /* all rows; those of DATA, which come first: groups do not reach across */
    double *logp, *score, *p, *limit; /* below its limit a row is flagged; NaN: there is none */
    unsigned char *truth, *bin;       /* bin: of the model's calibration */
    size_t unpromised;                /* rows with holes that calibration lacks */
} verdict;

typedef struct judge {
    const outliers_settings *s;
    nicest_model *model;
    char calibrated_name[64]; /* of the score, as calibration knows it */
    bool calibrated;          /* for this score */
    double threshold;         /* of the first bin */
    nicest_hole_bin bins[NICEST_HOLE_BINS];
    size_t bin_count, calibration_rows;
    bool has_truth;
} judge;

verdict verdict_new(size_t n, size_t first);
void verdict_free(verdict *v);
bool by_label(const outliers_settings *s);
/* Words have no zero: unless one of them says so, nothing tells which rows are normal. */
void check_labels(const outliers_settings *s, const nicest_data *data);
/* Rows `at` and on of the verdict are those of data. */
void judge_data(const judge *j, const nicest_data *data, verdict *v, size_t at, bool outlier);
/* Scores that are numbers, of rows (groups) with a truth, and that; *n becomes their count. */
double *known_scores(const verdict *v, const double *scores, size_t group, unsigned char *truth,
                     size_t *n);
void ask_calibration(judge *j);
/* Before any advice: what the model cannot have, no threshold helps. One row tells. */
void check_model_has(const judge *j, const nicest_data *data);
void say_calibration(const judge *j);
bool flagged(const verdict *v, size_t row);
/* Of rows, or groups. */
double flagged_share(const verdict *v, size_t group);
/* What rows with holes were judged by, and of which nothing is promised. */
void say_holes(const judge *j, const verdict *v);
json_t *baselines_json(const judge *j, const nicest_data *data, const nicest_data *against,
                       const verdict *v);
json_t *detection_json(const judge *j, const nicest_detection *d, const verdict *v);
/* " (asked: at most 5 %; 59 calibration rows allow 1.1 to 11.9 %)" where the threshold follows from
 * that; many rows leave nothing to say. */
short_text asked_text(const judge *j);
/* "; false alarms 4.00 % (asked: at most 5 %)"; empty where there are none to speak of. */
short_text alarms_text(const judge *j, const nicest_detection *d);
/* "  recall 0.1234" behind the line, where it is a number. */
void add_figure(char *line, size_t size, const char *name, int digits, double value);
/* Why there is no curve where all rows are of one kind; else NULL. */
const char *one_kind(const nicest_detection *d);
void say_truth(const judge *j, const nicest_detection *d);
/* nicest_detect takes NaN as "the best": where nothing can be flagged, -infinity asks for that. */
/* Sets the limits of the verdict too. */
nicest_detection decide(const judge *j, verdict *v);
/* "log p, nats", or the name of the score. */
short_text score_label(const judge *j);

/* sweep.c: DATA against the same corrupted ever more, a line for each level. */
void judge_sweep(judge *j, const nicest_data *data);
