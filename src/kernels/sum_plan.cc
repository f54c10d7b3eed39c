#include "sum_plan.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace ndpool {
namespace {

constexpr int64_t kRoom = 192 << 10;        // bytes of an arena: well inside the second-level cache
constexpr int64_t kMostRoom = 768 << 10;    // where it has to be more
constexpr int64_t kFar = int64_t{1} << 40;  // products of two such sizes are never formed
constexpr int64_t kMostTaps = 1 << 14;      // along an axis: they are listed
constexpr int64_t kMostStride = 1 << 20;
constexpr int64_t kMostClasses = 64;  // as TileLoader::kKnown
constexpr int64_t kDoubled = 24;      // taps from which sums of 8, 16, ... are shared
constexpr int64_t kSpare = 64 * 2;    // cells that vectors may overshoot

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The taps that a class of cells sums, backward: from the latest window on, `steps` before it.
struct Class {
  int64_t taps = 0, back = 0, step = 1;  // of outputs
};

Class class_of(const Axis& along, int64_t residue) {
  const int64_t common = std::gcd(along.stride, along.dilation);
  Class found;
  found.step = along.dilation / common;
  if (residue % common) return found;
  const int64_t period = along.stride / common;
  int64_t tap = along.dilation == 1 ? residue : 0;
  while (tap < period && (tap * along.dilation - residue) % along.stride != 0) ++tap;
  if (tap >= along.kernel || tap == period) return found;
  found.taps = (along.kernel - 1 - tap) / period + 1;
  found.back = (tap * along.dilation - residue) / along.stride;
  return found;
}

class Builder {
 public:
  Builder(const SumWork& work, int bytes, SumsPlan& plan)
      : work_(work), bytes_(bytes), plan_(plan), last_(work.axes - 1) {
    for (int a = 0; a <= last_; ++a) {
      const Axis& along = work.axis[a];
      span_[a] = (along.kernel - 1) * along.dilation;
      halo_[a] = span_[a] / along.stride;
    }
  }

  // The whole plan for tiles of these sizes; the bytes of its arena.
  int64_t build(const int64_t* tile, int64_t inner_tile) {
    plan_.kept.clear();
    plan_.kept_passes.clear();
    plan_.kept_endings.clear();
    plan_.inner_tile = inner_tile;
    plan_.inner_tiles = ceil_div(std::max<int64_t>(1, work_.inner), inner_tile);
    used_ = 0;
    for (int a = 0; a <= last_; ++a) {
      Cut& cut = plan_.cut[a];
      const int64_t all = outputs(a);
      cut.tiles = ceil_div(all, std::max<int64_t>(1, tile[a]));
      cut.tile = cut.tiles ? ceil_div(all, cut.tiles) : 0;
    }
    if (work_.backward) {
      lay_out_outputs();
      room(plan_.tile_cells);
      gather_passes();
    } else {
      lay_out_cells();
      room(plan_.tile_cells);
      sum_passes();
    }
    plan_.table = plan_.inner_tile;
    for (int a = 0; a <= last_; ++a) {
      plan_.table *= work_.backward ? plan_.cut[a].slots : plan_.cut[a].tile;
    }
    plan_.arena = used_;
    plan_.add_passes = static_cast<int64_t>(plan_.kept_passes.size());
    plan_.add_pass = plan_.kept_passes.data();
    plan_.endings = static_cast<int64_t>(plan_.kept_endings.size());
    plan_.ending = plan_.kept_endings.data();
    return (used_ + (work_.divisors ? plan_.table + kSpare : 0)) * bytes_;
  }

  // What is cut into tiles along an axis: outputs, or backward the outputs that a cell is first in.
  int64_t outputs(int a) const {
    const Axis& along = work_.axis[a];
    if (!work_.backward) return along.out;
    return along.out == 0
               ? 0
               : (along.out - 1 + along.before) / along.stride - along.before / along.stride + 1;
  }

 private:
  int64_t room(int64_t cells) {
    const int64_t start = used_;
    used_ += (cells + kSpare + 63) / 64 * 64;
    return start;
  }
  const int64_t* keep(std::vector<int64_t> values) {
    if (values.empty()) values.push_back(0);
    plan_.kept.push_back(std::move(values));
    return plan_.kept.back().data();
  }

  void add(std::vector<int64_t> offsets, int64_t to, std::vector<Loop> loops, int64_t run,
           bool exact = false) {
    const auto taps = static_cast<int64_t>(offsets.size());
    emit(Step::kAdd, taps, std::move(offsets), to, std::move(loops), run, 1, exact);
  }

