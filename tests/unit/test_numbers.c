// test_numbers.c: which numbers of a kernel may become arguments, and that a function with arguments is what each of
// its kernels was.
#include <criterion/criterion.h>
#include <string.h>

#include "emit/parts.h"

static const struct {
    const char *body, *form;
} forms[] = {
    {"    for (int i = 0; i < 864; i++) #0[i * 9 + 3] = 0.5f;\n",
     "    for (int i = @i; i < @i; i++) #0[i * @i + @i] = @f;\n"},
    {"    const double t1 = 1e-05 + 2.0 * x[12];\n", "    const double t1 = @d + @d * x[@i];\n"},
    {"    #1_at[3] = dlc_uniform(#2[0], INT64_C(0), (INT64_C(-7)), 1e+30f);\n",
     "    #1_at[@i] = dlc_uniform(#2[@i], @l, (@l), @f);\n"},
    // divisors, unrolled loops and lanes, arrays
    {"    i < (chunk * 15 / 8) % 4;\n", "    i < (chunk * @i / 8) % 4;\n"},
    {"        DLC_UNROLL for (int v = 0; v < 4; v++) {\n", "        DLC_UNROLL for (int v = 0; v < 4; v++) {\n"},
    {"    DLC_VECTOR_FOR for (int lane = 0; lane < 10; lane++) {\n",
     "    DLC_VECTOR_FOR for (int lane = 0; lane < 10; lane++) {\n"},
    {"    dlc_vf sum[4] = {{0}};\n    float row[128];\n    x[4] = y4 + 5;\n",
     "    dlc_vf sum[4] = {{0}};\n    float row[128];\n    x[@i] = y4 + @i;\n"},
    {"    dlc_transpose(#0 + k * 64, 64, #1 + (k * 784 + 3), 784);\n",
     "    dlc_transpose(#0 + k * 64, 64, #1 + (k * 784 + 3), 784);\n"},
    // literals of other types, and an int that is none
    {"    x = 0x7fu + 3u + 3000000000 + ##0 * 2;\n", "    x = 0x7fu + 3u + 3000000000 + ##0 * @i;\n"},
};

Test(numbers, forms) {
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        Arena arena = {0};
        Form form = form_of(&arena, &arena, forms[k].body);
        cr_expect_str_eq(form.text, forms[k].form);
        arena_release(&arena);
    }
}

// The body with the call's numbers in place of #@0, #@1, ...
static const char *called(Arena *arena, const char *body, const Merged *merged, const Form *form) {
    Str s = str_new(arena);
    for (const char *c = body; *c; c++) {
        if (strncmp(c, "#@", 2)) {
            str_putn(&s, c, 1);
            continue;
        }
        char *end;
        long k = strtol(c + 2, &end, 10);
        str_put(&s, form->numbers.at[merged->arguments.at[k].of]);
        c = end - 1;
    }
    return str_text(&s);
}

Test(numbers, a_function_with_arguments_is_each_of_its_kernels) {
    static const char *const bodies[] = {
        "    for (int i = 0; i < 8; i++) {\n        #0[i * 8 + 3] = 0.5f * #1[i * 16];\n    }\n",
        "    for (int i = 0; i < 12; i++) {\n        #0[i * 12 + 3] = 0.25f * #1[i * 24];\n    }\n",
        "    for (int i = 0; i < 1024; i++) {\n        #0[i * 1024 + 3] = 1e-05f * #1[i * 16];\n    }\n"};
    static const char want[] =
        "    for (int i = 0; i < #@0; i++) {\n        #0[i * #@0 + 3] = #@1 * #1[i * #@2];\n    }\n";
    static const char *const roles[] = {"end", "value", "stride"}, *const types[] = {"int", "float", "int"};
    Arena arena = {0};
    Form form[3];
    const Form *of[3];
    for (int k = 0; k < 3; k++) form[k] = form_of(&arena, &arena, bodies[k]), of[k] = &form[k];
    Comments comments = {0};
    vec_push(&arena, &comments, (Comment){0, "before"});
    vec_push(&arena, &comments, (Comment){strstr(bodies[2], "        #0") - bodies[2], "inside"});
    Merged merged;
    cr_assert(merged_make(&merged, &arena, form[0].text, of, 3, false, true));
    const char *body = merged_body(&merged, &arena, form[0].text, &form[2], &comments);
    cr_expect_str_eq(body, want);
    cr_assert_eq(merged.arguments.len, 3);
    for (int k = 0; k < 3; k++) {
        cr_expect_str_eq(merged.arguments.at[k].role, roles[k]);
        cr_expect_str_eq(merged.arguments.at[k].type, types[k]);
        cr_expect_str_eq(called(&arena, body, &merged, &form[k]), bodies[k]);
    }
    cr_expect_eq(comments.at[0].at, 0);
    cr_expect_eq(comments.at[1].at, strstr(want, "        #0") - want);
    cr_expect_not(merged_make(&merged, &arena, form[0].text, of, 3, false, false), "a bound differs");
    arena_release(&arena);
}

Test(numbers, what_a_function_takes_stays_where_it_runs_often) {
    Arena arena = {0};
    Form form[] = {form_of(&arena, &arena, "x = dlc_div(y, 3);\n"), form_of(&arena, &arena, "x = dlc_div(y, 5);\n")};
    const Form *of[] = {&form[0], &form[1]};
    Merged merged;
    cr_expect(merged_make(&merged, &arena, form[0].text, of, 2, false, true));
    cr_expect_not(merged_make(&merged, &arena, form[0].text, of, 2, true, true));
    arena_release(&arena);
}

Test(numbers, a_call_has_few_arguments) {
    Arena arena = {0};
    Str a = str_new(&arena), b = str_new(&arena);
    for (int k = 0; k < 20; k++) str_printf(&a, "x = %d;\n", k), str_printf(&b, "x = %d;\n", 100 + k);
    Form form[] = {form_of(&arena, &arena, str_text(&a)), form_of(&arena, &arena, str_text(&b))};
    const Form *of[] = {&form[0], &form[1]};
    Merged merged;
    cr_expect_not(merged_make(&merged, &arena, form[0].text, of, 2, false, true));
    arena_release(&arena);
}
