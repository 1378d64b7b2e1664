// test_emit.c: hand-built programs become C that compiles without a warning (gcc and clang, C and C++), and computes.
//
// The little network of most tests, with N <= 4: forward is logits = y * y + y of y = relu(image @ w^T + b); step is
// w = w - lr * image[0] in place with loss = w[0, 0] before; init draws w.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emit/parts.h"

enum { IN = 32, OUT = 3, BOUND = 4 };

typedef struct World {
    Arena arena;
    Diag diag;
    Module *module;
    Storage *w, *b;
    EmitOptions options;
    EmitInput in;
    Program *programs[4];
    int lanes;
} World;

// ---- building the loop IR by hand -----------------------------------------------------------------------------------

static Arena *arena; // of the test that runs; each test is a process of its own

static const Index *at_const(int64_t c) {
    Index *index = NEW(arena, Index);
    index->c = c;
    return index;
}

static Index *at_sum(int64_t c, int n, const struct Term *terms) {
    Index *index = NEW(arena, Index);
    *index = (Index){.c = c, .nterms = n, .term = NEW_ARRAY(arena, struct Term, n + 1)};
    memcpy(index->term, terms, sizeof *terms * (size_t)n);
    return index;
}

static const Index *at_var(Var *var) { return at_sum(0, 1, &(struct Term){1, {.kind = ATOM_VAR, .var = var}}); }
static const Index *at_size(int k) { return at_sum(0, 1, &(struct Term){1, {.kind = ATOM_SIZE, .size = k}}); }

static const Index **at_list(int n, const Index *const *from) {
    const Index **list = NEW_ARRAY(arena, const Index *, n + 1);
    memcpy(list, from, sizeof *from * (size_t)n);
    return list;
}
#define AT(...) at_list((int)(sizeof((const Index *[]){__VA_ARGS__}) / sizeof(Index *)), (const Index *[]){__VA_ARGS__})

static Var *var(const char *name) {
    Var *v = NEW(arena, Var);
    v->name = name;
    return v;
}

static Buffer *buffer(const char *name, Scope scope, DType dtype, int rank, const Dim *dims) {
    Buffer *b = NEW(arena, Buffer);
    *b = (Buffer){.name = name, .scope = scope, .dtype = dtype, .rank = rank, .lanes = 1, .argument = -1, .output = -1};
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        b->dim[d] = dims[d];
        b->stride[d] = stride;
        stride *= dims[d].extent;
    }
    b->bytes = stride * dtype_info[dtype].bytes;
    return b;
}

static Expr *constant(double f) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_CONST, .dtype = F32, .lanes = 1, .f = f};
    return e;
}

static Expr *integer(DType dtype, int64_t i) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_CONST, .dtype = dtype, .lanes = 1, .i = i};
    return e;
}

static Expr *load(Buffer *b, const Index **at, int lanes) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_LOAD, .dtype = b->dtype, .lanes = lanes, .buffer = b, .at = at};
    return e;
}

static Expr *apply(const char *op, int n, Expr *a, Expr *b, Expr *c) {
    Expr *e = NEW(arena, Expr);
    Expr *args[] = {a, b, c};
    *e = (Expr){.kind = EXPR_APPLY, .op = op_find(op), .nargs = n, .arg = NEW_ARRAY(arena, Expr *, 4), .lanes = 1};
    cr_assert(e->op, "there is no operator %s", op);
    for (int i = 0; i < n; i++) {
        e->arg[i] = args[i];
        if (args[i]->lanes > e->lanes) e->lanes = args[i]->lanes;
    }
    e->dtype = args[n - 1]->dtype;
    return e;
}

static Stmt *stmt(Stmt from) {
    Stmt *s = NEW(arena, Stmt);
    *s = from;
    return s;
}

static Stmt *block(int n, Stmt *const *body) {
    Stmt *s = stmt((Stmt){.kind = STMT_BLOCK});
    for (int i = 0; i < n; i++) vec_push(arena, &s->body, body[i]);
    return s;
}
#define BLOCK(...) block((int)(sizeof((Stmt *[]){__VA_ARGS__}) / sizeof(Stmt *)), (Stmt *[]){__VA_ARGS__})

static Stmt *loop(ForKind kind, Var *v, const Index *hi, int64_t step, Stmt *body) {
    Stmt *s = stmt((Stmt){.kind = STMT_FOR, .loop = kind, .var = v, .lo = at_const(0), .hi = hi, .step = step});
    vec_push(arena, &s->body, body);
    return s;
}

static Stmt *store(Buffer *b, const Index **at, Expr *value) {
    return stmt((Stmt){.kind = STMT_STORE, .buffer = b, .at = at, .value = value});
}