  void emit(Step step, int64_t taps, std::vector<int64_t> offsets, int64_t to,
            std::vector<Loop> loops, int64_t run, int64_t every, bool exact) {
    SumPass pass{step, taps, keep(std::move(offsets)), to, 0, {}, run, every, exact};
    loops.erase(std::remove_if(loops.begin(), loops.end(), [](const Loop& l) { return l.n == 1; }),
                loops.end());
    for (size_t i = loops.size(); i-- > 0;) {  // what lies side by side is one run
      if (step != Step::kAdd || loops[i].from != pass.run || loops[i].to != pass.run) {
        loops.resize(i + 1);
        break;
      }
      pass.run *= loops[i].n;
      loops.pop_back();
    }
    for (const Loop& loop : loops) pass.loop[pass.loops++] = loop;
    plan_.kept_passes.push_back(pass);
  }

  // The sums of m cells that stand `step` apart, for all of a run that begins at `from`: where
  // they begin. Sums of 8 become those of 16, 32, ..., and are added up on the way.
  int64_t doubled(int64_t from, int64_t step, int64_t m, int64_t length) {
    const auto shifted = [&](int64_t start, int64_t taps) {
      std::vector<int64_t> offsets;
      for (int64_t t = 0; t < taps; ++t) offsets.push_back(start + t * step);
      return offsets;
    };
    const int64_t whole = room(length), total = room(length);
    add(shifted(from, 8), whole, {}, length - 7 * step);
    int64_t done = m % 8;
    if (done) add(shifted(from, done), total, {}, length - (done - 1) * step);
    for (int64_t width = 8;; width *= 2) {
      if (m & width) {
        if (!done && 2 * width > m) return whole;
        std::vector<int64_t> both;
        if (done) both.push_back(total);
        both.push_back(whole + done * step);
        add(both, total, {}, length - (done + width - 1) * step);
        done += width;
      }
      if (2 * width > m) return total;
      add({whole, whole + width * step}, whole, {}, length - (2 * width - 1) * step);
    }
  }

  // Every so many cells of each row, from `from` on: where they begin.
  int64_t picked(int64_t from, int64_t rows, int64_t row, int64_t length, int64_t every) {
    const int64_t to = room(rows * length);
    emit(Step::kEvery, 1, {from}, to, {{rows, row, length}}, length, every, false);
    return to;
  }

  // In the arena: classes of the last axis, ..., of the first; then slots of the first axis, ...,
  // of the last; then the inner run. See `Cut`.
  void lay_out_cells() {
    int64_t step = plan_.inner_tile;
    for (int a = last_; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      Cut& cut = plan_.cut[a];
      // Rows stay as they are where they are long, or where sums of many are shared.
      doubled_[a] = along.kernel >= kDoubled && along.kernel >= 4 * along.stride;
      doubled_[a] |= a == last_ && step == 1 && std::min(along.kernel, along.stride) > kMostClasses;
      // Single cells stay as they are until the axes before have made them few.
      sorted_later_[a] = a == last_ && step == 1 && !doubled_[a] &&
                         along.stride <= 2 * (span_[a] + 1) &&
                         along.stride > (last_ > 0 && bytes_ != 4 ? 1 : 2);
      as_is_[a] = along.stride == 1 || doubled_[a] || sorted_later_[a] ||
                  (a < last_ && along.out == 1) ||
                  (a == last_ && std::min(along.kernel, along.stride) > kMostClasses) ||
                  (step * bytes_ >= 128 && along.stride <= span_[a] + 1);
      std::vector<int64_t> residues;
      tap_class_[a].clear();
      for (int64_t tap = 0; tap < along.kernel; ++tap) {
        const int64_t residue = as_is_[a] ? 0 : tap * along.dilation % along.stride;
        auto found =
            as_is_[a] ? residues.begin() : std::find(residues.begin(), residues.end(), residue);
        if (found == residues.end()) found = residues.insert(residues.end(), residue);
        tap_class_[a].push_back(found - residues.begin());
      }
      cut.classes = static_cast<int64_t>(residues.size());
      cut.residue = keep(std::move(residues));
      cut.slot_stride = as_is_[a] ? 1 : along.stride;
      cut.slots = as_is_[a] ? (cut.tile - 1) * along.stride + 1 + span_[a] : cut.tile + halo_[a];
      if (sorted_later_[a]) cut.slots = (cut.tile + halo_[a]) * along.stride;
      cut.slots = std::max<int64_t>(0, cut.slots);
      cut.slot_step = step;
      step *= cut.slots;
    }
    for (int a = 0; a <= last_; ++a) {
      plan_.cut[a].class_step = step;
      step *= plan_.cut[a].classes;
    }
    plan_.tile_cells = step;
  }

