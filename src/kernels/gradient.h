// Backward by tiles. A gather: every cell of dx sums dy over the windows whose winner points back
// at it, so each is written once, in order, whatever the number of threads. Windows of very many
// cells scatter instead, in the same order of additions.
#pragma once

#include <bit>

#include "direct.h"
#include "stream.h"
#include "winner_check.h"

namespace ndpool {
namespace {

// dy and the winners of a tile, with zero gradient outside the output.
template <class S, class T>
class GradientLoader {
 public:
  GradientLoader(const Work& work, const Backward& plan, T* dy, uint8_t* winners)
      : work_(work), plan_(plan), dy_(dy), winners_(winners) {}

  void look_at(const Walk& walk) {
    fill(dy_, T{}, plan_.slots_in_all);  // what lies outside stays zero from tile to tile
    fill(winners_, uint8_t{0}, plan_.slots_in_all);
    for (int a = 0; a < work_.axes; ++a) {
      const Cut& cut = plan_.cut[a];
      const int64_t first = plan_.first[a] + walk.tile[a] * cut.tile - plan_.halo[a];
      lo_[a] = most(0, -first);
      count_[a] = least(cut.slots, work_.axis[a].out - first) - lo_[a];
      from_[a] = first + lo_[a];
    }
    // From axis one_run_ on, the outputs of the tile lie end to end, where they come from and here.
    one_run_ = work_.axes - 1;
    plain_ = by_rows(work_) && work_.axis[work_.axes - 1].y_step == 1;
    if (!by_rows(work_)) return;
    int64_t length = 1;
    while (one_run_ > 0) {
      const Axis& along = work_.axis[one_run_];
      const bool whole = count_[one_run_] == along.out && plan_.cut[one_run_].slots == along.out;
      if (!whole || along.y_step != length) return;
      length *= along.out;
      const Axis& before = work_.axis[one_run_ - 1];
      if (before.y_step != length || before.winner_step != length) return;
      --one_run_;
    }
  }

  void load(const Walk& walk) const {
    axis(walk, 0, walk.y + walk.inner * work_.inner_y_step, walk.winners + walk.inner, 0);
  }

 private:
  NDPOOL_RECURSIVE void axis(const Walk& walk, int a, int64_t from, int64_t from_winner,
                             int64_t to) const {
    const Axis& along = work_.axis[a];
    from += from_[a] * along.y_step;
    from_winner += from_[a] * along.winner_step;
    to += lo_[a] * plan_.cut[a].slot_step;
    const S* source = static_cast<const S*>(work_.source);
    const auto* winners = static_cast<const uint8_t*>(work_.winners);
    const bool last = a == work_.axes - 1;
    if (a == one_run_ && by_rows(work_)) {
      const int64_t count = count_[a] * plan_.cut[a].slot_step;
      copy_strided(dy_ + to, source + from, last ? along.y_step : 1, count);
      return copy_run(winners_ + to, winners + from_winner, count);
    }
    if constexpr (std::is_same_v<S, T>) {
      if (a == work_.axes - 2 && plain_) return rows(a, from, from_winner, to);
    }
    for (int64_t o = 0; o < count_[a]; ++o) {
      if (last) {
        copy_strided(dy_ + to, source + from, work_.inner_y_step, walk.inner_count);
        copy_run(winners_ + to, winners + from_winner, walk.inner_count);
      } else {
        axis(walk, a + 1, from, from_winner, to);
      }
      from += along.y_step;
      from_winner += along.winner_step;
      to += plan_.cut[a].slot_step;
    }
  }

  // Rows along the last axis whose cells stand next to each other.
  void rows(int a, int64_t from, int64_t from_winner, int64_t to) const {
    const int last = a + 1;
    const Axis& along = work_.axis[a];
    const int64_t step = plan_.cut[a].slot_step, count = count_[last];
    const S* dy = static_cast<const S*>(work_.source) + from + from_[last];
    const auto* winners = static_cast<const uint8_t*>(work_.winners) + from_winner + from_[last];
    to += lo_[last];
    for (int64_t o = 0; o < count_[a]; ++o, to += step) {
      copy_run(dy_ + to, dy + o * along.y_step, count);
      copy_run(winners_ + to, winners + o * along.winner_step, count);
    }
  }

