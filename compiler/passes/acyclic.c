// acyclic.c: groups form an acyclic graph: what a group reads, even through others, never depends on the group itself.
//     a -> b -> c, a -> c       {a, c} is refused: b reads a and is read by c
// A vertex of that graph is a group, or a node that is in none. All nodes stand in one list in which every vertex comes
// after those that it reads, the members of a group one after another. A cycle of a new group can only go through what
// stands between its first and its last member, so only that part is searched. If there is none, the members move to
// the place of the last one, and what depends on them moves after them (after Pearce and Kelly, "A dynamic topological
// sort algorithm for directed acyclic graphs", 2006). Numbers that grow along the list (`place`) say what comes first.
// An update that stores parts of a storage in place counts as reading what reads the value that it overwrites.
// A node that its readers compute again (recompute.c) may both read a group and be read by it. Such a node is no
// vertex: its readers count as reading its inputs, and its place in the list has no meaning.
#include <stdlib.h>

#include "passes/fuse.h"

static int vertex_of(const Fuse *f, const Node *node) {
    int group = f->of[node->id].group;
    return group == NONE ? node->id : f->n + group;
}

static bool is_again(const Fuse *f, const Node *node) { return f->of[node->id].again && f->of[node->id].group == NONE; }

static int64_t first_place(const Fuse *f, int vertex) {
    if (vertex < f->n) return f->of[vertex].place;
    const NodeVec *members = &f->members[vertex - f->n];
    int64_t first = INT64_MAX;
    for (int k = 0; k < members->len; k++)
        if (f->of[members->at[k]->id].place < first) first = f->of[members->at[k]->id].place;
    return first;
}

static void push_members(Fuse *f, int vertex, NodeVec *work) {
    if (vertex < f->n) {
        vec_push(&f->scratch, work, f->g->nodes.at[vertex]);
        return;
    }
    const NodeVec *members = &f->members[vertex - f->n];
    for (int k = 0; k < members->len; k++) vec_push(&f->scratch, work, members->at[k]);
}

// Marks what depends on the group and stands before `end`, and appends it to `moved`. True: a member depends on the
// group through one of these, which is a cycle.
static bool walk_from(Fuse *f, int group, int64_t end, NodeVec *moved) {
    NodeVec *work = &f->work;
    int self = f->n + group, walk = ++f->walks;
    work->len = 0;
    push_members(f, self, work);
    while (work->len) {
        const Node *node = work->at[--work->len];
        const NodeVec *users = &f->of[node->id].users, *overwriters = &f->of[node->id].overwriters;
        for (int u = 0; u < users->len + overwriters->len; u++) {
            const Node *user = u < users->len ? users->at[u] : overwriters->at[u - users->len];
            int vertex = vertex_of(f, user);
            if (vertex == self) {
                if (f->of[node->id].group != group) return true;
                continue;
            }
            bool again = is_again(f, user);
            if (f->walked[vertex] == walk || (!again && first_place(f, vertex) > end)) continue;
            f->walked[vertex] = walk;
            push_members(f, vertex, work);
            if (!again) push_members(f, vertex, moved);
        }
    }
    return false;
}

// ---- the list -------------------------------------------------------------------------------------------------------

enum { GAP = 1 << 20 }; // between places, for those that come in between

// Element n of the list is no node: it stands for both ends.
static void link_before(Fuse *f, int id, int next) {
    int previous = f->of[next].before;
    f->of[previous].after = f->of[next].before = id;
    f->of[id].before = previous;
    f->of[id].after = next;
}

static void unlink_node(Fuse *f, int id) {
    f->of[f->of[id].before].after = f->of[id].after;
    f->of[f->of[id].after].before = f->of[id].before;
}

static void spread_places(Fuse *f) {
    int64_t place = 0;
    for (int id = f->of[f->n].after; id != f->n; id = f->of[id].after) f->of[id].place = place += GAP;
    f->of[f->n].place = 0;
}

// The node after which each one is listed. What computes element by element, moves or is constant stands right after
// the last node that it reads, not where it was made: relu's mask for the backward pass and the update of a weight
// mostly join the kernel of what they read, and then nothing stands between the two.
static int *find_anchors(Fuse *f) {
    int *anchor = NEW_ARRAY(&f->scratch, int, f->n + 1);
    for (int id = 0; id < f->n; id++) {
        const Node *node = f->g->nodes.at[id];
        bool follows = is_elementwise(node) || is_movement(node) || is_source(node);
        anchor[id] = follows ? 0 : id;
        for (int i = 0; i < node->nin && follows; i++)
            if (anchor[node->in[i]->id] > anchor[id]) anchor[id] = anchor[node->in[i]->id];
    }
    return anchor;
}

void fuse_places_begin(Fuse *f) {
    const int *anchor = find_anchors(f);
    int *first = NEW_ARRAY(&f->scratch, int, f->n + 1), *next = NEW_ARRAY(&f->scratch, int, f->n + 1);
    for (int id = 0; id <= f->n; id++) first[id] = f->n;
    for (int id = f->n - 1; id >= 0; id--) next[id] = first[anchor[id]], first[anchor[id]] = id;
    f->of[f->n].before = f->of[f->n].after = f->n;
    for (int k = 0; k < f->n; k++)
        for (int id = first[k]; id != f->n; id = next[id]) link_before(f, id, f->n);
    spread_places(f);
}