static Stmt *accumulate(Buffer *b, const Index **at, ReduceKind combine, Expr *value) {
    return stmt((Stmt){.kind = STMT_ACCUMULATE, .buffer = b, .at = at, .combine = combine, .value = value});
}

static void add_call(Program *program, const char *name, enum Section section, Stmt *body) {
    Kernel *kernel = NEW(arena, Kernel);
    *kernel = (Kernel){
        .name = name, .comment = "/some/where/tiny.dl:3:5 \\", .body = body, .flops = 1234567, .recipe = "by hand"};
    kernel_find_uses(arena, kernel);
    Call call = call_new(arena, kernel);
    call.section = section;
    call.group = NEW(arena, Group);
    vec_push(arena, &program->calls, call);
}

static Program *program_new(World *world, Graph *g) {
    Program *program = NEW(arena, Program);
    *program = (Program){
        .arena = arena, .graph = g, .target = world->options.target, .arena_bytes = 4096, .arena_bound = 4096};
    return program;
}

static Buffer *argument_buffer(const char *name, DType dtype, int rank, const Dim *dims, int argument, int output) {
    Buffer *b = buffer(name, SCOPE_ARGUMENT, dtype, rank, dims);
    b->argument = argument;
    b->output = output;
    b->by_value = argument >= 0 && rank == 0;
    return b;
}

static Buffer *storage_buffer(Storage *storage, const char *name) {
    Buffer *b = buffer(name, SCOPE_STORAGE, F32, storage->type.rank, storage->type.dim);
    b->storage = storage;
    return b;
}

static const Dim dims_in[] = {{BOUND, 1, 1, 0}, {.extent = IN}}, dims_out[] = {{BOUND, 1, 1, 0}, {.extent = OUT}};

// y = relu(image @ w^T + b): scalars that accumulate in double, or vectors and one horizontal sum.
static Stmt *linear_kernel(World *world, Buffer *y, Buffer *image) {
    Buffer *w = storage_buffer(world->w, "fc_weight"), *b = storage_buffer(world->b, "fc_bias");
    Buffer *acc = buffer("acc", SCOPE_REGISTER, F32, 0, NULL);
    acc->lanes = world->lanes;
    acc->accumulate_double = world->lanes == 1;
    Var *n = var("n"), *o = var("o"), *i = var("i");
    const Index *vn = at_var(n), *vo = at_var(o), *vi = at_var(i);
    Stmt *local = stmt((Stmt){.kind = STMT_LOCAL, .buffer = acc, .value = constant(0)});
    Expr *product = apply("mul", 2, load(image, AT(vn, vi), world->lanes), load(w, AT(vo, vi), world->lanes), NULL);
    Expr *sum = load(acc, NULL, world->lanes);
    if (world->lanes > 1) {
        Expr *lanes = NEW(arena, Expr);
        *lanes = (Expr){.kind = EXPR_REDUCE_LANES, .reduce_kind = REDUCE_SUM, .dtype = F32, .lanes = 1, .nargs = 1};
        lanes->arg = NEW_ARRAY(arena, Expr *, 1);
        lanes->arg[0] = sum;
        sum = lanes;
    }
    Expr *value = apply("relu", 1, apply("add", 2, sum, load(b, AT(vo), 1), NULL), NULL, NULL);
    Stmt *inner = loop(FOR_SERIAL, i, at_const(IN), world->lanes, accumulate(acc, NULL, REDUCE_SUM, product));
    Stmt *body = BLOCK(local, inner, store(y, AT(vn, vo), value));
    return loop(FOR_SERIAL, n, at_size(0), 1, loop(FOR_CHUNKS, o, at_const(OUT), 1, body));
}

// out = in * in + in, where in is one shared expression.
static Stmt *square_kernel(Buffer *out, Buffer *in) {
    Var *n = var("n"), *o = var("o");
    const Index **at = AT(at_var(n), at_var(o));
    Expr *y = load(in, at, 1);
    Stmt *body = store(out, at, apply("add", 2, apply("mul", 2, y, y, NULL), y, NULL));
    return loop(FOR_SERIAL, n, at_size(0), 1, loop(FOR_SERIAL, o, at_const(OUT), 1, body));
}

static Program *forward(World *world) {
    Graph *g = graph_new(world->module, "forward", ENTRY_MODEL);
    Node *x = build_argument(g, "image", (Type){F32, 2, {{BOUND, 1, 1, 0}, {.extent = IN}}});
    build_argument(g, "class", (Type){I32, 1, {{BOUND, 1, 1, 0}}}); // a keyword of C++, and nothing reads it
    (void)x;
    Type type = {F32, 2, {{BOUND, 1, 1, 0}, {.extent = OUT}}};
    graph_return(g, "logits", build_full(g, &type, 0), (Span){0});
    Program *program = program_new(world, g);
    Buffer *image = argument_buffer("image", F32, 2, dims_in, 0, -1), *y = buffer("y", SCOPE_ARENA, F32, 2, dims_out);
    y->value = g->outputs.at[0].value;
    add_call(program, "linear_relu", SECTION_FORWARD, linear_kernel(world, y, image));
    add_call(program, "square", SECTION_FORWARD, square_kernel(argument_buffer("logits", F32, 2, dims_out, -1, 0), y));
    return program;
}

