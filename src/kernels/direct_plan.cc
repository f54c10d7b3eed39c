// Plans that need no tile: which small windows and small outer cells are gone over straight from
// the user's arrays, and how.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "plan_parts.h"

namespace ndpool {
namespace {

constexpr int64_t kDirectCells = 32;       // of a window that is folded without a tile
constexpr double kDirectBytes = 64 << 10;  // of the input in a share of work
constexpr double kFromFarther = 8 << 20;   // bytes of the input, which a core's own cache has not
constexpr double kLeastLineRows = 32;      // the same: two rows more are read than are written
constexpr int64_t kLeastAcross = 32;       // bytes of a run of inner cells
constexpr size_t kMostKept = 64 << 10;     // bytes of the best of rows, in a share of work

constexpr int64_t kLeastColumn = 16;  // cells of a window of columns
constexpr int64_t kColumns = 1024;    // side by side
constexpr double kFewOutputs = 32;    // cells for each, from where all are cleared first
constexpr double kFewBetween = 6;     // the same, where other axes lie between

constexpr int64_t kLeastBeside = 8;      // outer cells along the innermost axis
constexpr int64_t kFarBeside = 1 << 26;  // bytes from one of them to the next

constexpr int64_t kStretchCells = 16;  // of a window whose outer cells are gone over in stretches
constexpr double kShiftedCells = 1 << 11;    // of an outer cell that is held against itself
constexpr int64_t kShiftedVectors = 32;      // so many of small ones go together
constexpr int64_t kMostMargin = 512;         // cells on either side of them
constexpr int64_t kShiftedRow = 24;          // cells of 4 bytes, where an axis takes several passes
constexpr double kStretchedCells = 1 << 15;  // of such an outer cell
constexpr int64_t kMostStretches = 2048;

// Costs are about the nanoseconds that Granite Rapids takes, with 16 lanes, found on hundreds to
// thousands of geometries; those that were found on another processor (Zen 4 or Zen 5) are scaled
// to where the ways change places there. What counts is their relation.
constexpr double kClearlyLess = 0.7, kLess = 0.85;
constexpr double kWorthThreads = 1 << 19;      // bytes
constexpr double kMostGathered = 1 << 17;      // outputs of an outer cell, or masks of its edges
constexpr double kFarthestGathered = 1 << 26;  // cells of an outer cell, or to a window's last
constexpr int64_t kMostTogether = 1 << 24;     // cells of such as go together
constexpr int64_t kFewGathered = 256;          // outputs, of which a vector not full is little

constexpr double kTransposedBytes = 128 << 10;  // of the input at a time

constexpr int64_t kLeastSliding = 10;       // cells of a window
constexpr int64_t kMostSlidingVectors = 8;  // of a window along a row, to slide

constexpr int64_t kMostStacked = 256;   // rows of a window that are folded into one
constexpr double kMostOverStacked = 8;  // windows that a cell is in
constexpr double kMostPicked = 0.36;    // cells one by one, of each
constexpr double kMostHalvesPicked = 0.3;
constexpr int64_t kStackedBytes = 8 << 10;  // of such rows at a time

constexpr double kTinyLine = 25;              // cells of an outer cell
constexpr int64_t kLineCopied = 2048;         // cells of a line at a time, and those around them
constexpr int64_t kMostPlanes = 8;            // of cells in a window of volumes.h
constexpr int64_t kPlaneBytes = 96 << 10;     // of what is best of those, with the winners
constexpr size_t kMostLineBytes = 256 << 10;  // of such copies
constexpr int64_t kMostLineSums = 64 << 10;   // bytes of a row whose sums are kept

constexpr double kPieceCells = 4096;          // of an outer cell whose windows do not overlap
constexpr int64_t kMostPieceCells = 1 << 15;  // the same, where it cannot be split
constexpr int64_t kNoTap = 255;               // of a cell that is in no window

// AMD's cores (Zen 4) gather a lane in more than twice the time that Intel's take.
bool slow_gathers() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

// Shares of work that need no tile: some rows of the first axis each.
template <class Plan>
void cut_first(const Work& work, int element_bytes, Plan& plan) {
  leave_whole(work, plan);
  const Axis& first = work.axis[0];
  double bytes = element_bytes * static_cast<double>(first.stride * work.inner);
  for (int a = 1; a < work.axes; ++a) bytes *= static_cast<double>(work.axis[a].n);
  const auto fit = static_cast<int64_t>(kDirectBytes / bytes);
  const bool one_row = work.axes == 1 && work.inner == 1;
  const int64_t tile = std::max<int64_t>(one_row ? 256 : 1, fit);
  plan.cut[0].tile = std::clamp<int64_t>(tile, 1, std::max<int64_t>(1, first.out));
  plan.cut[0].tiles = ceil_div(first.out, plan.cut[0].tile);
  count_items(work, plan);
  plan.scratch = 64;
}

// How many windows along the first axis make some thousand cells, where they cover it but for cells
// behind the last.
int64_t windows_at_once(const Work& work) {
  const Axis& first = work.axis[0];
  if (first.n < first.out * first.stride || first.before > 0 || work.outers == kMostOuter) {
    return first.out;
  }
  const double each = cells_of(work) / static_cast<double>(first.out);
  int64_t windows = 1;
  for (int64_t some = 2; some <= first.out; ++some) {
    if (static_cast<double>(some) * each > kPieceCells) break;
    if (first.out % some == 0) windows = some;
  }
  return windows;
}

// No window lies in padding alone: such a one has no best.
bool have_cells(const Work& work) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    const int64_t last = (along.out - 1) * along.stride - along.before;
    if (along.dilation > along.n || along.before >= along.kernel || last >= along.n) return false;
  }
  return true;
}

// Where the window of each output of an outer cell begins, and how far its cells are from there.
template <class T>
struct WindowPlaces {
  std::vector<T> begin{0};
  std::vector<int64_t> offset{0};
};
template <class T>
WindowPlaces<T> list_places(const Work& work) {
  auto [begin, offset] = WindowPlaces<T>{};
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    std::vector<T> further_begin;
    std::vector<int64_t> further_offset;
    further_begin.reserve(begin.size() * static_cast<size_t>(along.out));
    for (const T at : begin) {
      for (int64_t o = 0; o < along.out; ++o) {
        const int64_t further = (o * along.stride - along.before) * along.x_step;
        further_begin.push_back(at + static_cast<T>(further));
      }
    }
    for (const int64_t at : offset) {
      for (int64_t tap = 0; tap < along.kernel; ++tap) {
        further_offset.push_back(at + tap * along.dilation * along.x_step);
      }
    }
    begin = std::move(further_begin), offset = std::move(further_offset);
  }
  return {std::move(begin), std::move(offset)};
}

// How many windows a cell is in, in the mean.
double windows_of_a_cell(const Work& work) {
  double cells = 1, folded = 1;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    cells *= static_cast<double>(along.n);
    folded *= static_cast<double>(along.out) * static_cast<double>(std::min(along.kernel, along.n));
  }
  return folded / cells;
}
bool hardly_overlap(const Work& work) { return windows_of_a_cell(work) <= 2; }

}  // namespace

