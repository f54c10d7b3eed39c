#include "plan.h"

#include <algorithm>
#include <array>

namespace ndpool {
namespace {

// A tile and its intermediates stay in the second-level cache.
constexpr int64_t kTileBytes = 384 << 10, kLeastTileBytes = 32 << 10;
constexpr int64_t kAllTileBytes = 1 << 20;   // of all threads
constexpr int64_t kMostTileBytes = 1 << 20;  // for windows that need it
constexpr int64_t kFar = int64_t{1} << 40;   // products of two such sizes are never formed
constexpr int64_t kJointCells = 9;           // up to here one pass over all taps is fastest
constexpr int64_t kDirectCells = 25;         // of a window that is folded without a tile
constexpr int64_t kLeastAcross = 32;         // bytes of a run of inner cells
constexpr double kDirectBytes = 64 << 10;    // of the input in a share of work
constexpr int64_t kStretchCells = 16;  // of a window whose outer cells are gone over as a line
constexpr double kStretchedCells = 1 << 15;  // of such an outer cell
constexpr int64_t kMostStretches = 2048;
constexpr int64_t kTapsAtOnce = 5;         // along one axis; beyond, by doubling
constexpr int64_t kChunk = 2048;           // outputs: from the last pass to the result in L1
constexpr int64_t kMostChecked = 1 << 16;  // outputs times axes whose taps are listed one by one
constexpr int64_t kSmallBytes = 8 << 10;   // an outer cell that is best scattered
constexpr int64_t kMostLineTaps = 128;
constexpr int64_t kMostAllowed = 1 << 14;     // outputs whose winners are checked one by one
constexpr int64_t kLineCopied = 2048;         // cells of a line at a time, and those around them
constexpr size_t kMostLineBytes = 256 << 10;  // of a line, around its ends
constexpr int64_t kLongRow = 48;
constexpr double kPieceCells = 4096;           // of an outer cell whose windows do not overlap
constexpr int64_t kMostPieceCells = 1 << 15;   // the same, where it cannot be split
constexpr int64_t kScatterRow = 1024;          // outputs read at a time
constexpr int64_t kMostListed = 1 << 16;       // window cells whose taps are listed, not divided
constexpr int64_t kMostListedBytes = 1 << 18;  // for the windows at the borders

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
size_t carved(int64_t count, int64_t bytes) {
  return static_cast<size_t>((count * bytes + 2 * 64 + 63) / 64 * 64);
}

bool far_away(const Work& work) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    for (int64_t size : {along.n, along.stride, along.dilation, along.before, along.out}) {
      if (size >= kFar) return true;
    }
    if (along.kernel >= (1 << 20)) return true;
  }
  return false;
}

// How much of a tile along this axis is not repeated in the next one: worth keeping high.
double kept_share(const Axis& along, int64_t tile) {
  return static_cast<double>(tile) * static_cast<double>(along.stride) /
         static_cast<double>((along.kernel - 1) * along.dilation + 1);
}

// The cells of the input behind one outer cell.
double cells_of(const Work& work) {
  double cells = static_cast<double>(work.inner);
  for (int a = 0; a < work.axes; ++a) cells *= static_cast<double>(work.axis[a].n);
  return cells;
}

// Halve the tile until `bytes()` of it fit; the leading axes first, unless that repeats more work.
template <class Bytes>
bool shrink(const Work& work, Cut* cut, int64_t& inner_tile, int threads, Bytes bytes) {
  const int64_t room = std::clamp(kAllTileBytes / threads, kLeastTileBytes, kTileBytes);
  while (bytes() > static_cast<double>(room)) {
    if (inner_tile >= 512) {
      inner_tile = ceil_div(inner_tile, 2);
      continue;
    }
    int best = -1;
    double best_share = 0;
    for (int a = 0; a < work.axes; ++a) {
      if (cut[a].tile == 1) continue;
      const double share = kept_share(work.axis[a], cut[a].tile) * (a == work.axes - 1 ? 0.25 : 1);
      if (share > best_share) best = a, best_share = share;
    }
    if (best >= 0 && (best_share > 2 || bytes() > kMostTileBytes)) {
      cut[best].tile = ceil_div(cut[best].tile, 2);
    } else if (inner_tile > 1) {
      inner_tile = ceil_div(inner_tile, 2);
    } else {
      break;
    }
  }
  return bytes() <= kMostTileBytes;
}