// loss = w[0, 0], then w[o, i] = w[o, i] - lr * image[0, i] in place; the forward's first kernel once more.
static Program *step(World *world) {
    Graph *g = graph_new(world->module, "step", ENTRY_TRAIN);
    build_argument(g, "image", (Type){F32, 2, {{BOUND, 1, 1, 0}, {.extent = IN}}});
    build_argument(g, "lr", type_scalar(F32));
    graph_return(g, "loss", build_constant(g, F32, 0), (Span){0});
    Program *program = program_new(world, g);
    Buffer *image = argument_buffer("image", F32, 2, dims_in, 0, -1), *lr = argument_buffer("lr", F32, 0, NULL, 1, -1);
    Buffer *hidden = buffer("hidden", SCOPE_ARENA, F32, 2, dims_out),
           *loss = argument_buffer("loss", F32, 0, NULL, -1, 0);
    Buffer *w = storage_buffer(world->w, "fc_weight"), *written = storage_buffer(world->w, "fc_weight_new");
    hidden->offset = 1024;
    hidden->value = g->outputs.at[0].value;
    add_call(program, "linear_relu", SECTION_FORWARD, linear_kernel(world, hidden, image));
    add_call(program, "loss", SECTION_LOSS, store(loss, NULL, load(w, AT(at_const(0), at_const(0)), 1)));
    Var *o = var("o"), *i = var("i");
    const Index *zero = at_const(0), **at = AT(at_var(o), at_var(i));
    Expr *change = apply("mul", 2, load(lr, NULL, 1), load(image, AT(zero, at_var(i)), 1), NULL);
    Stmt *body = store(written, at, apply("sub", 2, load(w, at, 1), change, NULL));
    add_call(program, "sgd", SECTION_UPDATE,
             loop(FOR_SERIAL, o, at_const(OUT), 1, loop(FOR_SERIAL, i, at_const(IN), 1, body)));
    return program;
}

// w[o, i] = seed + o * 32 + i, as exact small numbers; b stays zero.
static Program *init(World *world) {
    Graph *g = graph_new(world->module, "init", ENTRY_INIT);
    build_argument(g, "seed", type_scalar(I64));
    Program *program = program_new(world, g);
    Buffer *seed = argument_buffer("seed", I64, 0, NULL, 0, -1), *w = storage_buffer(world->w, "fc_weight");
    Var *o = var("o"), *i = var("i");
    Expr *element = NEW(arena, Expr);
    struct Term terms[] = {{IN, {.kind = ATOM_VAR, .var = o}}, {1, {.kind = ATOM_VAR, .var = i}}};
    *element = (Expr){.kind = EXPR_INDEX_VALUE, .dtype = I64, .lanes = 1, .index = at_sum(0, 2, terms)};
    Expr *sum = apply("add", 2, load(seed, NULL, 1), element, NULL);
    Expr *value = apply("cast", 1, sum, NULL, NULL);
    value->dtype = F32;
    Stmt *body = store(w, AT(at_var(o), at_var(i)), value);
    add_call(program, "draw", SECTION_FORWARD,
             loop(FOR_SERIAL, o, at_const(OUT), 1, loop(FOR_SERIAL, i, at_const(IN), 1, body)));
    return program;
}

