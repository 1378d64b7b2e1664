// test_kit_sampling.c: probabilities against those of transformers 5.24.0 (its logits processors on torch 2.15.0, then
// softmax in double), draws against a Philox and sums in Python, and what is refused.
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kit/kit.h"

enum { N = 10 };
static const float logits[N] = {2.5f, -1.25f, 0.75f, 2.5f, -0.5f, 1.125f, -3, 0, 1.125f, -INFINITY};
static const float zeros[8] = {0};
static const int32_t history[] = {0, 1, 0, 4, 0}, rare[] = {2, 7, 9};

static struct kit_sampler *sampler_of(struct kit_sampling how, int32_t n) {
    struct kit_sampler *s;
    char error[KIT_ERROR_BYTES] = "";
    cr_assert(!kit_sampler_new(&s, &how, n, error), "%s", error);
    return s;
}

static const struct {
    const float *logits;
    int32_t n;
    const int32_t *history;
    size_t count;
    struct kit_sampling how; // repetition_penalty, temperature, top_k, top_p
    float p[N];
} row[] = {
    {logits,
     N,
     NULL,
     0,
     {1, 1, 0, 1, 0},
     {0.352245f, 0.00828402f, 0.0612111f, 0.352245f, 0.0175373f, 0.0890616f, 0.00143955f, 0.0289141f, 0.0890616f, 0}},
    {logits,
     N,
     NULL,
     0,
     {1, 0.7, N, 1, 0},
     {0.41501f, 0.00195651f, 0.0340661f, 0.41501f, 0.00571212f, 0.0582077f, 0.0001606f, 0.0116683f, 0.0582077f, 0}},
    // Two tie with the third.
    {logits, N, NULL, 0, {1, 1, 3, 1, 0}, {0.399093f, 0, 0, 0.399093f, 0, 0.100907f, 0, 0, 0.100907f}},
    {logits, N, NULL, 0, {1, 1.5, 4, 1, 0}, {0.357181f, 0, 0, 0.357181f, 0, 0.142819f, 0, 0, 0.142819f}},
    {logits, N, NULL, 0, {1, 1, 0, 0.5, 0}, {0.5f, 0, 0, 0.5f}},
    {logits, N, NULL, 0, {1, 1, 0, 0.3, 0}, {0, 0, 0, 1}},
    {logits, N, NULL, 0, {1, 1, 0, 0.85, 0}, {0.399093f, 0, 0, 0.399093f, 0, 0.100907f, 0, 0, 0.100907f}},
    {logits,
     N,
     history,
     5,
     {1.3, 1, 0, 1, 0},
     {0.235357f, 0.00677356f, 0.0728226f, 0.419065f, 0.0179578f, 0.105956f, 0.00171262f, 0.034399f, 0.105956f, 0}},
    {logits, N, history, 5, {1.3, 0.8, 5, 0.9, 0}, {0.263551f, 0, 0, 0.542073f, 0, 0.0971883f, 0, 0, 0.0971883f}},
    {logits, N, rare, 3, {0.5, 2, 6, 0.75, 0}, {0.321609f, 0, 0.195066f, 0.321609f, 0, 0, 0, 0, 0.161715f}},
    // logf of 0.5, 0.25, 0.25: one token is enough.
    {(const float[]){-0.693147182f, -1.38629436f, -1.38629436f}, 3, NULL, 0, {1, 1, 0, 0.5, 0}, {1}},
    // Of equal ones the later stay; top_p counts after top_k, which keeps all that tie.
    {zeros, 8, NULL, 0, {1, 1, 0, 0.4, 0}, {0, 0, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f}},
    {zeros, 8, NULL, 0, {1, 1, 3, 0.5, 0}, {0, 0, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f}},
    // By hand. Greedy: the first of equal ones, also behind a penalty; whatever top_k and top_p are.
    {logits, N, NULL, 0, {1, 0, 2, 0.5, 0}, {1}},
    {logits, N, history, 5, {1.3, 0, 0, 1, 0}, {0, 0, 0, 1}},
    {logits, N, NULL, 0, {1, 1e-300, 0, 1, 0}, {0.5f, 0, 0, 0.5f}},
    {zeros, 1, NULL, 0, {1, 1, 1, 0.1, 0}, {1}},
    {(const float[]){0, 1}, 2, NULL, 0, {1, 1, 1, 1, 0}, {0, 1}},
};

