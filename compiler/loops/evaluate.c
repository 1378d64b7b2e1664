// evaluate.c: runs a program's loops inside dlc, without a C compiler.
//     for i = 0 .. 784: panels[i, 0:16] = w[0, i]      --weights runs the prepare part while compiling; the tests hold
//                                                      whole programs against the interpreter of the graph
// Statements are walked as they stand. An expression becomes a tape, once for each kernel's run: its parts, inputs
// first. Each part is computed for all lanes by its operator's record, and rounded to its dtype, as the C would. Plain
// copies, which are most of what the prepare part does, need no tape.
#include "loops/evaluate.h"

#include <math.h>
#include <string.h>

#include "loops/recipes.h"

typedef union Scalar {
    double f; // of float dtypes
    int64_t i;
} Scalar;

typedef struct Part {
    Expr *e;
    Scalar **arg;  // the values of its arguments
    Scalar *value; // by lane; of a scalar, all the same
} Part;

typedef struct Tape {
    int lanes; // of the widest part
    VEC(Part) parts;
} Tape;

typedef struct Machine {
    Arena *arena;  // for data that stays
    Arena scratch; // of one kernel
    const Program *program;
    const int64_t *sizes; // actual run-time sizes, or NULL: none occurs
    const int64_t *steps; // the indices of the loops around the call
    int64_t *var;         // by variable
    Tags known;           // expressions that have a tape: its number + 1
    VEC(Tape *) tapes;
} Machine;

static const Scalar *evaluate(Machine *m, Expr *root);

// ---- elements -------------------------------------------------------------------------------------------------------

static Scalar get_element(const Buffer *buffer, int64_t at) {
    const char *from = (const char *)buffer->data + at * buffer_element_bytes(buffer);
    if (buffer->accumulate_double) return (Scalar){.f = *(const double *)from};
    switch (buffer->dtype) {
    case F32:
        return (Scalar){.f = (double)*(const float *)from};
    case I32:
        return (Scalar){.i = *(const int32_t *)from};
    case I64:
        return (Scalar){.i = *(const int64_t *)from};
    case I8:
        return (Scalar){.i = *(const int8_t *)from};
    case U8:
        return (Scalar){.i = *(const uint8_t *)from};
    case BOOL:
        return (Scalar){.i = *(const uint8_t *)from != 0};
    default:
        dlc_bug("evaluate", "%s is of %s", buffer->name, dtype_info[buffer->dtype].name);
    }
}

static void put_element(const Buffer *buffer, int64_t at, Scalar value) {
    char *to = (char *)buffer->data + at * buffer_element_bytes(buffer);
    if (buffer->accumulate_double)
        *(double *)to = value.f;
    else if (buffer->dtype == F32)
        *(float *)to = (float)value.f;
    else if (buffer->dtype == I32)
        *(int32_t *)to = (int32_t)value.i;
    else if (buffer->dtype == I64)
        *(int64_t *)to = value.i;
    else
        *(uint8_t *)to = (uint8_t)value.i;
}

// The buffer's own elements with their halo, side by side.
static int64_t count_of(const Buffer *buffer) {
    int64_t elements = buffer->lanes;
    for (int d = 0; d < buffer->rank; d++) elements *= buffer->before[d] + buffer->dim[d].extent + buffer->after[d];
    return elements;
}

static void need_data(Machine *m, Buffer *buffer) {
    if (buffer->data) return;
    if (buffer->scope == SCOPE_STORAGE || buffer->scope == SCOPE_ARGUMENT)
        dlc_bug("evaluate", "%s has no data", buffer->name);
    buffer->data = NEW_ARRAY(buffer_is_local(buffer) ? &m->scratch : m->arena, char,
                             count_of(buffer) * buffer_element_bytes(buffer) + 8);
}

// ---- indices --------------------------------------------------------------------------------------------------------

