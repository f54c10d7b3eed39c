// Outer cells whose rows are a vector or two: the cells at one tap of all windows of a row are one
// permutation of it, whatever stride, dilation and padding. Each row is read once, and what is best
// in it is kept for all windows that share it; the same of planes, where there are more axes.
// AVX-512 alone has what it takes: masks for the ends of rows, and permutations of two vectors.
#pragma once

#include "direct.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// Lane i of the result is lane from[i] of one vector, or of two side by side.
template <class T>
inline Vec<T> permuted(Vec<T> cells, Vec<Winner<T>> from) {
  const auto v = (__m512i)cells, by = (__m512i)from;
  if constexpr (sizeof(T) == 2) return (Vec<T>)_mm512_permutexvar_epi16(by, v);
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_permutexvar_epi32(by, v);
  if constexpr (sizeof(T) == 8) return (Vec<T>)_mm512_permutexvar_epi64(by, v);
}
template <class T>
inline Vec<T> permuted(Vec<T> low, Vec<T> high, Vec<Winner<T>> from) {
  const auto a = (__m512i)low, b = (__m512i)high, by = (__m512i)from;
  if constexpr (sizeof(T) == 2) return (Vec<T>)_mm512_permutex2var_epi16(a, by, b);
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_permutex2var_epi32(a, by, b);
  if constexpr (sizeof(T) == 8) return (Vec<T>)_mm512_permutex2var_epi64(a, by, b);
}

template <class S, class T>
class Narrow {
 public:
  Narrow(const Work& work, const Forward& plan, void* scratch)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        along_(work.axis[last_]),
        vectors_(along_.out <= L ? 1 : 2),
        sources_(vectors_ == 1 && along_.n < L + !work.padded ? 1 : 2) {
    char* free = static_cast<char*>(scratch);
    rows_[last_] = weight_[last_] = 1;
    for (int a = last_ - 1; a >= 0; --a) {
      const Axis& behind = work.axis[a + 1];
      weight_[a] = weight_[a + 1] * behind.kernel;
      rows_[a] = a + 1 < last_ ? rows_[a + 1] * behind.out : 1;
      const int64_t cells = plan.kept_rows[a] * rows_[a] * vectors_ * L;
      kept_[a] = {carve<T>(free, cells), carve<Winner<T>>(free, cells)};
    }
    for (int64_t v = 0; v < 2; ++v) {
      loaded_[v] = bits_between(0, along_.n - v * L);
      stored_[v] = bits_between(0, along_.out - v * L);
    }
    for (int64_t o = 0; o < vectors_ * L; ++o) {
      const int64_t start = o * along_.stride - along_.before;
      first_[o] = static_cast<Winner<T>>(taps_inside(along_, start).first);
      for (int64_t tap = 0; tap < along_.kernel; ++tap) {
        const int64_t at = start + tap * along_.dilation;
        // behind the row there are the lowest values
        from_[tap][o] = static_cast<Winner<T>>(at >= 0 && at < along_.n ? at : along_.n);
      }
    }
  }

  void look_at(const Walk&) const {}
  // False where values are not in order as T, and then not all is written.
  bool write(const Walk& walk) const {
    if (work_.winners ? outer_cell<true, true>(walk) : outer_cell<true, false>(walk)) return true;
    if constexpr (std::is_floating_point_v<T>) {  // once more: there is a NaN
      work_.winners ? outer_cell<false, true>(walk) : outer_cell<false, false>(walk);
    }
    return std::is_floating_point_v<T>;
  }

 private:
  static constexpr int64_t L = kLanes<T>;

  struct Rows {
    T* values;
    Winner<T>* winners;
    Rows operator+(int64_t cells) const { return {values + cells, winners + cells}; }
  };