  const Work& work_;
  const Backward& plan_;
  T* const dy_;
  uint8_t* const winners_;
  bool plain_ = false;  // dy and winners of a row have no gaps
  int one_run_ = 0;
  int64_t lo_[kMostAxes], count_[kMostAxes], from_[kMostAxes];
};

// Adds dy[offset[t]] to each of some vectors of cells, for the taps t whose winner is the tap
// itself.
template <class T, int... kVector>
__attribute__((always_inline)) inline void add_taps(Vec<T>* sum, const T* dy,
                                                    const uint8_t* winners, const Taps& taps,
                                                    std::integer_sequence<int, kVector...>) {
  constexpr int L = kLanes<T>;
  for (int64_t t = 0; t < taps.taps; ++t) {
    const T* values = dy + taps.offset[t];
    const uint8_t* won = winners + taps.offset[t];
    const Lanes<T> tap(taps.winner[t]);
    ((sum[kVector] = tap.add_where_equal(won + kVector * L, values + kVector * L, sum[kVector])),
     ...);
  }
}

template <class T, int kUnroll>
inline void gather_block(T* to, const T* dy, const uint8_t* winners, const Taps& taps) {
  Vec<T> sum[kUnroll] = {};
  add_taps(sum, dy, winners, taps, std::make_integer_sequence<int, kUnroll>{});
  for (int u = 0; u < kUnroll; ++u) store(to + u * kLanes<T>, sum[u]);
}

template <class T>
void gather(T* to, const T* dy, const uint8_t* winners, const Taps& taps, int64_t run) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + 4 * L <= run; i += 4 * L) gather_block<T, 4>(to + i, dy + i, winners + i, taps);
  for (; i < run; i += L) gather_block<T, 1>(to + i, dy + i, winners + i, taps);
}

// The same of so many cells and no more, as the array's own.
template <class S, class T, int... kVector>
inline void row_block(S* to, int64_t count, const T* dy, const uint8_t* winners, const Taps& taps,
                      std::integer_sequence<int, kVector...> vectors) {
  constexpr int L = kLanes<T>;
  Vec<T> sum[sizeof...(kVector)] = {};
  add_taps(sum, dy, winners, taps, vectors);
  const auto put = [&](int v) {
    const int64_t left = count - v * L;
    if (left >= L) return put_cells<S, T>(to + v * L, sum[v]);
    if (left > 0) put_cells<S, T>(to + v * L, sum[v], first_bits(left));
  };
  (put(kVector), ...);
}

// to[0] is the first cell of class a, to[1] the first of class b, and so in turn; those of class b
// have their windows `further` on.
template <class S, class T, int... kVector>
inline void pair_block(S* to, int64_t count, const T* dy, const uint8_t* winners, const Taps& a,
                       const Taps& b, int64_t further,
                       std::integer_sequence<int, kVector...> vectors) {
  constexpr int kPairs = 2 * kLanes<T>;
  Vec<T> first[sizeof...(kVector)] = {}, second[sizeof...(kVector)] = {};
  add_taps(first, dy, winners, a, vectors);
  add_taps(second, dy + further, winners + further, b, vectors);
  ((kVector * kPairs < count ? store_pairs<S, T>(to + kVector * kPairs, count - kVector * kPairs,
                                                 first[kVector], second[kVector])
                             : void()),
   ...);
}
// As much at a time as the registers hold: loops of a few taps end in a mispredicted branch.
// `block`: so many vectors from a place on, of which `left` are what is left of the row.
template <int kCells, class Block>
inline void whole_row(int64_t count, const Block& block) {
  for (int64_t i = 0; i < count; i += 4 * kCells) {
    const int64_t left = count - i;
    if (left <= kCells) return block(i, left, std::make_integer_sequence<int, 1>{});
    if (left <= 2 * kCells) return block(i, left, std::make_integer_sequence<int, 2>{});
    block(i, left, std::make_integer_sequence<int, 4>{});
  }
}
template <class S, class T>
inline void pair_row(S* to, int64_t count, const T* dy, const uint8_t* winners, const Taps& a,
                     const Taps& b, int64_t further) {
  whole_row<2 * kLanes<T>>(count, [&](int64_t i, int64_t left, auto vectors) {
    pair_block(to + i, left, dy + i / 2, winners + i / 2, a, b, further, vectors);
  });
}
template <class S, class T>
inline void single_row(S* to, int64_t count, const T* dy, const uint8_t* winners,
                       const Taps& taps) {
  whole_row<kLanes<T>>(count, [&](int64_t i, int64_t left, auto vectors) {
    row_block(to + i, left, dy + i, winners + i, taps, vectors);
  });
}