static int64_t index_value(Machine *m, const Index *index) {
    int64_t sum = index->c;
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        int64_t value = 0, other, by = atom->by;
        if (atom->other && atom->kind != ATOM_MIN) by = index_value(m, atom->other);
        switch (atom->kind) {
        case ATOM_VAR:
            value = m->var[atom->var->id];
            break;
        case ATOM_SIZE:
            if (!m->sizes) dlc_bug("evaluate", "a run-time size in the prepare part of %s", m->program->graph->name);
            value = m->sizes[atom->size];
            break;
        case ATOM_STEP:
            value = m->steps[atom->size];
            break;
        case ATOM_TIMES:
            value = index_value(m, atom->of) * by;
            break;
        case ATOM_DIV:
            value = index_value(m, atom->of) / by;
            break;
        case ATOM_MOD:
            value = index_value(m, atom->of) % by;
            break;
        case ATOM_MIN:
            value = index_value(m, atom->of);
            other = index_value(m, atom->other);
            value = value < other ? value : other;
            break;
        case ATOM_CLAMP:
            value = index_value(m, atom->of);
            value = value < 0 ? 0 : value >= by ? by - 1 : value;
            break;
        case ATOM_LOADED:
            value = evaluate(m, atom->loaded)->i;
            break;
        }
        sum += index->term[k].coef * value;
    }
    return sum;
}

// The element's number in the buffer's data, counted in scalars. An argument is dense at the actual sizes.
static int64_t place(Machine *m, Buffer *buffer, const Index *const *at) {
    int64_t offset = 0, dense = 1;
    need_data(m, buffer);
    for (int d = buffer->rank - 1; d >= 0; d--) {
        bool is_dense = buffer->scope == SCOPE_ARGUMENT;
        offset += (buffer->before[d] + index_value(m, at[d])) * (is_dense ? dense : buffer->stride[d]);
        if (is_dense) dense *= dim_actual(buffer->dim[d], m->sizes);
    }
    return offset * buffer->lanes;
}

// ---- expressions ----------------------------------------------------------------------------------------------------

static void add_part(Machine *m, Tape *tape, Tags *seen, Expr *e) {
    if (*tag_of(seen, e)) return;
    Part part = {.e = e, .arg = NEW_ARRAY(&m->scratch, Scalar *, e->nargs + 1)};
    for (int k = 0; k < e->nargs; k++) {
        add_part(m, tape, seen, e->arg[k]);
        part.arg[k] = tape->parts.at[*tag_of(seen, e->arg[k]) - 1].value;
    }
    part.value = NEW_ARRAY(&m->scratch, Scalar, target_lanes(m->program->target));
    if (e->lanes > tape->lanes) tape->lanes = e->lanes;
    vec_push(&m->scratch, &tape->parts, part);
    *tag_of(seen, e) = tape->parts.len;
}

static Tape *tape_of(Machine *m, Expr *root) {
    int *number = tag_of(&m->known, root);
    if (*number) return m->tapes.at[*number - 1];
    Tape *tape = NEW(&m->scratch, Tape);
    Tags seen = {.arena = &m->scratch};
    add_part(m, tape, &seen, root);
    vec_push(&m->scratch, &m->tapes, tape);
    *number = m->tapes.len;
    return tape;
}

static Scalar round_scalar(DType dtype, Scalar value) {
    if (dtype_info[dtype].is_float) return (Scalar){.f = round_to_dtype(dtype, value.f)};
    if (dtype == I32) value.i = (int32_t)value.i;
    if (dtype == I8) value.i = (int8_t)value.i;
    if (dtype == U8) value.i = (uint8_t)value.i;
    return value;
}

static Tensor as_tensor(DType dtype, Scalar *value, int lanes) {
    Tensor t = {.dtype = dtype, .count = lanes};
    if (dtype_info[dtype].is_float)
        t.f = &value->f;
    else
        t.i = &value->i;
    return t;
}