  void sum_passes() {
    int64_t at = 0, done = 1, far = 1;
    for (int a = 0; a <= last_; ++a) far *= plan_.cut[a].classes;
    plan_.every = 1;
    for (int a = 0; a <= last_; ++a) {
      const Axis& along = work_.axis[a];
      const Cut& cut = plan_.cut[a];
      const int64_t behind = cut.slot_step, plane = done * cut.slots * behind;
      far /= cut.classes;
      std::vector<int64_t> taps;
      for (int64_t tap = 0; tap < along.kernel; ++tap) {
        const auto in_class = tap_class_[a][static_cast<size_t>(tap)];
        taps.push_back(at + in_class * plane + tap * along.dilation / cut.slot_stride * behind);
      }
      int64_t row = cut.slots, step = as_is_[a] ? along.stride : 1;
      if (doubled_[a]) {
        at = doubled(at, along.dilation * behind, along.kernel, far * plane);
        taps = {at};
        if (behind == 1 && step > 1) {
          at = picked(at, far * done, row, cut.tile, step);
          row = cut.tile, step = 1, taps = {at};
        }
      } else if (sorted_later_[a]) {
        row = cut.slots / step;
        std::vector<int64_t> classes(static_cast<size_t>(step), -1);
        for (int64_t tap = 0; tap < along.kernel; ++tap) {
          const int64_t place = tap * along.dilation, residue = place % step;
          int64_t& known = classes[static_cast<size_t>(residue)];
          if (known < 0) known = picked(at + residue, 1, 0, far * done * row, step);
          taps[static_cast<size_t>(tap)] = known + place / step;
        }
        step = 1;
      }
      plan_.result_tile[a] = cut.tile;
      plan_.shift[a] = 0;
      if (a == last_) {
        int64_t steps = row * behind;
        plan_.from_step[a] = step * behind;
        for (int i = a - 1; i >= 0; --i) {
          plan_.from_step[i] = steps;
          steps *= plan_.cut[i].tile;
        }
        plan_.kept_endings.push_back({static_cast<int64_t>(taps.size()), keep(std::move(taps)), 0});
        return;
      }
      if (along.kernel > 1 || step > 1 || row != cut.tile) {
        const int64_t to = room(far * done * cut.tile * behind);
        const std::vector<Loop> whole{{far, cut.classes * plane, done * cut.tile * behind},
                                      {done, row * behind, cut.tile * behind}};
        if (step == 1) {
          add(std::move(taps), to, whole, cut.tile * behind);
        } else {
          add(std::move(taps), to, {whole[0], whole[1], {cut.tile, step * behind, behind}}, behind);
        }
        at = to;
      } else {
        at = taps[0];
      }
      done *= cut.tile;
    }
  }

  // Backward: the tile is of dy, whose cells are walked one by one.
  void lay_out_outputs() {
    int64_t step = plan_.inner_tile;
    for (int a = last_; a >= 0; --a) {
      Cut& cut = plan_.cut[a];
      cut.classes = 1;
      cut.residue = keep({0});
      cut.slot_stride = 1;
      cut.slots = cut.tile + halo_[a];
      cut.slot_step = step;
      step *= cut.slots;
    }
    for (int a = 0; a <= last_; ++a) plan_.cut[a].class_step = step;
    plan_.tile_cells = step;
  }

