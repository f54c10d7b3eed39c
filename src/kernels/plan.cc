#include <algorithm>
#include <array>
#include <tuple>

#include "plan_parts.h"

namespace ndpool {
namespace {

// A tile and its intermediates stay in the second-level cache.
constexpr int64_t kTileBytes = 384 << 10, kLeastTileBytes = 32 << 10;
constexpr int64_t kAllTileBytes = 1 << 20;  // of all threads
constexpr int64_t kJointCells = 9;          // up to here one pass over all taps is fastest
constexpr int64_t kTapsAtOnce = 5;          // along one axis; beyond, by doubling
constexpr int64_t kLeastWindow = 8;         // from here on by running maxima, where axes allow it
constexpr int64_t kMostWindow = 1024;       // up to here
constexpr int64_t kLine = 64;               // bytes of a line of the cache
constexpr int64_t kLeastRunning = kLine;    // of a slot of the last axis for that
constexpr int64_t kBandBytes = 4 << 10;     // of a band of rows: with its copies in L1
constexpr int64_t kChunk = 2048;            // outputs: from the last pass to the result in L1
constexpr int64_t kMostChecked = 1 << 16;   // outputs, times axes, whose taps are listed one by one
// An outer cell that is best scattered: which costs the same for each output, where a gather goes
// over as many cells at once as there are lanes.
constexpr int64_t kSmallBytes = 40 << 10, kSmallOfPairs = 16 << 10, kSmallOfBytes = 4 << 10;
constexpr int64_t kScatterRow = 1024;          // outputs read at a time
constexpr int64_t kMostListed = 1 << 16;       // window cells whose taps are listed, not divided
constexpr int64_t kMostAllowed = 1 << 15;      // outputs whose winners are checked by their bits
constexpr int64_t kMostEdges = 8;              // of the input, that these bits are
constexpr int64_t kMostListedBytes = 1 << 18;  // for the windows at the borders

// How much of a tile along this axis is not repeated in the next one: worth keeping high.
double kept_share(const Axis& along, int64_t tile) {
  return static_cast<double>(tile) * static_cast<double>(along.stride) /
         static_cast<double>((along.kernel - 1) * along.dilation + 1);
}

// The first window along an axis that lies in the input as a whole, and the first one behind those.
std::pair<int64_t, int64_t> windows_inside(const Axis& along) {
  const int64_t from = std::min(along.out, ceil_div(along.before, along.stride));
  const int64_t room = along.n - (along.kernel - 1) * along.dilation + along.before;
  const int64_t to = room > 0 ? std::min(along.out, ceil_div(room, along.stride)) : 0;
  return {from, std::max(from, to)};
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

// What `TapList` says.
void list_tap_places(const Work& work, BackwardPlan& plan) {
  constexpr size_t kRoom = 16;  // for what a last vector reads
  TapList& list = plan.kept_tap_lists.emplace_back();
  int64_t weight = 1;  // of a tap of the axis in the offset
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    for (int64_t cell = 0; cell < work.cells; ++cell) {
      const int64_t tap = cell / weight % along.kernel;
      list.place[cell] += static_cast<int32_t>(tap * along.dilation * along.x_step);
      list.taps[cell] |= static_cast<uint32_t>(tap) << 8 * a;
    }
    weight *= along.kernel;
    if (!work.padded) continue;
    std::vector<uint32_t> least, most;
    std::tie(list.inside_from[a], list.inside_to[a]) = windows_inside(along);
    for (int64_t o = 0; o < along.out; ++o) {
      const int64_t start = o * along.stride - along.before, behind = along.n - 1 - start;
      int64_t first = start < 0 ? ceil_div(-start, along.dilation) : 0;
      const int64_t last = std::clamp<int64_t>(behind / along.dilation, 0, along.kernel - 1);
      if (behind < 0) first = 1;  // above the last: there is none
      least.push_back(static_cast<uint32_t>(first) << 8 * a);
      most.push_back(static_cast<uint32_t>(last) << 8 * a);
    }
    const auto keep = [&](std::vector<uint32_t>& taps) {
      taps.resize(taps.size() + kRoom);
      plan.kept_least_most.push_back(std::move(taps));
      return plan.kept_least_most.back().data();
    };
    list.least[a] = keep(least), list.most[a] = keep(most);
  }
  plan.tap_list = &list;
}

// The outputs of an outer cell, if their cells are found side by side; else 0.
int64_t found_run(const Work& work) {
  bool fit = work.winner_bytes <= 2 && cells_of(work) < 65536;
  for (int a = 0; a < work.axes; ++a) fit &= work.axis[a].kernel < 1 << 15;  // find_cells divides
  const int64_t run = fit ? run_of_winners(work) : 0;
  return run * work.axes <= kMostChecked ? run : 0;
}

}  // namespace

bool shrink(const Work& work, int element_bytes, Cut* cut, int64_t& inner_tile, int threads,
            const std::function<double()>& bytes) {
  const int64_t room = std::clamp(kAllTileBytes / threads, kLeastTileBytes, kTileBytes);
  const int64_t line = kLine / element_bytes;
  while (bytes() > static_cast<double>(room)) {
    int best = -1;
    double best_share = 0;
    for (int a = 0; a < work.axes; ++a) {
      if (cut[a].tile == 1) continue;
      const double share = kept_share(work.axis[a], cut[a].tile) * (a == work.axes - 1 ? 0.25 : 1);
      if (share > best_share) best = a, best_share = share;
    }
    if (inner_tile >= 512 || (inner_tile > line && best_share < 1)) {
      inner_tile = ceil_div(ceil_div(inner_tile, 2), line) * line;
    } else if (best >= 0 && (best_share > 2 || bytes() > kMostTileBytes)) {
      cut[best].tile = ceil_div(cut[best].tile, 2);
    } else if (inner_tile > 1) {
      inner_tile = ceil_div(inner_tile, 2);
    } else {
      break;
    }
  }
  return bytes() <= kMostTileBytes;
}

// For each offset in the window: its taps, and whether the windows at the borders have it inside
// the input.
void list_offsets(const Work& work, BackwardPlan& plan) {
  int64_t borders = 0;
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    std::tie(plan.inside_from[a], plan.inside_to[a]) = windows_inside(along);
    borders += along.out - (plan.inside_to[a] - plan.inside_from[a]);
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

std::vector<uint32_t> list_allowed(const Work& work, int from_axis, int to_axis,
                                   int64_t first_cell) {
  // An axis after the other: each output so far, and each along the next one.
  std::vector<uint32_t> allowed{~uint32_t{0}};
  int64_t weight = work.cells;  // of a tap of the axis in the offset
  for (int a = 0; a < to_axis; ++a) {
    const Axis& along = work.axis[a];
    weight /= along.kernel;
    if (a < from_axis) continue;
    std::vector<uint32_t> inside(static_cast<size_t>(along.out)), further;
    for (int64_t o = 0; o < along.out; ++o) {
      for (int64_t cell = first_cell; cell < std::min(work.cells, first_cell + 32); ++cell) {
        const int64_t tap = cell / weight % along.kernel;
        const int64_t at = o * along.stride - along.before + tap * along.dilation;
        inside[static_cast<size_t>(o)] |= uint32_t{at >= 0 && at < along.n} << (cell - first_cell);
      }
    }
    further.reserve(allowed.size() * inside.size());
    for (const uint32_t before : allowed) {
      for (const uint32_t bits : inside) further.push_back(before & bits);
    }
    allowed = std::move(further);
  }
  return allowed;
}

// The edges that each window reaches over, row-major along some axes. `inside`: the cells of a
// window that are not beyond each edge, to which those of further ones are added.
static std::vector<uint8_t> list_edges(const Work& work, int from_axis, int to_axis,
                                       std::vector<uint32_t>& inside) {
  const auto all = static_cast<uint32_t>((uint64_t{1} << work.cells) - 1);
  std::vector<uint8_t> edges{0};
  for (int a = from_axis; a < to_axis; ++a) {
    std::vector<uint8_t> along, further;
    const size_t before = inside.size();
    for (const uint32_t cells : list_allowed(work, a, a + 1)) {
      const auto known =
          std::find(inside.begin() + static_cast<int64_t>(before), inside.end(), cells);
      const auto edge = known - inside.begin();
      if (cells != all && known == inside.end()) inside.push_back(cells);
      along.push_back(static_cast<uint8_t>(cells == all || edge >= kMostEdges ? 0 : 1U << edge));
    }
    further.reserve(edges.size() * along.size());
    for (const uint8_t so_far : edges) {
      for (const uint8_t edge : along) further.push_back(so_far | edge);
    }
    edges = std::move(further);
  }
  return edges;
}

void keep_allowed(const Work& work, int64_t outputs, BackwardPlan& plan) {
  bool others_cut = plan.inner_tiles > 1;  // than the first axis
  for (int a = 1; a < work.axes; ++a) others_cut |= plan.cut[a].tiles > 1;
  if (!work.padded || work.cells > 32 || outputs == 0 || others_cut) return;
  const bool whole = plan.cut[0].tiles == 1 && outputs <= kMostAllowed;
  if (!whole) {
    outputs /= work.axis[0].out;
    // Where there are two axes only, rows do better by themselves.
    if (work.axes < 3 || outputs > kMostAllowed || work.axis[0].out > kMostAllowed) return;
  }
  const int from = whole ? 0 : 1;
  const auto keep = [&work](const auto& of_outputs, auto& kept) {
    kept.reserve(of_outputs.size() * static_cast<size_t>(work.inner));
    for (const auto bits : of_outputs) {
      kept.insert(kept.end(), static_cast<size_t>(work.inner), bits);
    }
    return kept.data();
  };
  std::vector<uint32_t> inside;
  const std::vector<uint8_t> edges = list_edges(work, from, work.axes, inside);
  if (!whole) plan.kept_first_edges = list_edges(work, 0, 1, inside);
  if (inside.size() <= kMostEdges) {
    plan.edges.of_output = keep(edges, plan.kept_edges);
    if (!whole) plan.edges.of_first = plan.kept_first_edges.data();
    for (size_t edge = 0; edge < inside.size(); ++edge) {
      for (int64_t cell = 0; cell < work.cells; ++cell) {
        const bool beyond = !(inside[edge] >> cell & 1);
        plan.edges.beyond[cell] |= static_cast<uint8_t>(beyond << edge);
      }
    }
    return;
  }
  if (!whole) {
    plan.kept_first_allowed = list_allowed(work, 0, 1);
    plan.first_allowed = plan.kept_first_allowed.data();
  }
  plan.allowed = keep(list_allowed(work, from, work.axes), plan.kept_allowed);
}

int64_t run_of_winners(const Work& work) {
  int64_t run = work.inner;
  for (int a = work.axes - 1; a >= 0; --a) {
    if (work.axis[a].winner_step != run) return 0;
    run *= work.axis[a].out;
  }
  return run;
}

bool small_enough(const Work& work, int element_bytes) {
  const int64_t most = element_bytes == 1   ? kSmallOfBytes
                       : element_bytes == 2 ? kSmallOfPairs
                                            : kSmallBytes;
  return found_run(work) > 0 && cells_of(work) * element_bytes <= static_cast<double>(most);
}

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
  // Whether windows along this axis go by running maxima, for neighbouring cells side by side.
  const auto runs = [&](int a) {
    const Axis& along = work.axis[a];
    const bool side_by_side = a < work.axes - 1 || work.inner * element_bytes >= kLeastRunning;
    return !plan.joint && side_by_side && along.stride == 1 && along.kernel >= kLeastWindow &&
           along.kernel <= kMostWindow;
  };
  // Where rows are dilated and shorter than what goes side by side, what `Running` writes behind
  // one row is what it would write into the next: unless other slots count there.
  plan.clipped = runs(0) && work.axis[0].dilation == 1;
  for (int a = 0; a < work.axes; ++a) plan.clipped &= work.axis[a].stride == 1;
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
  // The tile, and where passes read and write; with running maxima few of its cells go further.
  const double shares = plan.clipped ? 2.5 : 4;
  if (!shrink(work, element_bytes, plan.cut, plan.inner_tile, threads,
              [&] { return raw() * element_bytes * shares; })) {
    return false;
  }
  plan.repeats = raw() / std::max(1.0, cells_of(work) + outputs_of(work));
  for (int a = 0; a < work.axes; ++a) {
    Cut& cut = plan.cut[a];
    cut.tiles = ceil_div(work.axis[a].out, cut.tile);
    plan.repeats *= static_cast<double>(cut.tiles);
    cut.tile = ceil_div(work.axis[a].out, cut.tiles);
    cut.slots = slots(a);
  }
  count_items(work, plan);
  plan.repeats *= static_cast<double>(plan.inner_tiles);

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
    const auto taps = static_cast<int64_t>(offsets.size());
    plan.pass[plan.passes++] = {
        rows, from_pitch, to_pitch, run, taps, keep(offsets), keep(std::move(adds)), 0, 0, 0};
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
      if (runs(a)) {
        plan.ends = std::max(plan.ends, along.kernel * kRunningVectors);
        plan.pass[plan.passes++] = {
            rows,    cut.slots * behind, cut.tile * behind, behind, along.kernel, nullptr,
            nullptr, cut.tile,           along.dilation,    weight};
        plan.buffer = std::max(plan.buffer, rows * cut.tile * behind);
        if (a == 0) {
          plan.folded = true;
          add_pass(1, 0, 0, 0, {0}, {0});
        }
        behind *= cut.tile;
        weight *= along.kernel;
        continue;
      }
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
        if (a < last || a == 0) plan.buffer = std::max(plan.buffer, rows * pitch);
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
      if (a == last && a > 0) {
        plan.banded = plan.passes;
        const int64_t pitch = cut.slots * behind;
        plan.band =
            plan.banded > 1 ? std::max<int64_t>(1, kBandBytes / (pitch * element_bytes)) : rows;
        plan.band_cells = plan.banded > 1 ? plan.band * pitch : 0;
      }
      behind *= cut.tile;
      weight *= along.kernel;
    }
  }

  plan.chunk = std::min(kChunk, plan.tile_out);
  const int64_t ends = plan.ends * 64 / element_bytes;
  plan.scratch = carved(plan.tile_cells, element_bytes) + 2 * carved(plan.chunk, element_bytes) +
                 (work.winners ? 2 : 1) *
                     (2 * carved(plan.buffer, element_bytes) +
                      2 * carved(plan.band_cells, element_bytes) + carved(ends, element_bytes)) +
                 carved(work.padded ? plan.tile_out : 0, element_bytes);
  plan.cost = 150 + 0.55 * cells_of(work);
  return true;
}

