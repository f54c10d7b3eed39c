// Plans for window sums and for spreading back, which is its adjoint.
//
// Both are passes over a tile, an axis at a time. The tile and all that is made of it lie in one
// run of the scratch, the arena; a pass adds up copies of it that are shifted by so many cells.
#pragma once

#include <list>
#include <vector>

#include "work.h"

namespace ndpool {

struct Loop {
  int64_t n, from, to;  // how often, and how many cells further each time
};

enum class Step { kAdd, kInterleave, kEvery };

struct SumPass {
  Step step;
  // kAdd: offset[t] is where tap t begins in the arena; none gives zeros.
  // kInterleave: of each class, or -1 for zeros. kEvery: of a row whose cells are picked.
  int64_t taps;
  const int64_t* offset;
  int64_t to;  // in the arena
  int loops;   // over the runs, the outermost first
  Loop loop[3];
  int64_t run;    // cells written by each kAdd; by the others cells of each class
  int64_t every;  // kEvery: cells of the row from one picked to the next
  bool exact;     // nothing beyond the run may be written
};

// The last pass writes the result: along the first axis, each class of cells has its own taps.
struct Ending {
  int64_t taps;
  const int64_t* offset;
  int64_t phase;
};

struct Sums : Forward {  // the cut, for tiles of the source; not its passes
  int64_t result_tile[kMostAxes],
      shift[kMostAxes];  // result cells in a tile, and outside the first
  int64_t
      from_step[kMostAxes];  // in the arena, of neighbours in the result (of a class, first axis)
  int64_t endings, every;    // classes of the first axis
  const Ending* ending;
  int64_t add_passes;
  const SumPass* add_pass;
  int64_t arena;  // cells
  int64_t table;  // divisors in a tile
};

struct SumsPlan : Sums {
  std::list<std::vector<int64_t>> kept;  // what the pointers in it point to
  std::vector<SumPass> kept_passes;
  std::vector<Ending> kept_endings;
};

// What a call brings beside the arrays.
struct SumWork : Work {
  bool backward;
  int powers;            // forward: 0 sums cells, 1 magnitudes, 2 squares
  double by;             // 0, or what all sums (backward: all of the source) are divided by
  const void* divisors;  // or one for each place in the plane, row-major; else null
  bool small_planes;     // the first axis is a batch axis: its windows are single cells
};

// Where there is one window, the stride means nothing: it becomes one that parts windows.
void single_windows(SumWork& work);
// Small planes get the last batch axis as their first.
void prepare(SumWork& work, int element_bytes);
// To be called when there is a plan: backward, the cells of dy are walked one by one.
void as_walked(SumWork& work);
// False where no tile of this geometry fits the scratch, or sizes come near the end of 64 bits.
bool make_sums(const SumWork& work, int element_bytes, int threads, SumsPlan& plan);
// Sums of cells where the pooled axes lie in memory without a gap: make_pair_sums takes no others.
bool pairs_fit(const SumWork& work);
// For windows of two cells along the last axis, side by side and all inside the input. False for
// others, and where the rows of a window are too many.
bool make_pair_sums(const SumWork& work, int element_bytes, int lanes, SumsPlan& plan);
// Backward: axes that lie in memory and are covered by windows as one, become one.
void merge_blocks(SumWork& work);
// For windows that do not overlap, backward. False for others.
bool make_blocks(const SumWork& work, int element_bytes, SumsPlan& plan);

using SumKernel = int64_t (*)(const Work&, const Sums&, void* scratch, int64_t begin, int64_t end);

struct SumKernels {
  // By kind, null for bool: any sums, both ways; `make_pairs`; `make_blocks`.
  SumKernel sums[kKinds], pairs[kKinds], blocks[kKinds];
};

}  // namespace ndpool
