// What one call has to do, as plain data: made once (plan.cc), read by every thread.
//
// Arrays are seen as  outer x pooled axes x inner: `inner` is a run of batch cells behind the last
// pooled axis (channels, when those come last; else 1) and lies next to each other in the output.
// All steps count elements, not bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ndpool {

constexpr int kMostAxes = 6;
constexpr int kMostOuter = 64;
constexpr int kTogether = 8;  // outer cells that a scatter goes over side by side, at most
constexpr int64_t kScatteredRow = 1024;  // outputs at a time, of large outer cells
constexpr int kScatterBands = 4;         // of them side by side
constexpr int64_t kMostLineTaps = 128;
constexpr int64_t kLineBlock = 128;  // cells of a line that go side by side, at most
// of a window that is folded without a tile: taps along the last axis, rows
constexpr int kMostRowTaps = 8, kMostRows = 16;
constexpr int kMostAcross = 64;  // cells of a window that are folded for whole runs
// cells of all windows of an outer cell that goes beside others; so their winners have one byte
constexpr int kMostBeside = 256;
constexpr int kMostAsked = 16;      // windows that a run of cells is in
constexpr int kRunningVectors = 2;  // vectors of cells whose running maxima go side by side
constexpr int64_t kListed = 64;     // outputs whose cells are found at a time: see listed.h
constexpr int kMostPasses = 8 * kMostAxes;
constexpr int kMostShiftTaps = 5;  // of a pass over a line that is held against itself

struct Axis {
  int64_t n, kernel, stride, dilation, before, out;
  int64_t x_step, y_step, winner_step;
};

struct Outer {
  int64_t n, x_step, y_step, winner_step;
};

// Of each output of an outer cell, side by side: along each axis the first tap that lies inside the
// input and how many more do, and where in the outer cell the window begins (modulo 2^16).
struct Windows {
  const uint16_t* first[kMostAxes];
  const uint16_t* more[kMostAxes];
  const uint16_t* begin;
  uint16_t step[kMostAxes];  // from one tap to the next
};

struct Work;
struct Lookup;
// See find_listed in listed.h.
using FindListed = bool (*)(const Lookup&, const uint8_t* winners, int64_t o, int64_t count,
                            int32_t* target);
// See find_cells in winner_check.h.
using FindCells = bool (*)(const Work&, const Windows&, const void* winners, int64_t from,
                           int64_t count, int64_t outer_cells, uint16_t apart, uint16_t* target);

// Windows of some rows of outputs, and the cells of dx that are asked for. All cells are counted
// from the same one on, along each axis and in all.
struct PlacesAlong {
  int64_t output;                        // of the first window
  int32_t first;                         // where it begins
  int32_t lo, hi;                        // the cells inside the input
  int32_t kernel, dilation, next, step;  // next: to the next window, step: to the next cell
  float inverse;                         // of the kernel, rounded up
};
// What each cell of a window is, up to so many; what is none of one, is zero.
constexpr int kTapsListed = 256;
struct TapList {
  int32_t place[kTapsListed];  // from the first cell of the window on
  uint32_t taps[kTapsListed];  // along the axes, a byte for each
  // The first and last tap inside the input, as such bytes, of each output along an axis.
  const uint32_t *least[kMostAxes], *most[kMostAxes];
  int64_t inside_from[kMostAxes], inside_to[kMostAxes];  // outputs all whose taps are
};
struct Places {
  int axes;
  int32_t cells;  // of a window
  PlacesAlong axis[kMostAxes];
  int32_t from, to;     // the cells asked for
  bool all;             // no window has others
  const TapList* list;  // or null, if it is not made
};
// See find_places in scatter_rows.h.
using FindPlaces = bool (*)(const Places&, const void* winners, int winner_bytes, int64_t from,
                            int64_t rows, int64_t count, int32_t* target);

// Where all elements of an array lie.
struct Extent {
  const char *begin, *end;
  bool has(const void* from, const void* to) const {  // all up to there
    return from >= begin && to <= end;
  }
  // Of each row from `first` to `last`, which may lie before it, the cells [from, to).
  template <class S>
  bool has_rows(const S* first, const S* last, int64_t from, int64_t to) const {
    return first < last ? has(first + from, last + to) : has(last + from, first + to);
  }
};

struct Work {
  int axes, outers;
  Axis axis[kMostAxes];
  Outer outer[kMostOuter];
  int64_t outer_count, inner, inner_x_step, inner_y_step;
  int64_t cells;       // in a window
  bool padded;         // some window reaches into padding
  bool past_cache;     // the arrays are so large that no cache holds the result
  const void* source;  // forward: x; backward: dy
  void* result;        // forward: y; backward: dx
  void* winners;       // forward: written unless null; backward: read
  Extent cells_of_source, cells_of_winners;
  int winner_bytes;      // 1, 2, 4 or 8
  FindCells find_cells;  // backward: those with the widest vectors
  FindPlaces find_places;
  FindListed find_listed;
};