  void gather_passes() {
    int64_t at = 0, behind = plan_.inner_tile;
    for (int a = last_; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const Cut& cut = plan_.cut[a];
      const int64_t stride = along.stride, cells = cut.tile * stride;
      int64_t before = 1;
      for (int i = 0; i < a; ++i) before *= plan_.cut[i].slots;
      plan_.result_tile[a] = cells;
      plan_.shift[a] = along.before % stride;
      plan_.from_step[a] = behind;
      std::vector<std::vector<int64_t>> taps;
      for (int64_t residue = 0; residue < stride; ++residue) {
        taps.push_back(taps_of(a, class_of(along, residue), at, behind, before * cut.slots));
      }
      const bool side_by_side = behind == 1 && stride > 1;
      if (side_by_side) {
        at = interleaved(taps, before, cut);
        taps = {{at}};
      }
      if (a == 0) {
        plan_.every = side_by_side ? 1 : stride;
        for (auto& some : taps) {
          const auto count = static_cast<int64_t>(some.size());
          const auto phase = static_cast<int64_t>(plan_.kept_endings.size());
          plan_.kept_endings.push_back({count, keep(std::move(some)), phase});
        }
      } else if (!side_by_side && (along.kernel > 1 || stride > 1)) {
        const int64_t to = room(before * cells * behind);
        for (int64_t residue = 0; residue < stride; ++residue) {
          auto& some = taps[static_cast<size_t>(residue)];
          const Loop outer{before, cut.slots * behind, cells * behind};
          if (stride == 1) {
            add(std::move(some), to, {outer}, cells * behind);
          } else {
            add(std::move(some), to + residue * behind,
                {outer, {cut.tile, behind, stride * behind}}, behind, true);
          }
        }
        at = to;
      }
      behind *= cells;
    }
  }

  // Where the outputs begin that a class's first cell sums, the earliest first.
  std::vector<int64_t> taps_of(int a, const Class& some, int64_t at, int64_t behind, int64_t rows) {
    std::vector<int64_t> offsets;
    const int64_t first = at + (halo_[a] - some.back - (some.taps - 1) * some.step) * behind;
    if (some.taps >= kDoubled) {
      const int64_t length = rows * behind - (first - at);
      return {doubled(first, some.step * behind, some.taps, length)};
    }
    for (int64_t t = 0; t < some.taps; ++t) offsets.push_back(first + t * some.step * behind);
    return offsets;
  }

  int64_t interleaved(const std::vector<std::vector<int64_t>>& taps, int64_t rows, const Cut& cut) {
    const int64_t length = rows * cut.slots, classes = static_cast<int64_t>(taps.size());
    std::vector<int64_t> sources;
    for (const auto& some : taps) {
      if (some.size() > 1) {
        sources.push_back(room(length));
        add(some, sources.back(), {}, length - (cut.slots - cut.tile));
      } else {
        sources.push_back(some.empty() ? -1 : some[0]);
      }
    }
    const int64_t to = room(rows * cut.tile * classes);
    int64_t run = cut.tile;
    if (cut.slots == cut.tile) run *= rows, rows = 1;
    emit(Step::kInterleave, classes, std::move(sources), to,
         {{rows, cut.slots, cut.tile * classes}}, run, 1, false);
    return to;
  }

  const SumWork& work_;
  const int bytes_;
  SumsPlan& plan_;
  const int last_;
  int64_t used_ = 0;
  std::array<int64_t, kMostAxes> span_{}, halo_{};
  std::array<bool, kMostAxes> as_is_{}, doubled_{}, sorted_later_{};
  std::array<std::vector<int64_t>, kMostAxes> tap_class_;  // of each tap: the class it is in
};

}  // namespace

void prepare(SumWork& work, int element_bytes) {
  double bytes = static_cast<double>(work.inner * element_bytes);
  for (int a = 0; a < work.axes; ++a) {
    bytes *= static_cast<double>(std::max(work.axis[a].n, work.axis[a].out));
  }
  work.small_planes = work.outers > 0 && work.axes < kMostAxes && bytes < kRoom / 8;
  if (!work.small_planes) return;
  const Outer outer = work.outer[--work.outers];
  work.outer_count = 1;
  for (int i = 0; i < work.outers; ++i) work.outer_count *= work.outer[i].n;
  for (int a = work.axes++; a > 0; --a) work.axis[a] = work.axis[a - 1];
  work.axis[0] = {outer.n, 1, 1, 1, 0, outer.n, outer.x_step, outer.y_step, 0};
}

void as_walked(SumWork& work) {
  for (int a = 0; a < work.axes && work.backward; ++a) {
    Axis& along = work.axis[a];
    const int64_t halo = (along.kernel - 1) * along.dilation / along.stride;
    along.before = halo - along.before / along.stride;
    along.stride = along.kernel = along.dilation = 1;
  }
}

void single_windows(SumWork& work) {
  for (int a = 0; a < work.axes; ++a) {
    Axis& along = work.axis[a];
    if ((work.backward ? along.n : along.out) != 1 || along.dilation >= kFar) continue;
    if (along.kernel < kFar / along.dilation) {
      along.stride = std::max(along.stride, (along.kernel - 1) * along.dilation + 1);
    }
  }
}

