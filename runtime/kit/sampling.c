// sampling.c: the next token from the logits of a net.
//     logits        {2, 1, 0, -1}      history {0}, repetition_penalty 2, temperature 0.5, top_k 3, top_p 0.95
//     penalised     {1, 1, 0, -1}      divided by 2, because token 0 was there before
//     weights       {1, 1, e^-2, 0}    exp((logit - largest) / temperature) of the three largest
//     probabilities {0.468, 0.468, 0.063, 0}      two of them sum to 0.94, so top_p keeps all three
// A weight is a whole number of parts of 2^40, computed in integers, because exp() of the C library differs between
// machines in the last bit, and a sum of floats depends on its order. So equal logits give equal tokens everywhere.
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "../dlc_math.h"
#include "fail.h"
#include "kit.h"

enum { SITE = 0x6B697473, SERIES = 16 }; // SITE: no other part of the kit draws these numbers
_Static_assert(KIT_MAX_TOKENS <= 1 << 23, "the sum of the weights, at most 2^40 each, stays below 2^63");

struct kit_sampler {
    struct kit_sampling how;
    int32_t n;
    int32_t left;            // order[0 .. left - 1] is still a heap
    float *logit;            // (n), penalised
    uint64_t *weight;        // (n), probabilities times `total`
    int32_t *order;          // (n): a heap; the tokens taken from it follow, the most likely one last
    uint64_t total;          // the sum of the weights
    uint64_t series[SERIES]; // of 2^-x: ln(2)^k / k!, times 2^63
};

// ---- weights --------------------------------------------------------------------------------------------------------

// The upper half of a product of 128 bits.
static uint64_t high(uint64_t a, uint64_t b) {
    uint64_t a1 = a >> 32, a0 = (uint32_t)a, b1 = b >> 32, b0 = (uint32_t)b;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    return a1 * b1 + (middle >> 32) + ((a0 * b1 + (uint32_t)middle) >> 32);
}

static void make_series(uint64_t series[SERIES]) {
    series[0] = (uint64_t)1 << 63;
    for (uint64_t k = 1; k < SERIES; k++) series[k] = high(series[k - 1], 0xB17217F7D1CF79AB) / k; // ln(2) * 2^64
}

// 2^40 exp(-x), to one unit; 0 from x = 27 on, where it is 2. x >= 0, also infinite.
static uint64_t exp_minus(const uint64_t series[SERIES], double x) {
    if (!(x < 27)) return 0;
    uint64_t y = high((uint64_t)(x * 0x1p58), 0xB8AA3B295C17F0BB); // times 2^64 / ln(2) / 2: x / ln(2), times 2^57
    uint64_t fraction = y << 7, sum = 0;
    for (int k = SERIES - 1; k >= 0; k--) sum = series[k] - high(fraction, sum);
    return sum >> 23 >> (y >> 57);
}

// ---- the order of the tokens ----------------------------------------------------------------------------------------

// The more likely one, the later of equal ones.
static bool is_before(const struct kit_sampler *s, int32_t a, int32_t b) {
    float x = s->logit[a], y = s->logit[b];
    return x > y || (x == y && a > b);
}

static void sift_down(struct kit_sampler *s, int32_t at) {
    int32_t item = s->order[at];
    for (int32_t child; (child = 2 * at + 1) < s->left; at = child) {
        if (child + 1 < s->left && is_before(s, s->order[child + 1], s->order[child])) child++;
        if (!is_before(s, s->order[child], item)) break;
        s->order[at] = s->order[child];
    }
    s->order[at] = item;
}

static void make_heap(struct kit_sampler *s) {
    for (int32_t k = 0; k < s->n; k++) s->order[k] = k;
    s->left = s->n;
    for (int32_t k = s->n / 2 - 1; k >= 0; k--) sift_down(s, k);
}

// The token of this rank; 0 is the most likely. Only as much is sorted as somebody asks for.
static int32_t token_of_rank(struct kit_sampler *s, int32_t rank) {
    while (s->n - s->left <= rank) {
        int32_t first = s->order[0], last = s->order[--s->left];
        s->order[0] = last;
        sift_down(s, 0);
        s->order[s->left] = first;
    }
    return s->order[s->n - 1 - rank];
}

// ---- the steps, in their order --------------------------------------------------------------------------------------

static int copy_logits(struct kit_sampler *s, const float *logits, char *error) {
    bool any = false;
    for (int32_t k = 0; k < s->n; k++) {
        if (isnan(logits[k])) return kit_fail(error, KIT_ENAN, "logit %d is not a number", (int)k);
        if (isinf(logits[k]) && logits[k] > 0) return kit_fail(error, KIT_ENAN, "logit %d is infinite", (int)k);
        any |= !isinf(logits[k]);
        s->logit[k] = logits[k];
    }
    return any ? KIT_OK : kit_fail(error, KIT_EVALUE, "all %d logits are -inf: no token is allowed", (int)s->n);
}

