// Small windows over arrays whose pooled axes are not the last, as where channels come last: the
// cells behind the pooled axes go side by side, straight from the user's array. Each output is a
// run of them, each cell of its window another, and nothing has to be moved within vectors.
#pragma once

#include "direct.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

// The cells of a window that lie inside the input: where they are, and their number.
struct Inside {
  int64_t taps = 0;
  int64_t offset[kMostAcross];
  uint8_t tap[kMostAcross];
};

template <class S, class T>
class Across {
 public:
  Across(const Work& work, const Forward& plan)
      : work_(work),
        plan_(plan),
        around_(work.past_cache),
        straight_(around_ && whole_lines(work.result, work.inner * int64_t{sizeof(S)})),
        out_(around_ && !straight_),
        winners_out_(around_ && work.winners) {
    const Axis& last = work.axis[work.axes - 1];
    int64_t bytes = work.outer_count * work.inner * int64_t{sizeof(S)};
    for (int a = 0; a < work.axes; ++a) bytes *= work.axis[a].n;
    if (last.x_step != work.inner || bytes < kFar) return;
    asks_ = last.stride;
    if (work.axes == 1) return;
    const Axis& rows = work.axis[work.axes - 2];
    asks_ *= rows.stride;
    ask_step_ = last.stride * last.x_step * (rows.stride - 1);
    const int64_t row = rows.x_step * int64_t{sizeof(S)};
    ahead_ = ahead_of_rows(rows, row, around_ ? kAheadOfMemory : kAhead);
    if (!ahead_ || rows.x_step != last.n * last.x_step || asks_ > kMostAsks) asks_ = 0;
  }

  void look_at(const Walk& walk) {
    for (int a = 0; a < work_.axes; ++a) {
      begin_[a] = walk.tile[a] * plan_.cut[a].tile;
      end_[a] = least(begin_[a] + plan_.cut[a].tile, work_.axis[a].out);
    }
  }

  void write(const Walk& walk) {
    axis(0, static_cast<const S*>(work_.source) + walk.x, walk.y, walk.winners);
  }

 private:
  NDPOOL_RECURSIVE void axis(int a, const S* x, int64_t y, int64_t winner) {
    const Axis& along = work_.axis[a];
    for (int64_t o = begin_[a]; o < end_[a]; ++o) {
      const int64_t start = o * along.stride - along.before;
      const auto [lo, hi] = taps_inside(along, start);
      if (lo != lo_[a] || hi != hi_[a]) inside_.taps = 0;
      lo_[a] = lo;
      hi_[a] = hi;
      const S* from = x + start * along.x_step;
      const int64_t to = y + o * along.y_step, to_winner = winner + o * along.winner_step;
      if (a + 1 < work_.axes) {
        axis(a + 1, from, to, to_winner);
      } else {
        if (inside_.taps == 0) list();
        ask_ = address(from + o * ask_step_) + ahead_;
        S* result = out_.at(static_cast<S*>(work_.result) + to, work_.inner);
        if (work_.winners) {
          auto* winners = static_cast<uint8_t*>(work_.winners) + to_winner;
          run<true>(from, result, winners_out_.at(winners, work_.inner));
        } else {
          run<false>(from, result, nullptr);
        }
      }
    }
  }

  void list() {
    inside_.taps = 1;
    inside_.offset[0] = 0;
    inside_.tap[0] = 0;
    for (int a = 0; a < work_.axes; ++a) {
      const Axis& along = work_.axis[a];
      const int64_t taps = hi_[a] - lo_[a];
      for (int64_t i = inside_.taps - 1; i >= 0; --i) {
        for (int64_t t = taps - 1; t >= 0; --t) {
          const int64_t tap = lo_[a] + t;
          inside_.offset[i * taps + t] = inside_.offset[i] + tap * along.dilation * along.x_step;
          inside_.tap[i * taps + t] = static_cast<uint8_t>(inside_.tap[i] * along.kernel + tap);
        }
      }
      inside_.taps *= taps;
    }
  }

