// metrics.c: what a classifier did, printed as people know it from scikit-learn.
#include <string.h>

#include "kit.h"

int kit_argmax(const float *value, int n) {
    int best = -1;
    for (int k = 0; k < n; k++)
        if (value[k] == value[k] && (best < 0 || value[k] > value[best])) best = k;
    return best < 0 ? 0 : best;
}

void kit_confusion_add(int64_t *matrix, int classes, int truth, int predicted) {
    if (truth < 0 || truth >= classes || predicted < 0 || predicted >= classes) return;
    matrix[truth * classes + predicted]++;
}

typedef struct Scores {
    double precision, recall, f1;
    int64_t support; // items of the class
} Scores;

static double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

static Scores scores_of(const int64_t *matrix, int classes, int class) {
    int64_t support = 0, predicted = 0, right = matrix[class * classes + class];
    for (int k = 0; k < classes; k++) {
        support += matrix[class * classes + k];
        predicted += matrix[k * classes + class];
    }
    Scores s = {ratio((double)right, (double)predicted), ratio((double)right, (double)support), 0, support};
    s.f1 = ratio(2 * (double)right, (double)(predicted + support));
    return s;
}

static int64_t total_of(const int64_t *matrix, int classes) {
    int64_t total = 0;
    for (int k = 0; k < classes * classes; k++) total += matrix[k];
    return total;
}

double kit_accuracy(const int64_t *matrix, int classes) {
    int64_t right = 0;
    for (int k = 0; k < classes; k++) right += matrix[k * classes + k];
    return ratio((double)right, (double)total_of(matrix, classes));
}

static int name_width(const char *const *names, int classes, int least) {
    int width = least;
    for (int k = 0; k < classes; k++)
        if ((int)strlen(names[k]) > width) width = (int)strlen(names[k]);
    return width;
}

static void print_row(FILE *out, const char *name, int width, const Scores *s, int digits) {
    fprintf(out, "%*s  %9.*f %9.*f %9.*f %9lld\n", width, name, digits, s->precision, digits, s->recall, digits, s->f1, (long long)s->support);
}

void kit_report_print(FILE *out, const int64_t *matrix, int classes, const char *const *names, int digits) {
    int width = name_width(names, classes, (int)strlen("weighted avg"));
    if (digits > width) width = digits;
    int64_t total = total_of(matrix, classes);
    Scores macro = {0, 0, 0, total}, weighted = {0, 0, 0, total};
    fprintf(out, "%*s  %9s %9s %9s %9s\n\n", width, "", "precision", "recall", "f1-score", "support");
    for (int k = 0; k < classes; k++) {
        Scores s = scores_of(matrix, classes, k);
        print_row(out, names[k], width, &s, digits);
        double share = ratio((double)s.support, (double)total);
        macro.precision += s.precision / classes;
        macro.recall += s.recall / classes;
        macro.f1 += s.f1 / classes;
        weighted.precision += s.precision * share;
        weighted.recall += s.recall * share;
        weighted.f1 += s.f1 * share;
    }
    fprintf(out, "\n%*s  %9s %9s %9.*f %9lld\n", width, "accuracy", "", "", digits, kit_accuracy(matrix, classes), (long long)total);
    print_row(out, "macro avg", width, &macro, digits);
    print_row(out, "weighted avg", width, &weighted, digits);
}

void kit_confusion_print(FILE *out, const int64_t *matrix, int classes, const char *const *names) {
    int width = name_width(names, classes, 5), cell = 6;
    fprintf(out, "%*s ", width, "truth");
    for (int k = 0; k < classes; k++) fprintf(out, " %*.*s", cell, cell, names[k]);
    fprintf(out, "\n");
    for (int t = 0; t < classes; t++) {
        fprintf(out, "%*s ", width, names[t]);
        for (int p = 0; p < classes; p++) fprintf(out, " %*lld", cell, (long long)matrix[t * classes + p]);
        fprintf(out, "\n");
    }
}