// Computed from the logit as it came in, so that a token that occurs twice in the history is penalised once.
static int penalise(struct kit_sampler *s, const float *logits, const int32_t *history, size_t count, char *error) {
    float penalty = (float)s->how.repetition_penalty;
    for (size_t k = 0; k < count; k++) {
        int32_t token = history[k];
        if (token < 0 || token >= s->n)
            return kit_fail(error, KIT_EVALUE, "token %d at index %zu of the history; tokens are 0 to %d", (int)token,
                            k, (int)s->n - 1);
        float logit = logits[token], penalised = logit < 0 ? logit * penalty : logit / penalty;
        // A finite logit stays finite.
        if (!isinf(logit)) s->logit[token] = fmaxf(-FLT_MAX, fminf(FLT_MAX, penalised));
    }
    return KIT_OK;
}

// Keeps the most likely tokens, as few as sum to top_p.
static void keep_top_p(struct kit_sampler *s) {
    double wanted = s->how.top_p * (double)s->total;
    uint64_t sum = 0;
    int32_t kept = 0;
    while (kept < s->n && (double)sum < wanted) sum += s->weight[token_of_rank(s, kept++)];
    for (int32_t k = 0; k < s->n - kept; k++) s->weight[s->order[k]] = 0;
    s->total = sum;
}

static int weigh(struct kit_sampler *s, const float *logits, const int32_t *history, size_t count, char *error) {
    int status = copy_logits(s, logits, error);
    if (!status) status = penalise(s, logits, history, count, error);
    if (status) return status;
    int32_t best = kit_argmax(s->logit, s->n);
    bool greedy = s->how.temperature == 0, top_k = s->how.top_k && s->how.top_k < s->n, top_p = s->how.top_p < 1;
    if (!greedy && (top_k || top_p)) make_heap(s);
    float least = !greedy && top_k ? s->logit[token_of_rank(s, s->how.top_k - 1)] : -INFINITY;
    s->total = 0;
    for (int32_t k = 0; k < s->n; k++) {
        double below = (double)s->logit[best] - (double)s->logit[k];
        if (greedy)
            s->weight[k] = k == best;
        else
            s->weight[k] = s->logit[k] < least ? 0 : exp_minus(s->series, below / s->how.temperature);
        s->total += s->weight[k];
    }
    if (!greedy && top_p) keep_top_p(s);
    return KIT_OK;
}

// ---- what the application calls -------------------------------------------------------------------------------------

static int check(const struct kit_sampling *how, int32_t n, char *error) {
    if (n < 1 || n > KIT_MAX_TOKENS)
        return kit_fail(error, KIT_EVALUE, "%d tokens; a sampler takes 1 to %d", (int)n, (int)KIT_MAX_TOKENS);
    if (!(how->temperature >= 0 && how->temperature <= DBL_MAX))
        return kit_fail(error, KIT_EVALUE, "temperature %g: it is 0 (the most likely token) or more", how->temperature);
    if (how->top_k < 0 || how->top_k > n)
        return kit_fail(error, KIT_EVALUE, "top_k %d: it is 1 to %d, the number of tokens, or 0 for all",
                        (int)how->top_k, (int)n);
    if (!(how->top_p > 0 && how->top_p <= 1))
        return kit_fail(error, KIT_EVALUE, "top_p %g: it is above 0 and at most 1, which keeps all", how->top_p);
    if (!(how->repetition_penalty >= FLT_MIN && how->repetition_penalty <= FLT_MAX))
        return kit_fail(error, KIT_EVALUE, "repetition_penalty %g: it is above 0; 1 changes nothing",
                        how->repetition_penalty);
    return KIT_OK;
}

int kit_sampler_new(struct kit_sampler **sampler, const struct kit_sampling *how, int32_t n, char *error) {
    *sampler = NULL;
    int status = check(how, n, error);
    if (status) return status;
    struct kit_sampler *s = calloc(1, sizeof *s);
    if (s) {
        *s = (struct kit_sampler){.how = *how, .n = n};
        make_series(s->series);
        s->logit = malloc(sizeof *s->logit * (size_t)n);
        s->weight = malloc(sizeof *s->weight * (size_t)n);
        s->order = malloc(sizeof *s->order * (size_t)n);
    }
    if (!s || !s->logit || !s->weight || !s->order) {
        kit_sampler_free(s);
        return kit_fail(error, KIT_ENOMEM, "no memory for a sampler of %d tokens", (int)n);
    }
    *sampler = s;
    return KIT_OK;
}

void kit_sampler_free(struct kit_sampler *sampler) {
    if (!sampler) return;
    free(sampler->logit);
    free(sampler->weight);
    free(sampler->order);
    free(sampler);
}

int kit_sampler_draw(struct kit_sampler *s, const float *logits, const int32_t *history, size_t count, int64_t draw,
                     int32_t *token, char *error) {
    int status = weigh(s, logits, history, count, error);
    if (status) return status;
    uint32_t word[4];
    dlc_random_words(word, s->how.seed, draw, SITE, 0);
    uint64_t at = high((uint64_t)word[0] << 32 | word[1], s->total); // 0 .. total - 1
    int32_t k = 0;
    while (at >= s->weight[k]) at -= s->weight[k++];
    *token = k;
    return KIT_OK;
}

int kit_sampler_probabilities(struct kit_sampler *s, float *probability, const float *logits, const int32_t *history,
                              size_t count, char *error) {
    int status = weigh(s, logits, history, count, error);
    for (int32_t k = 0; !status && k < s->n; k++) probability[k] = (float)((double)s->weight[k] / (double)s->total);
    return status;
}