bool make_scatter_rows(const Work& work, int element_bytes, bool in_place, bool lists, int threads,
                       BackwardPlan& plan) {
  constexpr int64_t kMostCells = 1 << 29;  // what is counted in 32 bits stays far from their end
  constexpr int64_t kLeastTile = 1 << 14;  // cells
  if (work.inner != 1 || far_away(work) || work.outer_count == 0) return false;
  if (work.axis[work.axes - 1].winner_step != 1) return false;
  if (work.cells > (work.axes == 1 ? kMostCells : 1 << 20)) return false;  // a float divides them
  int64_t step = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    const Axis& along = work.axis[a];
    if (along.x_step != step) return false;
    const int64_t span = (along.kernel - 1) * along.dilation;
    if (span + along.stride * (kScatteredRow + 1) > kMostCells / 2) return false;
    lists &= span <= kMostCells / step && (!work.padded || along.out <= kMostChecked);
    if (a == 0) break;
    step *= along.n;
    if (step > kMostCells / 2) return false;
  }
  // Some rows of the first axis each: for all threads, but not so few that most windows reach two.
  const Axis& first = work.axis[0];
  const int64_t span = (first.kernel - 1) * first.dilation + 1;
  const bool even = work.outer_count % threads == 0;
  const int64_t shares = even ? 1 : ceil_div(4 * threads, work.outer_count);
  int64_t tile =
      std::max({ceil_div(first.n, shares), kScatterBands * span, ceil_div(kLeastTile, step)});
  if (!in_place) tile = std::min(tile, kTileBytes / (step * element_bytes));
  tile = std::min({tile, kMostCells / 2 / step, first.n});
  if (tile < 1) return false;
  leave_whole(work, plan);
  plan.cut[0].tiles = ceil_div(first.n, tile);
  plan.cut[0].tile = ceil_div(first.n, plan.cut[0].tiles);
  count_items(work, plan);
  plan.in_rows = true;
  plan.cells_in_all = in_place ? 0 : tile * step;
  plan.scratch = kScatterBands * (carved(kScatteredRow, 4) + carved(kScatteredRow, element_bytes)) +
                 carved(plan.cells_in_all, element_bytes);
  if (lists && work.winner_bytes == 1 && work.axes <= 4) list_tap_places(work, plan);
  // bands of a tile, whose first and last rows of outputs are looked at twice
  const auto bands = std::clamp<int64_t>(tile / (2 * span), 1, kScatterBands);
  const auto borders = static_cast<double>((bands * plan.cut[0].tiles - 1) * (span - 1));
  const double twice = borders / static_cast<double>(first.n);
  const double outputs = outputs_of(work) * (1 + twice);
  const double rows = outputs / static_cast<double>(work.axis[work.axes - 1].out);
  plan.cost = 200 + 0.07 * cells_of(work);
  plan.cost += plan.tap_list ? 11 * rows + 0.95 * outputs : 30 * rows + 1.8 * outputs;
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
  const int64_t run = run_of_winners(work);
  plan.found_run = found_run(work);
  // A gather looks at every tap for as many cells at once as there are lanes; a scatter at the
  // winner alone, one by one, and fast only where all of an outer cell is one tile. Measured on
  // planes of 20x20 to 112x112: small planes are for the scatter, whatever the window.
  const double bytes_behind = cells_of(work) * element_bytes;
  const bool one_tile = bytes_behind <= kMostTileBytes / (2 * kTogether);
  const bool small = small_enough(work, element_bytes);
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
  if (!shrink(work, element_bytes, plan.cut, plan.inner_tile, threads, bytes)) return false;

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
  plan.slots_in_all = plan.gather ? step : 0;
  count_items(work, plan);
  if (plan.gather) list_taps(work, plan);

  list_offsets(work, plan);
  for (int a = 0; a < work.axes; ++a) {
    if (plan.cut[a].tiles > 1) plan.found_run = 0;
  }
  if (plan.inner_tiles > 1 || (plan.gather && !work.padded)) plan.found_run = 0;
  if (plan.gather && run > 0) keep_allowed(work, run, plan);
  if (plan.allowed || plan.edges.of_output) plan.found_run = 0;
  if (plan.found_run) list_windows(work, plan);
  // cells of several tiles are counted in 16 bits
  const auto fit = [&](int64_t together) {
    const int64_t all = together * plan.cells_in_all;
    return all <= 65536 && all * element_bytes <= kMostTileBytes / 2;
  };
  plan.together = !plan.gather && plan.found_run ? kTogether : 1;
  while (plan.together > 1 && !fit(plan.together)) plan.together /= 2;
  // eight outer cells a multiple of 4 KiB apart would have the same places in the cache
  const auto meet = [&](int64_t cells) { return cells * element_bytes % 4096 == 0; };
  if (meet(plan.cells_in_all) || meet(plan.found_run)) {
    plan.together = std::min<int64_t>(plan.together, kTogether / 2);
  }
  plan.scratch = carved(plan.together * plan.cells_in_all, element_bytes);
  // cells are found for as many outputs at least as any vector has lanes of two bytes
  plan.targets = plan.together * std::max<int64_t>(plan.found_run, plan.found_run > 0 ? 32 : 0);
  plan.scratch += carved(plan.targets, 2);
  if (plan.gather) {
    plan.scratch += carved(plan.slots_in_all, element_bytes) + carved(plan.slots_in_all, 1) +
                    carved(plan.spread ? 0 : plan.slots_in_all * plan.combinations, element_bytes);
  } else {
    plan.scatter_row = std::max(plan.inner_tile, kScatterRow);
    plan.scatter_all = std::max(plan.scatter_row, plan.together * plan.found_run);
    plan.scratch += carved(plan.scatter_all, element_bytes) + carved(plan.scatter_row, 4);
  }
  const double all = cells_of(work), outputs = outputs_of(work);
  if (plan.spread) {
    plan.cost = 0.05 * element_bytes * all;
  } else if (plan.gather) {  // a vector at a time
    const Axis& row = work.axis[work.axes - 1];
    const double rows = outputs / static_cast<double>(row.out);
    const auto vectors = static_cast<double>(ceil_div(row.out, lanes));
    const double asked = static_cast<double>(work.cells) * rows * vectors;
    plan.cost = 12 * rows * (work.axes - 1) + (element_bytes == 1 ? 1.4 : 1) * asked +
                (row.stride == 1 ? 0.07 : 0.05) * element_bytes * all;
  } else {
    plan.cost = plan.found_run ? 13 + 0.1 * all + 0.75 * outputs : 20 + 0.1 * all + 2 * outputs;
  }
  return true;
}

}  // namespace ndpool
