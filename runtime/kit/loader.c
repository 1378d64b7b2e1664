// loader.c: batches of transformed images, made ahead by a second thread while the first one computes.
//
//     caller   next -> batch 0 ... next -> batch 1 ...        a ring of SLOTS batches: one is with the caller,
//     worker   makes 0, 1, 2, waits, makes 3, ...             the others are made ahead
//
// Which thread makes a batch changes no bit of it: the order of the epoch is fixed at its start, and what an image
// draws depends on its place in the data set alone.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

enum { SLOTS = 3 };

struct slot {
    float *image;   // (batch, channels, rows, columns)
    int32_t *label; // (batch)
};

struct kit_loader {
    const struct kit_dataset *set;
    struct kit_pipeline *pipeline;
    struct kit_batches order;
    struct slot slot[SLOTS];
    int64_t seed, epoch;
    int threads, slots;
    pthread_t worker;
    pthread_mutex_t lock; // guards the fields below when there is a worker
    pthread_cond_t work;  // wakes the worker: there may be a batch to make, or it shall end
    pthread_cond_t done;  // wakes the caller: a batch is made
    int32_t total;        // batches in this epoch; 0 when none runs
    int32_t made, taken;  // batches made; batches handed out, of which the last is in use
    int busy, quit;       // the worker is making batch `made`; it shall end
};

// ---- making batches -------------------------------------------------------------------------------------------------

static int32_t pictures(const struct kit_loader *l, int32_t batch) {
    int32_t left = l->order.count - batch * l->order.batch;
    return left < l->order.batch ? left : l->order.batch;
}

static const int32_t *places(const struct kit_loader *l, int32_t batch) {
    return l->order.order + (size_t)batch * (size_t)l->order.batch;
}

static void make(struct kit_loader *l, int32_t batch) {
    const struct slot *slot = &l->slot[batch % l->slots];
    const int32_t *index = places(l, batch);
    size_t size = kit_pipeline_size(l->pipeline);
    int32_t n = pictures(l, batch);
    for (int32_t k = 0; k < n; k++)
        kit_pipeline_run(l->pipeline, slot->image + (size_t)k * size, kit_dataset_image(l->set, index[k]), l->seed,
                         l->epoch, index[k]);
    kit_gather_labels(slot->label, l->set->labels.at, index, n);
}

// The slot of the batch that the caller holds is not written: made stays below taken - 1 + slots.
static int may_make(const struct kit_loader *l) {
    int32_t given_back = l->taken ? l->taken - 1 : 0;
    return l->made < l->total && l->made < given_back + l->slots;
}