typedef struct Placed {
    int64_t place;
    Node *node;
} Placed;

static int by_place(const void *a, const void *b) {
    const Placed *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

static void sort_by_place(const Fuse *f, Node **nodes, int n) {
    Arena scratch = {0};
    Placed *placed = NEW_ARRAY(&scratch, Placed, n + 1);
    for (int k = 0; k < n; k++) placed[k] = (Placed){f->of[nodes[k]->id].place, nodes[k]};
    qsort(placed, (size_t)n, sizeof *placed, by_place);
    for (int k = 0; k < n; k++) nodes[k] = placed[k].node;
    arena_release(&scratch);
}

// The same for what was marked between two nodes of the list: along the list, unless it holds far more than these.
static void order_marked(const Fuse *f, int first, int last, Node **nodes, int n) {
    enum { FAR = 8 }; // nodes passed for each; a sort costs about as much
    int id = f->of[first].after, steps = 0;
    while (id != last && steps++ < FAR * n) id = f->of[id].after;
    if (id != last) {
        sort_by_place(f, nodes, n);
        return;
    }
    for (id = f->of[first].after; n && id != last; id = f->of[id].after) {
        Node *node = f->g->nodes.at[id];
        if (f->walked[vertex_of(f, node)] == f->walks && !is_again(f, node)) *nodes++ = node, n--;
    }
}

// Moves the nodes, in this order, to where the last of the first n stands.
static void move_together(Fuse *f, Node **nodes, int n, int all) {
    int next = f->of[nodes[n - 1]->id].after;
    while (next != f->n && f->walked[vertex_of(f, f->g->nodes.at[next])] == f->walks) next = f->of[next].after;
    for (int k = 0; k < all; k++) unlink_node(f, nodes[k]->id);
    int64_t from = f->of[f->of[next].before].place,
            to = next == f->n ? from + (int64_t)GAP * (all + 1) : f->of[next].place;
    for (int k = 0; k < all; k++) {
        link_before(f, nodes[k]->id, next);
        f->of[nodes[k]->id].place = from + (to - from) * (k + 1) / (all + 1);
    }
    if (to - from <= all) spread_places(f);
}

bool fuse_in_cycle(Fuse *f, int group) {
    NodeVec *moved = &f->moved;
    moved->len = 0;
    push_members(f, f->n + group, moved);
    int n = moved->len;
    sort_by_place(f, moved->at, n);
    int end = moved->at[n - 1]->id, k = 0;
    while (k + 1 < n && f->of[moved->at[k]->id].after == moved->at[k + 1]->id) k++;
    if (k + 1 == n) return false; // nothing stands between them
    if (walk_from(f, group, f->of[end].place, moved)) return true;
    order_marked(f, moved->at[0]->id, end, moved->at + n, moved->len - n);
    move_together(f, moved->at, n, moved->len);
    return false;
}

// ---- ordering again -------------------------------------------------------------------------------------------------

typedef struct Step {
    int vertex;
    NodeVec inputs;
    int next; // of the inputs: is looked at next
} Step;

static void push_inputs(Fuse *f, const Node *node, NodeVec *inputs) {
    for (int i = 0; i < node->nin; i++)
        if (is_again(f, node->in[i]))
            push_inputs(f, node->in[i], inputs);
        else
            vec_push(&f->scratch, inputs, node->in[i]);
    for (int i = 0; i < f->of[node->id].waits_for.len; i++)
        if (!is_again(f, f->of[node->id].waits_for.at[i]))
            vec_push(&f->scratch, inputs, f->of[node->id].waits_for.at[i]);
}

static Step step_into(Fuse *f, int vertex) {
    Step step = {.vertex = vertex};
    f->walked[vertex] = f->walks;
    f->work.len = 0;
    push_members(f, vertex, &f->work);
    for (int k = 0; k < f->work.len; k++) push_inputs(f, f->work.at[k], &step.inputs);
    return step;
}

// The next vertex that the step's own reads and that has no place yet; NONE: all have one.
static int next_input(const Fuse *f, Step *step) {
    while (step->next < step->inputs.len) {
        int vertex = vertex_of(f, step->inputs.at[step->next++]);
        if (f->walked[vertex] != f->walks) return vertex;
    }
    return NONE;
}

void fuse_renumber(Fuse *f) {
    VEC(Step) path = {0};
    f->walks++;
    f->of[f->n].before = f->of[f->n].after = f->n;
    for (int id = 0; id < f->n; id++) {
        int vertex = vertex_of(f, f->g->nodes.at[id]);
        while (vertex != NONE && f->walked[vertex] != f->walks) {
            vec_push(&f->scratch, &path, step_into(f, vertex));
            while (path.len && (vertex = next_input(f, &path.at[path.len - 1])) == NONE) {
                f->work.len = 0;
                push_members(f, path.at[--path.len].vertex, &f->work);
                for (int k = 0; k < f->work.len; k++) link_before(f, f->work.at[k]->id, f->n);
            }
        }
    }
    spread_places(f);
}