bool make_beside(const Work& work, int element_bytes, int64_t taps, Forward& plan) {
  if (work.inner != 1 || work.outers == 0 || work.cells > taps) return false;
  const Outer& lanes = work.outer[work.outers - 1];
  if (lanes.n < kLeastBeside || far_away(work) ||
      std::abs(lanes.x_step) >= kFarBeside / element_bytes)
    return false;
  int64_t all = 1;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (along.out > taps) return false;
    int64_t inside = 0;
    for (int64_t o = 0; o < along.out; ++o) {
      int64_t here = 0;
      for (int64_t tap = 0; tap < along.kernel; ++tap) {
        const int64_t at = o * along.stride - along.before + tap * along.dilation;
        here += at >= 0 && at < along.n;
      }
      if (here == 0) return false;
      inside += here;
    }
    all *= inside;
    if (all > taps) return false;
  }
  leave_whole(work, plan);
  plan.scratch = 64;
  plan.cost = (slow_gathers() ? 1.7 : 1) * (4 + 0.2 * static_cast<double>(all));
  return true;
}

bool make_runs(Work& work, int64_t least, Forward& plan) {
  if (work.inner != 1 || work.cells < least || far_away(work)) return false;
  if (!have_cells(work) || (least > 1 && !hardly_overlap(work))) return false;
  Work merged = work;
  while (merged.axes > 1) {
    const Axis& last = merged.axis[merged.axes - 1];
    Axis& before = merged.axis[merged.axes - 2];
    const bool whole = last.out == 1 && last.before == 0 && last.kernel == last.n &&
                       last.dilation == 1 && last.x_step == 1;
    if (!whole || before.dilation != 1 || before.x_step != last.n) break;
    before.n *= last.n;
    before.kernel *= last.n;
    before.stride *= last.n;
    before.before *= last.n;
    before.x_step = 1;
    --merged.axes;
  }
  const Axis& last = merged.axis[merged.axes - 1];
  if (last.x_step != 1 || last.dilation != 1 || last.kernel < least) return false;
  work = merged;
  leave_whole(work, plan);
  plan.scratch = 64;
  return true;
}

bool make_stacked(const Work& work, int element_bytes, bool halves, Forward& plan) {
  const double most_picked = halves ? kMostHalvesPicked : kMostPicked;
  const Axis& last = work.axis[work.axes - 1];
  const int64_t rows = work.cells / last.kernel;
  const int64_t span = (last.kernel - 1) * last.dilation + 1;
  if (work.inner != 1 || last.x_step != 1 || last.y_step != 1 || last.winner_step != 1 ||
      last.stride < 3 || 4 * last.kernel < 3 * last.stride || rows < 2 || rows > kMostStacked ||
      far_away(work) || !have_cells(work) || windows_of_a_cell(work) > kMostOverStacked ||
      static_cast<double>(last.kernel) * outputs_of(work) > most_picked * cells_of(work) ||
      last.n < 64 / element_bytes || span > kStackedBytes / element_bytes ||
      (work.winners && element_bytes < 4 && (work.cells - 1) >> 8 * element_bytes > 0)) {
    return false;
  }
  cut_first(work, element_bytes, plan);
  plan.chunk = kStackedBytes / element_bytes;
  plan.scratch = 2 * carved(plan.chunk, element_bytes) + carved(rows, 16);
  plan.cost = outputs_of(work) / static_cast<double>(last.out) *
              (60 + 0.15 * static_cast<double>(rows * last.n));
  return true;
}

// Whether windows along the last two axes are squares of two or three cells, one apart, over rows
// of nearly whole vectors.
static bool small_squares(const Work& work, int stored_bytes) {
  if (work.inner != 1 || work.winner_bytes != 1 || far_away(work)) return false;
  const Axis& last = work.axis[work.axes - 1];
  for (int a = work.axes - 2; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (along.kernel != last.kernel || along.stride != 1 || along.dilation != 1 || along.out < 2) {
      return false;
    }
  }
  if (last.kernel != 2 && last.kernel != 3) return false;
  const int64_t lanes = 64 / stored_bytes, vectors = ceil_div(last.out, lanes);
  return last.x_step == 1 && last.y_step == 1 && 10 * last.out >= 7 * vectors * lanes;
}

bool make_strips(const Work& work, int stored_bytes, Forward& plan) {
  if (work.axes != 2 || !small_squares(work, stored_bytes)) return false;
  cut_first(work, stored_bytes, plan);
  return true;
}

bool make_volumes(const Work& work, int element_bytes, int stored_bytes, bool masks,
                  Forward& plan) {
  if (work.axes != 3 || !small_squares(work, stored_bytes)) return false;
  const Axis &first = work.axis[0], &down = work.axis[1];
  if (first.dilation != 1 || first.kernel > kMostPlanes || first.out == 0) return false;
  if (down.y_step != work.axis[2].out) return false;  // rows of a plane have gaps
  // Shorter rows are sooner kept as they are, or go by tiles; with winners, these take longer.
  const int64_t row = work.axis[2].out, tenths = row * stored_bytes * 10 / 64;  // of a vector
  const bool halves = element_bytes > stored_bytes, winners = work.winners != nullptr;
  if (!masks) {
    if (row < (winners ? 192 : 256)) return false;
  } else if (stored_bytes >= 4) {
    if (tenths < (winners ? 17 : 30) || row < 24) return false;
  } else if (halves && !winners && tenths < 17) {
    return false;
  }
  leave_whole(work, plan);
  const int64_t fit = kPlaneBytes / ((stored_bytes + 1) * first.kernel * row);
  plan.cut[1].tiles = ceil_div(down.out, std::max<int64_t>(4, fit / 4 * 4));
  plan.cut[1].tile = ceil_div(ceil_div(down.out, plan.cut[1].tiles), 4) * 4;
  plan.cut[1].tiles = ceil_div(down.out, plan.cut[1].tile);
  count_items(work, plan);
  plan.buffer = plan.cut[1].tile * row + 64;  // and a vector more
  plan.scratch =
      carved(first.kernel * plan.buffer, stored_bytes) + carved(first.kernel * plan.buffer, 1);
  return true;
}

