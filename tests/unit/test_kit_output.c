// test_kit_output.c: the files that a training application shows: the curve is well-formed XML with gaps where values
// are missing, the PNG has its chunks, CRCs and pixels, captions their letters and colours, and a disk that is full or
// a directory that is not there costs nothing.
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "kit/kit.h"

// A directory of its own; its files are removed with it.
static char directory[64], path[128];

static void open_directory(const char *name) {
    strcpy(directory, "/tmp/dlc_kit_XXXXXX");
    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/%s", directory, name);
}

// Fails when something else than `path` is left.
static void close_directory(void) {
    remove(path);
    cr_expect(!rmdir(directory), "files are left in %s", directory);
}

static size_t read_file(unsigned char *to, size_t room) {
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s is not there", path);
    size_t len = fread(to, 1, room - 1, f);
    fclose(f);
    to[len] = 0;
    return len;
}

// ---- files ----------------------------------------------------------------------------------------------------------

Test(kit_output, a_file_appears_whole) {
    unsigned char got[64];
    char error[KIT_ERROR_BYTES] = "";
    struct kit_file file;
    open_directory("file");
    for (int k = 0; k < 3; k++) {
        cr_assert(!kit_file_open(&file, path, error), "%s", error);
        fprintf(file.out, "version %d", k);
        fflush(file.out);
        if (k) cr_expect(read_file(got, sizeof got) == 9 && got[8] == '0' + k - 1, "the old file is gone: %s", got);
        cr_assert(!kit_file_close(&file, error), "%s", error);
        cr_expect(read_file(got, sizeof got) == 9 && got[8] == '0' + k);
    }
    close_directory();
}

// A link stays, its file is new and keeps its permissions; what killed processes left is in nobody's way.
Test(kit_output, links_and_leftovers) {
    unsigned char got[64];
    char error[KIT_ERROR_BYTES] = "", link[160], left[160];
    struct kit_file file;
    struct stat status;
    open_directory("file");
    snprintf(link, sizeof link, "%s/link", directory);
    snprintf(left, sizeof left, "%s.%ld.tmp", path, (long)getpid());
    fclose(fopen(path, "w")), fclose(fopen(left, "w"));
    cr_assert(!chmod(path, 0640) && !symlink("file", link));
    cr_assert(!kit_file_open(&file, link, error), "%s", error);
    fputs("new", file.out);
    cr_assert(!kit_file_close(&file, error), "%s", error);
    cr_expect(!lstat(link, &status) && S_ISLNK(status.st_mode), "the link is gone");
    cr_expect(!stat(path, &status) && (status.st_mode & 07777) == 0640, "the permissions are others");
    cr_expect(read_file(got, sizeof got) == 3 && got[0] == 'n');
    remove(link);
    close_directory();
}

static int write_curve(const char *to, char *error) {
    struct kit_history h = {0};
    cr_assert(!kit_history_set(&h, 2, &(struct kit_epoch){1, 0.5, 1, 0.5, 1}, NULL));
    int status = kit_curve_write(&h, "curve", to, error);
    kit_history_free(&h);
    return status;
}
static int write_plot(const char *to, char *error) {
    static const float y[2] = {1, 2};
    const struct kit_plot plot = {"plot", "x", "y", .step = 1};
    return kit_plot_write(&plot, &(struct kit_line){"line", y, 2, false}, 1, to, error);
}
static int write_history(const char *to, char *error) { return kit_history_write(&(struct kit_history){0}, to, error); }
static int write_png(const char *to, char *error) {
    static const uint8_t rgb[3 * 40000];
    return kit_png_write(rgb, 200, 200, to, error);
}
static int write_grid(const char *to, char *error) {
    static const uint8_t image[4] = {1, 2, 3, 4};
    static const struct kit_tile tile = {image, "a", "b", true};
    return kit_grid_write(&(struct kit_grid){1, 2, 2, 1, 4}, &tile, 1, to, error);
}

// A disk that takes no more than `bytes` of a file.
static void limit_files(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(!setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, RLIM_INFINITY}));
}