// out[i, :] = max over j of x[j, :], through a register tile, a stack tile, a guard and, with vectors, a transpose.
static Program *everything(World *world) {
    Graph *g = graph_new(world->module, "all", ENTRY_MODEL);
    Type type = {F32, 2, {{.extent = 16}, {.extent = 16}}};
    build_argument(g, "x", type);
    graph_return(g, "out", build_full(g, &type, 0), (Span){0});
    Program *program = program_new(world, g);
    Buffer *x = argument_buffer("x", F32, 2, type.dim, 0, -1), *out = argument_buffer("out", F32, 2, type.dim, -1, 0);
    int lanes = world->lanes;
    Buffer *acc = buffer("acc", SCOPE_REGISTER, F32, 2, (Dim[]){{.extent = 2}, {.extent = 1}});
    Buffer *tile = buffer("tile", SCOPE_STACK, F32, 2, (Dim[]){{.extent = 16}, {.extent = 16}});
    Buffer *fill = buffer("fill", SCOPE_STACK, F32, 1, (Dim[]){{.extent = 16}});
    acc->lanes = lanes;
    Var *i = var("i"), *j = var("j"), *k = var("k");
    const Index *vi = at_var(i), *vj = at_var(j), *vk = at_var(k), *zero = at_const(0), *one = at_const(1);
    Stmt *locals = stmt((Stmt){.kind = STMT_LOCAL, .buffer = acc, .value = constant(1)});
    Stmt *stack = stmt((Stmt){.kind = STMT_LOCAL, .buffer = tile});
    Stmt *filled = stmt((Stmt){.kind = STMT_LOCAL, .buffer = fill, .value = constant(2)});
    Stmt *peak = loop(FOR_SERIAL, j, at_const(16), 1,
                      BLOCK(accumulate(acc, AT(zero, zero), REDUCE_MAX, load(x, AT(vj, vi), lanes)),
                            accumulate(acc, AT(one, zero), REDUCE_SUM, load(fill, AT(vj), 1))));
    Stmt *guard = stmt((Stmt){.kind = STMT_IF});
    struct Term minus[] = {{-1, {.kind = ATOM_VAR, .var = i}}};
    vec_push(arena, &guard->cond, at_sum(15, 1, minus));
    // The second accumulator is 1 + 16 * 2.
    Expr *sum = apply("add", 2, load(acc, AT(zero, zero), lanes), load(acc, AT(one, zero), lanes), NULL);
    Stmt *rows =
        loop(FOR_SERIAL, k, at_const(16), 1, store(tile, AT(vk, vi), apply("sub", 2, sum, constant(33), NULL)));
    vec_push(arena, &guard->body, rows);
    Stmt *columns = loop(FOR_SERIAL, i, at_const(16), lanes, BLOCK(locals, peak, guard));
    // The tile's columns are constant; so its transpose's rows are.
    Var *r = var("r"), *c = var("c");
    Stmt *copy = store(out, AT(at_var(c), at_var(r)), load(tile, AT(at_var(r), at_var(c)), 1));
    if (lanes > 1) {
        copy = stmt((Stmt){.kind = STMT_TRANSPOSE,
                           .buffer = out,
                           .at = AT(at_var(c), at_var(r)),
                           .source = tile,
                           .from = AT(at_var(r), at_var(c)),
                           .src_axis = 0,
                           .dst_axis = 0});
    }
    Stmt *turn = loop(FOR_SERIAL, r, at_const(16), lanes, loop(FOR_SERIAL, c, at_const(16), lanes, copy));
    add_call(program, "everything", SECTION_FORWARD, BLOCK(stack, filled, columns, turn));
    return program;
}

static void world_open(World *world, const char *target, bool standalone) {
    *world = (World){.diag = {.out = stderr}};
    arena = &world->arena;
    world->options = (EmitOptions){.prefix = "tiny",
                                   .header = "tiny.h",
                                   .target = target_find(target),
                                   .level = 2,
                                   .threads = 2,
                                   .standalone = standalone,
                                   .options = "--a=\"b\"?\?/"};
    world->lanes = target_lanes(world->options.target);
    world->module = module_new(arena, &world->diag, "/some/where/tiny.dl");
    world->module->sizes[0] = (Size){"n", BOUND}; // the loops' own variable is n, too
    world->module->nsizes = 1;
    world->w = module_add_storage(world->module, "fc.weight", STORAGE_PARAM,
                                  (Type){F32, 2, {{.extent = OUT}, {.extent = IN}}}, (Span){0});
    world->b =
        module_add_storage(world->module, "fc.bias", STORAGE_PARAM, (Type){F32, 1, {{.extent = OUT}}}, (Span){0});
    module_add_storage(world->module, "optim.step.0.t", STORAGE_OPTIM, type_scalar(I64), (Span){0});
    world->programs[0] = forward(world);
    world->programs[1] = step(world);
    world->programs[2] = everything(world);
    world->programs[3] = init(world);
    for (int i = 0; i < 4; i++) vec_push(arena, &world->module->entries, world->programs[i]->graph);
    world->in = (EmitInput){.module = world->module, .programs = world->programs, .nprograms = 4};
}

static const char *source_of(World *world) {
    Str s = str_new(arena);
    emit_source(&s, emission_new(arena, &world->in, &world->options));
    return str_text(&s);
}

static const char *header_of(World *world) {
    Str s = str_new(arena);
    emit_header(&s, emission_new(arena, &world->in, &world->options));
    return str_text(&s);
}

static int occurrences(const char *text, const char *of) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, of)); at++) count++;
    return count;
}

// ---- what the text says -------------------------------------------------------------------------------------------

static void expect_text(const char *text, const char *const *wanted) {
    for (int i = 0; wanted[i]; i++) cr_expect(strstr(text, wanted[i]), "there is no `%s` in:\n%s", wanted[i], text);
}