  // The outputs of the tile along the first axis. False where all has to be exact.
  template <bool kClean, bool kWinners>
  bool outer_cell(const Walk& walk) const {
    const Axis& along = work_.axis[0];
    const int64_t tile = plan_.cut[0].tile, begin = walk.tile[0] * tile;
    const int64_t end = least(begin + tile, along.out);
    Seen<S, T> seen;
    const S* x = static_cast<const S*>(work_.source) + walk.x;
    const int64_t kept = keep<kClean, kWinners>(0, x, begin, end, seen);
    if (kClean && seen) return false;
    Windows windows(*this, 0, begin, kept);
    for (int64_t o = begin; o < end; ++o, windows.next()) {
      for (int64_t row = 0, i = 0; row < rows_[0]; ++row) {
        const int64_t to = walk.y + o * along.y_step + y_of(row);
        for (int64_t v = 0; v < vectors_; ++v, i += L) {
          S* y = static_cast<S*>(work_.result) + to + v * L;
          const Best<T> best = windows.template best<kClean, kWinners>(i);
          prefetch<true>(address(y) + kWriteAhead);
          put_cells<S, T>(y, best.value, stored_[v]);
          if constexpr (kWinners) {
            auto* winners = static_cast<uint8_t*>(work_.winners) + to + v * L;
            store_bytes<T>(winners, best.winner, stored_[v]);
          }
        }
      }
    }
    return true;
  }

  // Where a row of outputs lies, of those of one output of the first axis.
  int64_t y_of(int64_t row) const {
    int64_t at = 0;
    for (int a = last_ - 1; a > 1; --a) {
      at += row % work_.axis[a].out * work_.axis[a].y_step;
      row /= work_.axis[a].out;
    }
    return last_ > 1 ? at + row * work_.axis[1].y_step : 0;
  }

  // The best along the axes behind a, for what the windows [begin, end) of a reach; the first cell.
  template <bool kClean, bool kWinners>
  inline int64_t keep(int a, const S* x, int64_t begin, int64_t end, Seen<S, T>& seen) const {
    const Axis& along = work_.axis[a];
    const int64_t span = (along.kernel - 1) * along.dilation + 1;
    const int64_t from = most(0, begin * along.stride - along.before);
    const int64_t to = least(along.n, (end - 1) * along.stride - along.before + span);
    if (a + 1 == last_) {
      const auto go = [&](auto kernel) {
        const S* start = x + from * along.x_step;
        if (sources_ == 1) return rows<kClean, kWinners, 1, 1, kernel()>(start, to - from, seen);
        vectors_ == 1 ? rows<kClean, kWinners, 2, 1, kernel()>(start, to - from, seen)
                      : rows<kClean, kWinners, 2, 2, kernel()>(start, to - from, seen);
      };
      if (along_.kernel == 2) {
        go(std::integral_constant<int, 2>{});
      } else if (along_.kernel == 3) {
        go(std::integral_constant<int, 3>{});
      } else {
        go(std::integral_constant<int, 0>{});
      }
    } else {
      for (int64_t i = from; i < to; ++i) {
        const Rows kept = kept_[a] + (i - from) * size(a);
        all<kClean, kWinners>(a + 1, x + i * along.x_step, kept, seen);
      }
    }
    return from;
  }

  // The best of all windows of the axes from a on.
  template <bool kClean, bool kWinners>
  NDPOOL_RECURSIVE void all(int a, const S* x, Rows to, Seen<S, T>& seen) const {
    const int64_t kept = keep<kClean, kWinners>(a, x, 0, work_.axis[a].out, seen);
    Windows windows(*this, a, 0, kept);
    for (int64_t o = 0; o < work_.axis[a].out; ++o, windows.next()) {
      for (int64_t i = 0; i < size(a); i += L, to = to + L) {
        put<kWinners>(to, windows.template best<kClean, kWinners>(i));
      }
    }
  }

  // A walk over the windows of an axis, from output o on; `kept`: the first cell that is kept.
  class Windows {
   public:
    Windows(const Narrow& way, int a, int64_t o, int64_t kept)
        : along_(way.work_.axis[a]),
          size_(way.size(a)),
          weight_(way.weight_[a]),
          first_(way.kept_[a] + (o * along_.stride - along_.before - kept) * size_),
          start_(o * along_.stride - along_.before) {
      look();
    }
    void next() {
      start_ += along_.stride;
      first_ = first_ + along_.stride * size_;
      look();
    }
    // Of the vectors at i.
    template <bool kClean, bool kWinners>
    inline Best<T> best(int64_t i) const {
      const int64_t step = along_.dilation * size_;
      Rows from = first_ + (lo_ * step + i);
      const auto take = [&](int64_t tap) {
        Best<T> found{load(from.values), {}};
        if constexpr (kWinners) {
          found.winner = load(from.winners) + broadcast(static_cast<Winner<T>>(tap * weight_));
        }
        from = from + step;
        return found;
      };
      Best<T> best = take(lo_);
      for (int64_t tap = lo_ + 1; tap < hi_; ++tap) {
        const Best<T> next = take(tap);
        fold_in<kClean, kWinners, T>(best, next.value, next.winner);
      }
      return best;
    }

   private:
    void look() {
      const bool whole = start_ >= 0 && start_ + (along_.kernel - 1) * along_.dilation < along_.n;
      const auto [lo, hi] =
          whole ? std::pair{int64_t{0}, along_.kernel} : taps_inside(along_, start_);
      lo_ = lo, hi_ = hi;
    }

    const Axis along_;
    const int64_t size_, weight_;
    Rows first_;  // of the window: its first cell, be it there or not
    int64_t start_, lo_, hi_;
  };

  // Cells that are kept of one of axis a.
  int64_t size(int a) const { return rows_[a] * vectors_ * L; }

  // What is best in so many rows of the input. kKernel: cells in a window of a row; or 0, for any.
  template <bool kClean, bool kWinners, int kSources, int kVectors, int kKernel>
  inline void rows(const S* x, int64_t count, Seen<S, T>& seen) const {
    constexpr int kLoaded = kKernel ? kKernel : 1;
    const int64_t step = work_.axis[last_ - 1].x_step;
    const auto load_from = [&](int64_t tap, int v) { return load(from_[tap] + v * L); };
    Vec<Winner<T>> known[kLoaded][kVectors];
    for (int tap = 0; tap < kLoaded; ++tap) {
      for (int v = 0; v < kVectors; ++v) known[tap][v] = load_from(tap, v);
    }
    Seen<S, T> here = seen;
    Rows to = kept_[last_ - 1];
    for (int64_t i = 0; i < count; ++i, x += step, to = to + kVectors * L) {
      Vec<T> cells[kSources];
      for (int s = 0; s < kSources; ++s) {
        prefetch<false>(address(x + s * L) + kAhead);
        cells[s] = load_some<S, T>(x + s * L, loaded_[s], lowest<S, T>());
      }
      if constexpr (kClean) here.look(cells[0], cells[kSources - 1]);
      for (int v = 0; v < kVectors; ++v) {
        const auto at = [&](int64_t tap) {
          const auto from = kKernel || tap == 0 ? known[tap][v] : load_from(tap, v);
          if constexpr (kSources == 1) return permuted<T>(cells[0], from);
          if constexpr (kSources == 2) return permuted<T>(cells[0], cells[1], from);
        };
        Best<T> best{at(0), load(first_ + v * L)};
        for (int64_t tap = 1; tap < (kKernel ? kKernel : along_.kernel); ++tap) {
          fold_in<kClean, kWinners, T>(best, at(tap), broadcast(static_cast<Winner<T>>(tap)));
        }
        put<kWinners>(to + v * L, best);
      }
    }
    seen = here;
  }

  template <bool kWinners>
  static inline void put(const Rows& to, const Best<T>& best) {
    store(to.values, best.value);
    if constexpr (kWinners) store(to.winners, best.winner);
  }

  const Work& work_;
  const Forward& plan_;
  const int last_;
  const Axis along_;
  const int64_t vectors_, sources_;  // of outputs in a row, of cells
  uint64_t loaded_[2], stored_[2];   // lanes of each
  int64_t rows_[kMostAxes];          // of outputs behind a cell of each axis
  int64_t weight_[kMostAxes];        // of a tap in the winner
  Rows kept_[kMostAxes];  // what is best in them, for some cells of each axis but the last
  Winner<T> from_[kMostRowTaps][2 * L], first_[2 * L];  // of each tap: its cell; the first inside
};

template <class S, class T>
int64_t narrow_rows(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  const Narrow<S, T> way(work, plan, scratch);
  return write_all(way, work, plan, begin, end);
}

// Halves, as integers where they are in order. One at a time needs the scratch.
template <class S>
class NarrowHalves {
 public:
  NarrowHalves(const Work& work, const Forward& plan, void* scratch)
      : integers_(work, plan, scratch), floats_(work, plan, scratch) {}

  void look_at(const Walk&) const {}
  void write(const Walk& walk) const {
    if (!integers_.write(walk)) floats_.write(walk);
  }

 private:
  const Narrow<S, int16_t> integers_;
  const Narrow<S, float> floats_;
};

template <class S>
int64_t narrow_halves(const Work& work, const Forward& plan, void* scratch, int64_t begin,
                      int64_t end) {
  const NarrowHalves<S> way(work, plan, scratch);
  return write_all(way, work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool

#endif
