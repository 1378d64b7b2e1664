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

// The sum in numpy's order (eight partial sums, halves beyond 128), so that averages round as scikit-learn's do.
static double pairwise_sum(const double *x, int n) {
    if (n > 128) {
        int half = n / 2 - n / 2 % 8;
        return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
    }
    double sum = 0, part[8];
    int i = 0;
    if (n >= 8) {
        memcpy(part, x, sizeof part);
        for (i = 8; i + 8 <= n; i += 8)
            for (int k = 0; k < 8; k++) part[k] += x[i + k];
        sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
    }
    for (; i < n; i++) sum += x[i];
    return sum;
}

enum { MACRO, WEIGHTED };

// One column (0 precision, 1 recall, 2 F1) averaged over the classes. Classes beyond the buffer are summed in parts.
static double average(const int64_t *matrix, int classes, int column, int kind) {
    double value[1024], sum = 0;
    int used = 0;
    for (int k = 0; k < classes; k++) {
        Scores s = scores_of(matrix, classes, k);
        double x = column == 0 ? s.precision : column == 1 ? s.recall : s.f1;
        value[used++] = kind == MACRO ? x : x * (double)s.support;
        if (used < 1024 && k + 1 < classes) continue;
        sum += pairwise_sum(value, used);
        used = 0;
    }
    return ratio(sum, kind == MACRO ? classes : (double)total_of(matrix, classes));
}

static void print_row(FILE *out, const char *name, int width, const Scores *s, int digits) {
    fprintf(out, "%*s  %9.*f %9.*f %9.*f %9lld\n", width, name, digits, s->precision, digits, s->recall, digits, s->f1,
            (long long)s->support);
}

static void print_average(FILE *out, const char *name, int width, const int64_t *matrix, int classes, int kind,
                          int digits) {
    Scores s = {average(matrix, classes, 0, kind), average(matrix, classes, 1, kind), average(matrix, classes, 2, kind),
                total_of(matrix, classes)};
    print_row(out, name, width, &s, digits);
}

void kit_report_print(FILE *out, const int64_t *matrix, int classes, const char *const *names, int digits) {
    int width = name_width(names, classes, (int)strlen("weighted avg"));
    if (digits > width) width = digits;
    fprintf(out, "%*s  %9s %9s %9s %9s\n\n", width, "", "precision", "recall", "f1-score", "support");
    for (int k = 0; k < classes; k++) {
        Scores s = scores_of(matrix, classes, k);
        print_row(out, names[k], width, &s, digits);
    }
    fprintf(out, "\n%*s  %9s %9s %9.*f %9lld\n", width, "accuracy", "", "", digits, kit_accuracy(matrix, classes),
            (long long)total_of(matrix, classes));
    print_average(out, "macro avg", width, matrix, classes, MACRO, digits);
    print_average(out, "weighted avg", width, matrix, classes, WEIGHTED, digits);
}

void kit_confusion_print(FILE *out, const int64_t *matrix, int classes, const char *const *names) {
    int width = name_width(names, classes, 5), cell = 6;
    fprintf(out, "%*s ", width, "truth");
    for (int k = 0; k < classes; k++) {
        int shown = (int)strlen(names[k]) < cell ? (int)strlen(names[k]) : cell;
        while (shown > 0 && names[k][shown - 1] == ' ') shown--; // "Ankle boot" is cut after its space
        fprintf(out, " %*.*s", cell, shown, names[k]);
    }
    fprintf(out, "\n");
    for (int t = 0; t < classes; t++) {
        fprintf(out, "%*s ", width, names[t]);
        for (int p = 0; p < classes; p++) fprintf(out, " %*lld", cell, (long long)matrix[t * classes + p]);
        fprintf(out, "\n");
    }
}
