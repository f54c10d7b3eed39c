// Plans: how the kernels go about a geometry. Made once, kept with it, shared by all threads.
#pragma once

#include <list>
#include <vector>

#include "work.h"

namespace ndpool {

struct ForwardPlan : Forward {
  double repeats = 1;                    // cells of all tiles, for one of input and output
  std::list<std::vector<int64_t>> kept;  // what the pointers in it point to
  std::vector<Stretch> kept_stretches;
  std::vector<uint64_t> kept_inside;
  std::vector<uint8_t> kept_first;
  std::vector<int32_t> kept_begin, kept_edge;
  std::vector<uint16_t> kept_lanes;
};

struct BackwardPlan : Backward {
  std::list<std::vector<int64_t>> kept;
  std::list<std::vector<int32_t>> kept_taps;
  std::list<std::vector<uint8_t>> kept_inside;
  std::list<std::vector<uint16_t>> kept_windows;
  std::vector<uint32_t> kept_allowed, kept_first_allowed;
  std::vector<uint8_t> kept_edges, kept_first_edges;
  std::vector<Piece> kept_pieces;
  std::vector<Taps> combinations_kept;
  std::vector<int32_t> kept_begin, kept_places, kept_reach;
  std::vector<TapList> kept_tap_lists;
  std::list<std::vector<uint32_t>> kept_least_most;
};

// False where no tile of this geometry fits the scratch, or sizes come near the end of 64 bits.
// The tiles of all threads together stay under the 2 MiB that a call may need besides its results.
bool make_forward(const Work& work, int element_bytes, int threads, ForwardPlan& plan);
// For small windows over rows of neighbouring cells, that are folded without a tile. False for
// others, and where tiles are estimated to be sooner.
bool make_direct(const Work& work, int element_bytes, Forward& plan);
// For windows that share rows of two vectors of cells at most, in arrays whose cells take
// `stored_bytes`. False where others are faster.
bool make_narrow(const Work& work, int element_bytes, int stored_bytes, Forward& plan);
// For windows two or more cells apart, of three or four cells in a row, that lie in few vectors of
// cells: in short rows, or side by side in long ones. False for others.
bool make_picked(const Work& work, int element_bytes, Forward& plan);
// For outer cells whose windows have `taps` cells at most, all of them together; many of them lie
// along one axis.
bool make_beside(const Work& work, int element_bytes, int64_t taps, Forward& plan);
// For windows that are runs of at least as many cells and hardly overlap; or, of 1, of any, however
// they overlap. Where a window has all of an axis, that becomes part of the one before it.
bool make_runs(Work& work, int64_t least, Forward& plan);
// For windows of several rows, three cells apart or more, whose rows have few cells beside all of
// the input's. False where others are faster.
bool make_stacked(const Work& work, int element_bytes, bool halves, Forward& plan);
// For windows of 2x2 or 3x3 cells, one apart, in rows of several vectors. False for others.
bool make_strips(const Work& work, int stored_bytes, Forward& plan);
// For windows of some planes of 2x2 or 3x3 cells, one apart along the last two axes, the same.
// `masks`: ends of rows cost little. False for others, and where these are faster.
bool make_volumes(const Work& work, int element_bytes, int stored_bytes, bool masks, Forward& plan);
// For windows of more cells, one apart, in rows of several vectors. False for others.
bool make_sliding(const Work& work, int element_bytes, int lanes, int threads, Forward& plan);
// For small windows over runs of neighbouring cells behind the pooled axes. False for others.
bool make_across(const Work& work, int element_bytes, Forward& plan);
// For large windows over such runs, of at least as many bytes, that hardly overlap. False for
// others.
bool make_columns(const Work& work, int element_bytes, int64_t least, int threads, Forward& plan);
// For backward where the outputs are few, beside the cells. False where others are faster, or where
// the sums of `halves` meet.
bool make_scatter_columns(const Work& work, bool halves, int threads, BackwardPlan& plan);
// Whether dy, dx and the winners are each one line of cells, in the same order.
bool one_line(const Work& work);
// For backward over such a line, where each tap is one shift of all of it. False for others.
bool make_line(const Work& work, int element_bytes, int lanes, int threads, BackwardPlan& plan);
// For small windows over outer cells of neighbouring cells. False where another way is faster.
bool make_stretches(const Work& work, int element_bytes, ForwardPlan& plan);
// Whether the cells of the input lie one behind the other, and so do the outputs and winners.
bool in_one_run(const Work& work);
// For windows that share little, of elements of 4 bytes or more. False for others.
bool make_gathered(const Work& work, int element_bytes, ForwardPlan& plan);
double gathered_cost(const Work& work);
// Whether that takes clearly less than a plan of this cost.
bool gathers_sooner(const Work& work, double cost);
// For many outer cells of neighbouring cells, as many side by side as there are lanes. False for
// others.
bool make_transposed(const Work& work, int element_bytes, int lanes, int threads, Forward& plan);
// For windows with an output for each cell of small outer cells, in arrays without gaps. False for
// others.
bool make_shifts(const Work& work, int stored_bytes, ForwardPlan& plan);
// Whether no cell is in two windows, in arrays without gaps. (But rows of so many windows of two
// cells have a way of their own, which is faster.)
bool windows_apart(const Work& work, int64_t long_row);
// For backward over such. The plan is for smaller outer cells: see `split_first`. False for others.
bool make_pieces(const Work& work, int lanes, BackwardPlan& plan);
// For backward over runs of neighbouring cells behind the pooled axes. False for others.
bool make_gather_across(const Work& work, int element_bytes, BackwardPlan& plan);
// For backward of windows of 3x3 cells, two apart, along the last two axes, in rows of `least`
// cells or more; and of 2x2, if `two`. False for others.
bool make_pairs(const Work& work, int element_bytes, bool two, int64_t least, BackwardPlan& plan);
// Make as many windows along the first axis an outer cell of their own.
void split_first(Work& work, int64_t windows);
// For backward of large outer cells one by one, in dx itself or, `in_place` not, in the scratch.
// `lists`: taps, which the kernel of these vectors can look up. False where winners are not rows.
bool make_scatter_rows(const Work& work, int element_bytes, bool in_place, bool lists, int threads,
                       BackwardPlan& plan);
// For backward where outer cells lie one behind the other, as their outputs do. False for others.
bool make_listed(const Work& work, BackwardPlan& plan);
// Whether that takes clearly less than a plan of this cost.
bool lists_sooner(const Work& work, double cost, int element_bytes, int threads);
bool make_backward(const Work& work, int element_bytes, int lanes, int threads, BackwardPlan& plan);

}  // namespace ndpool