static void *run(void *of) {
    struct kit_loader *l = of;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        if (!may_make(l)) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        l->busy = 1;
        pthread_mutex_unlock(&l->lock);
        make(l, l->made); // `made` is changed by others only while the worker is not busy
        pthread_mutex_lock(&l->lock);
        l->busy = 0, l->made++;
        pthread_cond_signal(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

// ---- making the loader ----------------------------------------------------------------------------------------------

static int allocate(struct kit_loader *l, char *error) {
    uint64_t size = kit_pipeline_size(l->pipeline), batch = (uint64_t)l->order.batch;
    uint64_t bytes = (batch * size * sizeof(float) + 63) / 64 * 64;
    for (int s = 0; s < l->slots && bytes <= SIZE_MAX; s++) {
        l->slot[s].image = aligned_alloc(64, (size_t)bytes);
        l->slot[s].label = malloc(sizeof(int32_t) * (size_t)batch);
    }
    for (int s = 0; s < l->slots; s++)
        if (!l->slot[s].image || !l->slot[s].label)
            return kit_fail(error, KIT_ENOMEM, "no memory for %d batches of %d images, %llu bytes each", l->slots,
                            (int)batch, (unsigned long long)bytes);
    return KIT_OK;
}

// Without a thread the caller makes the batches.
static void start_worker(struct kit_loader *l) {
    l->threads = 0;
    if (pthread_mutex_init(&l->lock, NULL)) return;
    int work = !pthread_cond_init(&l->work, NULL), done = work && !pthread_cond_init(&l->done, NULL);
    l->threads = done && !pthread_create(&l->worker, NULL, run, l);
    if (l->threads) return;
    if (done) pthread_cond_destroy(&l->done);
    if (work) pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
}

static int prepare(struct kit_loader *l, const struct kit_transforms *transforms, int32_t batch, char *error) {
    const struct kit_dataset *set = l->set;
    if (set->count < 1 || set->count > set->images.dim[0])
        return kit_fail(error, KIT_EVALUE, "a loader of %d images; the data set has %d, and there must be 1",
                        (int)set->count, (int)set->images.dim[0]);
    if (batch < 1) return kit_fail(error, KIT_EVALUE, "batches of %d images; there must be 1 in each", (int)batch);
    if (l->threads < 0 || l->threads > 1)
        return kit_fail(error, KIT_EVALUE, "a loader with %d threads of its own; it has 0 or 1", l->threads);
    int status = kit_pipeline_new(&l->pipeline, transforms, set->channels, set->rows, set->columns, error);
    if (!status) status = kit_batches_new(&l->order, set->count, batch < set->count ? batch : set->count, error);
    return status ? status : allocate(l, error);
}

int kit_loader_new(struct kit_loader **loader, const struct kit_dataset *set, const struct kit_transforms *transforms,
                   int32_t batch, int64_t seed, int threads, char *error) {
    *loader = NULL;
    struct kit_loader *l = calloc(1, sizeof *l);
    if (!l) return kit_fail(error, KIT_ENOMEM, "no memory for a loader");
    l->set = set, l->seed = seed, l->threads = threads, l->slots = threads ? SLOTS : 1;
    int status = prepare(l, transforms, batch, error);
    if (status) {
        l->threads = 0; // none was started
        kit_loader_free(l);
        return status;
    }
    if (threads) start_worker(l);
    *loader = l;
    return KIT_OK;
}

void kit_loader_free(struct kit_loader *l) {
    if (!l) return;
    if (l->threads) {
        pthread_mutex_lock(&l->lock);
        l->quit = 1;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->worker, NULL);
        pthread_cond_destroy(&l->done);
        pthread_cond_destroy(&l->work);
        pthread_mutex_destroy(&l->lock);
    }
    for (int s = 0; s < SLOTS; s++) {
        free(l->slot[s].image);
        free(l->slot[s].label);
    }
    kit_batches_free(&l->order);
    kit_pipeline_free(l->pipeline);
    free(l);
}

// ---- an epoch ------------------------------------------------------------------------------------------------------

void kit_loader_start(struct kit_loader *l, int64_t epoch) {
    if (l->threads) {
        pthread_mutex_lock(&l->lock);
        l->total = 0; // the worker ends the batch that it is making, and begins no other
        while (l->busy) pthread_cond_wait(&l->done, &l->lock);
    }
    kit_batches_shuffle(&l->order, l->seed, epoch);
    l->epoch = epoch, l->made = l->taken = 0, l->total = kit_loader_batches(l);
    if (l->threads) {
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
    }
}

// Gives the last batch back and waits for the next one; without a worker it is made here. Returns its number, or -1.
static int32_t take(struct kit_loader *l) {
    if (l->taken == l->total) return -1; // the epoch is over
    int32_t batch = l->taken++;
    if (l->threads) pthread_cond_signal(&l->work);
    while (l->threads && l->made <= batch) pthread_cond_wait(&l->done, &l->lock);
    if (!l->threads) make(l, batch), l->made++;
    return batch;
}

int32_t kit_loader_next(struct kit_loader *l, const float **image, const int32_t **label, const int32_t **index) {
    if (l->threads) pthread_mutex_lock(&l->lock);
    int32_t batch = take(l);
    if (l->threads) pthread_mutex_unlock(&l->lock);
    const struct slot *slot = batch < 0 ? NULL : &l->slot[batch % l->slots];
    if (image) *image = slot ? slot->image : NULL;
    if (label) *label = slot ? slot->label : NULL;
    if (index) *index = slot ? places(l, batch) : NULL;
    return slot ? pictures(l, batch) : 0;
}

int32_t kit_loader_batches(const struct kit_loader *l) {
    return l->order.count / l->order.batch + (l->order.count % l->order.batch != 0);
}

const int32_t *kit_loader_shape(const struct kit_loader *l) { return kit_pipeline_shape(l->pipeline); }

int kit_loader_threads(const struct kit_loader *l) { return l->threads; }
