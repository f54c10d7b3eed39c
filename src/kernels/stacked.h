// Windows of several rows, three cells apart or more: the rows of all windows side by side are
// folded into one, vectors of neighbouring cells at a time, and then the cells that each window has
// in it. Only these, which are few by now, are picked one by one.
#pragma once

#include "tiles.h"

namespace ndpool {
namespace {

template <class S, class T>
class Stacked {
 public:
  Stacked(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        along_(work.axis[last_]),
        values_(carve<T>(scratch, plan.chunk)),
        numbers_(carve<Winner<T>>(scratch, plan.chunk)),
        rows_(carve<Row>(scratch, work.cells / along_.kernel)) {}

  void look_at(const Walk& walk) {
    begin_ = walk.tile[0] * plan_.cut[0].tile;
    end_ = least(begin_ + plan_.cut[0].tile, work_.axis[0].out);
  }
  void write(const Walk& walk) {
    outputs(0, static_cast<const S*>(work_.source) + walk.x, walk.y, walk.winners);
  }

 private:
  static constexpr int64_t L = kLanes<T>, kBlock = 64;  // outputs side by side
  static_assert(kBlock % L == 0);
  using Number = Winner<T>;
  struct Row {
    const S* cells;
    int64_t number;  // of its first cell in the window
  };

  NDPOOL_RECURSIVE void outputs(int a, const S* x, int64_t y, int64_t winner) {
    if (a == last_) {
      count_ = 0;
      list_rows(0, x, 0);
      return row_of_outputs(y, winner);
    }
    const Axis& along = work_.axis[a];
    for (int64_t o = a > 0 ? 0 : begin_; o < (a > 0 ? along.out : end_); ++o) {
      start_[a] = o * along.stride - along.before;
      outputs(a + 1, x, y + o * along.y_step, winner + o * along.winner_step);
    }
  }

  // Those of the windows at hand that are inside the input.
  NDPOOL_RECURSIVE void list_rows(int a, const S* x, int64_t number) {
    const Axis& along = work_.axis[a];
    number *= along.kernel;
    if (a == last_) {
      rows_[count_++] = {x, number};
      return;
    }
    const auto [from, to] = taps_inside(along, start_[a]);
    for (int64_t t = from; t < to; ++t) {
      list_rows(a + 1, x + (start_[a] + t * along.dilation) * along.x_step, number + t);
    }
  }

  void row_of_outputs(int64_t y, int64_t winner) {
    const int64_t span = (along_.kernel - 1) * along_.dilation + 1;
    const int64_t at_once = (plan_.chunk - span) / along_.stride + 1;
    for (int64_t o = 0; o < along_.out; o += at_once) {
      const int64_t end = least(along_.out, o + at_once);
      const int64_t to = least(along_.n, (end - 1) * along_.stride - along_.before + span);
      // as many as a vector has, if not more, wherever the row ends
      from_ = most(0, least(o * along_.stride - along_.before, to - L));
      const int64_t cells = most(L, to - from_);
      if (work_.winners) {
        if (fold_rows<true, true>(cells)) {
          windows<true, true>(o, end, y, winner);
          continue;
        }
      } else if (fold_rows<true, false>(cells)) {
        windows<true, false>(o, end, y, winner);
        continue;
      }
      fold_rows<false, true>(cells);  // NaN, or zeros of both signs: the order of all cells counts
      windows<false, true>(o, end, y, winner);
    }
  }

  // So many cells from `from_` on. False where that was not clean.
  template <bool kClean, bool kWinners>
  bool fold_rows(int64_t cells) const {
    auto nan = unordered<T>(Vec<T>{}, Vec<T>{});
    const auto block = [&](int64_t i, auto vectors) {
      constexpr int kVectors = vectors();
      const auto cells_of = [&](const Row& row, int v) {
        const Vec<T> some = load_cells<S, T>(row.cells + from_ + i + v * L);
        if constexpr (kClean && std::is_floating_point_v<T>) nan |= unordered<T>(some, some);
        return Best<T>{some, broadcast(static_cast<Number>(row.number))};
      };
      Best<T> best[kVectors];
      for (int v = 0; v < kVectors; ++v) best[v] = cells_of(rows_[0], v);
      for (int64_t r = 1; r < count_; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          const Best<T> next = cells_of(rows_[r], v);
          fold_in<kClean, kWinners, T>(best[v], next.value, next.winner);
        }
      }
      for (int v = 0; v < kVectors; ++v) {
        store(values_ + i + v * L, best[v].value);
        if constexpr (kWinners) store(numbers_ + i + v * L, best[v].winner);
      }
    };
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    int64_t i = 0;
    for (; i + 4 * L <= cells; i += 4 * L) block(i, four);
    for (; i + L <= cells; i += L) block(i, one);
    if (i < cells) block(cells - L, one);  // once more some of those before
    if constexpr (kClean && std::is_floating_point_v<T>) {
      if (any(nan)) return false;
      if constexpr (!kWinners) return !any_of(values_, cells, minus_zeros);
    }
    return true;
  }
  static auto minus_zeros(Vec<T> values) {
    return (Vec<Number>)values == broadcast(static_cast<Number>(Number{1} << (8 * sizeof(T) - 1)));
  }