static void apply(const Part *part) {
    enum { MOST = 4 }; // arguments, of random
    const Expr *e = part->e;
    Tensor in[MOST], out = as_tensor(e->dtype, part->value, e->lanes);
    const Tensor *ins[MOST];
    if (e->nargs > MOST) dlc_bug("evaluate", "%s has %d arguments", e->op->name, e->nargs);
    for (int k = 0; k < e->nargs; k++) {
        in[k] = as_tensor(e->arg[k]->dtype, part->arg[k], e->lanes);
        ins[k] = &in[k];
    }
    memset(part->value, 0, sizeof *part->value * (size_t)e->lanes);
    (e->op->eval_lowered ? e->op->eval_lowered : e->op->eval)(e->node, ins, &out, NULL);
    for (int lane = 0; lane < e->lanes; lane++) part->value[lane] = round_scalar(e->dtype, part->value[lane]);
}

static Scalar combine(DType dtype, ReduceKind how, Scalar a, Scalar b) {
    if (dtype_info[dtype].is_float) {
        if (how == REDUCE_SUM) return (Scalar){.f = a.f + b.f};
        if (isnan(a.f) || isnan(b.f)) return (Scalar){.f = NAN};
        return (Scalar){.f = (how == REDUCE_MAX) == (a.f > b.f) ? a.f : b.f};
    }
    if (how == REDUCE_SUM) return (Scalar){.i = (int64_t)((uint64_t)a.i + (uint64_t)b.i)};
    return (Scalar){.i = (how == REDUCE_MAX) == (a.i > b.i) ? a.i : b.i};
}

static void reduce_lanes(const Part *part) {
    const Expr *e = part->e;
    *part->value = *part->arg[0];
    for (int lane = 1; lane < e->arg[0]->lanes; lane++)
        *part->value = round_scalar(e->dtype, combine(e->dtype, e->reduce_kind, *part->value, part->arg[0][lane]));
}

static void load(Machine *m, const Part *part) {
    int64_t at = place(m, part->e->buffer, part->e->at);
    for (int lane = 0; lane < part->e->lanes; lane++) part->value[lane] = get_element(part->e->buffer, at + lane);
}

static void put_index(Machine *m, const Part *part) {
    int64_t value = index_value(m, part->e->index);
    for (int lane = 0; lane < part->e->lanes; lane++, value++)
        part->value[lane] = dtype_info[part->e->dtype].is_float ? (Scalar){.f = (double)value} : (Scalar){.i = value};
}

// The value of each lane.
static const Scalar *evaluate(Machine *m, Expr *root) {
    const Tape *tape = tape_of(m, root);
    for (int k = 0; k < tape->parts.len; k++) {
        const Part *part = &tape->parts.at[k];
        const Expr *e = part->e;
        switch (e->kind) {
        case EXPR_CONST:
            *part->value = dtype_info[e->dtype].is_float ? (Scalar){.f = e->f} : (Scalar){.i = e->i};
            break;
        case EXPR_INDEX_VALUE:
            put_index(m, part);
            break;
        case EXPR_LOAD:
            load(m, part);
            break;
        case EXPR_APPLY:
            apply(part);
            break;
        case EXPR_REDUCE_LANES:
            reduce_lanes(part);
            break;
        }
        for (int lane = 1; e->lanes == 1 && lane < tape->lanes; lane++) part->value[lane] = *part->value;
    }
    return tape->parts.at[tape->parts.len - 1].value;
}

// ---- statements -----------------------------------------------------------------------------------------------------