// The tile of dx: put together from the sums of each class of cells, then written.
template <class S, class T>
class GradientWriter {
 public:
  GradientWriter(const Work& work, const Backward& plan, T* whole)
      : work_(work), plan_(plan), last_(work.axes - 1), whole_(whole) {
    int64_t length = work.inner;
    flat_ = work.axes;
    if (plan.inner_tiles > 1) return;
    while (flat_ > 0 && work.axis[flat_ - 1].x_step == length) {
      length *= work.axis[--flat_].n;
      if (plan.cut[flat_].tiles > 1) return;
    }
  }

  void look_at(const Walk& walk) {
    start_ = walk.inner;
    length_ = walk.inner_count;
    int64_t step = plan_.inner_tile;
    for (int a = last_; a >= 0; --a) {
      const Axis& along = work_.axis[a];
      const Cut& cut = plan_.cut[a];
      const int64_t edge = (plan_.first[a] + walk.tile[a] * cut.tile) * along.stride - along.before;
      begin_[a] = most(0, edge);
      skipped_[a] = begin_[a] - edge;  // cells of the first slots that lie in padding
      count_[a] = most(0, least(along.n, edge + cut.tile * along.stride) - begin_[a]);
      step_[a] = step;
      step *= count_[a];
      start_ += begin_[a] * along.x_step;
      if (a >= flat_) length_ *= count_[a];
    }
  }

  // Put the cells of all classes in their places. `sums` holds those of each combination of
  // classes, row-major, `apart` cells from one to the next. Goes through the tile in order.
  void place(const T* sums, int64_t apart, T* to) const { axis(0, 0, sums, apart, to); }

  // Where to make the tile: the only one of an outer cell in dx itself.
  T* at(const Walk& walk) const {
    if constexpr (std::is_same_v<S, T>) {
      if (flat_ == 0 && plan_.cut[0].tiles == 1) return static_cast<T*>(work_.result) + walk.x;
    }
    return whole_;
  }

  // How far a tile that is made there may be written to: the scratch has room for vectors.
  const T* end(const T* tile) const {
    return tile + plan_.cells_in_all + (tile == whole_ ? 2 * kLanes<T> : 0);
  }

  // Write the tile to dx, at the outer cell `x`.
  void write(int64_t x) const { line(0, whole_, x + start_); }
  // Write `count` cells that lie in dx as one run.
  void write(int64_t x, int64_t count) const {
    emit(static_cast<S*>(work_.result) + x, whole_, count);
  }

  int64_t begin(int a) const { return begin_[a]; }
  int64_t skipped(int a) const { return skipped_[a]; }
  int64_t count(int a) const { return count_[a]; }
  int64_t step(int a) const { return step_[a]; }

 private:
  NDPOOL_RECURSIVE void axis(int a, int64_t combination, const T* sums, int64_t apart,
                             T* to) const {
    const int64_t stride = work_.axis[a].stride;
    if (a == last_) return row(sums + combination * stride * apart, apart, to);
    int64_t c = skipped_[a] % stride;
    sums += skipped_[a] / stride * plan_.cut[a].slot_step;
    const bool before_last = a + 1 == last_;
    const int64_t last_stride = work_.axis[last_].stride;
    for (int64_t i = 0; i < count_[a]; ++i, to += step_[a]) {
      if (before_last) {
        row(sums + (combination * stride + c) * last_stride * apart, apart, to);
      } else {
        axis(a + 1, combination * stride + c, sums, apart, to);
      }
      if (++c == stride) {
        c = 0;
        sums += plan_.cut[a].slot_step;
      }
    }
  }

  void row(const T* sums, int64_t apart, T* to) const {
    const int64_t stride = work_.axis[last_].stride, inner = plan_.inner_tile;
    const int64_t count = count_[last_], skipped = skipped_[last_];
    if (stride == 1) {
      copy_run(to, sums + skipped * inner, count * inner);
    } else {
      int64_t c = skipped % stride;
      sums += skipped / stride * inner;
      for (int64_t i = 0; i < count; ++i, to += inner) {
        for (int64_t k = 0; k < inner; ++k) to[k] = sums[c * apart + k];
        if (++c == stride) {
          c = 0;
          sums += inner;
        }
      }
    }
  }