bool make_sliding(const Work& work, int element_bytes, int lanes, int threads, Forward& plan) {
  if (work.axes != 2 || work.inner != 1 || work.winner_bytes > 2 || far_away(work)) return false;
  if (work.cells < kLeastSliding) return false;
  for (int a = 0; a < 2; ++a) {
    const Axis& along = work.axis[a];
    if (along.stride != 1 || along.dilation != 1 || along.out == 0) return false;
  }
  const Axis &down = work.axis[0], &along = work.axis[1];
  const int64_t vectors = ceil_div(along.out, lanes);
  if (along.x_step != 1 || along.y_step != 1 || 10 * along.out < 7 * vectors * lanes) return false;
  if (along.kernel > kMostSlidingVectors * lanes) return false;
  leave_whole(work, plan);
  // Rows are a line of the cache more than whole vectors apart, so that they take turns in it.
  const int64_t line = 64 / element_bytes;
  const auto pitch = [&] { return ceil_div(plan.cut[1].tile, lanes) * lanes + line; };
  const auto slots = [&] { return plan.cut[0].tile + down.kernel - 1; };
  const auto bytes = [&] {
    const int64_t cells = (slots() + 2) * pitch() + along.kernel + down.kernel * 2 * lanes;
    return 2.0 * element_bytes * static_cast<double>(cells);
  };
  if (!shrink(work, element_bytes, plan.cut, plan.inner_tile, threads, bytes)) return false;
  for (int a = 0; a < 2; ++a) {
    plan.cut[a].tiles = ceil_div(work.axis[a].out, plan.cut[a].tile);
    plan.cut[a].tile = ceil_div(work.axis[a].out, plan.cut[a].tiles);
  }
  plan.cut[0].slots = slots();
  plan.cut[0].slot_step = pitch();
  count_items(work, plan);
  const int64_t cells = pitch() + along.kernel;
  plan.scratch = carved(pitch(), element_bytes) + carved(cells, 1);
  for (const int64_t count : {cells, slots() * pitch(), down.kernel * kRunningVectors * lanes}) {
    plan.scratch += 2 * carved(count, element_bytes);
  }
  return true;
}

bool make_stretches(const Work& work, int element_bytes, ForwardPlan& plan) {
  if (work.inner != 1 || work.cells > kStretchCells || far_away(work) || work.outer_count == 0 ||
      cells_of(work) > kStretchedCells) {
    return false;
  }
  int64_t cells = 1, outputs = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    if (along.x_step != cells || along.y_step != outputs) return false;
    cells *= along.n;
    outputs *= along.out;
  }
  const int lanes = 64 / element_bytes;
  Forward direct;
  const bool long_rows = 5 * work.axis[work.axes - 1].out >= 8 * lanes;
  const bool two_apart = work.axis[work.axes - 1].stride == 2;
  if (long_rows && two_apart && make_direct(work, element_bytes, direct)) return false;
  const bool gaps = element_bytes >= 4;  // outputs of other lanes can be brought together
  auto [begin, offset] = list_places<int64_t>(work);
  auto& stretches = plan.kept_stretches;
  int64_t lane = lanes;
  for (size_t o = 0; o < begin.size(); ++o) {
    const int64_t next = stretches.empty() ? lanes : begin[o] - stretches.back().x;
    if (next >= lanes || next <= lane || (!gaps && next != lane + 1)) {
      if (static_cast<int64_t>(stretches.size()) == kMostStretches) return false;
      stretches.push_back({begin[o], static_cast<int64_t>(o), 0, -1, 0});
      lane = 0;
    } else {
      lane = next;
    }
    ++stretches.back().outputs;
    stretches.back().lanes |= uint64_t{1} << lane;
  }
  // vectors of one or two outputs each gain nothing
  if (!gaps && 4 * static_cast<int64_t>(stretches.size()) > outputs) return false;
  const std::vector<uint32_t> allowed = list_allowed(work, 0, work.axes);
  const auto window = static_cast<uint32_t>((uint64_t{1} << work.cells) - 1);  // all of it
  int64_t edges = 0;
  for (Stretch& stretch : stretches) {
    const uint32_t* of_output = allowed.data() + stretch.y;
    bool whole = stretch.x >= 0 && stretch.x + offset.back() + lanes <= cells;
    for (int64_t i = 0; i < stretch.outputs; ++i) whole &= of_output[i] == window;
    if (whole) continue;
    stretch.edge = edges++;
    std::vector<uint64_t> inside(static_cast<size_t>(work.cells));
    for (int l = 0; l < 64; ++l) {
      const bool begins = stretch.lanes >> l & 1;
      const uint32_t cells_inside = begins ? *of_output++ : 0;
      for (size_t c = 0; c < inside.size(); ++c) {
        inside[c] |= uint64_t{cells_inside >> c & 1} << l;
      }
      const int first = cells_inside ? std::countr_zero(cells_inside) : 0;
      plan.kept_first.push_back(static_cast<uint8_t>(first));
    }
    plan.kept_inside.insert(plan.kept_inside.end(), inside.begin(), inside.end());
  }
  plan.line.count = static_cast<int64_t>(stretches.size());
  plan.cost = static_cast<double>(plan.line.count) * (4 + 0.5 * static_cast<double>(work.cells));
  plan.line.cells = cells;
  plan.line.stretch = stretches.data();
  plan.kept.push_back(std::move(offset));
  plan.line.offset = plan.kept.back().data();
  plan.line.inside = plan.kept_inside.data();
  plan.line.first = plan.kept_first.data();
  leave_whole(work, plan);
  plan.scratch = 64;
  return true;
}

bool make_columns(const Work& work, int element_bytes, int64_t least, int threads, Forward& plan) {
  if (work.inner <= 1 || work.inner * element_bytes < least || work.inner_x_step != 1 ||
      work.inner_y_step != 1 || far_away(work) || work.cells < kLeastColumn || !have_cells(work) ||
      !hardly_overlap(work)) {
    return false;
  }
  cut_first(work, element_bytes, plan);
  const int64_t line = 64 / element_bytes;
  while (plan.items < 4 * threads && plan.cut[0].tile > 1) {
    plan.cut[0].tile = ceil_div(plan.cut[0].tile, 2);
    plan.cut[0].tiles = ceil_div(work.axis[0].out, plan.cut[0].tile);
    count_items(work, plan);
  }
  while (plan.items < threads && plan.inner_tile > 2 * line) {
    plan.inner_tile = ceil_div(ceil_div(plan.inner_tile, 2), line) * line;
    count_items(work, plan);
  }
  plan.chunk = std::min(plan.inner_tile, kColumns);
  plan.scratch = 2 * carved(plan.chunk, element_bytes);
  return true;
}

bool make_scatter_columns(const Work& work, bool halves, int threads, BackwardPlan& plan) {
  plan.dense_from = dense_from(work);
  const bool dense = plan.dense_from == 0;  // no other axes between those of an outer cell
  if (work.inner < (dense ? 2 : 1) || work.outer_count == 0 || far_away(work) ||
      cells_of(work) < (dense ? kFewOutputs : kFewBetween) * outputs_of(work)) {
    return false;
  }
  const auto overlap = [](const Axis& along) {
    return (along.kernel - 1) * along.dilation >= along.stride;
  };
  for (int a = 0; a < work.axes; ++a) {
    if (halves && overlap(work.axis[a])) return false;  // whose sums are made in more bits
  }
  leave_whole(work, plan);
  const Axis& first = work.axis[0];
  if (!overlap(first) && work.outer_count < 4 * threads) {
    plan.cut[0].tiles = std::min<int64_t>(first.out, ceil_div(4 * threads, work.outer_count));
    count_items(work, plan);
  }
  list_offsets(work, plan);
  plan.scratch = 64;
  plan.in_columns = true;
  return true;
}