  // All cells of a run.
  template <bool kWinners>
  void run(const S* x, S* y, uint8_t* winners) const {
    constexpr int64_t L = kLanes<T>;
    const int64_t count = work_.inner;
    const auto step = [&](int64_t i, uint64_t bits, auto vectors) {
      uint8_t* to = kWinners ? winners + i : nullptr;
      if (block<T, kWinners, true, vectors()>(x + i, y + i, to, bits, i)) return;
      // once more: there is a NaN, or halves are not in order
      using Exact = std::conditional_t<std::is_same_v<S, T>, T, float>;
      constexpr int kMore = static_cast<int>(sizeof(Exact) / sizeof(T));
      for (int part = 0; part < vectors() * kMore; ++part) {
        const int64_t at = part * kLanes<Exact>;
        const uint64_t some = bits == kAll ? kAll : bits >> at;
        if (some) {
          block<Exact, kWinners, false, 1>(x + i + at, y + i + at, shifted(to, at), some, i + at);
        }
      }
    };
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    if (count < L) return step(0, bits_between(0, count), one);
    int64_t i = 0;
    for (; i + 4 * L <= count; i += 4 * L) step(i, kAll, four);
    for (; i + L <= count; i += L) step(i, kAll, one);
    if (i < count) step(count - L, kAll, one);  // once more some of those before
  }

  static constexpr uint64_t kAll = ~uint64_t{0};

  // kVectors vectors, or those lanes of one whose bits are set. False where it has to be exact.
  template <class C, bool kWinners, bool kClean, int kVectors>
  inline bool block(const S* x, S* y, uint8_t* winners, uint64_t bits, int64_t i) const {
    constexpr int L = kLanes<C>;
    Best<C> best[kVectors];
    Seen<S, C> seen;
    const auto cells = [&](int64_t tap, int u) {
      const S* from = x + inside_.offset[tap] + u * L;
      return kVectors > 1 || bits == kAll ? load_cells<S, C>(from)
                                          : load_some<S, C>(from, bits, lowest<S, C>());
    };
    for (int u = 0; u < kVectors; ++u) {
      best[u] = {cells(0, u), broadcast(static_cast<Winner<C>>(inside_.tap[0]))};
      if constexpr (kClean) seen.look(best[u].value, best[u].value);
    }
    for (int64_t t = 1; t < inside_.taps; ++t) {
      const auto winner = broadcast(static_cast<Winner<C>>(inside_.tap[t]));
      Vec<C> next[kVectors];
      for (int u = 0; u < kVectors; ++u) next[u] = cells(t, u);
      if constexpr (kClean) {
        for (int u = 0; u < kVectors; u += 2)
          seen.look(next[u], next[u + 1 < kVectors ? u + 1 : u]);
      }
      for (int u = 0; u < kVectors; ++u) fold_in<kClean, kWinners, C>(best[u], next[u], winner);
    }
    if (kClean && seen) return false;
    const auto ask = [&](auto from_memory) __attribute__((always_inline)) {
      for (int u = 0; u < kVectors; ++u) {
        const int64_t from = ask_ + (i + u * L) * asks_ * int64_t{sizeof(S)};
        for (int64_t k = 0; k < asks_; ++k) {
          const int64_t line = from + k * kLineOfCache;
          from_memory() ? prefetch_from_memory(line) : prefetch<false>(line);
        }
        if (!from_memory()) prefetch<true>(address(y + u * L) + kWriteAhead);
      }
    };
    around_ ? ask(std::true_type{}) : ask(std::false_type{});
    const auto put = [&](auto straight) {
      for (int u = 0; u < kVectors; ++u) {
        if constexpr (straight()) {
          put_cells_around<S, C>(y + u * L, best[u].value);
        } else {
          put_cells<S, C>(y + u * L, best[u].value, bits);
        }
        if constexpr (kWinners) store_bytes<C>(winners + u * L, best[u].winner, bits);
      }
    };
    if constexpr (kClean) {
      if (straight_) {
        put(std::true_type{});
        return true;
      }
    }
    put(std::false_type{});
    return true;
  }

  const Work& work_;
  const Forward& plan_;
  const bool around_, straight_;  // results go around the cache; cells as they are computed
  Stream out_, winners_out_;      // otherwise, if they are to
  static constexpr int64_t kFar = 8 << 20;  // bytes of the input, which is nearer than memory
  static constexpr int64_t kMostAsks = 4;   // of more, the processor sees the pattern
  int64_t asks_ = 0;                        // new cells of each window, to be asked for in time
  int64_t ask_ = 0, ask_step_ = 0, ahead_ = kAhead;
  int64_t begin_[kMostAxes], end_[kMostAxes];        // outputs of the tile
  int64_t lo_[kMostAxes] = {}, hi_[kMostAxes] = {};  // taps inside the input, of the window at hand
  Inside inside_;                                    // if any: of that window
};

template <class S, class T>
int64_t across(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  const int64_t done = write_all<Across<S, T>>(work, plan, begin, end);
  if (work.past_cache) wait_until_out();
  return done;
}

}  // namespace
}  // namespace ndpool

#endif
