// evaluate.c: the loop IR run as it stands: how --weights makes, while compiling, what a net would make after load.
//     for i = 0 .. 784: panels[i, 0:16] = w[0, i]      walks the statements; each store computes its value by the
//                                                      operators' records, rounded to the dtype after each, as C would
// An expression is a tape: its parts once each, inputs first, found once per statement. A vector is evaluated lane by
// lane. Plain copies, which is what packing consists of, take no tape.
#include "loops/evaluate.h"

#include <math.h>
#include <string.h>

#include "loops/recipes.h"

typedef union Scalar {
    double f; // of float dtypes
    int64_t i;
} Scalar;

typedef struct Tape {
    int n;
    Expr **part;
    int **arg;     // of each part: where its arguments stand
    Scalar *value; // of the lane being computed
} Tape;

typedef struct Machine {
    Arena *arena;  // for data that stays
    Arena scratch; // of one kernel
    const Program *program;
    int64_t *var; // by variable
    Tags known;   // expressions that have a tape: its number + 1
    VEC(Tape *) tapes;
} Machine;

static Scalar evaluate(Machine *m, const Tape *tape, int lane);
static Tape *tape_of(Machine *m, Expr *root);

// ---- elements -------------------------------------------------------------------------------------------------------

static int element_bytes(const Buffer *buffer) {
    return buffer->accumulate_double ? 8 : dtype_info[buffer->dtype].bytes;
}

static Scalar get_element(const Buffer *buffer, int64_t at) {
    const char *from = (const char *)buffer->data + at * element_bytes(buffer);
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
    char *to = (char *)buffer->data + at * element_bytes(buffer);
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

static void need_data(Machine *m, Buffer *buffer) {
    if (buffer->data) return;
    if (buffer->scope == SCOPE_STORAGE || buffer->scope == SCOPE_ARGUMENT)
        dlc_bug("evaluate", "%s has no data", buffer->name);
    int64_t elements = buffer->lanes;
    for (int d = 0; d < buffer->rank; d++) elements *= buffer->dim[d].extent;
    bool local = buffer->scope == SCOPE_STACK || buffer->scope == SCOPE_REGISTER;
    buffer->data = NEW_ARRAY(local ? &m->scratch : m->arena, char, elements *element_bytes(buffer) + 8);
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
            dlc_bug("evaluate", "a run-time size in the prepare part of %s", m->program->graph->name);
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
            value = evaluate(m, tape_of(m, atom->loaded), 0).i;
            break;
        }
        sum += index->term[k].coef * value;
    }
    return sum;
}

// The element's number in the buffer, in units of its own lanes.
static int64_t place(Machine *m, Buffer *buffer, const Index *const *at) {
    int64_t offset = 0;
    need_data(m, buffer);
    for (int d = 0; d < buffer->rank; d++) offset += index_value(m, at[d]) * buffer->stride[d];
    return offset * buffer->lanes;
}

// ---- expressions ----------------------------------------------------------------------------------------------------

static void add_part(Machine *m, Tape *tape, Tags *seen, Expr *e) {
    if (*tag_of(seen, e)) return;
    for (int k = 0; k < e->nargs; k++) add_part(m, tape, seen, e->arg[k]);
    Expr **part = NEW_ARRAY(&m->scratch, Expr *, tape->n + 1);
    int **arg = NEW_ARRAY(&m->scratch, int *, tape->n + 1);
    if (tape->n) memcpy(part, tape->part, sizeof *part * (size_t)tape->n);
    if (tape->n) memcpy(arg, tape->arg, sizeof *arg * (size_t)tape->n);
    part[tape->n] = e;
    arg[tape->n] = NEW_ARRAY(&m->scratch, int, e->nargs + 1);
    for (int k = 0; k < e->nargs; k++) arg[tape->n][k] = *tag_of(seen, e->arg[k]) - 1;
    tape->part = part;
    tape->arg = arg;
    *tag_of(seen, e) = ++tape->n;
}