  NDPOOL_RECURSIVE const T* line(int a, const T* from, int64_t x) const {
    if (a == flat_) {
      emit(static_cast<S*>(work_.result) + x, from, length_);
      return from + (a == work_.axes ? plan_.inner_tile : length_);
    }
    for (int64_t i = 0; i < count_[a]; ++i) from = line(a + 1, from, x + i * work_.axis[a].x_step);
    return from;
  }

  const Work& work_;
  const Backward& plan_;
  const int last_;
  T* const whole_;  // the tile, row-major
  int flat_;        // from this axis on, the tile lies in dx as one run
  int64_t start_ = 0, length_ = 0;
  int64_t begin_[kMostAxes], count_[kMostAxes], skipped_[kMostAxes], step_[kMostAxes];
};

// Add each dy to the cell of the tile that won its window, output by output.
//
// Neighbouring windows often have the same winner, and then each addition waits for the one
// before. So several outer cells go side by side: their additions do not meet.
template <class S, class T>
class Scatter {
 public:
  Scatter(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        row_(carve<T>(scratch, plan.scatter_all)),
        winners_(carve<uint32_t>(scratch, plan.scatter_row)) {
    dense_ = plan.found_run > 0 && (work.inner == 1 || work.inner_y_step == 1);
    for (int a = 0; a < work.axes; ++a) dense_ &= work.axis[a].y_step == work.axis[a].winner_step;
    // outer cells that follow each other without a gap
    const Outer& outer = work.outer[work.outers > 0 ? work.outers - 1 : 0];
    together_ = dense_ && work.outers > 0 && outer.y_step == plan.found_run &&
                outer.x_step == plan.cells_in_all;
  }

  void look_at(const Walk&) {
    cells_ = plan_.inner_tile;
    for (int a = 0; a < work_.axes; ++a) cells_ *= tile_.count(a);
  }

  // The tile of one outer cell; `target` has the cells of the winners, if they were found.
  void add(const Walk& walk, const uint16_t* target, T* to) const {
    if (dense_) return add_all<1>(walk.y, target, to);
    fill(to, T{}, cells_);
    if (plan_.found_run > 0 && by_rows(work_)) {  // dy has gaps, or other steps than the winners
      bring_together(0, walk.y, row_);
      return add_some<1>(target, row_, plan_.found_run, plan_.found_run, to);
    }
    int64_t start[kMostAxes];
    axis(walk, 0, walk.y + walk.inner * work_.inner_y_step, walk.winners + walk.inner, start, to);
  }

  // How many of the next outer cells go side by side.
  int64_t together(const Walk& walk, int64_t items) const {
    const int64_t left = together_ ? least(items, walk.left(work_)) : 1;
    int64_t count = plan_.together;
    while (count > left) count /= 2;
    return count;
  }

  // All of as many outer cells that follow each other, dy from `y` on, into as many tiles.
  void add_all(int64_t count, int64_t y, const uint16_t* target, T* to) const {
    static_assert(kTogether == 8);
    switch (count) {
      case 8: return add_all<8>(y, target, to);
      case 4: return add_all<4>(y, target, to);
      case 2: return add_all<2>(y, target, to);
      default: return add_all<1>(y, target, to);
    }
  }

 private:
  template <int kCount>
  void add_all(int64_t y, const uint16_t* target, T* to) const {
    const S* from = static_cast<const S*>(work_.source) + y;
    const int64_t count = plan_.found_run, cells = plan_.cells_in_all;
    const T* values = row_;
    if constexpr (std::is_same_v<S, T>) {
      values = from;
    } else {
      widen_run(row_, from, kCount * count);
    }
    fill(to, T{}, kCount * cells);
    constexpr int64_t kBlock = 64 / sizeof(S);
    // from a page or two on the processor does as well by itself, unless all is far away
    const int64_t bytes = cells * int64_t{sizeof(T)};
    const bool far = bytes * work_.outer_count > 8 << 20;
    const bool ahead = kCount > 1 && bytes <= (far ? 40 << 10 : 8 << 10);
    const int64_t lines = ceil_div(cells * static_cast<int64_t>(sizeof(S)), 64);
    const int64_t per_block = ceil_div(lines, ceil_div(count, kBlock));
    for (int64_t i = 0, line = 0; i < count; i += kBlock, line += per_block) {
      for (int u = 0; u < kCount && ahead; ++u) {
        // Additions alone would leave the memory idle: meanwhile it brings the next outer cells.
        prefetch<false>(address(from + u * count + i) + kCount * count * int64_t{sizeof(S)});
        for (int64_t l = line; l < line + per_block; ++l) {
          prefetch<true>(address(to + u * cells) + kCount * cells * int64_t{sizeof(T)} + l * 64);
        }
      }
      const int64_t some = least(kBlock, count - i);
      if constexpr (kCount == kTogether) {
        add_eight(target + i * kTogether, values + i, count, some, to);
      } else {
        add_some<kCount>(target + i, values + i, count, some, to);
      }
    }
  }

  // The dy of an outer cell from axis a on, to where they lie side by side. Returns what is behind.
  NDPOOL_RECURSIVE T* bring_together(int a, int64_t from, T* to) const {
    const Axis& along = work_.axis[a];
    if (a == work_.axes - 1) {
      copy_strided(to, static_cast<const S*>(work_.source) + from, along.y_step, along.out);
      return to + along.out;
    }
    for (int64_t o = 0; o < along.out; ++o, from += along.y_step) {
      to = bring_together(a + 1, from, to);
    }
    return to;
  }

  // `some` outputs of each of kCount outer cells, which are `count` apart. Four targets are a load.
  template <int kCount>
  static void add_some(const uint16_t* target, const T* values, int64_t count, int64_t some,
                       T* to) {
    int64_t k = 0;
    for (; k + 4 <= some; k += 4) {
      uint64_t four[kCount];
      for (int u = 0; u < kCount; ++u) std::memcpy(&four[u], target + u * count + k, 8);
      for (int i = 0; i < 4; ++i) {
        for (int u = 0; u < kCount; ++u) to[nth(four[u], i)] += values[u * count + k + i];
      }
    }
    for (; k < some; ++k) {
      for (int u = 0; u < kCount; ++u) to[target[u * count + k]] += values[u * count + k];
    }
  }
  // The same of eight, whose targets lie output by output.
  static void add_eight(const uint16_t* target, const T* values, int64_t count, int64_t some,
                        T* to) {
    static_assert(kTogether == 8);
    const T* second = values + 4 * count;
    for (const T* end = values + some; values < end; ++values, ++second, target += 8) {
      uint64_t four[2];
      std::memcpy(four, target, sizeof(four));
      for (int u = 0; u < 4; ++u) to[nth(four[0], u)] += values[u * count];
      for (int u = 0; u < 4; ++u) to[nth(four[1], u)] += second[u * count];
    }
  }
  static inline uint16_t nth(uint64_t four, int i) {
    constexpr bool kLittle = std::endian::native == std::endian::little;
    return static_cast<uint16_t>(four >> 16 * (kLittle ? i : 3 - i));
  }

  // Where there are several tiles: whatever lies in another one is left out.
  NDPOOL_RECURSIVE void axis(const Walk& walk, int a, int64_t y, int64_t winner, int64_t* start,
                             T* to) const {
    const Axis& along = work_.axis[a];
    const auto [lo, hi] = windows_reaching(along, tile_.begin(a), tile_.begin(a) + tile_.count(a));
    for (int64_t o = lo; o < hi; ++o) {
      start[a] = o * along.stride - along.before - tile_.begin(a);
      const int64_t from = y + o * along.y_step, from_winner = winner + o * along.winner_step;
      if (a < work_.axes - 1) {
        axis(walk, a + 1, from, from_winner, start, to);
      } else if (by_rows(work_)) {  // as much of the row as there is room for
        const int64_t count = least(hi - o, plan_.scatter_row);
        read(from, along.y_step, from_winner, count);
        for (int64_t i = 0; i < count; ++i, start[a] += along.stride) cell(start, i, 0, to);
        o += count - 1;
      } else {
        read(from, work_.inner_y_step, from_winner, walk.inner_count);
        for (int64_t i = 0; i < walk.inner_count; ++i) cell(start, i, i, to);
      }
    }
  }

  void read(int64_t from, int64_t step, int64_t from_winner, int64_t count) const {
    copy_strided(row_, static_cast<const S*>(work_.source) + from, step, count);
    const auto widen_from = [&](const auto* winners) {
      convert_run(winners_, winners + from_winner, count);
    };
    switch (work_.winner_bytes) {
      case 1: return widen_from(static_cast<const uint8_t*>(work_.winners));
      case 2: return widen_from(static_cast<const uint16_t*>(work_.winners));
      default: return widen_from(static_cast<const uint32_t*>(work_.winners));
    }
  }

  inline void cell(const int64_t* start, int64_t i, int64_t inner, T* to) const {
    int64_t place = inner;
    bool inside = true;
    for (int a = work_.axes - 1; a >= 0; --a) {
      const int64_t tap = tap_along(work_, plan_, a, winners_[i]);
      const int64_t at = start[a] + tap * work_.axis[a].dilation;
      inside &= at >= 0 && at < tile_.count(a);
      place += at * tile_.step(a);
    }
    if (inside) to[place] += row_[i];
  }

  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  T* const row_;
  uint32_t* const winners_;
  bool dense_;     // dy lies as the winners do, whose cells were found
  bool together_;  // and so do several outer cells
  int64_t cells_ = 0;
};

template <class S, class T>
class Gather {
 public:
  Gather(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        dy_(carve<T>(scratch, plan.slots_in_all)),
        winners_(carve<uint8_t>(scratch, plan.slots_in_all)),
        sums_(carve<T>(scratch, plan.slots_in_all * plan.combinations)),
        last_(work.axes - 1),
        loader_(work, plan, dy_, winners_) {}

  void look_at(const Walk& walk) {
    loader_.look_at(walk);
    for (int a = 0; a <= last_; ++a) {
      const Axis& along = work_.axis[a];
      class_[a] = tile_.skipped(a) % along.stride;
      slot_[a] = tile_.skipped(a) / along.stride * plan_.cut[a].slot_step;
      begin_[a] = tile_.begin(a) * along.x_step;
    }
  }

  // Where rows of dx have one or two classes of cells, there is no need of a tile.
  bool straight() const {
    const Axis& along = work_.axis[last_];
    return work_.inner == 1 && along.stride <= 2 && along.x_step == 1;
  }
  void add_straight(const Walk& walk) const {
    loader_.load(walk);
    rows(0, 0, 0, static_cast<S*>(work_.result) + walk.x);
  }

  void add(const Walk& walk, const uint16_t*, T* to) const {
    loader_.load(walk);
    for (int64_t i = 0; i < plan_.combinations; ++i) {
      gather(sums_ + i * plan_.slots_in_all, dy_, winners_, plan_.of_combination[i], plan_.run);
    }
    tile_.place(sums_, plan_.slots_in_all, to);
  }

 private:
  // Along axis a, of this combination of classes along those before it.
  NDPOOL_RECURSIVE void rows(int a, int64_t combination, int64_t slot, S* to) const {
    to += begin_[a];
    slot += slot_[a];
    combination *= work_.axis[a].stride;
    int64_t c = class_[a];
    if (a == last_) return row(combination, slot, to);
    for (int64_t i = 0; i < tile_.count(a); ++i, to += work_.axis[a].x_step) {
      if (a + 1 == last_) {
        row((combination + c) * work_.axis[last_].stride, slot + slot_[last_], to + begin_[last_]);
      } else {
        rows(a + 1, combination + c, slot, to);
      }
      if (++c == work_.axis[a].stride) {
        c = 0;
        slot += plan_.cut[a].slot_step;
      }
    }
  }
  void row(int64_t combination, int64_t slot, S* to) const {
    const int64_t c = class_[last_];
    const Taps* taps = plan_.of_combination + combination;
    if (work_.axis[last_].stride == 1) {
      return single_row(to, tile_.count(last_), dy_ + slot, winners_ + slot, *taps);
    }
    pair_row(to, tile_.count(last_), dy_ + slot, winners_ + slot, taps[c], taps[1 - c], c);
  }

  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  T* const dy_;
  uint8_t* const winners_;
  T* const sums_;
  const int last_;
  // where the tile begins: the class, the slot, and how far into dx
  int64_t class_[kMostAxes], slot_[kMostAxes], begin_[kMostAxes];
  GradientLoader<S, T> loader_;
};

// Windows that cover the input side by side, two cells wide along the last axis: each dy goes to
// one cell of its window and zero to the others, with no sums.
// E: what the elements are, where T is only their bits.
template <class S, class T, class E = T>
class Spread {
 public:
  Spread(const Work& work, const Backward& plan, const GradientWriter<S, T>& tile, char*& scratch)
      : work_(work),
        plan_(plan),
        tile_(tile),
        last_(work.axes - 1),
        dy_(carve<T>(scratch, plan.slots_in_all)),
        winners_(carve<uint8_t>(scratch, plan.slots_in_all)),
        loader_(work, plan, dy_, winners_),
        out_(work.past_cache) {}