bool make_shifts(const Work& work, int stored_bytes, ForwardPlan& plan) {
  const int64_t lanes = 64 / stored_bytes;
  if (!one_line(work) || work.inner != 1 || work.winner_bytes != 1 || work.outer_count == 0 ||
      far_away(work) || cells_of(work) > kShiftedCells) {
    return false;
  }
  const Axis& last = work.axis[work.axes - 1];
  if (work.axes == 1 && stored_bytes < 4 && last.n > 4 * lanes) return false;
  // each pass: along which axis, how many cells, how far apart
  struct Widening {
    int axis;
    int64_t taps, cells;
  };
  std::vector<Widening> passes;
  int64_t cells = 1, weight = 1, center = 0;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    const int64_t half = along.kernel / 2;
    const bool many = half > kMostShiftTaps / 2;  // passes: then running maxima can be faster
    if (many && (stored_bytes == 8 || (stored_bytes == 4 && last.n > kShiftedRow))) return false;
    if (along.kernel % 2 == 0 || along.before != half * along.dilation) return false;
    // What is best in `wide` cells on either side, seen from `wide + 1` cells further or fewer, has
    // no gaps at the ends of an axis.
    for (int64_t wide = 0; wide < half;) {
      const int64_t step = std::min(wide + 1, half - wide);
      const int64_t taps = wide + 2 * step <= half ? 5 : 3;
      passes.push_back({a, taps, step});
      wide += taps / 2 * step;
    }
    center += half * weight;
    weight *= along.kernel;
    cells *= along.n;
  }
  Held& held = plan.held;
  const int64_t together = std::max<int64_t>(1, kShiftedVectors * lanes / cells);
  const int64_t outer = std::min(together, work.outer_count);
  held.cells = cells;
  held.share = outer * cells;
  held.vectors = ceil_div(held.share, lanes);
  held.center = center;
  plan.items = ceil_div(work.outer_count, outer);
  plan.passes = static_cast<int>(passes.size());
  if (plan.passes == 0) return false;
  std::vector<uint64_t>& inside = plan.kept_inside;
  inside.assign(static_cast<size_t>(plan.passes * held.vectors * kMostShiftTaps), 0);
  for (size_t p = 0; p < passes.size(); ++p) {
    const auto [a, taps, step] = passes[p];
    const Axis& along = work.axis[a];
    Pass& pass = plan.pass[p];
    pass.taps = taps;
    pass.run = step * along.dilation * along.x_step;
    pass.weight = step;
    for (int b = a + 1; b < work.axes; ++b) pass.weight *= work.axis[b].kernel;
    held.margin = std::max(held.margin, taps / 2 * pass.run);
    uint64_t* of_pass = inside.data() + static_cast<int64_t>(p) * held.vectors * kMostShiftTaps;
    for (int64_t i = 0; i < held.share; ++i) {
      const int64_t place = i / along.x_step % along.n;
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t at = place + (t - taps / 2) * step * along.dilation;
        const bool there = at >= 0 && at < along.n;
        of_pass[i / lanes * kMostShiftTaps + t] |= uint64_t{there} << (i % lanes);
      }
    }
  }
  held.inside = inside.data();
  if (held.margin > kMostMargin) return false;
  const int64_t computed = stored_bytes == 2 ? 4 : stored_bytes;  // halves, at times
  plan.scratch = 4 * carved(held.share + lanes + 2 * held.margin, computed);
  return true;
}

bool make_direct(const Work& work, int element_bytes, Forward& plan) {
  const Axis& last = work.axis[work.axes - 1];
  const int64_t rows = work.cells / last.kernel;
  if (work.inner != 1 || last.x_step != 1 || last.y_step != 1 || far_away(work) ||
      last.stride > 2 || last.kernel > kMostRowTaps || rows > kMostRows ||
      (last.kernel - 1) * last.dilation > 64 / element_bytes ||
      (last.stride == 2 && work.cells > kDirectCells)) {
    return false;
  }
  const auto vectors = static_cast<double>(ceil_div(last.out * element_bytes, 64));
  const auto taps = static_cast<double>(work.cells);
  const double rows_of_outputs = outputs_of(work) / static_cast<double>(last.out);
  if (last.stride == 1) {
    // By tiles neighbours share what is best of the cells that they share; but they take passes,
    // and of volumes they repeat much. (Nanoseconds on Zen 5, of some thousand geometries; half of
    // what is said of halves.)
    double passes = 0;  // over all outputs
    bool apart = false;
    for (int a = 0; a < work.axes; ++a) {
      passes += static_cast<double>(work.axis[a].kernel);
      apart |= work.axis[a].stride > 1;
    }
    const double pass = (work.winners ? 0.83 : 0.45) + (work.axes > 2 ? 0.12 : 0);
    const double tap = work.winners ? 0.87 : 0.72, more = element_bytes == 1 ? 3 : 1.3;
    const double cell = (0.03 + 0.04 * element_bytes) * (work.axes > 2 && apart ? 2 : 1);
    double by_tiles = cell * cells_of(work) + rows_of_outputs * vectors * pass * passes;
    const double all = element_bytes * cells_of(work) * static_cast<double>(work.outer_count);
    if (all > kFromFarther) by_tiles *= 1.3;  // they do not ask for cells ahead
    if (rows_of_outputs * (2 + vectors * (more + tap * taps)) > by_tiles) return false;
  }
  cut_first(work, element_bytes, plan);
  plan.cost = rows_of_outputs * (4 + 0.8 * vectors * taps);
  return true;
}

namespace {

// Whether narrow rows take less than stretches of planes do; or, in larger windows and volumes,
// fill enough of their vectors. The cycles were measured on planes of 7x7 to 28x28.
bool worth_keeping_rows(const Work& work, int64_t lanes) {
  const Axis& rows = work.axis[work.axes - 2];
  const Axis& along = work.axis[work.axes - 1];
  if ((along.kernel - 1) * along.dilation < along.stride) return false;  // none is shared
  const int64_t vectors = ceil_div(along.out, lanes);
  const bool gaps = lanes > 16 && along.stride > 1;  // which no stretch has
  if (work.axes > 2 || work.cells > kStretchCells || gaps) {
    const int64_t filled = gaps ? 2 * work.axes - 2 : vectors == 1 ? 3 : 6;  // tenths
    return 10 * along.out >= filled * vectors * lanes;
  }
  const int64_t kept = rows.n * (5 + 2 * along.kernel * vectors);
  const int64_t folded = rows.out * vectors * (4 + 2 * rows.kernel);
  const int64_t span = ceil_div((along.out - 1) * along.stride + 1, lanes) * lanes;
  const int64_t stretches = ceil_div(rows.out * std::min(span, rows.stride * along.n), lanes);
  return kept + folded <= stretches * (8 + 2 * work.cells);
}

}  // namespace