// One pass folds `taps` shifted copies of a row into one, for each of `rows` rows of a tile. Or,
// where `outputs` is not 0, it finds the best of as many taps side by side along an axis, whose
// slots are `run` cells, for so many outputs.
struct Pass {
  int64_t rows, from_pitch, to_pitch, run;
  int64_t taps;
  const int64_t* offset;  // of each tap, in cells
  const int64_t* add;     // to the winner, of each tap
  int64_t outputs, dilation;
  int64_t weight;  // of a tap in the winner
};

// How the pooled axes are cut into tiles that fit the cache, and how a tile is laid out.
//
// Along an axis of stride s, the cells of a tile stand sorted by their position modulo s: then
// whatever the stride, neighbouring outputs read neighbouring cells. Each residue in use is a
// "class", each cell of it a "slot". (An axis that is walked row by row is one class as it is.)
struct Cut {
  int64_t tile;                   // outputs (backward: cells of a class) in a tile
  int64_t tiles;                  // along this axis
  int64_t classes, slots;         // of a tile
  int64_t slot_stride;            // cells of the input from one slot to the next
  const int64_t* residue;         // of each class
  int64_t class_step, slot_step;  // in the tile
};

// As many neighbouring cells as a vector has lanes, in some of which windows begin.
struct Stretch {
  int64_t x, y;     // the first cell and the first output, from where the outer cell begins
  int64_t outputs;  // of the windows that begin here
  int64_t edge;     // -1: all cells are inside the outer cell; else the number of its masks
  uint64_t lanes;   // where windows begin
};

struct Stretches {
  int64_t count, cells;  // of them; of the input in an outer cell
  const Stretch* stretch;
  const int64_t* offset;   // of each cell of a window
  const uint64_t* inside;  // at an edge: of each cell of the window, the lanes where it is inside
  const uint8_t* first;    // at an edge: of each lane, the first cell that is inside
};

// Where each output of as many outer cells, one behind the other, has its window.
struct Lookup {
  int64_t together = 1;    // such outer cells
  int64_t cells, outputs;  // of the input and outputs in each
  const int32_t* begin;    // of each output: its window's first cell, from the first outer cell on
  // forward: see gathered.h
  const int64_t* offset;   // of each cell of a window
  const int32_t* edge;     // of each vector: -1 if all cells are inside; else its masks' number
  const uint16_t* inside;  // at an edge: of each cell of the window, the lanes that have it
  const uint8_t* first;    // at an edge: of each lane, the first cell that is inside
  // backward: see listed.h
  int64_t window;           // cells of one
  const int32_t* places;    // of these, from its first one on, and as many zeros as make 256
  const uint32_t* allowed;  // of each output, as bits, the cells inside; null if all are
  int64_t words;            // of 32 bits, for each
  const int32_t* reach;     // of each kListed outputs: the cell behind all that they have reached
};

// A line of outer cells that is held against itself: see make_shifts.
struct Held {
  int64_t cells, share;    // in an outer cell; in as many of them as go together
  int64_t vectors;         // of such a share
  int64_t margin;          // cells before and behind it that a pass may look at
  int64_t center;          // the winner that a window's middle cell is
  const uint64_t* inside;  // for each pass, vector and tap: the lanes whose tap is inside
};

// How many lanes a piece has: no more than a shuffle of vectors of so many bytes reaches.
constexpr int piece_lanes(int vector_bytes, int element_bytes) {
  if (vector_bytes == 64) return element_bytes == 8 ? 8 : 16;
  return element_bytes == 1 ? 16 : element_bytes == 8 ? 4 : 8;
}

// As many neighbouring cells of dx as a piece has lanes, or fewer, each in one window at most; of
// each lane: which of the outputs from `y` on it asks, and for which winner.
struct Piece {
  int64_t x, y, cells;
  uint8_t from[16], wanted[16];
};

struct Forward {
  Held held;       // of shifts; then nothing else here counts but passes and items
  Stretches line;  // of small outer cells; all else here is then for the walk alone
  Lookup table;    // of windows that are gathered; the same
  int sources;     // see make_picked: vectors that the cells of a vector of windows lie in
  bool two_rows;   // which are two rows
  int64_t kept_rows[kMostAxes];  // see make_narrow: cells along each axis, of a tile
  Cut cut[kMostAxes];
  int64_t inner_tile, inner_tiles, items;  // items: tiles in all
  double cost = 0;  // about the nanoseconds for an outer cell, where that may be too many
  int passes;
  Pass pass[kMostPasses];        // the last one writes the result
  int64_t last_step[kMostAxes];  // how far neighbouring outputs are apart in its source
  bool joint;                    // one pass over all taps of a window; else axis by axis
  bool folded;                   // the last pass has nothing left to do but to write
  bool clipped;                  // slots of the first axis outside the input are passed over
  int banded;                    // so many passes go over a band of rows before the next
  int64_t band, band_cells;      // rows of it (of transposed cells: of outputs); cells at most
  int64_t ends;                  // of a block of running maxima, times vectors
  int64_t tile_cells, tile_out;  // cells of the input and outputs in a tile
  int64_t buffer;                // cells of the largest intermediate
  int64_t chunk;                 // outputs between the last pass and the result
  size_t scratch;                // bytes for each thread
};