  void look_at(const Walk& walk) {
    loader_.look_at(walk);
    for (int a = 0; a <= last_; ++a) windows_[a] = tile_.count(a) / work_.axis[a].kernel;
  }

  void add(const Walk& walk, const uint16_t*, T* to) const {
    loader_.load(walk);
    rows(0, to, tile_.end(to), 0, 0);
  }

  // Where the rows of dy have no gaps, there is no need of a tile.
  bool straight() const {
    return std::is_same_v<S, T> && by_rows(work_) && work_.axis[last_].y_step == 1;
  }
  void add_straight(const Walk& walk) {
    int64_t x = walk.x, y = walk.y, winner = walk.winners;
    for (int a = 0; a <= last_; ++a) {
      const Axis& along = work_.axis[a];
      const int64_t first = tile_.begin(a) / along.kernel;
      x += tile_.begin(a) * along.x_step;
      y += first * along.y_step;
      winner += first * along.winner_step;
    }
    straight_rows(0, x, y, winner, 0);
  }

 private:
  NDPOOL_RECURSIVE void straight_rows(int a, int64_t x, int64_t y, int64_t winner, int64_t tap) {
    if (a == last_) return straight_row(x, y, winner, 2 * tap);
    const Axis& along = work_.axis[a];
    for (int64_t o = 0; o < windows_[a]; ++o, y += along.y_step, winner += along.winner_step) {
      for (int64_t i = 0; i < along.kernel; ++i, x += along.x_step) {
        const int64_t next_tap = tap * along.kernel + i;
        if (a + 1 == last_) {
          straight_row(x, y, winner, 2 * next_tap);
        } else {
          straight_rows(a + 1, x, y, winner, next_tap);
        }
      }
    }
  }