bool make_narrow(const Work& work, int element_bytes, int stored_bytes, Forward& plan) {
  const int64_t lanes = 64 / element_bytes;
  const Axis& last = work.axis[work.axes - 1];
  const int64_t vectors = ceil_div(last.out, lanes);
  if (work.inner != 1 || work.axes < 2 || work.winner_bytes != 1 || last.x_step != 1 ||
      last.y_step != 1 || last.n + work.padded > 2 * lanes || vectors > 2 || far_away(work) ||
      !have_cells(work) || !worth_keeping_rows(work, 64 / stored_bytes)) {
    return false;
  }
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (along.kernel > kMostRowTaps) return false;
    if (a < work.axes - 1 && along.stride > along.kernel * along.dilation) return false;
  }
  cut_first(work, element_bytes, plan);
  const auto kept = [&] {  // bytes
    const Axis& first = work.axis[0];
    int64_t rows = 1;  // of outputs, behind a cell of the axis
    size_t bytes = 0;
    for (int a = work.axes - 2; a >= 0; --a) {
      const Axis& along = work.axis[a];
      plan.kept_rows[a] = along.n;
      if (a == 0) {
        const int64_t reach =
            (plan.cut[0].tile - 1) * first.stride + (first.kernel - 1) * first.dilation + 1;
        plan.kept_rows[a] = std::min(reach, first.n);
      }
      bytes += 2 * carved(plan.kept_rows[a] * rows * vectors * lanes, element_bytes);
      rows *= along.out;
    }
    return bytes;
  };
  while ((plan.scratch = kept()) > kMostKept && plan.cut[0].tile > 1) {
    plan.cut[0].tile = ceil_div(plan.cut[0].tile, 2);
  }
  plan.cut[0].tiles = ceil_div(work.axis[0].out, plan.cut[0].tile);
  count_items(work, plan);
  if (plan.scratch > kMostKept) return false;
  // rows of the input, each folded along itself; then rows of outputs
  double before = cells_of(work) / static_cast<double>(last.n), behind = 1;
  plan.cost = 20 + before * (1 + 0.45 * static_cast<double>(last.kernel * vectors));
  for (int a = work.axes - 2; a >= 0; --a) {
    before /= static_cast<double>(work.axis[a].n);
    behind *= static_cast<double>(work.axis[a].out);
    plan.cost +=
        before * behind * (2.1 + 0.31 * static_cast<double>(work.axis[a].kernel * vectors));
  }
  return true;
}

// Measured on rows of 7 to 16000 cells: windows of two cells, and 8-byte cells in planes, gain
// nothing. Long rows of windows two apart are sooner by make_direct.
bool make_picked(const Work& work, int element_bytes, Forward& plan) {
  const int64_t lanes = 64 / element_bytes;
  const Axis& first = work.axis[0];
  const Axis& last = work.axis[work.axes - 1];
  const int64_t span = (last.kernel - 1) * last.dilation;
  if (work.axes > (element_bytes == 8 ? 1 : 2) || work.inner != 1 || work.winner_bytes != 1 ||
      last.x_step != 1 || last.y_step != 1 || last.stride < 2 || last.kernel < 3 ||
      last.kernel > 4 || far_away(work) || !have_cells(work)) {
    return false;
  }
  // cells outside are picked from a lane behind the row
  const int64_t behind = (last.out - 1) * last.stride - last.before + span;
  const int64_t cells = last.n + (last.before > 0 || behind >= last.n);
  plan.two_rows = work.axes == 2 && last.kernel == 3 && cells <= lanes && 2 * last.out <= lanes &&
                  first.y_step == last.out;
  plan.sources = 2;
  if (last.kernel > 3 || last.out > lanes || cells > 2 * lanes) {
    plan.sources = static_cast<int>(last.kernel);
    const int64_t reach = (lanes - 1) * last.stride + span;
    if (last.stride < 3 || last.before > 0 || reach >= plan.sources * lanes) return false;
  }
  cut_first(work, element_bytes, plan);
  const int64_t rows = work.axes < 2 ? 1 : plan.two_rows ? ceil_div(first.out, 2) : first.out;
  const auto vectors = static_cast<double>(rows * ceil_div(last.out, lanes));
  plan.cost = 12 + 1.8 * vectors * static_cast<double>(work.cells);
  return true;
}

bool in_one_run(const Work& work) {
  int64_t cells = work.inner, outputs = work.inner;
  if (work.inner > 1 && (work.inner_x_step != 1 || work.inner_y_step != 1)) return false;
  const auto next = [&](const auto& along) {
    return along.x_step == cells && along.y_step == outputs && along.winner_step == outputs;
  };
  for (int a = work.axes - 1; a >= 0; --a) {
    if (!next(work.axis[a])) return false;
    cells *= work.axis[a].n;
    outputs *= work.axis[a].out;
  }
  for (int i = work.outers - 1; i >= 0; --i) {
    if (!next(work.outer[i])) return false;
    cells *= work.outer[i].n;
    outputs *= work.outer[i].n;
  }
  return true;
}

namespace {

// Words of 32 bits, for the cells of a window.
int64_t words_of(const Work& work) { return ceil_div(work.cells, 32); }

// Of each output, in as many words: the cells of its window inside the input. Nothing if all are.
std::vector<uint32_t> list_all_allowed(const Work& work) {
  if (!work.padded) return {};
  const auto words = static_cast<size_t>(words_of(work));
  if (words == 1) return list_allowed(work, 0, work.axes);
  std::vector<uint32_t> all;
  for (size_t word = 0; word < words; ++word) {
    const auto first = static_cast<int64_t>(32 * word);
    const std::vector<uint32_t> allowed = list_allowed(work, 0, work.axes, first);
    all.resize(allowed.size() * words);
    for (size_t o = 0; o < allowed.size(); ++o) all[o * words + word] = allowed[o];
  }
  return all;
}

// What gathering and listing have in common. False where the outer cells of either array are no
// run, or too large.
bool start_lookup(const Work& work, Lookup& table) {
  if (work.inner != 1 || work.winner_bytes != 1 || far_away(work) || work.outer_count == 0 ||
      outputs_of(work) * (work.padded ? static_cast<double>(words_of(work)) : 1) > kMostGathered ||
      cells_of(work) > kFarthestGathered) {
    return false;
  }
  table.cells = table.outputs = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    if (along.x_step != table.cells || along.y_step != table.outputs) return false;
    // places of cells, also of those in padding, are counted in 32 bits
    double reach = static_cast<double>(along.out) * static_cast<double>(along.stride);
    reach += static_cast<double>(along.kernel) * static_cast<double>(along.dilation);
    reach += static_cast<double>(along.before);
    if (reach * static_cast<double>(along.x_step) > kFarthestGathered) return false;
    table.cells *= along.n;
    table.outputs *= along.out;
  }
  table.together = 1;
  return true;
}

// As many outer cells one behind the other as have so many outputs.
int64_t outer_cells_of(const Lookup& table, int64_t outputs) {
  return std::clamp<int64_t>(ceil_div(outputs, table.outputs), 1, kMostTogether / table.cells + 1);
}