Test(kit_sampling, probabilities_of_transformers) {
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_sampler *s = sampler_of(row[k].how, row[k].n);
        char error[KIT_ERROR_BYTES] = "";
        float p[N];
        int status = kit_sampler_probabilities(s, p, row[k].logits, row[k].history, row[k].count, error);
        cr_assert(!status, "row %zu: %s", k, error);
        for (int i = 0; i < row[k].n; i++)
            cr_expect(fabsf(p[i] - row[k].p[i]) <= 5.1e-6f * row[k].p[i], "row %zu: token %d has %.9g, not %g", k, i,
                      (double)p[i], (double)row[k].p[i]);
        kit_sampler_free(s);
    }
}

// The weights against exp of the C library, over all differences that count.
Test(kit_sampling, exponentials) {
    struct kit_sampler *s = sampler_of((struct kit_sampling){1, 1, 0, 1, 0}, 2);
    for (int k = 0; k < 2700; k++) {
        float two[2] = {0, (float)k * -0.01f}, p[2];
        double e = exp((double)two[1]), want = e / (1 + e);
        cr_assert(!kit_sampler_probabilities(s, p, two, NULL, 0, NULL));
        cr_expect(fabs((double)p[1] - want) <= 1e-12 + 6e-8 * want, "%g: %.9g, not %.9g", (double)two[1], (double)p[1],
                  want);
    }
    float far[2] = {-3e38f, 3e38f}, p[2];
    cr_assert(!kit_sampler_probabilities(s, p, far, NULL, 0, NULL));
    cr_expect(p[0] == 0 && p[1] == 1);
    kit_sampler_free(s);
}

static const struct {
    int64_t seed, first;
    double temperature;
    int32_t token[24];
} drawn[] = {
    {7, 0, 1, {0, 0, 8, 0, 0, 3, 8, 4, 2, 8, 3, 0, 5, 3, 3, 0, 0, 3, 3, 3, 8, 3, 0, 3}},
    {((int64_t)5 << 32) + 1, (int64_t)1 << 33, 2, {3, 3, 8, 0, 3, 5, 2, 3, 5, 2, 5, 3,
                                                   3, 0, 5, 0, 4, 7, 4, 3, 3, 3, 3, 2}},
};

Test(kit_sampling, draws_of_philox) {
    for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++) {
        struct kit_sampling how = {1, drawn[k].temperature, 0, 1, drawn[k].seed};
        struct kit_sampler *s = sampler_of(how, N);
        for (int i = 23; i >= 0; i--) { // in any order
            int32_t token;
            cr_assert(!kit_sampler_draw(s, logits, NULL, 0, drawn[k].first + i, &token, NULL));
            cr_expect(token == drawn[k].token[i], "row %zu: draw %d is %d", k, i, (int)token);
        }
        kit_sampler_free(s);
    }
}

// Chi-squared with 5 degrees of freedom: above 25.7 once in 10,000 seeds.
Test(kit_sampling, frequencies) {
    struct kit_sampling how = {1.2, 1.5, 6, 0.95, 11};
    struct kit_sampler *s = sampler_of(how, N);
    enum { DRAWN = 20000 };
    int found[N] = {0};
    float p[N];
    cr_assert(!kit_sampler_probabilities(s, p, logits, history, 5, NULL));
    for (int k = 0; k < DRAWN; k++) {
        int32_t token;
        cr_assert(!kit_sampler_draw(s, logits, history, 5, k, &token, NULL));
        found[token]++;
    }
    double chi = 0;
    for (int k = 0; k < N; k++) {
        cr_expect(p[k] > 0 || !found[k], "token %d has no probability", k);
        if (p[k] > 0) chi += pow(found[k] - DRAWN * (double)p[k], 2) / (DRAWN * (double)p[k]);
    }
    cr_expect(chi < 25.7, "chi-squared is %g", chi);
    kit_sampler_free(s);
}

// A large vocabulary, where the order of the tokens needs a deep heap: top_p keeps the upper ones of a ramp.
Test(kit_sampling, many_tokens) {
    enum { MANY = 5000 };
    static float ramp[MANY], p[MANY];
    for (int k = 0; k < MANY; k++) ramp[k * 1237 % MANY] = (float)k * 0.001f; // 1237 and 5000 have no common factor
    struct kit_sampler *s = sampler_of((struct kit_sampling){1, 1, 4000, 0.75, 0}, MANY);
    cr_assert(!kit_sampler_probabilities(s, p, ramp, NULL, 0, NULL));
    // 1 - e^(-m/1000) >= 0.75 (1 - e^-4) first holds at m = 1333.
    double sum = 0;
    for (int k = 0; k < MANY; k++) {
        cr_expect((p[k * 1237 % MANY] > 0) == (k >= MANY - 1333), "rank %d", MANY - k);
        sum += (double)p[k];
    }
    cr_expect(fabs(sum - 1) < 1e-6);
    kit_sampler_free(s);
}