  __attribute__((always_inline)) inline void straight_row(int64_t x, int64_t y, int64_t winner,
                                                          int64_t tap) {
    if constexpr (std::is_same_v<S, T>) {
      constexpr int L = kLanes<T>;
      const int64_t windows = windows_[last_];
      T* to = out_.at(static_cast<T*>(work_.result) + x, 2 * windows);
      const T* dy = static_cast<const T*>(work_.source) + y;
      const uint8_t* winners = static_cast<const uint8_t*>(work_.winners) + winner;
      const Vec<Winner<T>> wanted = pair_of(tap);
      const auto block = [&](int64_t o) __attribute__((always_inline)) {
        const Vec<T> values = load(dy + o);
        const Vec<Winner<T>> from = widen_winners<T>(winners + o);
        store(to + 2 * o, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)));
        store(to + 2 * o + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)));
      };
      for (int64_t o = 0; o + L <= windows; o += L) block(o);
      if (windows % L == 0) return;
      if (windows >= L) return block(windows - L);
      const Vec<T> values = load_some<T, T>(dy, bits_between(0, windows), T{});
      const Vec<Winner<T>> from = widen_some<T>(winners, windows);
      store_some(to, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)),
                 bits_between(0, 2 * windows));
      store_some(to + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)),
                 bits_between(0, 2 * windows - L));
    }
  }

  // tap, tap + 1, tap, ...
  static inline Vec<Winner<T>> pair_of(int64_t tap) {
    struct Lanes {
      Winner<T> of[kLanes<T>];
      constexpr Lanes() : of() {
        for (int lane = 1; lane < kLanes<T>; lane += 2) of[lane] = 1;
      }
    };
    static constexpr Lanes second;
    return load(second.of) + broadcast(static_cast<Winner<T>>(tap));
  }

  // Along axis a, for the cells of a window whose offset begins with `tap`. In the tile's order:
  // what a row writes too much, the next one writes again.
  NDPOOL_RECURSIVE void rows(int a, T* to, const T* end, int64_t slot, int64_t tap) const {
    if (a == last_) return row(to, end, dy_ + slot, winners_ + slot, 2 * tap, windows_[a]);
    const int64_t kernel = work_.axis[a].kernel;
    for (int64_t o = 0; o < windows_[a]; ++o, slot += plan_.cut[a].slot_step) {
      for (int64_t i = 0; i < kernel; ++i, to += tile_.step(a)) {
        const int64_t next_tap = tap * kernel + i;
        if (a + 1 == last_) {  // not by another call of this function: rows can be short
          row(to, end, dy_ + slot, winners_ + slot, 2 * next_tap, windows_[last_]);
        } else {
          rows(a + 1, to, end, slot, next_tap);
        }
      }
    }
  }

  // to[2 * o + j] = dy[o] where tap + j won; writes up to two vectors more, but not over the end.
  static inline void row(T* to, const T* end, const T* dy, const uint8_t* winners, int64_t tap,
                         int64_t windows) {
    constexpr int L = kLanes<T>;
    const Vec<Winner<T>> wanted = pair_of(tap);
    for (int64_t o = 0; o < windows; o += L) {
      const Vec<T> values = load(dy + o);
      const Vec<Winner<T>> from = widen_winners<T>(winners + o);
      T last[2 * L];
      T* pairs = end - (to + 2 * o) < 2 * L ? last : to + 2 * o;
      store(pairs, as_sum<E, T>(from_pairs<T, 0>(values, from, wanted)));
      store(pairs + L, as_sum<E, T>(from_pairs<T, L / 2>(values, from, wanted)));
      if (pairs != last) continue;
      for (int64_t i = 0; i < least(2 * L, 2 * (windows - o)); ++i) to[2 * o + i] = last[i];
    }
  }

  const Work& work_;
  const Backward& plan_;
  const GradientWriter<S, T>& tile_;
  const int last_;
  T* const dy_;
  uint8_t* const winners_;
  int64_t windows_[kMostAxes];
  GradientLoader<S, T> loader_;
  Stream out_;
};