static Tape *tape_of(Machine *m, Expr *root) {
    int number = *tag_of(&m->known, root);
    if (number) return m->tapes.at[number - 1];
    Tape *tape = NEW(&m->scratch, Tape);
    Tags seen = {.arena = &m->scratch};
    add_part(m, tape, &seen, root);
    tape->value = NEW_ARRAY(&m->scratch, Scalar, tape->n);
    vec_push(&m->scratch, &m->tapes, tape);
    *tag_of(&m->known, root) = m->tapes.len;
    return tape;
}

static Scalar round_scalar(DType dtype, Scalar value) {
    if (dtype_info[dtype].is_float) return (Scalar){.f = round_to_dtype(dtype, value.f)};
    if (dtype == I32) value.i = (int32_t)value.i;
    if (dtype == I8) value.i = (int8_t)value.i;
    if (dtype == U8) value.i = (uint8_t)value.i;
    return value;
}

static Scalar apply(const Expr *e, const Tape *tape, const int *arg) {
    Tensor in[MAX_INPUTS], out = {.dtype = e->dtype, .count = 1};
    const Tensor *ins[MAX_INPUTS];
    Scalar from[MAX_INPUTS], result = {.i = 0};
    for (int k = 0; k < e->nargs; k++) {
        bool is_float = dtype_info[e->arg[k]->dtype].is_float;
        from[k] = tape->value[arg[k]];
        in[k] = (Tensor){.dtype = e->arg[k]->dtype, .count = 1};
        if (is_float)
            in[k].f = &from[k].f;
        else
            in[k].i = &from[k].i;
        ins[k] = &in[k];
    }
    if (dtype_info[e->dtype].is_float)
        out.f = &result.f;
    else
        out.i = &result.i;
    e->op->eval(e->node, ins, &out, NULL);
    return round_scalar(e->dtype, result);
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

static Scalar reduce_lanes(Machine *m, Expr *e) {
    Tape *of = tape_of(m, e->arg[0]);
    Scalar sum = evaluate(m, of, 0);
    for (int lane = 1; lane < e->arg[0]->lanes; lane++)
        sum = round_scalar(e->dtype, combine(e->dtype, e->reduce_kind, sum, evaluate(m, of, lane)));
    return sum;
}

static Scalar load(Machine *m, const Expr *e, int lane) {
    int64_t at = place(m, e->buffer, e->at);
    return get_element(e->buffer, e->lanes > 1 ? at + lane : at);
}

static Scalar evaluate(Machine *m, const Tape *tape, int lane) {
    for (int k = 0; k < tape->n; k++) {
        Expr *e = tape->part[k];
        Scalar *to = &tape->value[k];
        bool is_float = dtype_info[e->dtype].is_float;
        switch (e->kind) {
        case EXPR_CONST:
            *to = is_float ? (Scalar){.f = e->f} : (Scalar){.i = e->i};
            break;
        case EXPR_INDEX_VALUE: {
            int64_t value = index_value(m, e->index) + (e->lanes > 1 ? lane : 0);
            *to = is_float ? (Scalar){.f = (double)value} : (Scalar){.i = value};
            break;
        }
        case EXPR_LOAD:
            *to = load(m, e, lane);
            break;
        case EXPR_APPLY:
            *to = apply(e, tape, tape->arg[k]);
            break;
        case EXPR_REDUCE_LANES:
            *to = reduce_lanes(m, e);
            break;
        }
    }
    return tape->value[tape->n - 1];
}

// ---- statements -----------------------------------------------------------------------------------------------------

// Copies `lanes` elements as they are; false when the value is more than a load of the same dtype.
static bool copied(Machine *m, const Stmt *stmt) {
    const Expr *e = stmt->value;
    Buffer *to = stmt->buffer;
    if (e->kind != EXPR_LOAD || e->dtype != to->dtype || to->lanes > 1 || e->buffer->lanes > 1) return false;
    if (to->accumulate_double || e->buffer->accumulate_double || to->dtype == BOOL) return false;
    int64_t from = place(m, e->buffer, e->at), at = place(m, to, stmt->at);
    size_t bytes = (size_t)element_bytes(to);
    memmove((char *)to->data + (size_t)at * bytes, (char *)e->buffer->data + (size_t)from * bytes,
            bytes * (size_t)e->lanes);
    return true;
}

// buffer[at] = value, or combined with it, lane by lane; a scalar fills a vector.
static void assign(Machine *m, const Stmt *stmt, int64_t at) {
    Buffer *to = stmt->buffer;
    Tape *tape = tape_of(m, stmt->value);
    int lanes = stmt->value->lanes > to->lanes ? stmt->value->lanes : to->lanes;
    Scalar value[64];
    if (lanes > 64) dlc_bug("evaluate", "a vector of %d lanes", lanes);
    for (int lane = 0; lane < lanes; lane++)
        value[lane] = lane && stmt->value->lanes == 1 ? value[0] : evaluate(m, tape, lane);
    for (int lane = 0; lane < lanes; lane++) {
        Scalar new = value[lane];
        if (stmt->kind == STMT_ACCUMULATE) new = combine(to->dtype, stmt->combine, get_element(to, at + lane), new);
        put_element(to, at + lane, new);
    }
}

// Every element of the local begins as the value.
static void declare(Machine *m, const Stmt *stmt) {
    int64_t elements = 1;
    need_data(m, stmt->buffer);
    for (int d = 0; d < stmt->buffer->rank; d++) elements *= stmt->buffer->dim[d].extent;
    for (int64_t k = 0; stmt->value && k < elements; k++) assign(m, stmt, k * stmt->buffer->lanes);
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

static void run(Machine *m, const Stmt *stmt);

static void run_body(Machine *m, const Stmt *stmt) {
    for (int k = 0; k < stmt->body.len; k++) run(m, stmt->body.at[k]);
}

static void run(Machine *m, const Stmt *stmt) {
    bool holds = true;
    int64_t *var, end;
    switch (stmt->kind) {
    case STMT_BLOCK:
        run_body(m, stmt);
        return;
    case STMT_FOR:
        var = &m->var[stmt->var->id];
        end = index_value(m, stmt->hi);
        for (int64_t at = index_value(m, stmt->lo); at < end; at += stmt->step) {
            *var = at;
            run_body(m, stmt);
        }
        return;
    case STMT_IF:
        for (int k = 0; k < stmt->cond.len && holds; k++) holds = index_value(m, stmt->cond.at[k]) >= 0;
        if (holds) run_body(m, stmt);
        return;
    case STMT_STORE:
        if (!copied(m, stmt)) assign(m, stmt, place(m, stmt->buffer, stmt->at));
        return;
    case STMT_ACCUMULATE:
        assign(m, stmt, place(m, stmt->buffer, stmt->at));
        return;
    case STMT_LOCAL:
        declare(m, stmt);
        return;
    case STMT_PREFETCH:
        return;
    case STMT_TRANSPOSE:
        transpose(m, stmt);
        return;
    }
}

static void forget_local(void *context, Buffer *buffer, bool write) {
    (void)context;
    (void)write;
    if (buffer->scope == SCOPE_STACK || buffer->scope == SCOPE_REGISTER) buffer->data = NULL;
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

void program_evaluate(Arena *arena, const Program *program, int first, int end) {
    for (int c = first; c < end; c++) {
        const Call *call = &program->calls.at[c];
        const Kernel *kernel = call->kernel;
        Machine m = {.arena = arena, .program = program};
        m.known = (Tags){.arena = &m.scratch};
        m.var = NEW_ARRAY(&m.scratch, int64_t, kernel->nvars + 1);
        void **data = NEW_ARRAY(&m.scratch, void *, kernel->uses.len + 1);
        for (int k = 0; k < kernel->uses.len; k++) data[k] = call->buffer[k]->data;
        exchange_data(kernel, data); // the kernel's body works on the call's data
        run(&m, kernel->body);
        exchange_data(kernel, data);
        for (int k = 0; k < kernel->uses.len; k++) call->buffer[k]->data = data[k];
        stmt_visit_buffers(kernel->body, forget_local, NULL);
        arena_release(&m.scratch);
    }
}