static const struct {
    struct kit_sampling how;
    int32_t n;
    const char *says;
} refused[] = {
    {{1, -1, 0, 1, 0}, 5, "temperature -1: it is 0 (the most likely token) or more"},
    {{1, NAN, 0, 1, 0}, 5, "temperature nan"},
    {{1, INFINITY, 0, 1, 0}, 5, "temperature inf"},
    {{1, 1, 6, 1, 0}, 5, "top_k 6: it is 1 to 5, the number of tokens, or 0 for all"},
    {{1, 1, -1, 1, 0}, 5, "top_k -1"},
    {{1, 1, 0, 0, 0}, 5, "top_p 0: it is above 0 and at most 1, which keeps all"},
    {{1, 1, 0, 1.01, 0}, 5, "top_p 1.01"},
    {{1, 1, 0, NAN, 0}, 5, "top_p nan"},
    {{0, 1, 0, 1, 0}, 5, "repetition_penalty 0: it is above 0; 1 changes nothing"},
    {{NAN, 1, 0, 1, 0}, 5, "repetition_penalty nan"},
    {{1e300, 1, 0, 1, 0}, 5, "repetition_penalty 1e+300"},
    {{1, 1, 0, 1, 0}, 0, "0 tokens; a sampler takes 1 to 8388608"},
    {{1, 1, 0, 1, 0}, KIT_MAX_TOKENS + 1, "8388609 tokens"},
};

Test(kit_sampling, options_out_of_range) {
    for (size_t k = 0; k < sizeof refused / sizeof *refused; k++) {
        struct kit_sampler *s;
        char error[KIT_ERROR_BYTES] = "";
        cr_expect(kit_sampler_new(&s, &refused[k].how, refused[k].n, error) == KIT_EVALUE && !s &&
                      strstr(error, refused[k].says),
                  "row %zu: \"%s\"", k, error);
        cr_expect(kit_sampler_new(&s, &refused[k].how, refused[k].n, NULL) == KIT_EVALUE);
    }
    kit_sampler_free(NULL);
}

Test(kit_sampling, logits_and_histories_that_are_refused) {
    static const struct {
        float logits[3];
        int32_t history[2];
        int status;
        const char *says;
    } bad[] = {
        {{0, NAN, 1}, {0, 0}, KIT_ENAN, "logit 1 is not a number"},
        {{0, 1, INFINITY}, {0, 0}, KIT_ENAN, "logit 2 is infinite"},
        {{-INFINITY, -INFINITY, -INFINITY}, {0, 0}, KIT_EVALUE, "all 3 logits are -inf: no token is allowed"},
        {{0, 1, 2}, {0, 3}, KIT_EVALUE, "token 3 at index 1 of the history; tokens are 0 to 2"},
        {{0, 1, 2}, {-1, 0}, KIT_EVALUE, "token -1 at index 0 of the history"},
    };
    for (int greedy = 0; greedy < 2; greedy++) {
        struct kit_sampler *s = sampler_of((struct kit_sampling){1, greedy ? 0 : 1, 2, 0.9, 0}, 3);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            char error[KIT_ERROR_BYTES] = "";
            int32_t token = 77;
            float p[3];
            int status = kit_sampler_draw(s, bad[k].logits, bad[k].history, 2, 0, &token, error);
            cr_expect(status == bad[k].status && token == 77 && strstr(error, bad[k].says), "row %zu: \"%s\"", k,
                      error);
            cr_expect(kit_sampler_probabilities(s, p, bad[k].logits, bad[k].history, 2, NULL) == bad[k].status);
        }
        kit_sampler_free(s);
    }
}

// A penalty of a finite logit never makes it infinite, and a forbidden token stays forbidden.
Test(kit_sampling, penalties_of_extreme_logits) {
    static const float extreme[] = {3e38f, -3e38f, -INFINITY, 0};
    static const int32_t all[] = {0, 1, 2, 3};
    static const double penalty[] = {0.01, 100};
    for (int k = 0; k < 2; k++) {
        struct kit_sampler *s = sampler_of((struct kit_sampling){penalty[k], 1, 0, 1, 0}, 4);
        float p[4];
        cr_assert(!kit_sampler_probabilities(s, p, extreme, all, 4, NULL));
        cr_expect(p[0] == 1 && p[1] == 0 && p[2] == 0 && p[3] == 0, "penalty %g", penalty[k]);
        static const float low[] = {-3e38f, -INFINITY, -INFINITY, -INFINITY};
        cr_assert(!kit_sampler_probabilities(s, p, low, all, 4, NULL));
        cr_expect(p[0] == 1 && p[2] == 0, "penalty %g", penalty[k]);
        kit_sampler_free(s);
    }
}