// Copies `lanes` elements as they are; false when the value is more than a load of the same dtype.
static bool copied(Machine *m, const Stmt *stmt) {
    const Expr *e = stmt->value;
    Buffer *to = stmt->buffer;
    if (stmt->kind != STMT_STORE || e->kind != EXPR_LOAD || e->dtype != to->dtype || to->lanes > 1 ||
        e->buffer->lanes > 1)
        return false;
    if (to->accumulate_double || e->buffer->accumulate_double || to->dtype == BOOL) return false;
    int64_t from = place(m, e->buffer, e->at), at = place(m, to, stmt->at);
    size_t bytes = (size_t)buffer_element_bytes(to);
    memmove((char *)to->data + (size_t)at * bytes, (char *)e->buffer->data + (size_t)from * bytes,
            bytes * (size_t)e->lanes);
    return true;
}

// buffer[at] = value, or combined with it, lane by lane; a scalar fills a vector.
static void assign(Machine *m, const Stmt *stmt, int64_t at) {
    Buffer *to = stmt->buffer;
    int lanes = stmt->value->lanes > to->lanes ? stmt->value->lanes : to->lanes;
    const Scalar *value = evaluate(m, stmt->value);
    for (int lane = 0; lane < lanes; lane++) {
        Scalar new = value[stmt->value->lanes == 1 ? 0 : lane];
        if (stmt->kind == STMT_ACCUMULATE) new = combine(to->dtype, stmt->combine, get_element(to, at + lane), new);
        put_element(to, at + lane, new);
    }
}

// Every element of the local begins as the value; without one, as what no result may depend on: NaN.
static void declare(Machine *m, const Stmt *stmt) {
    Buffer *local = stmt->buffer;
    int64_t count = count_of(local);
    need_data(m, local);
    memset(local->data, 0xff, (size_t)(count * buffer_element_bytes(local)));
    for (int64_t at = 0; stmt->value && at < count; at += local->lanes) assign(m, stmt, at);
}

static void transpose(Machine *m, const Stmt *stmt) {
    int lanes = target_lanes(m->program->target);
    int64_t source = place(m, stmt->source, stmt->from), to = place(m, stmt->buffer, stmt->at);
    const float *from = (const float *)stmt->source->data + source;
    float *tile = (float *)stmt->buffer->data + to;
    int64_t rows = stmt->source->stride[stmt->src_axis], columns = stmt->buffer->stride[stmt->dst_axis];
    for (int c = 0; c < lanes; c++)
        for (int r = 0; r < lanes; r++) tile[c * columns + r] = from[r * rows + c];
}

static void run_stmt(Machine *m, const Stmt *stmt);

static void run_body(Machine *m, const Stmt *stmt) {
    for (int k = 0; k < stmt->body.len; k++) run_stmt(m, stmt->body.at[k]);
}

// Chunks are independent of each other: the last one runs first.
static void run_for(Machine *m, const Stmt *stmt) {
    int64_t lo = index_value(m, stmt->lo), hi = index_value(m, stmt->hi);
    int64_t turns = lo < hi ? ceil_div(hi - lo, stmt->step) : 0;
    for (int64_t k = 0; k < turns; k++) {
        m->var[stmt->var->id] = lo + stmt->step * (stmt->loop == FOR_CHUNKS ? turns - 1 - k : k);
        run_body(m, stmt);
    }
}

static void run_if(Machine *m, const Stmt *stmt) {
    for (int k = 0; k < stmt->cond.len; k++)
        if (index_value(m, stmt->cond.at[k]) < 0) return;
    run_body(m, stmt);
}

static void store(Machine *m, const Stmt *stmt) {
    if (!copied(m, stmt)) assign(m, stmt, place(m, stmt->buffer, stmt->at));
}

static void run_stmt(Machine *m, const Stmt *stmt) {
    static void (*const by_kind[])(Machine *, const Stmt *) = {
        [STMT_BLOCK] = run_body,   [STMT_FOR] = run_for,   [STMT_IF] = run_if,     [STMT_STORE] = store,
        [STMT_ACCUMULATE] = store, [STMT_LOCAL] = declare, [STMT_PREFETCH] = NULL, [STMT_TRANSPOSE] = transpose};
    if (by_kind[stmt->kind]) by_kind[stmt->kind](m, stmt);
}

