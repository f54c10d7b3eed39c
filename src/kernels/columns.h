// Large windows that hardly overlap, over arrays whose pooled axes are not the last, as where
// channels come last and whole planes are pooled. The cells behind the pooled axes go side by side:
// what is best of them so far stays in the first-level cache, and all else is read once. Backward
// dx is zero, but for a cell here and there.
#pragma once

#include <cstring>

#include "direct.h"
#include "winner_check.h"

namespace ndpool {
namespace {

template <class S, class T>
class Columns {
 public:
  Columns(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        values_(carve<T>(scratch, plan.chunk)),
        winners_(carve<Winner<T>>(scratch, plan.chunk)) {}

  void look_at(const Walk&) {}
  void write(const Walk& walk) {
    count_ = walk.inner_count;
    const S* x = static_cast<const S*>(work_.source) + walk.x + walk.inner;
    outputs(walk, 0, x, walk.y + walk.inner, walk.winners + walk.inner);
  }

 private:
  static constexpr int64_t L = kLanes<T>;

  NDPOOL_RECURSIVE void outputs(const Walk& walk, int a, const S* x, int64_t y, int64_t winner) {
    if (a == work_.axes) return window(x, y, winner);
    const Axis& along = work_.axis[a];
    const int64_t tile = plan_.cut[a].tile, first = walk.tile[a] * tile;
    for (int64_t o = first; o < least(first + tile, along.out); ++o) {
      begin_[a] = o * along.stride - along.before;
      outputs(walk, a + 1, x, y + o * along.y_step, winner + o * along.winner_step);
    }
  }

  void window(const S* x, int64_t y, int64_t winner) {
    for (int64_t i = 0; i < count_; i += plan_.chunk) {
      const int64_t count = least(plan_.chunk, count_ - i);
      begun_ = false;
      work_.winners ? rows<true>(0, x + i, 0, count) : rows<false>(0, x + i, 0, count);
      emit(static_cast<S*>(work_.result) + y + i, values_, count);
      if (work_.winners) emit_winners(work_, winner + i, winners_, count);
    }
  }

  // The cells of the window that are inside the input, in order; `number`: of the first along the
  // axes so far.
  template <bool kWinners>
  NDPOOL_RECURSIVE void rows(int a, const S* x, int64_t number, int64_t count) {
    const Axis& along = work_.axis[a];
    number *= along.kernel;
    const auto [from, to] = taps_inside(along, begin_[a]);
    const int64_t step = along.dilation * along.x_step;
    x += begin_[a] * along.x_step;
    int64_t t = from;
    if (a < last_) {
      for (; t < to; ++t) rows<kWinners>(a + 1, x + t * step, number + t, count);
      return;
    }
    const auto add = [&](auto taps, auto is_first) {
      fold<kWinners, taps(), is_first()>(x + t * step, step, number + t, count);
      t += taps();
    };
    constexpr std::integral_constant<int, 1> one;
    constexpr std::integral_constant<int, 8> eight;
    if (!begun_) add(one, std::true_type{});
    begun_ = true;
    while (t + 8 <= to) add(eight, std::false_type{});
    while (t < to) add(one, std::false_type{});
  }

  // kTaps of the same row, each `count` cells. kFirst: of those of a window.
  template <bool kWinners, int kTaps, bool kFirst>
  void fold(const S* from, int64_t step, int64_t number, int64_t count) {
    const auto block = [&](int64_t i, uint64_t bits) {
      Best<T> found[kTaps];
      for (int t = 0; t < kTaps; ++t) {
        const S* cells = from + t * step + i;
        found[t].value =
            bits == kAll ? load_cells<S, T>(cells) : load_some<S, T>(cells, bits, lowest<S, T>());
        found[t].winner = broadcast(static_cast<Winner<T>>(number + t));
      }
      for (int apart = 1; apart < kTaps; apart *= 2) {
        for (int t = 0; t < kTaps; t += 2 * apart) better(found[t], found[t + apart]);
      }
      if constexpr (!kFirst) {
        Best<T> best{load(values_ + i), Vec<Winner<T>>{}};
        if constexpr (kWinners) best.winner = load(winners_ + i);
        better(best, found[0]);
        found[0] = best;
      }
      store(values_ + i, found[0].value);
      if constexpr (kWinners) store(winners_ + i, found[0].winner);
    };
    if (count < L) return block(0, first_bits(count));
    int64_t i = 0;
    for (; i + L <= count; i += L) block(i, kAll);
    if (i < count) block(count - L, kAll);  // once more some of those before
  }

  static inline void better(Best<T>& earlier, const Best<T>& later) {
    fold_in<false, true, T>(earlier, later.value, later.winner);
  }

  static constexpr uint64_t kAll = ~uint64_t{0};

  const Work& work_;
  const Forward& plan_;
  const int last_;
  T* const values_;  // the best so far of a chunk of the inner run
  Winner<T>* const winners_;
  bool begun_ = false;        // whether there are any
  int64_t count_ = 0;         // of the inner run
  int64_t begin_[kMostAxes];  // of the window at hand
};

template <class S, class T>
int64_t columns(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  char* free = static_cast<char*>(scratch);
  Columns<S, T> way(work, plan, free);
  return write_all(way, work, plan, begin, end);
}

template <class S, class T>
class ScatterColumns {
 public:
  ScatterColumns(const Work& work, const Backward& plan)
      : work_(work), plan_(plan), last_(work.axes - 1) {}