Test(emit, source_is_readable_and_shares_equal_kernels) {
    World world;
    world_open(&world, "c11", false);
    const char *text = source_of(&world);
    expect_text(
        text,
        (const char *const[]){
            "static void tiny_k_linear_relu(float *restrict out,     // (n_2, 3)\n",
            "                               const float *restrict a, // (n_2, 32)\n",
            "    for (int n = 0; n < n_2; n++) {\n        DLC_PARALLEL_FOR\n        for (int o = 0; o < 3; o++) {\n",
            "            double acc = 0.0;\n",
            "for (int i = 0; i < 32; i++) acc += (double)a[n * 32 + i] * (double)b[o * 32 + i];\n",
            "dlc_reluf((float)acc + c[o]);\n",
            "            const float t1 = y[n * 3 + o];\n            logits[n * 3 + o] = dlc_f(t1 * t1) + t1;\n",
            "    tiny_k_linear_relu(y, image, fc_weight, fc_bias, n);\n    if (logits) tiny_k_square(logits, y, n);\n",
            "    if (n < 1 || n > TINY_n)\n        return dlc_refuse(&net->base, TINY_ERANGE, \"n\", \" is \", n, \"; "
            "it is 1 to \", TINY_n);\n",
            "    (void)class_;\n", "    // ---- forward ----\n", "    // ---- loss ----\n", "    // ---- update ----\n",
            "    float *hidden = (float *)(arena + 1024); // f32[n, 3]\n",
            "    {{\"fc.weight\", \"f32\", \"param\", 2, {3, 32}, 384}, DLC_REGION_PARAM, 0},\n",
            "    {{\"fc.bias\", \"f32\", \"param\", 1, {3}, 12}, DLC_REGION_PARAM, 384},\n",
            "    {{\"optim.step.0.t\", \"i64\", \"optim\", 0, {0}, 8}, DLC_REGION_OPTIM, 0},\n", NULL});
    cr_expect_eq(occurrences(text, "static void tiny_k_linear_relu"), 1, "equal kernels must be emitted once");
    cr_expect_eq(occurrences(text, "tiny_k_linear_relu("), 3);
    cr_expect(!strstr(text, "DLC_NOINLINE"), "c11 has no extensions");
    // The update's two buffers are one storage: neither may be restrict; the image shares with none.
    cr_expect(strstr(text, "tiny_k_sgd(float *fc_weight_new, ") && strstr(text, "const float *fc_weight,") &&
                  strstr(text, "const float *restrict image,"),
              "restrict is wrong in:\n%s", text);
    cr_expect(!strstr(text, "/some"), "a folder is in:\n%s", text);
    const char *again = source_of(&world);
    cr_expect_str_eq(text, again, "the same input must give the same bytes");
    arena_release(&world.arena);
}

Test(emit, header_says_all) {
    World world;
    world_open(&world, "c11", false);
    const char *text = header_of(&world);
    expect_text(text,
                (const char *const[]){
                    "// model forward; n is 1 to 4; otherwise TINY_ERANGE and nothing written\n",
                    "//   in  image: f32[n, 32], n * 32 floats, row-major\n",
                    "//   out logits: f32[n, 3], n * 3 floats, row-major; NULL when not wanted\n",
                    "int tiny_forward(struct tiny *net, int32_t n, const float *image, const int32_t *class_, float "
                    "*logits);\n",
                    "int tiny_step(struct tiny *net, int32_t n, const float *image, float lr, float *loss);\n",
                    "//     tiny_step(net, n, image, lr, &loss);\n", "#define TINY_n 4\n",
                    "#define TINY_PARAM_BYTES 448\n", "#define TINY_OPTIM_BYTES 64\n",
                    "#define TINY_STATE_BYTES 2304\n", "#define TINY_ARENA_BYTES 4096\n", "#define TINY_ALIGN 64\n",
                    "#define TINY_ERANGE 1 ", "// Compile: cc -std=c11 ", "made by dlc 0.1.0 from tiny.dl", NULL});
    cr_expect(!strstr(text, "tiny_init(struct tiny *net, int32_t"), "init is no entry of the API's");
    cr_expect(!strstr(text, "?\?/"), "a trigraph would splice lines");
    world.module->sizes[0].name = "EBUSY";
    expect_text(header_of(&world), (const char *const[]){"#define TINY_EBUSY_SIZE 4\n", "#define TINY_EBUSY 8 ", NULL});
    arena_release(&world.arena);
}

Test(emit, report_counts) {
    World world;
    world_open(&world, "c11", false);
    Str s = str_new(arena);
    emit_report(&s, emission_new(arena, &world.in, &world.options));
    expect_text(str_text(&s),
                (const char *const[]){"model forward: c11, -O2, 2 chunks for threads\n", "f32[n, 3]", "1,234,567",
                                      "arena: peak 4,096 bytes, lower bound 4,096, ratio 1.000\n",
                                      "tiny_k_linear_relu (by hand)", "kernels: 6 for 7 calls\n", NULL});
    arena_release(&world.arena);
}