// What is listed of the outputs of one outer cell, for all that go together; from each to the next
// it grows by `step`.
template <class T>
void repeat(std::vector<T>& listed, const Lookup& table, int64_t step) {
  const size_t each = listed.size();
  listed.reserve(each * static_cast<size_t>(table.together));
  for (int64_t k = 1; k < table.together; ++k) {
    for (size_t o = 0; o < each; ++o) listed.push_back(listed[o] + static_cast<T>(k * step));
  }
}

}  // namespace

double gathered_cost(const Work& work) {
  static const double lanes_at_once = slow_gathers() ? 7 : 16;
  return outputs_of(work) * (6 + 2.8 * static_cast<double>(work.cells)) / lanes_at_once;
}
bool gathers_sooner(const Work& work, double cost) {
  return gathered_cost(work) < kClearlyLess * cost;
}

bool make_gathered(const Work& work, int element_bytes, ForwardPlan& plan) {
  Lookup& table = plan.table;
  if (element_bytes < 4 || !have_cells(work) || !start_lookup(work, table)) return false;
  const int64_t lanes = 64 / element_bytes, outputs = table.outputs;
  leave_whole(work, plan);
  plan.scratch = 64;  // none
  if (outputs < kFewGathered && in_one_run(work)) {
    const int64_t full = lanes / std::gcd(lanes, outputs);  // as many as fill their vectors
    table.together = ceil_div(outer_cells_of(table, kFewGathered), full) * full;
  }
  if (table.together == 1) {  // large ones are cut
    const double bytes = element_bytes * static_cast<double>(table.cells);
    plan.cut[0].tiles = std::clamp<int64_t>(static_cast<int64_t>(bytes / kDirectBytes), 1,
                                            ceil_div(outputs, lanes));
    count_items(work, plan);
  }
  auto [begin, offset] = list_places<int32_t>(work);
  const int64_t all = table.together * outputs, vectors = ceil_div(all, lanes);
  plan.kept_begin = std::move(begin);
  repeat(plan.kept_begin, table, table.cells);
  plan.kept_begin.resize(static_cast<size_t>(vectors * lanes));  // to be read as well
  const int64_t words = words_of(work);
  const std::vector<uint32_t> allowed = list_all_allowed(work);
  const auto inside = [&](int64_t o, int64_t cell) -> bool {
    return allowed[static_cast<size_t>(o % outputs * words + cell / 32)] >> (cell % 32) & 1;
  };
  int32_t edges = 0;
  for (int64_t v = 0; v < vectors; ++v) {
    const int64_t from = v * lanes, to = std::min(all, from + lanes);
    bool whole = true;
    for (int64_t o = from; o < to && work.padded; ++o) {
      for (int64_t cell = 0; whole && cell < work.cells; ++cell) whole = inside(o, cell);
    }
    plan.kept_edge.push_back(whole ? -1 : edges);
    if (whole) continue;
    if (static_cast<double>(++edges * work.cells) > kMostGathered) return false;
    plan.kept_first.resize(static_cast<size_t>(edges * lanes));
    uint8_t* first = plan.kept_first.data() + (edges - 1) * lanes;
    for (int64_t cell = work.cells - 1; cell >= 0; --cell) {
      uint16_t bits = 0;
      for (int64_t o = from; o < to; ++o) {
        if (!inside(o, cell)) continue;
        bits |= static_cast<uint16_t>(1 << (o - from));
        first[o - from] = static_cast<uint8_t>(cell);
      }
      plan.kept_lanes.push_back(bits);
    }
    std::reverse(plan.kept_lanes.end() - work.cells, plan.kept_lanes.end());
  }
  plan.kept.push_back(std::move(offset));
  table.begin = plan.kept_begin.data();
  table.offset = plan.kept.back().data();
  table.edge = plan.kept_edge.data();
  table.inside = plan.kept_lanes.data();
  table.first = plan.kept_first.data();
  return true;
}

bool make_transposed(const Work& work, int element_bytes, int lanes, int threads, Forward& plan) {
  if (4 * work.outer_count < lanes || work.inner != 1 || work.winner_bytes != 1 ||
      work.cells == 1 || dense_from(work) > 0 || run_of_winners(work) == 0 || far_away(work) ||
      !have_cells(work)) {
    return false;
  }
  const Axis& first = work.axis[0];
  double row = 1;
  for (int a = 1; a < work.axes; ++a) row *= static_cast<double>(work.axis[a].n);
  const int64_t span = (first.kernel - 1) * first.dilation + 1;
  const double fit = kTransposedBytes / (row * lanes * element_bytes);  // rows
  if (fit < static_cast<double>(std::min(span, first.n))) return false;
  const int64_t most = (static_cast<int64_t>(fit) - span) / first.stride + 1;
  const int64_t bands = ceil_div(first.out, std::max<int64_t>(1, most));
  plan.band = ceil_div(first.out, bands);
  const int64_t rows = std::min(first.n, (plan.band - 1) * first.stride + span);
  leave_whole(work, plan);
  plan.tile_cells = rows * static_cast<int64_t>(row);
  int64_t before = plan.tile_cells, behind = 1;
  double windows = 0, taps = 0;  // along an axis
  plan.buffer = 0;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    before /= a > 0 ? along.n : rows;
    behind *= a > 0 ? along.out : plan.band;
    plan.buffer = std::max(plan.buffer, before * behind);
    windows += static_cast<double>(before * behind);
    taps += static_cast<double>(before * behind * along.kernel);
  }
  plan.buffer += lanes;  // the outputs, which come last, are read by whole vectors
  if (static_cast<double>(plan.buffer * lanes * element_bytes) > kTransposedBytes) return false;
  plan.table.together = lanes;
  plan.scratch = carved(plan.tile_cells * lanes, element_bytes) +
                 4 * carved(plan.buffer * lanes, element_bytes);
  // Nanoseconds for a block of the input, of the outputs, for a window and a tap along an axis: in
  // relation to those of the other plans, which are too low for vectors of 32 bytes.
  struct Costs {
    double in, out, window, tap;
  };
  const Costs each = lanes * element_bytes == 64 ? element_bytes >= 4 ? Costs{1.6, 2.3, 0.23, 0.31}
                                                                      : Costs{3.4, 3.3, 0.4, 0.3}
                     : element_bytes >= 4        ? Costs{0.65, 0.9, 0.1, 0.2}
                                                 : Costs{1.1, 1.5, 0.1, 0.2};
  const auto blocks = [&](int64_t cells) { return static_cast<double>(ceil_div(cells, lanes)); };
  const double band = each.in * blocks(plan.tile_cells) + each.out * blocks(behind) +
                      (each.window * windows + each.tap * taps) / lanes;
  plan.cost = 3 + static_cast<double>(bands) * band;
  // lanes that are left idle, and threads
  const auto outers = static_cast<double>(work.outer_count);
  const double bytes = (cells_of(work) + outputs_of(work)) * element_bytes;
  const double at_once = lanes * (bytes * outers < kWorthThreads ? 1 : threads);
  plan.cost *= std::ceil(outers / at_once) * at_once / outers;
  if (bytes * outers > kFromFarther) plan.cost += 0.025 * bytes;
  if (work.past_cache) plan.cost /= kClearlyLess;  // no result goes around it
  return true;
}