template <class Plan>
void count_items(const Work& work, Plan& plan) {
  plan.inner_tiles = ceil_div(work.inner, plan.inner_tile);
  plan.items = work.outer_count * plan.inner_tiles;
  for (int a = 0; a < work.axes; ++a) plan.items *= plan.cut[a].tiles;
}

// Of each combination of classes, row-major: its taps, the last first, which for any one cell is
// the order of its outputs.
void list_taps(const Work& work, BackwardPlan& plan) {
  std::vector<std::vector<int64_t>> offsets{{0}}, winners{{0}};
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    std::vector<std::vector<int64_t>> further_offsets, further_winners;
    for (size_t c = 0; c < offsets.size(); ++c) {
      for (int64_t residue = 0; residue < along.stride; ++residue) {
        std::vector<int64_t> some_offsets, some_winners;
        for (size_t i = 0; i < offsets[c].size(); ++i) {
          for (int64_t tap = along.kernel - 1; tap >= 0; --tap) {
            if (tap * along.dilation % along.stride != residue) continue;
            const int64_t back = tap * along.dilation / along.stride;
            some_offsets.push_back(offsets[c][i] + (plan.halo[a] - back) * plan.cut[a].slot_step);
            some_winners.push_back(winners[c][i] * along.kernel + tap);
          }
        }
        further_offsets.push_back(std::move(some_offsets));
        further_winners.push_back(std::move(some_winners));
      }
    }
    offsets = std::move(further_offsets), winners = std::move(further_winners);
  }
  plan.combinations = static_cast<int64_t>(offsets.size());
  for (size_t c = 0; c < offsets.size(); ++c) {
    const auto taps = static_cast<int64_t>(offsets[c].size());
    plan.kept.push_back(std::move(offsets[c]));
    const int64_t* at = plan.kept.back().data();
    plan.kept.push_back(std::move(winners[c]));
    plan.combinations_kept.push_back({taps, at, plan.kept.back().data()});
  }
  plan.of_combination = plan.combinations_kept.data();
}

// For each offset in the window: its taps, and whether the windows at the borders have it inside
// the input.
void list_offsets(const Work& work, BackwardPlan& plan) {
  int64_t borders = 0;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    const int64_t span = (along.kernel - 1) * along.dilation;
    const int64_t from = std::min(along.out, ceil_div(along.before, along.stride));
    // the first window from there on that reaches over the end
    const int64_t room = along.n - span + along.before;
    const int64_t to = room > 0 ? std::min(along.out, ceil_div(room, along.stride)) : 0;
    plan.inside_from[a] = from;
    plan.inside_to[a] = std::max(from, to);
    borders += along.out - (plan.inside_to[a] - from);
  }
  plan.listed = work.cells <= kMostListed && borders * work.cells <= kMostListedBytes;
  if (work.cells > kMostListed) return;
  int64_t weight = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    std::vector<int32_t> taps(static_cast<size_t>(work.cells));
    for (size_t i = 0; i < taps.size(); ++i) {
      const int64_t tap = static_cast<int64_t>(i) / weight % along.kernel;
      taps[i] = static_cast<int32_t>(tap);
    }
    weight *= along.kernel;
    if (plan.listed) {
      std::vector<uint8_t> inside;
      for (int64_t o = 0; o < along.out; ++o) {
        if (o >= plan.inside_from[a] && o < plan.inside_to[a]) o = plan.inside_to[a];
        if (o >= along.out) break;
        for (const int32_t tap : taps) {
          const int64_t cell = o * along.stride - along.before + tap * along.dilation;
          inside.push_back(cell >= 0 && cell < along.n);
        }
      }
      inside.push_back(0);  // never empty
      plan.kept_inside.push_back(std::move(inside));
      plan.inside[a] = plan.kept_inside.back().data();
    }
    plan.kept_taps.push_back(std::move(taps));
    plan.tap_of[a] = plan.kept_taps.back().data();
  }
}