// ---- pieces -------------------------------------------------------------------------------------------------------

static Printer printer(World *world, Formals *formals, Str *out) {
    return (Printer){.arena = arena,
                     .kept = arena,
                     .target = world->options.target,
                     .s = out,
                     .formals = formals,
                     .uses = {.arena = arena}};
}

Test(emit, literals_are_exact) {
    static const struct {
        double value;
        const char *want;
    } rows[] = {{0.5, "0.5f"},
                {1, "1.0f"},
                {0, "0.0f"},
                {-0.0, "(-0.0f)"},
                {-2, "(-2.0f)"},
                {0.1f, "0.1f"},
                {1e-8f, "1e-08f"},
                {16777216, "16777216.0f"},
                {3.4028234663852886e38, "3.4028235e+38f"},
                {1e-45, "1e-45f"},
                {INFINITY, "INFINITY"},
                {-INFINITY, "(-INFINITY)"},
                {NAN, "NAN"}};
    World world;
    world_open(&world, "c11", false);
    Formals formals = {0};
    Str out = str_new(arena);
    Printer p = printer(&world, &formals, &out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = expr_text(&p, constant(rows[i].value)).c;
        cr_expect(!strcmp(got, rows[i].want), "constant %g: got %s, want %s", rows[i].value, got, rows[i].want);
    }
    static const struct {
        DType dtype;
        int64_t value;
        const char *want;
    } ints[] = {{I32, -3, "(-3)"},
                {I32, INT32_MIN, "INT32_MIN"},
                {I64, INT64_MIN, "INT64_MIN"},
                {I64, -5, "(INT64_C(-5))"},
                {I64, 1ll << 40, "INT64_C(1099511627776)"},
                {BOOL, 1, "1"},
                {U8, 255, "255"}};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        const char *got = expr_text(&p, integer(ints[i].dtype, ints[i].value)).c;
        cr_expect(!strcmp(got, ints[i].want), "constant %lld: got %s", (long long)ints[i].value, got);
    }
    arena_release(&world.arena);
}

Test(emit, offsets_and_conditions) {
    World world;
    world_open(&world, "c11", false);
    Formals formals = {0};
    Str out = str_new(arena);
    Printer p = printer(&world, &formals, &out);
    Var *y = var("y"), *q = var("q");
    // 2 * y + q - 1
    struct Term terms[] = {{2, {.kind = ATOM_VAR, .var = y}}, {1, {.kind = ATOM_VAR, .var = q}}};
    const Index *window = at_sum(-1, 2, terms), *vy = at_var(y);
    cr_expect_str_eq(index_text(&p, window).c, "y * 2 + q - 1");
    cr_expect_str_eq(index_text(&p, at_sum(7, 1, &(struct Term){-1, {.kind = ATOM_VAR, .var = y}})).c, "7 - y");
    cr_expect_str_eq(index_text(&p, at_sum(-1, 1, &(struct Term){-2, {.kind = ATOM_VAR, .var = y}})).c, "-y * 2 - 1");
    Atom half = {.kind = ATOM_DIV, .of = window, .by = 3};
    cr_expect_str_eq(index_text(&p, at_sum(0, 1, &(struct Term){5, half})).c, "((y * 2 + q - 1) / 3) * 5");
    Atom least = {.kind = ATOM_MIN, .of = window, .other = at_size(0)};
    cr_expect_str_eq(index_text(&p, at_sum(0, 1, &(struct Term){1, least})).c, "dlc_min_i32(y * 2 + q - 1, ##0)");
    // Small tensors have int offsets, large ones size_t.
    Buffer *small = buffer("s", SCOPE_ARENA, F32, 2, (Dim[]){{.extent = 8}, {.extent = 10}});
    Buffer *large = buffer("l", SCOPE_ARENA, F32, 2, (Dim[]){{.extent = 1 << 15}, {.extent = 1 << 15}});
    cr_expect_str_eq(element_text(&p, small, AT(vy, window), false), "#0[y * 12 + q - 1]");
    cr_expect_str_eq(element_text(&p, large, AT(vy, at_var(q)), false), "#1[(size_t)y * 32768 + (size_t)q]");
    cr_expect_str_eq(address_text(&p, small, AT(at_const(0), at_const(0)), false), "#0");
    // Arguments are dense in the actual sizes: f32[3, n, 5] has strides n * 5, 5, 1.
    Buffer *dense = argument_buffer("d", F32, 3, (Dim[]){{.extent = 3}, {BOUND, 1, 1, 0}, {.extent = 5}}, 0, -1);
    cr_expect_str_eq(element_text(&p, dense, AT(at_var(q), vy, at_const(2)), false), "#2[(q * ##0 + y) * 5 + 2]");
    arena_release(&world.arena);
}