bool lists_sooner(const Work& work, double cost, int element_bytes, int threads) {
  const double cells = cells_of(work), outers = static_cast<double>(work.outer_count);
  const double bytes = element_bytes * cells * outers;
  // Windows that overlap much along a row often have the same winner: then each addition waits for
  // the one before.
  const Axis& last = work.axis[work.axes - 1];
  const double apart = static_cast<double>(last.stride) / static_cast<double>(last.kernel);
  const double output = 0.9 + 0.7 * std::max(0.0, 1 - 4 * apart);
  const double checked = work.padded && work.cells > 32 ? 0.6 : 0;  // in several words
  double listed =
      1 + (output + checked) * outputs_of(work) + (work.past_cache ? 0.2 : 0.08) * cells;
  // outer cells are left whole: of three, two threads take as long as of four
  const double most = bytes < kWorthThreads ? 1 : threads;
  listed *= std::ceil(outers / most) * most / outers;
  return listed < (work.past_cache ? kClearlyLess : kLess) * cost;
}

bool make_listed(const Work& work, BackwardPlan& plan) {
  Lookup& table = plan.table;
  if (!start_lookup(work, table)) return false;
  leave_whole(work, plan);
  plan.scratch = 64;  // none
  table.together = outer_cells_of(table, kFewGathered);
  table.window = work.cells;
  auto [begin, offset] = list_places<int32_t>(work);
  plan.kept_begin = std::move(begin);
  repeat(plan.kept_begin, table, table.cells);
  plan.kept_places.assign(256, 0);
  for (size_t c = 0; c < offset.size(); ++c) {
    plan.kept_places[c] = static_cast<int32_t>(offset[c]);
  }
  if (work.padded) {
    plan.kept_allowed = list_all_allowed(work);
    repeat(plan.kept_allowed, table, 0);
    table.allowed = plan.kept_allowed.data();
    table.words = words_of(work);
  }
  int64_t reach = 0;
  for (size_t o = 0; o < plan.kept_begin.size(); ++o) {
    reach = std::max(reach, plan.kept_begin[o] + offset.back() + 1);
    const size_t block = o / static_cast<size_t>(kListed);
    if (block == plan.kept_reach.size()) plan.kept_reach.push_back(0);
    plan.kept_reach[block] = static_cast<int32_t>(reach);
  }
  plan.looked_up = true;
  table.begin = plan.kept_begin.data();
  table.places = plan.kept_places.data();
  table.reach = plan.kept_reach.data();
  return true;
}

bool make_across(const Work& work, int element_bytes, Forward& plan) {
  const bool overlaps = work.axis[work.axes - 1].stride == 1;
  if (work.inner * element_bytes < kLeastAcross * (overlaps ? 2 : 1) || work.inner_x_step != 1 ||
      work.inner_y_step != 1 || far_away(work) || work.cells > kDirectCells) {
    return false;
  }
  cut_first(work, element_bytes, plan);
  return true;
}

namespace {

// Whether a scatter of small outer cells takes less than the pairs of their cells. A vector of
// these costs as much as so many outputs: measured on planes of 13x13 to 112x112.
bool few_pairs(const Work& work, int element_bytes) {
  if (!small_enough(work, element_bytes)) return false;
  const int64_t cost = element_bytes == 1 ? 16 : 9, lanes = 64 / element_bytes;
  int64_t vectors = 1, outputs = 1;
  for (int a = 0; a < work.axes; ++a) {
    vectors *= ceil_div(work.axis[a].n, a < work.axes - 1 ? 2 : 2 * lanes);
    outputs *= work.axis[a].out;
  }
  return cost * vectors > outputs;
}

// Whether windows are square along the last two axes, and two apart, so that cells go two by two.
bool in_pairs(const Work& work) {
  if (work.axes < 2) return false;
  const Axis& last = work.axis[work.axes - 1];
  const Axis& before = work.axis[work.axes - 2];
  bool all = last.before % 2 == before.before % 2;
  for (const Axis* along : {&before, &last}) {
    all &= along->kernel == last.kernel && along->stride == 2 && along->dilation == 1;
  }
  return all;
}

// Plan for AskedRows over the first axes: `axes` of them. False where cells ask too many windows.
bool make_asked_rows(const Work& work, int axes, int element_bytes, BackwardPlan& plan) {
  int64_t asked = 1;  // windows that a cell is in
  for (int a = 0; a < axes; ++a) {
    const Axis& along = work.axis[a];
    asked *= ((along.kernel - 1) * along.dilation + along.stride) / along.stride;
    if (asked > kMostAsked) return false;
  }
  cut_first(work, element_bytes, plan);
  list_offsets(work, plan);
  if (axes == 0) return true;
  const int64_t cells = work.axis[axes - 1].n;
  plan.scratch = carved(cells * kMostAsked, 3 * 8) + carved(cells, 8);
  return plan.scratch <= kMostLineBytes;
}

}  // namespace

bool make_pairs(const Work& work, int element_bytes, bool two, int64_t least, BackwardPlan& plan) {
  if (work.inner != 1 || !in_pairs(work) || far_away(work) || work.winner_bytes != 1) return false;
  const Axis& last = work.axis[work.axes - 1];
  const Axis& before = work.axis[work.axes - 2];
  const bool tiled = last.kernel == 2 && last.before == 0 && before.before == 0;
  if (last.kernel != 3 && !(two && tiled)) return false;
  if (last.x_step != 1 || last.y_step != 1 || last.winner_step != 1 || last.n < least ||
      few_pairs(work, element_bytes) ||
      !make_asked_rows(work, work.axes - 2, element_bytes, plan)) {
    return false;
  }
  if (const int64_t run = run_of_winners(work)) keep_allowed(work, run, plan);
  plan.in_pairs = true;
  return true;
}

bool make_gather_across(const Work& work, int element_bytes, BackwardPlan& plan) {
  if (work.inner * element_bytes < 2 * kLeastAcross || work.inner_x_step != 1 ||
      work.inner_y_step != 1 || far_away(work) || work.winner_bytes != 1 ||
      !make_asked_rows(work, work.axes, element_bytes, plan)) {
    return false;
  }
  plan.across = true;
  plan.in_pairs = in_pairs(work) && work.axes == 2 && work.axis[1].kernel == 3 &&
                  work.axis[1].x_step == work.inner;
  if (plan.in_pairs) plan.scratch = carved(work.inner, 1);
  return true;
}

bool windows_apart(const Work& work, int64_t long_row) {
  if (work.inner != 1 || work.cells > 255 || far_away(work)) return false;
  const Axis& last = work.axis[work.axes - 1];
  if (tiled(work) && last.kernel == 2 && last.out >= long_row) return false;
  int64_t cells = 1, outputs = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    if (along.x_step != cells || along.y_step != outputs || along.winner_step != outputs ||
        along.stride <= (along.kernel - 1) * along.dilation) {
      return false;
    }
    cells *= along.n;
    outputs *= along.out;
  }
  return cells > 0 && outputs > 0;
}