// The lists of `Windows`, with room for what a last vector reads.
void list_windows(const Work& work, BackwardPlan& plan) {
  const auto room = static_cast<size_t>(plan.found_run) + 64;
  const auto keep = [&](std::vector<uint16_t> values) {
    plan.kept_windows.push_back(std::move(values));
    return plan.kept_windows.back().data();
  };
  std::vector<uint16_t> begin(room);
  int64_t cell_step = work.inner, place_step = work.inner;  // of the axis: in cells, in outputs
  for (int64_t i = 0; i < plan.found_run; ++i) {
    begin[static_cast<size_t>(i)] = static_cast<uint16_t>(i % work.inner);
  }
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    std::vector<uint16_t> first(room), more(room);
    for (int64_t at = 0; at < plan.found_run; at += place_step) {
      const int64_t start = at / place_step % along.out * along.stride - along.before;
      const int64_t lo = start < 0 ? ceil_div(-start, along.dilation) : 0;
      const int64_t hi = std::min(along.kernel - 1, (along.n - 1 - start) / along.dilation);
      for (int64_t i = at; i < at + place_step; ++i) {
        const auto place = static_cast<size_t>(i);
        first[place] = static_cast<uint16_t>(lo);
        more[place] = static_cast<uint16_t>(hi - lo);
        begin[place] = static_cast<uint16_t>(begin[place] + start * cell_step);
      }
    }
    plan.windows.first[a] = keep(std::move(first));
    plan.windows.more[a] = keep(std::move(more));
    plan.windows.step[a] = static_cast<uint16_t>(cell_step * along.dilation);
    cell_step *= along.n;
    place_step *= along.out;
  }
  plan.windows.begin = keep(std::move(begin));
}

// The bits of `allowed`, with room for what a last vector reads.
std::vector<uint32_t> list_allowed(const Work& work, int64_t run) {
  std::vector<uint32_t> allowed(static_cast<size_t>(run) + 64);
  for (int64_t i = 0; i < run; ++i) {
    uint32_t& bits = allowed[static_cast<size_t>(i)];
    for (int64_t cell = 0; cell < work.cells; ++cell) {
      int64_t place = i / work.inner, rest = cell;
      bool inside = true;
      for (int a = work.axes - 1; a >= 0; --a) {
        const Axis& along = work.axis[a];
        const int64_t at =
            place % along.out * along.stride - along.before + rest % along.kernel * along.dilation;
        inside &= at >= 0 && at < along.n;
        place /= along.out;
        rest /= along.kernel;
      }
      bits |= uint32_t{inside} << cell;
    }
  }
  return allowed;
}

}  // namespace