bool make_sums(const SumWork& work, int element_bytes, int threads, SumsPlan& plan) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    for (int64_t size : {along.n, along.stride, along.dilation, along.before, along.out}) {
      if (size >= kFar) return false;
    }
    if (along.kernel > kMostTaps || (along.kernel - 1) >= kFar / along.dilation) return false;
    if ((along.kernel - 1) * along.dilation * element_bytes > kMostRoom * along.stride) {
      return false;
    }
    if (along.stride > kMostStride) return false;
    const int64_t most_classes = along.dilation == 1 ? kMostTaps : 256;
    if (work.backward && along.stride > most_classes) return false;
  }
  Builder builder(work, element_bytes, plan);
  int64_t tile[kMostAxes], inner = std::max<int64_t>(1, work.inner);
  for (int a = 0; a < work.axes; ++a) tile[a] = std::max<int64_t>(1, builder.outputs(a));
  const auto least_cells = [&] {  // so that no product in a plan comes near the end of 64 bits
    double cells = static_cast<double>(inner);
    for (int a = 0; a < work.axes; ++a) {
      const Axis& along = work.axis[a];
      const int64_t halo = (along.kernel - 1) * along.dilation / along.stride;
      cells *= static_cast<double>(tile[a] + halo);
      cells *= static_cast<double>(work.backward ? along.stride : 1);
    }
    return cells * element_bytes;
  };
  int64_t bytes = 0;
  const int64_t room = std::clamp<int64_t>((1 << 20) / threads, 32 << 10, kRoom);
  for (;;) {
    bytes = least_cells() > 1e9 ? int64_t{1} << 40 : builder.build(tile, inner);
    if (bytes <= room) break;
    int best = -1;
    double best_share = 0;
    for (int a = 0; a < work.axes; ++a) {
      if (tile[a] == 1) continue;
      const Axis& along = work.axis[a];
      // how much of a tile is not repeated in the next one: worth keeping high
      const double share = static_cast<double>(tile[a]) * static_cast<double>(along.stride) /
                           static_cast<double>((along.kernel - 1) * along.dilation + 1) *
                           (a == work.axes - 1 ? 0.25 : 1);
      if (share > best_share) best = a, best_share = share;
    }
    if (inner * element_bytes >= 2048) {
      inner = ceil_div(inner, 2);
    } else if (best >= 0 && (best_share > 2 || bytes > kMostRoom)) {
      tile[best] = ceil_div(tile[best], 2);
    } else if (inner > 1 && bytes > kMostRoom) {
      inner = ceil_div(inner, 2);
    } else {
      break;
    }
  }
  if (bytes > kMostRoom) return false;
  plan.items = work.outer_count * plan.inner_tiles;
  for (int a = 0; a < work.axes; ++a) plan.items *= plan.cut[a].tiles;
  // the chunk of results that go to another type, and the ends of vectors
  plan.chunk = 1024;
  plan.scratch = static_cast<size_t>(bytes + (plan.chunk + 4 * kSpare) * element_bytes + 512);
  return true;
}

bool pairs_fit(const SumWork& work) {
  bool fit = !work.backward && !work.powers;
  int64_t x_step = 1, y_step = 1;
  for (int a = work.axes - 1; a >= 0; --a) {
    fit &= work.axis[a].x_step == x_step && work.axis[a].y_step == y_step;
    x_step *= work.axis[a].n;
    y_step *= work.axis[a].out;
  }
  return fit;
}