Test(emit, deep_and_repeated_expressions_get_names) {
    World world;
    world_open(&world, "c11", false);
    Formals formals = {0};
    Str out = str_new(arena);
    Printer p = printer(&world, &formals, &out);
    Buffer *x = buffer("x", SCOPE_ARENA, I32, 1, (Dim[]){{.extent = 8}});
    // Each max mentions its operands twice: without names the text would double 40 times.
    Expr *e = load(x, AT(at_const(1)), 1);
    for (int i = 0; i < 40; i++) e = apply("max", 2, e, integer(I32, i), NULL);
    expr_prepare(&p, e);
    cr_expect(strlen(expr_text(&p, e).c) < 200 && strlen(str_text(&out)) < 8000, "too long:\n%s", str_text(&out));
    expr_release(&p);
    for (Expr *at = e; at->nargs; at = at->arg[0]) cr_expect_eq(tag_known(&p.uses, at), 0, "release must undo prepare");
    // A chain of 600: clang refuses brackets deeper than 256.
    Expr *chain = constant(1);
    for (int i = 0; i < 600; i++) chain = apply("add", 2, chain, constant(2), NULL);
    out.len = 0;
    expr_prepare(&p, chain);
    cr_expect(occurrences(expr_text(&p, chain).c, "(") < 16);
    arena_release(&world.arena);
}

// x[i, k + 1] + x[i, k + 2] + x[i, k + 3] + x[i, k + 4], into a buffer whose name the place would have had.
Test(emit, places_that_a_body_reads_often_get_names) {
    World world;
    world_open(&world, "c11", false);
    Graph *g = graph_new(world.module, "places", ENTRY_MODEL);
    Type type = {F32, 2, {{.extent = 8}, {.extent = IN}}};
    build_argument(g, "x", type);
    graph_return(g, "x_at", build_full(g, &type, 0), (Span){0});
    Program *program = program_new(&world, g);
    Buffer *x = argument_buffer("x", F32, 2, type.dim, 0, -1), *out = argument_buffer("x_at", F32, 2, type.dim, -1, 0);
    Var *i = var("i"), *k = var("k");
    Expr *sum = NULL;
    for (int c = 4; c >= 1; c--) {
        const Index *after = at_sum(c, 1, &(struct Term){1, {.kind = ATOM_VAR, .var = k}});
        Expr *value = load(x, AT(at_var(i), after), 1);
        sum = sum ? apply("add", 2, sum, value, NULL) : value;
    }
    Stmt *body = BLOCK(store(out, AT(at_var(i), at_var(k)), sum));
    add_call(program, "places", SECTION_FORWARD,
             loop(FOR_SERIAL, i, at_const(8), 1, loop(FOR_SERIAL, k, at_const(IN - 4), 1, body)));
    world.programs[0] = program;
    world.in.nprograms = 1;
    expect_text(source_of(&world),
                (const char *const[]){
                    "            const float *x_2_at = x_2 + (i * 32 + k + 1);\n",
                    "x_at[i * 32 + k] = dlc_f(dlc_f(x_2_at[3] + x_2_at[2]) + x_2_at[1]) + x_2_at[0];\n", NULL});
    arena_release(&world.arena);
}

Test(emit, names_become_identifiers) {
    World world;
    world_open(&world, "c11", false);
    cr_expect_str_eq(names_identifier(arena, "blocks.0.attn"), "blocks_0_attn");
    cr_expect_str_eq(names_identifier(arena, "template"), "template_");
    cr_expect_str_eq(names_identifier(arena, "dlc_vload"), "xdlc_vload");
    cr_expect_str_eq(names_identifier(arena, "int32_t"), "int32_t_");
    cr_expect_str_eq(names_identifier(arena, "INT32_MAX"), "INT32_MAX_");
    cr_expect_str_eq(names_identifier(arena, "EIO"), "EIO_");
    cr_expect_str_eq(names_identifier(arena, "Ex"), "Ex");
    Names names = {.arena = arena};
    cr_expect_str_eq(names_take(&names, "h"), "h");
    cr_expect_str_eq(names_take(&names, "h"), "h_2");
    cr_expect_str_eq(names_take(&names, "h"), "h_3");
    arena_release(&world.arena);
}

// ---- compiled -----------------------------------------------------------------------------------------------------