  void write(const Walk& walk) const {
    const Axis& along = work_.axis[0];
    const int64_t tiles = plan_.cut[0].tiles, tile = walk.tile[0];
    const auto [begin, end] = share_of(along.out, tiles, tile);
    S* dx = static_cast<S*>(work_.result) + walk.x;
    clear(0, dx, tile > 0 ? begin * along.stride - along.before : 0,
          tile + 1 < tiles ? end * along.stride - along.before : along.n);
    axis(0, dx, walk.y, walk.winners, begin, end);
  }

 private:
  // Rows of axis a.
  NDPOOL_RECURSIVE void clear(int a, S* dx, int64_t begin, int64_t end) const {
    if (a > last_) return fill(dx, S{}, work_.inner);
    const int64_t step = work_.axis[a].x_step;
    if (a >= plan_.dense_from) {
      std::memset(static_cast<void*>(dx + begin * step), 0,
                  static_cast<size_t>((end - begin) * step) * sizeof(S));
      return;
    }
    const int64_t next = a < last_ ? work_.axis[a + 1].n : 1;
    for (int64_t i = begin; i < end; ++i) clear(a + 1, dx + i * step, 0, next);
  }

  NDPOOL_RECURSIVE void axis(int a, S* dx, int64_t y, int64_t winner, int64_t begin,
                             int64_t end) const {
    const Axis& along = work_.axis[a];
    for (int64_t o = begin; o < end; ++o) {
      S* from = dx + (o * along.stride - along.before) * along.x_step;  // the window's first cell
      const int64_t to_y = y + o * along.y_step, to_winner = winner + o * along.winner_step;
      if (a < last_) {
        axis(a + 1, from, to_y, to_winner, 0, work_.axis[a + 1].out);
      } else {
        add(from, to_y, to_winner);
      }
    }
  }

  void add(S* window, int64_t y, int64_t winner) const {
    const S* dy = static_cast<const S*>(work_.source) + y;
    for (int64_t i = 0; i < work_.inner; ++i) {
      const uint64_t number = winner_at(winner + i);
      S* cell = window + i;
      for (int a = 0; a <= last_; ++a) {
        const Axis& along = work_.axis[a];
        cell += tap_along(work_, plan_, a, number) * along.dilation * along.x_step;
      }
      narrow(as<T>(*cell) + as<T>(dy[i * work_.inner_y_step]), *cell);
    }
  }

  uint64_t winner_at(int64_t at) const {
    switch (work_.winner_bytes) {
      case 1: return static_cast<const uint8_t*>(work_.winners)[at];
      case 2: return static_cast<const uint16_t*>(work_.winners)[at];
      default: return static_cast<const uint32_t*>(work_.winners)[at];
    }
  }

  const Work& work_;
  const Backward& plan_;
  const int last_;
};

template <class S, class T>
int64_t scatter_columns(const Work& work, const Backward& plan, void*, int64_t begin, int64_t end) {
  const ScatterColumns<S, T> way(work, plan);
  return write_checked(work, plan, begin, end,
                       [&](const Walk& walk, const WinnerCheck&, int64_t) { way.write(walk); });
}

}  // namespace
}  // namespace ndpool