bool make_pair_sums(const SumWork& work, int element_bytes, int lanes, SumsPlan& plan) {
  const int last = work.axes - 1;
  const Axis& pairs = work.axis[last];
  if (work.divisors || work.padded || work.inner != 1 || pairs.kernel != 2 || pairs.stride != 2 ||
      pairs.dilation != 1 || pairs.out < lanes) {
    return false;
  }
  // Along the first axis first: as one tree over all rows that is the same order if the taps of
  // every axis but the last of them are a power of two.
  std::vector<int64_t> offsets{0};
  for (int a = 0; a < last; ++a) {
    const Axis& along = work.axis[a];
    if (along.kernel > 8 || offsets.size() * static_cast<size_t>(along.kernel) > 8) return false;
    if (along.kernel > 1 && (offsets.size() & (offsets.size() - 1))) return false;
    const size_t count = offsets.size();
    for (int64_t tap = 1; tap < along.kernel; ++tap) {
      for (size_t i = 0; i < count; ++i) {
        offsets.push_back(offsets[i] + tap * along.dilation * along.x_step);
      }
    }
  }
  const auto taps = static_cast<int64_t>(offsets.size());
  plan.kept.push_back(std::move(offsets));
  plan.kept_endings.push_back({taps, plan.kept.back().data(), 0});
  plan.ending = plan.kept_endings.data();
  const Axis& first = work.axis[0];
  const int64_t bytes = std::max<int64_t>(1, first.stride * first.x_step * element_bytes);
  plan.inner_tile = plan.inner_tiles = 1;
  plan.items = work.outer_count;
  for (int a = 0; a <= last; ++a) {
    plan.cut[a].tile = std::max<int64_t>(1, work.axis[a].out);
    if (a == 0) plan.cut[a].tile = std::clamp<int64_t>((64 << 10) / bytes, 1, plan.cut[a].tile);
    plan.cut[a].tiles = ceil_div(work.axis[a].out, plan.cut[a].tile);
    plan.items *= plan.cut[a].tiles;
  }
  plan.scratch = 64;
  return true;
}

void merge_blocks(SumWork& work) {
  for (int a = 0; a < work.axes; ++a) {
    const Axis& along = work.axis[a];
    if (!work.backward || along.n == 0 || along.out == 0 || along.dilation != 1) return;
    if (std::max({along.out, along.stride, along.kernel, along.before}) >= kFar / along.out) return;
  }
  // an axis that its one window covers, with the axis before it
  while (work.axes > 1) {
    Axis& along = work.axis[work.axes - 2];
    const Axis& next = work.axis[work.axes - 1];
    const int64_t cells = next.out;
    if (next.n != 1 || next.before != 0 || next.kernel < cells ||
        along.y_step != cells * next.y_step ||
        std::max({along.stride, along.kernel, along.before, along.out}) >= kFar / cells) {
      break;
    }
    along.kernel *= cells, along.stride *= cells, along.before *= cells, along.out *= cells;
    along.y_step = next.y_step;
    --work.axes;
  }
  // planes that windows fill to the end, one after the other
  Axis& first = work.axis[0];
  while (work.outers > 0 && first.before == 0 && first.out == first.n * first.stride) {
    const Outer& outer = work.outer[work.outers - 1];
    if (outer.n == 0 || outer.x_step != first.n * first.x_step ||
        outer.y_step != first.out * first.y_step) {
      break;
    }
    first.n *= outer.n, first.out *= outer.n;
    work.outer_count /= outer.n;
    --work.outers;
  }
}

bool make_blocks(const SumWork& work, int element_bytes, SumsPlan& plan) {
  const int last = work.axes - 1;
  if (!work.backward || work.divisors || work.inner >= kFar) return false;
  if (work.axis[last].y_step != work.inner) return false;  // rows of cells lie side by side
  for (int a = 0; a <= last; ++a) {
    const Axis& along = work.axis[a];
    if (along.dilation != 1 || along.kernel > along.stride || along.before >= kFar ||
        along.stride >= kFar || along.out >= kFar) {
      return false;
    }
    plan.shift[a] = along.before;
    plan.result_tile[a] = along.out + along.before;
  }
  const Axis& first = work.axis[0];
  const int64_t bytes = std::max<int64_t>(1, first.y_step * element_bytes);
  const int64_t windows = (64 << 10) / bytes / first.stride;  // whole ones in a share of work
  plan.result_tile[0] = std::min(plan.result_tile[0], std::max<int64_t>(1, windows) * first.stride);
  const Axis& row = work.axis[last];
  const int64_t cells = plan.result_tile[last] + row.stride + kSpare;
  if (cells >= kFar / (work.inner + 1) || cells * work.inner * element_bytes > kMostRoom) {
    return false;
  }
  plan.arena = cells * work.inner;
  plan.chunk = 2048;
  plan.inner_tile = std::max<int64_t>(1, work.inner);
  plan.inner_tiles = 1;
  plan.items = work.inner ? work.outer_count : 0;
  for (int a = 0; a <= last; ++a) {
    plan.cut[a].tiles = plan.result_tile[a]
                            ? ceil_div(work.axis[a].out + work.axis[a].before, plan.result_tile[a])
                            : 0;
    plan.items *= plan.cut[a].tiles;
  }
  plan.scratch = static_cast<size_t>((plan.arena + 2 * plan.chunk) * element_bytes + 6 * 192);
  return true;
}

}  // namespace ndpool