  // The outputs from o on and before `end`.
  template <bool kClean, bool kWinners>
  void windows(int64_t o, int64_t end, int64_t y, int64_t winner) const {
    const auto [whole, behind] = windows_inside(along_);
    T values[kBlock] = {}, others[kBlock] = {};
    Number numbers[kBlock] = {}, other_numbers[kBlock] = {};
    while (o < end) {
      const int64_t start = o * along_.stride - along_.before;
      const bool inside = o >= whole && o < behind;
      const int64_t count = inside ? least(kBlock, least(end, behind) - o) : 1;
      const auto [from, to] =
          inside ? std::pair{int64_t{0}, along_.kernel} : taps_inside(along_, start);
      pick_cells<kWinners>(start + from * along_.dilation, from, count, values, numbers);
      for (int64_t t = from + 1; t < to; ++t) {
        pick_cells<kWinners>(start + t * along_.dilation, t, count, others, other_numbers);
        better<kClean, kWinners>(count, values, numbers, others, other_numbers);
      }
      emit(static_cast<S*>(work_.result) + y + o, values, count);
      if (work_.winners) emit_winners(work_, winner + o, numbers, count);
      o += count;
    }
  }

  // Every `stride`-th cell of the row from `at` on, and its number in its window.
  template <bool kWinners>
  void pick_cells(int64_t at, int64_t tap, int64_t count, T* values, Number* numbers) const {
    const int64_t stride = along_.stride;
    const T* from = values_ + (at - from_);
    for (int64_t i = 0; i < count; ++i) values[i] = from[i * stride];
    if constexpr (kWinners) {
      const Number* number = numbers_ + (at - from_);
      for (int64_t i = 0; i < count; ++i) {
        numbers[i] = static_cast<Number>(number[i * stride] + tap);
      }
    }
  }

  template <bool kClean, bool kWinners>
  static void better(int64_t count, T* values, Number* numbers, const T* others,
                     const Number* other_numbers) {
    for (int64_t i = 0; i < count; i += L) {
      Best<T> best{load(values + i), {}}, next{load(others + i), {}};
      if constexpr (kWinners) {
        best.winner = load(numbers + i);
        next.winner = load(other_numbers + i);
        const auto sooner = next.winner < best.winner;  // that of two that are equal
        const Best<T> now = best;
        best = {pick(sooner, next.value, now.value), pick(sooner, next.winner, now.winner)};
        next = {pick(sooner, now.value, next.value), pick(sooner, now.winner, next.winner)};
      }
      fold_in<kClean, kWinners, T>(best, next.value, next.winner);
      store(values + i, best.value);
      if constexpr (kWinners) store(numbers + i, best.winner);
    }
  }

  const Work& work_;
  const Forward& plan_;
  const int last_;
  const Axis& along_;
  T* const values_;  // of a chunk of the row: the best cells
  Number* const numbers_;
  Row* const rows_;
  int64_t count_ = 0;              // of rows
  int64_t from_ = 0;               // the first cell of the chunk
  int64_t begin_ = 0, end_ = 0;    // outputs of the item along the first axis
  int64_t start_[kMostAxes] = {};  // of the windows at hand
};

template <class S, class T>
int64_t stacked(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  char* free = static_cast<char*>(scratch);
  Stacked<S, T> way(work, plan, free);
  return write_all(way, work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool
