// grid.c: a grid of pictures; below each, what it is (grey) and what the net says (green when right, else red).
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "kit.h"

enum { GLYPH_WIDTH = 6, GLYPH_HEIGHT = 9, MARGIN = 6 }; // a glyph of 5 x 7 with the space around it

struct canvas {
    uint8_t *rgb; // (height, width, 3)
    int width, height;
};

static void fill(struct canvas *c, int x, int y, int width, int height, const uint8_t colour[3]) {
    for (int v = y; v < y + height && v < c->height; v++)
        for (int u = x; u < x + width && u < c->width; u++)
            memcpy(c->rgb + 3 * ((size_t)v * (size_t)c->width + (size_t)u), colour, 3);
}

// At most `room` pixels of text; what does not fit is left out.
static void draw_text(struct canvas *c, int x, int y, int room, int scale, const char *s, const uint8_t colour[3]) {
    for (; *s && room >= (GLYPH_WIDTH - 1) * scale; s++, x += GLYPH_WIDTH * scale, room -= GLYPH_WIDTH * scale) {
        const uint8_t *glyph = kit_glyph(*s);
        for (int v = 0; v < 7; v++)
            for (int u = 0; u < 5; u++)
                if (glyph[v] >> (4 - u) & 1) fill(c, x + u * scale, y + v * scale, scale, scale, colour);
    }
}

static void draw_pixels(struct canvas *c, int x, int y, const struct kit_grid *g, const uint8_t *image) {
    size_t plane = g->channels == 3 ? (size_t)g->rows * (size_t)g->columns : 0;
    for (int v = 0; v < g->rows; v++)
        for (int u = 0; u < g->columns; u++) {
            const uint8_t *p = image + (size_t)v * (size_t)g->columns + (size_t)u;
            fill(c, x + u * g->scale, y + v * g->scale, g->scale, g->scale, (uint8_t[]){p[0], p[plane], p[2 * plane]});
        }
}

// The largest scale of letters with which all captions fit below their pictures; at most half that of the pixels.
static int text_scale(const struct kit_grid *g, const struct kit_tile *tile, int count) {
    int longest = 1;
    for (int k = 0; k < count; k++) {
        int truth = (int)strlen(tile[k].truth), predicted = (int)strlen(tile[k].predicted);
        if (truth > longest) longest = truth;
        if (predicted > longest) longest = predicted;
    }
    int scale = g->columns * g->scale / (GLYPH_WIDTH * longest);
    if (scale > g->scale / 2) scale = g->scale / 2;
    return scale > 0 ? scale : 1;
}

int kit_grid_write(const struct kit_grid *g, const struct kit_tile *tile, int count, const char *path, char *error) {
    static const uint8_t white[] = {255, 255, 255}, grey[] = {80, 80, 80}, green[] = {0, 128, 0}, red[] = {208, 0, 0};
    if (count < 1) return kit_fail(error, KIT_EVALUE, "%s: there are no pictures to show", path);
    if (g->rows < 1 || g->columns < 1 || g->scale < 1 || g->across < 1 || (g->channels != 1 && g->channels != 3))
        return kit_fail(error, KIT_EVALUE, "%s: pictures need rows, columns, a scale and 1 or 3 channels", path);
    int across = count < g->across ? count : g->across, down = (count - 1) / g->across + 1;
    int letter = text_scale(g, tile, count);
    double cell_width = (double)g->columns * g->scale + MARGIN;
    double cell_height = (double)g->rows * g->scale + MARGIN + 3 + 2 * GLYPH_HEIGHT * letter;
    if ((cell_width * across + MARGIN) * (cell_height * down + MARGIN) > INT_MAX / 4)
        return kit_fail(error, KIT_EVALUE, "%s: more than 500 million pixels", path);
    struct canvas c = {NULL, (int)cell_width * across + MARGIN, (int)cell_height * down + MARGIN};
    c.rgb = malloc(3 * (size_t)c.width * (size_t)c.height);
    if (!c.rgb) return kit_fail(error, KIT_ENOMEM, "%s: no memory for the picture", path);
    fill(&c, 0, 0, c.width, c.height, white);
    for (int k = 0; k < count; k++) {
        int x = MARGIN + k % across * (int)cell_width, y = MARGIN + k / across * (int)cell_height;
        int below = y + g->rows * g->scale + 3, room = g->columns * g->scale;
        draw_pixels(&c, x, y, g, tile[k].image);
        draw_text(&c, x, below, room, letter, tile[k].truth, grey);
        draw_text(&c, x, below + GLYPH_HEIGHT * letter, room, letter, tile[k].predicted, tile[k].right ? green : red);
    }
    int status = kit_png_write(c.rgb, c.width, c.height, path, error);
    free(c.rgb);
    return status;
}