static const char application[] =
    "#include \"tiny.h\"\n#include <math.h>\n#include <stdio.h>\n"
    "static float image[4 * 32], logits[13], loss;\n"
    "int main(void)\n{\n"
    "    struct tiny *net = tiny_new();\n"
    "    float w[96], bias[3] = {1, 2, -100000};\n"
    "    int32_t label[4] = {0};\n"
    "    if (!net || tiny_get(net, \"fc.weight\", w, sizeof w) || w[0] != 1 || w[95] != 96) return 1;\n"
    "    if (tiny_set(net, \"fc.bias\", bias, sizeof bias)) return 2;\n"
    "    for (int i = 0; i < 128; i++) image[i] = (float)(i % 5) - 1;\n"
    "    logits[9] = 7;\n"
    "    if (tiny_forward(net, 3, image, label, logits) || logits[9] != 7) return 3;\n"
    "    for (int n = 0; n < 3; n++)\n"
    "        for (int o = 0; o < 3; o++) {\n"
    "            double y = (double)bias[o];\n"
    "            for (int i = 0; i < 32; i++) y += (double)image[n * 32 + i] * (double)w[o * 32 + i];\n"
    "            y = y > 0 ? y : 0;\n"
    "            if (fabs((double)logits[n * 3 + o] - (y * y + y)) > 1e-4 * (y * y + y)) return 4;\n"
    "        }\n"
    "    if (tiny_forward(net, 0, image, label, logits) != TINY_ERANGE || tiny_forward(net, 5, image, label, logits) "
    "!= TINY_ERANGE)\n"
    "        return 5;\n"
    "    if (tiny_forward(net, 4, image, label, NULL) || tiny_step(net, 2, image, 0.5f, &loss) || loss != 1) return "
    "6;\n"
    "    float now[96];\n"
    "    if (tiny_get(net, \"fc.weight\", now, sizeof now) || tiny_step(net, 2, image, 0, NULL)) return 7;\n"
    "    for (int i = 0; i < 96; i++)\n"
    "        if (now[i] != w[i] - 0.5f * image[i % 32]) return 8;\n"
    "    tiny_init(net, 9);\n"
    "    if (tiny_get(net, \"fc.weight\", now, sizeof now) || now[0] != 9 || tiny_param_count() != 3) return 9;\n"
    "    static float x[256], out[256];\n"
    "    for (int i = 0; i < 256; i++) x[i] = (float)((i * 7) % 64 + i % 16);\n"
    "    tiny_all(net, x, out);\n"
    "    for (int i = 0; i < 256; i++) {\n"
    "        float most = 0;\n"
    "        for (int j = 0; j < 16; j++) most = x[j * 16 + i / 16] > most ? x[j * 16 + i / 16] : most;\n"
    "        if (out[i] != most) return 10;\n"
    "    }\n"
    "    tiny_free(net);\n"
    "    return 0;\n}\n";

static void write_file(const char *dir, const char *name, const char *text) {
    FILE *f = fopen(arena_printf(arena, "%s/%s", dir, name), "w");
    cr_assert(f, "cannot write %s/%s", dir, name);
    fputs(text, f);
    fclose(f);
}

static void expect_command(const char *text) {
    int status = system(text);
    cr_expect_eq(status, 0, "status %d of: %s", status, text);
}

// The target's own flags, strict warnings, both compilers; run where this machine can.
static void compile_and_run(const char *target, const char *strict, bool run) {
    World world;
    world_open(&world, target, true);
    char dir[] = "/tmp/dlc-emit-XXXXXX";
    cr_assert(mkdtemp(dir));
    write_file(dir, "tiny.c", source_of(&world));
    write_file(dir, "tiny.h", header_of(&world));
    write_file(dir, "app.c", application);
    static const char *const compilers[] = {"gcc", "clang"};
    for (int i = 0; i < 2; i++) {
        expect_command(arena_printf(arena, "cd %s && %s %s %s -o app app.c tiny.c -lm", dir, compilers[i],
                                    world.options.target->flags, strict));
        if (run) expect_command(arena_printf(arena, "cd %s && ./app", dir));
        expect_command(arena_printf(arena, "cd %s && %s %s %s -DTINY_NO_STDIO -fsyntax-only tiny.c", dir, compilers[i],
                                    world.options.target->flags, strict));
    }
    expect_command(
        arena_printf(arena, "cd %s && g++ -Wall -Wextra -Wpedantic -Werror -x c++ -fsyntax-only tiny.h", dir));
    expect_command(arena_printf(arena,
                                "cd %s && gcc %s %s -fopenmp -fsanitize=address,undefined -fno-sanitize-recover=all "
                                "-O1 -g -o app app.c tiny.c -lm && %s",
                                dir, world.options.target->flags, strict, run ? "./app" : "true"));
    expect_command(arena_printf(arena, "rm -r %s", dir));
    arena_release(&world.arena);
}

Test(emit, compiles_and_computes) {
    compile_and_run("c11", "-Wall -Wextra -Wpedantic -Werror", true);
    compile_and_run("native", "-Wall -Wextra -Werror", true);
}