Test(kit_output, disks_and_directories) {
    static int (*const writers[])(const char *, char *) = {write_curve, write_plot, write_history, write_png,
                                                           write_grid};
    char error[KIT_ERROR_BYTES];
    open_directory("old");
    for (size_t k = 0; k < sizeof writers / sizeof *writers; k++) {
        cr_expect(writers[k]("/dev/full", error) == KIT_EIO && strstr(error, "/dev/full: No space left"), "%zu: %s", k,
                  error);
        cr_expect(writers[k]("/nowhere/x", error) == KIT_EIO && strstr(error, "/nowhere/x: No such file"), "%zu: %s", k,
                  error);
        cr_expect(writers[k](directory, error) == KIT_EIO && strstr(error, ": Is a directory"), "%zu: %s", k, error);
        cr_expect(writers[k]("/dev/null", error) == KIT_OK && writers[k]("/dev/full", NULL) == KIT_EIO);
        cr_expect(!access("/dev/full", F_OK), "the device is gone");
        // A disk that is full in the middle of the new file: the old one stays, and nothing else does.
        unsigned char old[8192], now[8192];
        cr_assert(!writers[k](path, error), "%s", error);
        size_t len = read_file(old, sizeof old);
        limit_files(16);
        cr_expect(writers[k](path, error) == KIT_EIO && strstr(error, "cannot write ") &&
                      strstr(error, ": File too large"),
                  "%s", error);
        limit_files(RLIM_INFINITY);
        cr_expect(read_file(now, sizeof now) == len && !memcmp(old, now, len), "the old file has changed");
    }
    close_directory();
}

// ---- the curve ------------------------------------------------------------------------------------------------------

static char svg[1 << 20];

// Reads the tags: each one that opens is closed by its own name, attributes have quotes, text no stray < or &.
static bool well_formed(const char *s) {
    char open[32][16];
    int depth = 0, roots = 0;
    while (*s) {
        if (*s == '&' && s[1] != '#') return false;
        if (*s != '<') {
            s++;
            continue;
        }
        bool close = s[1] == '/';
        char name[16] = "";
        if (sscanf(s + 1 + close, "%15[a-z]", name) != 1) return false;
        bool quoted = false;
        const char *end = s + 1;
        for (; *end && (quoted || *end != '>'); end++) {
            if (*end == '"') quoted = !quoted;
            if (*end == '<') return false;
        }
        if (!*end || quoted) return false;
        if (close && (!depth || strcmp(open[--depth], name))) return false;
        if (!close && end[-1] != '/') {
            if (depth == 32) return false;
            roots += !depth;
            strcpy(open[depth++], name);
        }
        s = end + 1;
    }
    return !depth && roots == 1;
}

static int count_of(const char *s, const char *word) {
    int count = 0;
    for (; (s = strstr(s, word)); s++) count++;
    return count;
}

static void draw(const struct kit_history *h, const char *title) {
    char error[KIT_ERROR_BYTES] = "";
    open_directory("curve.svg");
    cr_assert(!kit_curve_write(h, title, path, error), "%s", error);
    read_file((unsigned char *)svg, sizeof svg);
    close_directory();
    cr_expect(well_formed(svg), "%s", svg);
    cr_expect(!strstr(svg, "nan") && !strstr(svg, "inf"), "%s", svg);
}

Test(kit_output, curves_of_any_length) {
    for (int epochs = 0; epochs <= 200; epochs += epochs < 3 ? 1 : 37) {
        struct kit_history h = {0};
        for (int k = 1; k <= epochs; k++)
            kit_history_set(&h, k, &(struct kit_epoch){2.0 / k, 1 - 1.0 / k, 2.5 / k, 1 - 0.8 / k, 60}, NULL);
        draw(&h, "a & b <c> \"d\"\n");
        cr_expect(strstr(svg, "a &#38; b &#60;c&#62; &#34;d&#34;") && strstr(svg, "prefers-color-scheme: dark"));
        cr_expect(count_of(svg, "<circle") == (epochs <= 60 ? 4 * epochs : 0), "%d epochs: %d dots", epochs,
                  count_of(svg, "<circle"));
        cr_expect(count_of(svg, " L") >= 4 * (epochs - 1), "%d epochs: the lines are short", epochs);
        kit_history_free(&h);
    }
}

// Three epochs of the training loss, the second is missing: two dots, no line between them.
Test(kit_output, values_that_are_missing_are_gaps) {
    static const double missing[] = {NAN, INFINITY, -INFINITY, 1e300};
    for (size_t k = 0; k < 4; k++) {
        struct kit_history h = {0};
        for (int epoch = 1; epoch <= 3; epoch++)
            kit_history_set(&h, epoch, &(struct kit_epoch){epoch == 2 ? missing[k] : 1, NAN, NAN, NAN, 0}, NULL);
        draw(&h, "gap");
        cr_expect(count_of(svg, "<circle") == 2 && count_of(svg, "<path d=\"M64.0 208.0M660.0 208.0\"/>") == 1, "%s",
                  svg);
        kit_history_free(&h);
    }
}

