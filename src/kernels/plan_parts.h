// What plans of all kinds are made of.
#pragma once

#include <algorithm>
#include <functional>

#include "plan.h"

namespace ndpool {

constexpr int64_t kMostTileBytes = 1 << 20;  // for windows that need it
constexpr int64_t kFar = int64_t{1} << 40;   // products of two such sizes are never formed

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline size_t carved(int64_t count, int64_t bytes) {
  return static_cast<size_t>((count * bytes + 2 * 64 + 63) / 64 * 64);
}

inline bool far_away(const Work& work) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    for (int64_t size : {along.n, along.stride, along.dilation, along.before, along.out}) {
      if (size >= kFar) return true;
    }
    if (along.kernel >= (1 << 20)) return true;
  }
  return false;
}

// The cells of the input behind one outer cell.
inline double cells_of(const Work& work) {
  double cells = static_cast<double>(work.inner);
  for (int a = 0; a < work.axes; ++a) cells *= static_cast<double>(work.axis[a].n);
  return cells;
}

inline double outputs_of(const Work& work) {
  double outputs = static_cast<double>(work.inner);
  for (int a = 0; a < work.axes; ++a) outputs *= static_cast<double>(work.axis[a].out);
  return outputs;
}

// The axis from which on the cells of the input lie side by side; as many as there are if none.
inline int dense_from(const Work& work) {
  int a = work.axes;
  for (int64_t step = work.inner; a > 0 && work.axis[a - 1].x_step == step;) {
    step *= work.axis[--a].n;
  }
  return a;
}

// Whether the windows cover the input side by side.
inline bool tiled(const Work& work) {
  bool all = true;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    all &= along.stride == along.kernel && along.dilation == 1 && along.before == 0 &&
           along.n == along.out * along.kernel;
  }
  return all;
}

template <class Plan>
void count_items(const Work& work, Plan& plan) {
  plan.inner_tiles = ceil_div(work.inner, plan.inner_tile);
  plan.items = work.outer_count * plan.inner_tiles;
  for (int a = 0; a < work.axes; ++a) plan.items *= plan.cut[a].tiles;
}

// Each outer cell is one item.
template <class Plan>
void leave_whole(const Work& work, Plan& plan) {
  for (int a = 0; a < work.axes; ++a) {
    plan.cut[a].tile = work.axis[a].out;
    plan.cut[a].tiles = 1;
  }
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  count_items(work, plan);
}

// Halves the tile, which is as it is in `cut` and `inner_tile`, until `bytes()` of it fit a share
// of the second-level cache: the leading axes first, unless that repeats more work. False if they
// do not fit the scratch at all.
bool shrink(const Work& work, int element_bytes, Cut* cut, int64_t& inner_tile, int threads,
            const std::function<double()>& bytes);

// For each offset in the window: its taps, and whether the windows at the borders have it inside
// the input.
void list_offsets(const Work& work, BackwardPlan& plan);
// Of each output along these axes, row-major, as bits: the cells of its window inside the input,
// from the first one on, 32 at most.
std::vector<uint32_t> list_allowed(const Work& work, int from_axis, int to_axis,
                                   int64_t first_cell = 0);
// The outputs of an outer cell, if their winners are one run; else 0.
int64_t run_of_winners(const Work& work);
// Whether outer cells are so small that they are best scattered, if windows overlap.
bool small_enough(const Work& work, int element_bytes);
// Puts what winners are allowed into a plan whose tiles are made, where windows reach into padding,
// that is a short list, and `outputs`, of an outer cell, are one run.
void keep_allowed(const Work& work, int64_t outputs, BackwardPlan& plan);

}  // namespace ndpool