static void forget_local(void *context, const Access *access) {
    (void)context;
    if (buffer_is_local(access->buffer)) access->buffer->data = NULL;
}

// Swaps the data of the kernel's own buffers with `data`. All pointers are read before any is set: in a chain, the
// buffer that a call gives for one use is the kernel's own buffer for another.
static void exchange_data(const Kernel *kernel, void **data) {
    for (int k = 0; k < kernel->uses.len; k++) {
        void *own = kernel->uses.at[k].buffer->data;
        kernel->uses.at[k].buffer->data = data[k];
        data[k] = own;
    }
}

typedef struct Run {
    Arena *arena;
    const Program *program;
    const int64_t *sizes;
    int64_t steps[MAX_NEST]; // by depth: the index of the loop's step
} Run;

// In elements: from one element along axis 0 to the next. The caller's arrays are dense.
static int64_t slot_stride(const Run *run, const Buffer *of) {
    int64_t stride = of->stride[0];
    if (of->scope != SCOPE_ARGUMENT) return stride;
    stride = 1;
    for (int d = 1; d < of->rank; d++) stride *= dim_actual(of->dim[d], run->sizes);
    return stride;
}

// A view in a slot begins elsewhere in each step.
static void find_slot(Run *run, Buffer *buffer) {
    if (!buffer->view) return;
    Buffer *of = buffer->view->of;
    find_slot(run, of);
    Machine m = {.program = run->program, .sizes = run->sizes, .steps = run->steps};
    bool moved = buffer->view->slot || of->view;
    int64_t at = buffer->start - of->start;
    if (buffer->view->slot) at += index_value(&m, buffer->view->slot) * slot_stride(run, of);
    if (moved) buffer->data = (char *)of->data + at * dtype_info[buffer->dtype].bytes;
}

static void run_call(Run *run, const Call *call) {
    const Kernel *kernel = call->kernel;
    if (call->skip_if_null && !call->skip_if_null->data) return;
    for (int k = 0; k < kernel->uses.len; k++) find_slot(run, call->buffer[k]);
    Machine m = {.arena = run->arena, .program = run->program, .sizes = run->sizes, .steps = run->steps};
    m.known = (Tags){.arena = &m.scratch};
    m.var = NEW_ARRAY(&m.scratch, int64_t, kernel->nvars + 1);
    void **data = NEW_ARRAY(&m.scratch, void *, kernel->uses.len + 1);
    for (int k = 0; k < kernel->uses.len; k++) data[k] = call->buffer[k]->data;
    exchange_data(kernel, data); // the kernel's body works on the call's data
    run_stmt(&m, kernel->body);
    exchange_data(kernel, data);
    for (int k = 0; k < kernel->uses.len; k++) call->buffer[k]->data = data[k];
    stmt_visit(kernel->body, forget_local, NULL);
    arena_release(&m.scratch);
}

// The calls [first, end), which loop `outer` of depth `depth` makes in one of its steps.
static void run_calls(Run *run, int first, int end, int outer, int depth) {
    const Graph *g = run->program->graph;
    while (first < end) {
        const Call *call = &run->program->calls.at[first];
        if (call->loop == outer) {
            run_call(run, call);
            first++;
            continue;
        }
        int number = graph_loop_below(g, call->loop, outer);
        const Loop *loop = graph_loop(g, number);
        int after = run->program->loops[number - 1].end;
        int64_t steps = dim_actual(loop->steps, run->sizes);
        for (int64_t k = 0; k < steps; k++) {
            run->steps[depth] = loop->reverse ? steps - 1 - k : k;
            run_calls(run, first, after, number, depth + 1);
        }
        first = after;
    }
}

void program_evaluate(Arena *arena, const Program *program, int first, int end, const int64_t *sizes) {
    Run run = {.arena = arena, .program = program, .sizes = sizes};
    run_calls(&run, first, end, 0, 0);
}