// Axes of 1, 2 and 5 with as many digits as they need, and points where the axes say.
Test(kit_output, ticks_are_round) {
    struct kit_history h = {0};
    kit_history_set(&h, 1, &(struct kit_epoch){0.9, 0.70, 0.21, 0.75, 0}, NULL);
    kit_history_set(&h, 2, &(struct kit_epoch){0.5, 0.80, 0.3, 0.90, 0}, NULL);
    draw(&h, "ticks");
    static const char *const ticks[] = {">0.2<",  ">0.4<",  ">0.6<", ">0.8<", ">1.0<",  ">70 %<",
                                        ">75 %<", ">90 %<", ">1<",   ">2<",   ">epoch<"};
    for (size_t k = 0; k < sizeof ticks / sizeof *ticks; k++)
        cr_expect(count_of(svg, ticks[k]) == 1, "%s: %d times\n%s", ticks[k], count_of(svg, ticks[k]), svg);
    // 0.9 of 0.2..1.0 over 352..64; 70 % of 70..90
    cr_expect(strstr(svg, "<path d=\"M64.0 100.0 L660.0 244.0\"/>"), "%s", svg);
    cr_expect(strstr(svg, "<path d=\"M64.0 352.0 L660.0 208.0\"/>"), "%s", svg);
    kit_history_free(&h);
}

// ---- lines ----------------------------------------------------------------------------------------------------------

static void draw_lines(const struct kit_plot *plot, const struct kit_line *line, int count) {
    char error[KIT_ERROR_BYTES] = "";
    open_directory("plot.svg");
    cr_assert(!kit_plot_write(plot, line, count, path, error), "%s", error);
    read_file((unsigned char *)svg, sizeof svg);
    close_directory();
    cr_expect(well_formed(svg), "%s", svg);
    cr_expect(!strstr(svg, "nan") && !strstr(svg, "inf"), "%s", svg);
}

// From 0 to 4 on both axes: the corners, the middle, and the labels.
Test(kit_output, lines_have_their_places) {
    static const float up[] = {0, 1, 2, 3, 4}, gap[] = {4, NAN, INFINITY, 3e38f, 0};
    const struct kit_plot plot = {"a & b", "the <x>", "the y", .step = 1};
    const struct kit_line lines[] = {{"up", up, 5, false}, {"\"gap\"", gap, 5, true}};
    draw_lines(&plot, lines, 2);
    cr_expect(strstr(svg, "<path class=\"c0\" d=\"M76.0 352.0 L231.0 280.0 L386.0 208.0 L541.0 136.0 L696.0 64.0\"/>"),
              "%s", svg);
    cr_expect(strstr(svg, "<path class=\"c1 dashed\" d=\"M76.0 64.0h0M696.0 352.0h0\"/>"), "%s", svg);
    cr_expect(strstr(svg, ">a &#38; b<") && strstr(svg, ">the &#60;x&#62;<") && strstr(svg, ">&#34;gap&#34;<"));
}

// Powers of ten from 1e-30 to 1; values up to 0 are gaps. Years below.
Test(kit_output, logarithmic_lines) {
    static const float y[] = {1e-30f, 0, -1, 1e-15f, 1};
    const struct kit_plot plot = {"log", "year", "y", .first = 1990, .step = 0.5, .logarithmic = true};
    draw_lines(&plot, &(struct kit_line){"y", y, 5, false}, 1);
    cr_expect(strstr(svg, "d=\"M76.0 352.0h0M541.0 208.0 L696.0 64.0\"/>"), "%s", svg);
    cr_expect(strstr(svg, ">1e-30<") && strstr(svg, ">1e0<") && strstr(svg, ">1990.0<") && strstr(svg, ">1992.0<"),
              "%s", svg);
    static const float flat[] = {3, 3};
    draw_lines(&plot, &(struct kit_line){"flat", flat, 2, false}, 1);
    cr_expect(strstr(svg, ">1e0<") && strstr(svg, ">1e1<"), "%s", svg);
}

Test(kit_output, lines_that_have_no_values) {
    static const float none[] = {NAN};
    struct kit_plot plot = {"none", "x", "y", .step = 1};
    struct kit_line lines[KIT_MAX_LINES + 1];
    char error[KIT_ERROR_BYTES];
    for (int i = 0; i <= KIT_MAX_LINES; i++) lines[i] = (struct kit_line){"none", none, i % 2, false};
    for (int log = 0; log < 2; log++) {
        plot.logarithmic = log;
        for (int count = 1; count <= KIT_MAX_LINES; count++) draw_lines(&plot, lines, count);
    }
    cr_expect(kit_plot_write(&plot, lines, KIT_MAX_LINES + 1, "x", error) == KIT_EVALUE &&
              strstr(error, "1 to 8 lines"));
    cr_expect(kit_plot_write(&plot, lines, 0, "x", error) == KIT_EVALUE);
    plot.step = 0;
    cr_expect(kit_plot_write(&plot, lines, 1, "x", error) == KIT_EVALUE && strstr(error, "step of a plot is above 0"));
}

// ---- PNG ------------------------------------------------------------------------------------------------------------

struct png {
    int width, height;
    unsigned char *rgb;
};

static uint32_t u32(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// Takes the file apart: signature, three chunks with their CRCs, rows without a filter.
static struct png take_apart(void) {
    static unsigned char file[1 << 20];
    size_t len = read_file(file, sizeof file), at = 8;
    struct png png = {0};
    char names[16] = "";
    cr_assert(len > 57 && !memcmp(file, "\x89PNG\r\n\x1a\n", 8), "not a PNG");
    for (int k = 0; k < 3; k++) {
        uint32_t bytes = u32(file + at);
        cr_assert(at + 12 + bytes <= len, "chunk %d is longer than the file", k);
        strncat(names, (char *)file + at + 4, 4);
        cr_expect(u32(file + at + 8 + bytes) == crc32(0, file + at + 4, 4 + bytes), "chunk %d: its CRC", k);
        if (k == 0) {
            png.width = (int)u32(file + at + 8), png.height = (int)u32(file + at + 12);
            cr_assert(bytes == 13 && !memcmp(file + at + 16, "\x08\x02\0\0\0", 5), "the header");
        }
        if (k == 1) {
            size_t row = 3 * (size_t)png.width;
            uLongf raw_len = (uLongf)((row + 1) * (size_t)png.height);
            unsigned char *raw = malloc(raw_len);
            cr_assert(uncompress(raw, &raw_len, file + at + 8, bytes) == Z_OK);
            cr_assert(raw_len == (row + 1) * (size_t)png.height, "%lu bytes of pixels", raw_len);
            png.rgb = malloc(row * (size_t)png.height);
            for (size_t y = 0; y < (size_t)png.height; y++) {
                cr_assert(raw[y * (row + 1)] == 0);
                memcpy(png.rgb + y * row, raw + y * (row + 1) + 1, row);
            }
            free(raw);
        }
        at += 12 + bytes;
    }
    cr_expect(at == len && !strcmp(names, "IHDRIDATIEND"), "%zu bytes after %s", len - at, names);
    return png;
}

static const unsigned char *pixel(const struct png *p, int x, int y) {
    return p->rgb + 3 * ((size_t)y * (size_t)p->width + (size_t)x);
}

Test(kit_output, pngs) {
    uint8_t rgb[3 * 35];
    char error[KIT_ERROR_BYTES] = "";
    for (int k = 0; k < 3 * 35; k++) rgb[k] = (uint8_t)(k * 37);
    static const int sizes[][2] = {{7, 5}, {1, 1}, {35, 1}, {1, 35}};
    for (int k = 0; k < 4; k++) {
        open_directory("a.png");
        cr_assert(!kit_png_write(rgb, sizes[k][0], sizes[k][1], path, error), "%s", error);
        struct png png = take_apart();
        cr_expect(png.width == sizes[k][0] && png.height == sizes[k][1]);
        cr_expect(!memcmp(png.rgb, rgb, 3 * (size_t)(png.width * png.height)), "other pixels");
        free(png.rgb);
        close_directory();
    }
    static const int none[][2] = {{0, 5}, {5, 0}, {-1, 3}, {1 << 20, 1 << 20}};
    for (int k = 0; k < 4; k++)
        cr_expect(kit_png_write(rgb, none[k][0], none[k][1], "/dev/null", error) == KIT_EVALUE &&
                  strstr(error, "/dev/null: no picture has "));
}

// The letters of a caption at (x, y) in a scale and a colour, on white.
static void expect_text(const struct png *png, int x, int y, int scale, const char *s, const unsigned char colour[3]) {
    static const unsigned char white[] = {255, 255, 255};
    for (; *s; s++, x += 6 * scale)
        for (int v = 0; v < 7 * scale; v++)
            for (int u = 0; u < 6 * scale; u++) {
                bool on = u < 5 * scale && kit_glyph(*s)[v / scale] >> (4 - u / scale) & 1;
                cr_assert(!memcmp(pixel(png, x + u, y + v), on ? colour : white, 3), "'%c': pixel %d, %d", *s, u, v);
            }
}

Test(kit_output, a_grid_of_pictures) {
    static const unsigned char green[] = {0, 128, 0}, red[] = {208, 0, 0}, grey[] = {80, 80, 80};
    uint8_t image[5][3 * 20 * 24];
    struct kit_tile tile[5];
    char error[KIT_ERROR_BYTES] = "";
    for (int channels = 1; channels <= 3; channels += 2) {
        for (int k = 0; k < 5; k++) {
            for (int e = 0; e < channels * 480; e++) image[k][e] = (uint8_t)(e * 7 + k * 31);
            tile[k] = (struct kit_tile){image[k], k ? "Bag" : "Coat", k % 2 ? "Bag" : "?\xff", k % 2};
        }
        struct kit_grid g = {.channels = channels, .rows = 20, .columns = 24, .across = 3, .scale = 4};
        open_directory("grid.png");
        cr_assert(!kit_grid_write(&g, tile, 5, path, error), "%s", error);
        struct png png = take_apart();
        int cell_width = 24 * 4 + 6, cell_height = 20 * 4 + 6 + 3 + 2 * 9 * 2; // letters in scale 2
        cr_assert(png.width == 3 * cell_width + 6 && png.height == 2 * cell_height + 6, "%d x %d", png.width,
                  png.height);
        for (int k = 0; k < 5; k++) {
            int x = 6 + k % 3 * cell_width, y = 6 + k / 3 * cell_height;
            for (int e = 0; e < 480 * 16; e++) {
                int u = e % 96, v = e / 96, at = v / 4 * 24 + u / 4;
                const unsigned char *p = pixel(&png, x + u, y + v);
                for (int c = 0; c < 3; c++)
                    cr_assert(p[c] == image[k][at + (channels == 3 ? c * 480 : 0)], "picture %d, (%d, %d)", k, u, v);
            }
            expect_text(&png, x, y + 83, 2, tile[k].truth, grey);
            expect_text(&png, x, y + 101, 2, tile[k].predicted, tile[k].right ? green : red);
        }
        free(png.rgb);
        close_directory();
    }
}

// A caption that is wider than its picture is cut after a letter; nothing to show is an error.
Test(kit_output, grids_at_the_edge) {
    static const uint8_t image[9] = {0};
    struct kit_tile tile = {image, "a very long name that does not fit", "", false};
    char error[KIT_ERROR_BYTES] = "";
    open_directory("grid.png");
    cr_assert(!kit_grid_write(&(struct kit_grid){1, 3, 3, 1, 6}, &tile, 1, path, error), "%s", error);
    struct png png = take_apart();
    expect_text(&png, 6, 6 + 18 + 3, 1, "a v", (const unsigned char[]){80, 80, 80});
    for (int y = 24; y < png.height; y++)
        for (int x = 24; x < png.width; x++) cr_assert(pixel(&png, x, y)[0] == 255, "letters beside the picture");
    free(png.rgb);
    close_directory();
    cr_expect(kit_grid_write(&(struct kit_grid){1, 3, 3, 1, 6}, &tile, 0, "/dev/null", error) == KIT_EVALUE &&
              strstr(error, "/dev/null: there are no pictures to show"));
#define NEEDS "/dev/null: pictures need rows, columns, a scale and 1 or 3 channels"
    static const struct {
        struct kit_grid grid;
        const char *says;
    } bad[] = {{{2, 3, 3, 1, 6}, NEEDS},
               {{1, 0, 3, 1, 6}, NEEDS},
               {{1, 3, 3, 0, 6}, NEEDS},
               {{1, 3, 3, 1, 0}, NEEDS},
               {{1, 40000, 40000, 1, 9}, "/dev/null: more than 500 million pixels"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        cr_expect(kit_grid_write(&bad[k].grid, &tile, 1, "/dev/null", error) == KIT_EVALUE &&
                      strstr(error, bad[k].says),
                  "grid %zu: %s", k, error);
}

// Every printable character has pixels of its own; others are one box.
Test(kit_output, letters) {
    for (int a = ' '; a <= '~'; a++) {
        int pixels = 0;
        for (int v = 0; v < 7; v++)
            for (int u = 0; u < 8; u++) pixels += kit_glyph((char)a)[v] >> u & 1;
        cr_expect(a == ' ' ? pixels == 0 : pixels >= 3 && pixels <= 21, "'%c' has %d pixels", a, pixels);
        for (int v = 0; v < 7; v++) cr_expect(kit_glyph((char)a)[v] < 32, "'%c' is wider than 5", a);
        for (int b = ' '; b < a; b++)
            cr_expect(memcmp(kit_glyph((char)a), kit_glyph((char)b), 7), "'%c' is '%c'", a, b);
    }
    cr_expect(kit_glyph('\n') == kit_glyph('\x80') && kit_glyph('\n') != kit_glyph('?'));
}