bool make_forward(const Work& work, int element_bytes, int threads, ForwardPlan& plan) {
  if (far_away(work)) return false;
  const auto keep = [&](std::vector<int64_t> values) {
    plan.kept.push_back(std::move(values));
    return plan.kept.back().data();
  };
  plan.joint = work.cells <= kJointCells && work.axes == 2;
  std::array<int64_t, kMostAxes> halo{};
  std::array<bool, kMostAxes> as_is{};
  std::array<std::vector<int64_t>, kMostAxes> tap_class;  // of each tap: the class it is in
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    Cut& cut = plan.cut[a];
    if ((along.kernel - 1) >= kFar / along.dilation) return false;
    const int64_t span = (along.kernel - 1) * along.dilation;
    as_is[a] = along.stride == 1 || (plan.joint && a == 0 && along.stride <= span + 1);
    cut.slot_stride = as_is[a] ? 1 : along.stride;
    halo[a] = as_is[a] ? span - along.stride + 1 : span / along.stride;
    if (halo[a] * element_bytes > kMostTileBytes) return false;
    std::vector<int64_t> residues;
    for (int64_t tap = 0; tap < along.kernel; ++tap) {
      const int64_t residue = as_is[a] ? 0 : tap * along.dilation % along.stride;
      auto found =
          as_is[a] ? residues.begin() : std::find(residues.begin(), residues.end(), residue);
      if (found == residues.end()) found = residues.insert(residues.end(), residue);
      tap_class[a].push_back(found - residues.begin());
      if (residues.size() > 64) return false;  // as TileLoader::kKnown
    }
    cut.classes = static_cast<int64_t>(residues.size());
    cut.residue = keep(residues);
    cut.tile = along.out;
  }
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  const auto slots = [&](int a) {
    return plan.cut[a].tile * (as_is[a] ? work.axis[a].stride : 1) + halo[a];
  };
  const auto raw = [&] {
    double cells = static_cast<double>(plan.inner_tile);
    for (int a = 0; a < work.axes; ++a) {
      cells *= static_cast<double>(plan.cut[a].classes * slots(a));
    }
    return cells;
  };
  if (!shrink(work, plan.cut, plan.inner_tile, threads,
              [&] { return raw() * element_bytes * 4; })) {
    return false;
  }
  for (int a = 0; a < work.axes; ++a) {
    Cut& cut = plan.cut[a];
    cut.tiles = ceil_div(work.axis[a].out, cut.tile);
    cut.tile = ceil_div(work.axis[a].out, cut.tiles);
    cut.slots = slots(a);
  }
  count_items(work, plan);

  // In the scratch: classes of the last axis, ..., of the first; then slots of the first axis,
  // ..., of the last; then the inner run.
  const int last = work.axes - 1;
  int64_t step = plan.inner_tile;
  for (int a = last; a >= 0; --a) {
    plan.cut[a].slot_step = step;
    step *= plan.cut[a].slots;
  }
  for (int a = 0; a <= last; ++a) {
    plan.cut[a].class_step = step;
    step *= plan.cut[a].classes;
  }
  plan.tile_cells = step;
  plan.tile_out = plan.inner_tile;
  for (int a = 0; a < work.axes; ++a) plan.tile_out *= plan.cut[a].tile;

  plan.passes = 0;
  const auto add_pass = [&](int64_t rows, int64_t from_pitch, int64_t to_pitch, int64_t run,
                            std::vector<int64_t> offsets, std::vector<int64_t> adds) {
    if (from_pitch == to_pitch) run += (rows - 1) * from_pitch, rows = 1;
    const auto taps = static_cast<int64_t>(offsets.size());
    plan.pass[plan.passes++] = {rows,          from_pitch,           to_pitch, run, taps,
                                keep(offsets), keep(std::move(adds))};
  };

  plan.buffer = 0;
  if (plan.joint) {
    std::vector<int64_t> offsets{0}, adds{0};
    for (int a = 0; a < work.axes; ++a) {
      const Axis& along = work.axis[a];
      std::vector<int64_t> further_offsets, further_adds;
      for (size_t i = 0; i < offsets.size(); ++i) {
        for (int64_t tap = 0; tap < along.kernel; ++tap) {
          const int64_t slot = tap * along.dilation / plan.cut[a].slot_stride;
          further_offsets.push_back(
              offsets[i] + tap_class[a][static_cast<size_t>(tap)] * plan.cut[a].class_step +
              slot * plan.cut[a].slot_step);
          further_adds.push_back(adds[i] * along.kernel + tap);
        }
      }
      offsets = std::move(further_offsets), adds = std::move(further_adds);
    }
    for (int a = 0; a < work.axes; ++a) {
      plan.last_step[a] = plan.cut[a].slot_step * (as_is[a] ? work.axis[a].stride : 1);
    }
    add_pass(1, plan.last_step[0], 0, 0, offsets, adds);
  } else {
    int64_t behind = plan.inner_tile;  // cells that stand behind one slot of the axis
    int64_t weight = 1;                // of the axis in the offset
    for (int a = last; a >= 0; --a) {
      const Axis& along = work.axis[a];
      const Cut& cut = plan.cut[a];
      int64_t rows = 1;
      for (int i = 0; i < a; ++i) rows *= plan.cut[i].classes * plan.cut[i].slots;
      plan.last_step[a] = behind;
      int64_t width = 1;  // taps folded so far
      while (along.stride == 1 && ceil_div(along.kernel, width) > kTapsAtOnce) {
        std::vector<int64_t> offsets, adds;
        for (int64_t i = 0; i < 4; ++i) {
          offsets.push_back(i * width * along.dilation * behind);
          adds.push_back(i * width * weight);
        }
        width *= 4;
        const int64_t pitch = cut.slots * behind;
        const int64_t reach = (width - 1) * along.dilation * behind;
        add_pass(rows, pitch, pitch, pitch - reach, offsets, adds);
        plan.buffer = std::max(plan.buffer, rows * pitch);
      }
      std::vector<int64_t> offsets, adds;
      for (int64_t tap = 0; tap < along.kernel; tap += width) {
        const int64_t at = std::min(tap, along.kernel - width);
        const int64_t slot = at * along.dilation / along.stride;
        const int64_t in_class = tap_class[a][static_cast<size_t>(at)] * rows * cut.slots;
        offsets.push_back((in_class + slot) * behind);
        adds.push_back(at * weight);
      }
      if (along.kernel > 1 || a == 0) {
        add_pass(rows, cut.slots * behind, cut.tile * behind, cut.tile * behind, offsets, adds);
        plan.buffer = std::max(plan.buffer, rows * cut.tile * behind);
      }
      behind *= cut.tile;
      weight *= along.kernel;
    }
  }

  plan.chunk = std::min(kChunk, plan.tile_out);
  plan.scratch = carved(plan.tile_cells, element_bytes) + 2 * carved(plan.chunk, element_bytes) +
                 (work.winners ? 4 : 2) * carved(plan.buffer, element_bytes) +
                 carved(work.padded ? plan.tile_out : 0, element_bytes);
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
  const bool gaps = element_bytes >= 4;  // outputs of other lanes can be brought together
  // Where the window of each output begins, and which of its cells are inside.
  std::vector<int64_t> offset(static_cast<size_t>(work.cells));
  const auto place = [&](int64_t output, int64_t cell) {  // -1: outside
    int64_t at = 0;
    bool inside = true;
    for (int a = work.axes - 1; a >= 0; --a) {
      const Axis& along = work.axis[a];
      const int64_t i =
          output % along.out * along.stride - along.before + cell % along.kernel * along.dilation;
      inside &= i >= 0 && i < along.n;
      at += i * along.x_step;
      output /= along.out;
      cell /= along.kernel;
    }
    return std::pair(at, inside);
  };
  for (int64_t c = 0; c < work.cells; ++c) {
    offset[static_cast<size_t>(c)] = place(0, c).first - place(0, 0).first;
  }
  std::vector<std::vector<uint64_t>> inside;  // of each stretch
  auto& stretches = plan.kept_stretches;
  int64_t lane = lanes;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t begin = place(o, 0).first;
    const int64_t next = stretches.empty() ? lanes : begin - stretches.back().x;
    if (next >= lanes || next <= lane || (!gaps && next != lane + 1) || lane == lanes) {
      if (static_cast<int64_t>(stretches.size()) == kMostStretches) return false;
      stretches.push_back({begin, o, 0, -1, 0});
      inside.emplace_back(static_cast<size_t>(work.cells));
      lane = 0;
    } else {
      lane = next;
    }
    Stretch& stretch = stretches.back();
    ++stretch.outputs;
    stretch.lanes |= uint64_t{1} << lane;
    for (int64_t c = 0; c < work.cells; ++c) {
      inside.back()[static_cast<size_t>(c)] |= uint64_t{place(o, c).second} << lane;
    }
  }
  int64_t edges = 0;
  for (size_t i = 0; i < stretches.size(); ++i) {
    Stretch& stretch = stretches[i];
    bool whole = stretch.x >= 0 && stretch.x + offset.back() + lanes <= cells;
    for (const uint64_t bits : inside[i]) whole &= bits == stretch.lanes;
    if (whole) continue;
    stretch.edge = edges++;
    plan.kept_inside.insert(plan.kept_inside.end(), inside[i].begin(), inside[i].end());
    for (int l = 0; l < 64; ++l) {
      uint8_t first = 0;
      for (size_t c = inside[i].size(); c-- > 0;) {
        if (inside[i][c] >> l & 1) first = static_cast<uint8_t>(c);
      }
      plan.kept_first.push_back(first);
    }
  }
  plan.line.count = static_cast<int64_t>(stretches.size());
  plan.line.cells = cells;
  plan.line.stretch = stretches.data();
  plan.kept.push_back(std::move(offset));
  plan.line.offset = plan.kept.back().data();
  plan.line.inside = plan.kept_inside.data();
  plan.line.first = plan.kept_first.data();
  for (int a = 0; a < work.axes; ++a) {
    plan.cut[a].tile = work.axis[a].out;
    plan.cut[a].tiles = 1;
  }
  plan.inner_tile = 1;
  count_items(work, plan);
  plan.scratch = 64;
  return true;
}

// Shares of work that need no tile: some rows of the first axis each.
template <class Plan>
void cut_first(const Work& work, int element_bytes, Plan& plan) {
  for (int a = 0; a < work.axes; ++a) {
    plan.cut[a].tile = work.axis[a].out;
    plan.cut[a].tiles = 1;
  }
  const Axis& first = work.axis[0];
  double bytes = element_bytes * static_cast<double>(first.stride * work.inner);
  for (int a = 1; a < work.axes; ++a) bytes *= static_cast<double>(work.axis[a].n);
  const auto fit = static_cast<int64_t>(kDirectBytes / bytes);
  const bool one_row = work.axes == 1 && work.inner == 1;
  const int64_t tile = std::max<int64_t>(one_row ? 256 : 1, fit);
  plan.cut[0].tile = std::clamp<int64_t>(tile, 1, std::max<int64_t>(1, first.out));
  plan.cut[0].tiles = ceil_div(first.out, plan.cut[0].tile);
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  count_items(work, plan);
  plan.scratch = 64;
}

bool make_direct(const Work& work, int element_bytes, Forward& plan) {
  const Axis& last = work.axis[work.axes - 1];
  const int64_t rows = work.cells / last.kernel;
  if (work.inner != 1 || last.x_step != 1 || last.y_step != 1 || far_away(work) ||
      last.stride != 2 || last.kernel > kMostRowTaps || rows > kMostRows ||
      (last.kernel - 1) * last.dilation > 64 / element_bytes || work.cells > kDirectCells) {
    return false;
  }
  cut_first(work, element_bytes, plan);
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

bool make_gather_across(const Work& work, int element_bytes, BackwardPlan& plan) {
  if (work.inner * element_bytes < 2 * kLeastAcross || work.inner_x_step != 1 ||
      work.inner_y_step != 1 || far_away(work) || work.winner_bytes != 1) {
    return false;
  }
  int64_t asked = 1;  // windows that a cell is in
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    asked *= ((along.kernel - 1) * along.dilation + along.stride) / along.stride;
    if (asked > kMostAsked) return false;
  }
  cut_first(work, element_bytes, plan);
  list_offsets(work, plan);
  plan.across = true;
  const int64_t cells = work.axis[work.axes - 1].n;
  plan.scratch = carved(cells * kMostAsked, 3 * 8) + carved(cells, 8);
  if (plan.scratch > kMostLineBytes) return false;
  return true;
}

// Whether the windows cover the input side by side.
bool tiled(const Work& work) {
  bool all = true;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    all &= along.stride == along.kernel && along.dilation == 1 && along.before == 0 &&
           along.n == along.out * along.kernel;
  }
  return all;
}

// (Long rows of windows of two cells have a way of their own, which is faster by a fifth.)
bool windows_apart(const Work& work) {
  if (work.inner != 1 || work.cells > 255 || far_away(work)) return false;
  const Axis& last = work.axis[work.axes - 1];
  if (tiled(work) && last.kernel == 2 && last.out >= kLongRow) return false;
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

// How many windows along the first axis make some thousand cells, where they cover it exactly.
int64_t windows_at_once(const Work& work) {
  const Axis& first = work.axis[0];
  if (first.n != first.out * first.stride || first.before > 0 || work.outers == kMostOuter) {
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

bool make_pieces(const Work& given, int element_bytes, BackwardPlan& plan) {
  Work work = given;
  plan.first_windows = windows_at_once(work);
  split_first(work, plan.first_windows);
  int64_t cells, outputs;
  cells = static_cast<int64_t>(cells_of(work));
  outputs = 1;
  for (int a = 0; a < work.axes; ++a) outputs *= work.axis[a].out;
  if (cells > kMostPieceCells) return false;
  const int lanes = element_bytes == 8 ? 8 : 16;
  // the output that each cell is in the window of, or -1, and where there
  const auto window = [&](int64_t cell) {
    int64_t output = 0, tap = 0, y_step = 1, tap_step = 1;
    bool found = true;
    for (int a = work.axes - 1; a >= 0; --a) {
      const Axis& along = work.axis[a];
      const int64_t at = cell % along.n + along.before, in = at % along.stride;
      cell /= along.n;
      found &= in % along.dilation == 0 && in / along.dilation < along.kernel &&
               at / along.stride < along.out;
      output += at / along.stride * y_step;
      tap += in / along.dilation * tap_step;
      y_step *= along.out;
      tap_step *= along.kernel;
    }
    return found ? std::pair(output, tap) : std::pair<int64_t, int64_t>(-1, 255);
  };
  int64_t lowest = 0, highest = 0;  // outputs of the piece
  for (int64_t cell = 0; cell < cells; ++cell) {
    const auto [output, tap] = window(cell);
    bool next = cell == 0 || plan.kept_pieces.back().cells == lanes;
    if (!next && output >= 0) {
      next = highest >= 0 && std::max(output, highest) - std::min(output, lowest) >= lanes;
    }
    if (next) {
      if (cell > 0) plan.kept_pieces.back().y = lowest;
      plan.kept_pieces.push_back({cell, 0, 0, {}, {}});
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
      const int64_t output = window(piece.x + i).first;
      if (output >= 0) piece.from[i] = static_cast<uint8_t>(output - piece.y);
    }
  }
  plan.in_pieces = true;
  plan.pieces = static_cast<int64_t>(plan.kept_pieces.size());
  plan.piece = plan.kept_pieces.data();
  plan.inner_tile = 1;
  for (int a = 0; a < work.axes; ++a) {
    plan.cut[a].tile = work.axis[a].out;
    plan.cut[a].tiles = 1;
  }
  count_items(work, plan);
  list_offsets(work, plan);
  if (work.cells <= 32 && outputs <= kMostAllowed) {
    plan.kept_allowed = list_allowed(work, outputs);
    plan.allowed = plan.kept_allowed.data();
  }
  plan.scratch = 64;
  return true;
}

bool one_line(const Work& work) {
  int64_t step = work.inner;
  if (work.inner > 1 && (work.inner_x_step != 1 || work.inner_y_step != 1)) return false;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    if (along.n != along.out || along.stride != 1) return false;
    if (along.x_step != step || along.y_step != step || along.winner_step != step) return false;
    step *= along.n;
  }
  for (int i = work.outers - 1; i >= 0; --i) {
    const Outer& along = work.outer[i];
    if (along.x_step != step || along.y_step != step || along.winner_step != step) return false;
    step *= along.n;
  }
  return true;
}

bool make_line(const Work& work, int element_bytes, int lanes, BackwardPlan& plan) {
  if (work.winner_bytes != 1 || far_away(work)) return false;
  // Each tap is a step for as many cells as there are lanes, whoever won; a scatter takes three to
  // four for each cell. Measured on planes of 7x7 to 112x112: 3x3 gains, 5x5 does not.
  const bool one_tile = cells_of(work) * element_bytes <= kMostTileBytes / (2 * kTogether);
  if (4 * work.cells > (one_tile ? 5 : 16) * lanes || work.cells > kMostLineTaps) return false;
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
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  for (int a = 0; a < work.axes; ++a) {
    plan.cut[a].tile = work.axis[a].out;
    plan.cut[a].tiles = 1;
  }
  const double rows =
      kDirectBytes / (cells_of(work) * element_bytes) * static_cast<double>(work.axis[0].out);
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
  list_offsets(work, plan);
  if (plan.cut[0].tiles == 1 && work.cells <= 32 && run <= kMostAllowed) {
    plan.kept_allowed = list_allowed(work, run);
    plan.allowed = plan.kept_allowed.data();
  }
  plan.scratch = carved(plan.line_copied + kLineBlock, element_bytes) +
                 carved(plan.line_copied + kLineBlock, 1) + carved(kLineBlock, element_bytes);
  return true;
}

bool make_backward(const Work& work, int element_bytes, int lanes, int threads,
                   BackwardPlan& plan) {
  if (far_away(work)) return false;
  int64_t combinations = 1, classes = 1;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (along.kernel - 1 >= kFar / along.dilation) return false;
    plan.halo[a] = (along.kernel - 1) * along.dilation / along.stride;
    combinations = std::min(kFar, combinations * along.stride);
    classes *= std::min(along.stride, along.kernel);
  }
  bool one_run = work.winner_bytes == 1;
  int64_t run = work.inner;
  for (int a = work.axes - 1; a >= 0; --a) {
    one_run &= work.axis[a].winner_step == run;
    run *= work.axis[a].out;
  }
  const double cells_behind = cells_of(work);
  if (one_run && run * work.axes <= kMostChecked && cells_behind < 65536) plan.found_run = run;
  // A gather looks at every tap for as many cells at once as there are lanes; a scatter at the
  // winner alone, one by one, and fast only where all of an outer cell is one tile. Measured on
  // planes of 20x20 to 112x112: small planes are for the scatter, whatever the window.
  const double bytes_behind = cells_behind * element_bytes;
  const bool one_tile = bytes_behind <= kMostTileBytes / (2 * kTogether);
  const bool small = plan.found_run && bytes_behind <= kSmallBytes;
  plan.spread = work.winner_bytes == 1 && work.inner == 1 && tiled(work) &&
                work.axis[work.axes - 1].kernel == 2;
  const int64_t taps = one_tile ? 9 * combinations : 4 * lanes;
  plan.gather = work.winner_bytes == 1 &&
                (plan.spread || (!small && combinations <= std::min<int64_t>(64, 4 * classes) &&
                                 work.cells <= taps));
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    plan.first[a] = plan.gather ? along.before / along.stride : 0;
    plan.cut[a].tile = (along.n - 1 + along.before) / along.stride - plan.first[a] + 1;
  }
  const auto cells = [&] {
    double product = static_cast<double>(plan.inner_tile);
    for (int a = 0; a < work.axes; ++a) {
      product *=
          static_cast<double>(std::min(work.axis[a].n, plan.cut[a].tile * work.axis[a].stride));
    }
    return product;
  };
  const auto slots = [&] {
    double product = static_cast<double>(plan.inner_tile);
    for (int a = 0; a < work.axes; ++a) {
      product *= static_cast<double>(plan.cut[a].tile + plan.halo[a]);
    }
    return product;
  };
  const auto bytes = [&] {
    const double shares = plan.gather ? 2 + static_cast<double>(combinations) : 0;
    return (cells() + slots() * shares) * element_bytes;
  };
  if (!shrink(work, plan.cut, plan.inner_tile, threads, bytes)) return false;

  int64_t step = plan.inner_tile, cells_in_all = plan.inner_tile;
  plan.run = plan.inner_tile;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    Cut& cut = plan.cut[a];
    const int64_t all = (along.n - 1 + along.before) / along.stride - plan.first[a] + 1;
    cut.tiles = ceil_div(all, cut.tile);
    cut.tile = ceil_div(all, cut.tiles);
    cut.slots = cut.tile + plan.halo[a];
    cells_in_all *= std::min(along.n, cut.tile * along.stride);
    if (!plan.gather) continue;
    cut.slot_step = step;
    plan.run += (cut.tile - 1) * step;
    step *= cut.slots;
  }
  plan.cells_in_all = cells_in_all;
  plan.slots_in_all = plan.gather ? step : std::max(plan.inner_tile, kScatterRow);
  count_items(work, plan);
  if (plan.gather) list_taps(work, plan);

  list_offsets(work, plan);
  for (int a = 0; a < work.axes; ++a) {
    if (plan.cut[a].tiles > 1) plan.found_run = 0;
  }
  if (plan.inner_tiles > 1 || (plan.gather && !work.padded)) plan.found_run = 0;
  if (plan.found_run && plan.gather && work.cells <= 32) {
    plan.kept_allowed = list_allowed(work, run);
    plan.allowed = plan.kept_allowed.data();
    plan.found_run = 0;
  }
  if (plan.found_run) list_windows(work, plan);
  // cells of several tiles are counted in 16 bits
  const bool fit = kTogether * plan.cells_in_all < 65536 &&
                   kTogether * plan.cells_in_all * element_bytes <= kMostTileBytes / 2;
  plan.together = !plan.gather && plan.found_run && fit ? kTogether : 1;
  plan.scratch = carved(plan.together * plan.cells_in_all, element_bytes);
  plan.scratch += carved(plan.together * plan.found_run, 2);
  if (plan.gather) {
    plan.scratch += carved(plan.slots_in_all, element_bytes) + carved(plan.slots_in_all, 1) +
                    carved(plan.spread ? 0 : plan.slots_in_all * plan.combinations, element_bytes);
  } else {
    plan.scratch += carved(plan.slots_in_all, element_bytes) + carved(plan.slots_in_all, 4);
  }
  return true;
}

}  // namespace ndpool