// The edges of the input that outputs' windows reach over, up to eight of them, as bits: along an
// axis, those beyond which the same cells of a window lie are one.
struct Edges {
  const uint8_t* of_output;  // of each output of an outer cell; null: not known
  const uint8_t* of_first;   // unless null, those above are of the axes behind the first one only
  uint8_t beyond[32];        // for each cell of a window, up to so many: those that it lies beyond
};

struct Taps {
  int64_t taps;
  const int64_t* offset;
  const int64_t* winner;
};

struct Backward {
  Cut cut[kMostAxes];
  int64_t inner_tile, inner_tiles, items;
  bool gather;     // the cells of dx ask for their windows; else these ask for cells
  bool spread;     // with no sums; then `gather` too
  bool in_pieces;  // see make_pieces
  bool across;     // see make_gather_across
  bool looked_up;  // see make_listed
  Lookup table;
  bool in_pairs;             // see make_pairs; of `across` too
  bool line;                 // all outer cells as one line: see make_line
  bool in_rows;              // see make_scatter_rows
  const TapList* tap_list;   // of those, unless null
  bool in_columns;           // see make_scatter_columns
  int dense_from;            // then: the axis from which on cells of dx lie side by side
  int64_t together = 1;      // outer cells side by side, 1 to kTogether; a power of 2
  int64_t halo[kMostAxes];   // outputs before a tile's first that reach into it
  int64_t first[kMostAxes];  // the first class position that holds a cell of the input
  int64_t combinations;      // of classes over all axes, row-major
  const Taps* of_combination;
  int64_t run;                       // cells to compute for each combination
  int64_t slots_in_all;              // cells of the tile of dy
  int64_t scatter_row, scatter_all;  // of a scatter: cells of dy that it reads at once, at most
  int64_t cells_in_all;              // cells of the tile of dx
  const int32_t* tap_of[kMostAxes];  // the tap along each axis of an offset; null if too many
  // Windows from inside_from to inside_to lie in the input as a whole along an axis. For each of
  // the others, and each offset: is it inside along this axis? Only if `listed`.
  int64_t inside_from[kMostAxes], inside_to[kMostAxes];
  const uint8_t* inside[kMostAxes];
  bool listed;
  int64_t first_windows, pieces;
  int64_t cells_behind;  // of dx, behind the last of those windows
  const Piece* piece;    // of an outer cell, where its windows do not overlap
  // Of each output of an outer cell, as bits: the cells of its window inside the input. Or null.
  const uint32_t* allowed;
  // Unless null, those above are of the axes behind the first one only, and these of that.
  const uint32_t* first_allowed;
  Edges edges;      // instead, where they are few
  double cost = 0;  // about the nanoseconds for an outer cell, where that may be too many
  int64_t line_copied, line_panel;
  Taps line_taps;     // of any cell of a line: how far its windows are from it, in order
  int64_t found_run;  // outputs of an outer cell, where their cells are found side by side; else 0
  int64_t targets;    // room for those of all outer cells that go side by side
  Windows windows;    // of those
  size_t scratch;
};

// The element types, in the order of the tables of kernels.
enum Kind { kBool, kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kF16, kBF16, kF32, kF64, kKinds };

// Kernels work on items [begin, end). Forward returns 0; backward returns 0, or where it finds a
// winner that is no cell of its window inside the input, 1 + that winner's place in the winners.
using ForwardKernel = int64_t (*)(const Work&, const Forward&, void* scratch, int64_t begin,
                                  int64_t end);
using BackwardKernel = int64_t (*)(const Work&, const Backward&, void* scratch, int64_t begin,
                                   int64_t end);

// By kind.
struct BackwardKernels {
  FindCells find_cells;
  FindPlaces find_places;
  FindListed find_listed;
  // null where vectors are shorter than 32 bytes
  BackwardKernel pieces[kKinds], across[kKinds], pairs_across[kKinds], pairs[kKinds];
  BackwardKernel line[kKinds], gather[kKinds], spread[kKinds];
  // all of them only in the baseline
  BackwardKernel scatter[kKinds], scatter_rows[kKinds], scatter_columns[kKinds], listed[kKinds];
};

// By kind; "wide" kernels compute 1 and 2 byte integers in 4 bytes, for windows of more cells than
// a winner of the element's own width can count.
struct Kernels {
  const char* name;
  int vector_bytes;
  ForwardKernel forward[kKinds], forward_wide[kKinds], beside[kKinds], columns[kKinds],
      runs[kKinds], stacked[kKinds];
  // null where vectors are shorter than 32 bytes; some of them where they are shorter than 64
  ForwardKernel shifts[kKinds], strips[kKinds], volumes[kKinds], sliding[kKinds], stretches[kKinds],
      across[kKinds], direct[kKinds], narrow[kKinds], picked[kKinds], gathered[kKinds],
      transposed[kKinds];
  const BackwardKernels* backward;
};

// The name of a table of kernels: that of its instruction set, and what else it holds.
#define NDPOOL_JOINED(set, what) set##what
#define NDPOOL_TABLE(set, what) NDPOOL_JOINED(set, what)

}  // namespace ndpool