void split_first(Work& work, int64_t windows) {
  Axis& first = work.axis[0];
  if (windows == first.out) return;
  const int64_t parts = first.out / windows, by = windows * first.stride;
  work.outer[work.outers++] = {parts, by * first.x_step, windows * first.y_step,
                               windows * first.winner_step};
  work.outer_count *= parts;
  first.n = by;
  first.out = windows;
}

bool make_pieces(const Work& given, int lanes, BackwardPlan& plan) {
  Work work = given;
  const Axis& first = work.axis[0];
  plan.first_windows = windows_at_once(work);
  const bool parts = plan.first_windows < first.out;
  plan.cells_behind = parts ? (first.n - first.out * first.stride) * first.x_step : 0;
  split_first(work, plan.first_windows);
  if (cells_of(work) > kMostPieceCells) return false;
  // The output that each cell is in the window of, or -1, and where there.
  struct Place {
    int64_t output, tap;
  };
  int64_t outputs = 1;
  std::vector<Place> places{{0, 0}};
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    std::vector<Place> along_axis, further;
    for (int64_t i = 0; i < along.n; ++i) {
      const int64_t at = i + along.before, o = at / along.stride, in = at % along.stride;
      const bool found =
          in % along.dilation == 0 && in / along.dilation < along.kernel && o < along.out;
      along_axis.push_back(found ? Place{o, in / along.dilation} : Place{-1, 0});
    }
    for (const Place& before : places) {
      for (const Place& here : along_axis) {
        const bool found = before.output >= 0 && here.output >= 0;
        further.push_back(found ? Place{before.output * along.out + here.output,
                                        before.tap * along.kernel + here.tap}
                                : Place{-1, kNoTap});
      }
    }
    places = std::move(further);
    outputs *= along.out;
  }
  int64_t lowest = 0, highest = 0;  // outputs of the piece
  for (size_t cell = 0; cell < places.size(); ++cell) {
    const auto [output, tap] = places[cell];
    bool next = cell == 0 || plan.kept_pieces.back().cells == lanes;
    if (!next && output >= 0 && highest >= 0) {
      next = std::max(output, highest) - std::min(output, lowest) >= lanes;
    }
    if (next) {
      plan.kept_pieces.push_back({static_cast<int64_t>(cell), 0, 0, {}, {}});
      lowest = outputs, highest = -1;
    }
    Piece& piece = plan.kept_pieces.back();
    if (output >= 0) lowest = std::min(lowest, output), highest = std::max(highest, output);
    piece.y = lowest;
    piece.wanted[piece.cells++] = static_cast<uint8_t>(tap);
  }
  for (Piece& piece : plan.kept_pieces) {
    // as many outputs as there are lanes can be read, where there are as many at all
    piece.y = std::max<int64_t>(0, std::min(piece.y, outputs - lanes));
    for (int64_t i = 0; i < piece.cells; ++i) {
      const int64_t output = places[static_cast<size_t>(piece.x + i)].output;
      if (output >= 0) piece.from[i] = static_cast<uint8_t>(output - piece.y);
    }
  }
  plan.in_pieces = true;
  plan.pieces = static_cast<int64_t>(plan.kept_pieces.size());
  plan.piece = plan.kept_pieces.data();
  leave_whole(work, plan);
  list_offsets(work, plan);
  keep_allowed(work, outputs, plan);
  plan.scratch = 64;
  plan.cost = 8 + 3.3 * static_cast<double>(plan.pieces);
  return true;
}

bool one_line(const Work& work) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (along.n != along.out || along.stride != 1) return false;
  }
  return in_one_run(work);
}

bool make_line(const Work& work, int element_bytes, int lanes, int threads, BackwardPlan& plan) {
  if (work.winner_bytes != 1 || far_away(work)) return false;
  // Each tap is a step for as many cells as there are lanes, whoever won; a scatter takes three to
  // four for each cell. Measured on planes of 7x7 to 112x112: 3x3 gains, 5x5 does not (but bytes,
  // of which 6x6 do not).
  const bool one_tile = cells_of(work) * element_bytes <= kMostTileBytes / (2 * kTogether);
  const int most = !one_tile ? 16 : element_bytes == 2 ? 3 : 5;
  const int64_t most_taps = one_tile ? 32 : kMostLineTaps;
  if (4 * work.cells > most * lanes || work.cells > most_taps) return false;
  std::vector<int64_t> offsets{0}, winners{0};
  int64_t step = work.inner, run = work.inner;
  for (int a = work.axes - 1, weight = 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    std::vector<int64_t> further_offsets, further_winners;
    for (int64_t tap = along.kernel - 1; tap >= 0; --tap) {
      for (size_t i = 0; i < offsets.size(); ++i) {
        further_offsets.push_back(offsets[i] + (along.before - tap * along.dilation) * step);
        further_winners.push_back(winners[i] + tap * weight);
      }
    }
    offsets = std::move(further_offsets), winners = std::move(further_winners);
    step *= along.n;
    run *= along.out;
    weight *= static_cast<int>(along.kernel);
  }
  const int64_t reach = offsets.back() - offsets.front();
  plan.line_copied = 2 * reach + kLineCopied;
  if (carved(plan.line_copied, element_bytes + 1) > kMostLineBytes) return false;
  plan.line = true;
  leave_whole(work, plan);
  const double share = kDirectBytes / (cells_of(work) * element_bytes);
  const double rows = std::max(kLeastLineRows, share * static_cast<double>(work.axis[0].out));
  if (rows < static_cast<double>(work.axis[0].out)) {
    plan.cut[0].tile = std::max<int64_t>(1, static_cast<int64_t>(rows));
    plan.cut[0].tiles = ceil_div(work.axis[0].out, plan.cut[0].tile);
  }
  count_items(work, plan);
  const auto taps = static_cast<int64_t>(offsets.size());
  plan.kept.push_back(std::move(offsets));
  const int64_t* at = plan.kept.back().data();
  plan.kept.push_back(std::move(winners));
  plan.line_taps = {taps, at, plan.kept.back().data()};
  const int64_t row = taps > 3 ? at[3] - at[0] : 0;
  const int64_t most_kept = std::min(kMostLineSums, kMostTileBytes / (2 * threads));
  plan.line_panel = ceil_div(std::min(row, most_kept / element_bytes), kLineBlock) * kLineBlock;
  list_offsets(work, plan);
  keep_allowed(work, run, plan);
  plan.scratch = carved(plan.line_copied + kLineBlock, element_bytes) +
                 carved(plan.line_copied + kLineBlock, 1) + carved(kLineBlock, element_bytes) +
                 carved(2 * (plan.line_panel + kLineBlock), element_bytes);
  const double all = cells_of(work), asked = all * static_cast<double>(work.cells);
  const bool tiny = all <= kTinyLine && work.cells <= 9;
  plan.cost = 0.04 * element_bytes * all + 0.01 * element_bytes * asked;
  if (tiny && element_bytes >= 4) plan.cost = 9 + all;
  return true;
}

}  // namespace ndpool