// `Way` is Gather, Spread or Scatter.
template <class S, class T, class Way>
int64_t backward_by(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  char* free = static_cast<char*>(scratch);
  T* whole = carve<T>(free, plan.together * plan.cells_in_all);
  auto* target = carve<uint16_t>(free, plan.targets);
  WinnerCheck check(work, plan);
  GradientWriter<S, T> tile(work, plan, whole);
  Way way(work, plan, tile, free);
  Walk walk(work, plan, begin);
  Ahead<false> next_dy;
  Ahead<true> next_dx;
  int64_t seen = -1;
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) {
      check.look_at(walk);
      tile.look_at(walk);
      way.look_at(walk);
      seen = walk.number;
    }
    if constexpr (std::is_same_v<Way, Scatter<S, T>>) {
      if (const int64_t count = way.together(walk, end - item); count > 1) {
        const int64_t x = walk.x, y = walk.y;
        T* to = tile.at(walk);
        const bool fine = check.find(walk, count, target);
        for (int64_t u = 0; u < count; ++u) {
          if (!fine) {
            if (const int64_t bad = check(walk, target)) return bad;
          }
          if (u + 1 < count) walk.next(work, plan);
        }
        item += count - 1;
        way.add_all(count, y, target, to);
        if (to == whole) tile.write(x, count * plan.cells_in_all);
        continue;
      }
    }
    if (const int64_t bad = check(walk, target)) return bad;
    next_dy.look(static_cast<const S*>(work.source) + walk.y);
    if constexpr (requires { way.add_straight(walk); }) {
      if (way.straight()) {
        if (!work.past_cache) next_dx.look(static_cast<const S*>(work.result) + walk.x);
        way.add_straight(walk);
        continue;
      }
    }
    next_dx.look(static_cast<const S*>(work.result) + walk.x);
    T* to = tile.at(walk);
    way.add(walk, target, to);
    if (to == whole) tile.write(walk.x);
  }
  return 0;
}

template <class S, class T>
constexpr auto gathering = backward_by<S, T, Gather<S, T>>;
template <class S, class T>
constexpr auto spreading = backward_by<S, T, Spread<S, T>>;
template <class E>
constexpr auto spreading_halves = backward_by<uint16_t, uint16_t, Spread<uint16_t, uint16_t, E>>;
template <class S, class T>
constexpr auto scattering = backward_by<S, T, Scatter<S, T>>;

}  // namespace
}  // namespace ndpool
