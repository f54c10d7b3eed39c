// Backward over arrays whose pooled axes are not the last, as where channels come last: each cell
// of dx is a run of cells, and so is each output whose window it is in. A run sums those that won.
#pragma once

#include "direct.h"
#include "winner_check.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// A window that a cell is in, along one axis or several: how far its output and winner are from the
// first, and the number of the cell.
struct Asked {
  int64_t y, winner, tap;
};

template <class S, class T>
class GatherAcross {
 public:
  GatherAcross(const Work& work, const Backward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        last_(work.axes - 1),
        of_last_(carve<Asked>(scratch, work.axis[last_].n * kMostAsked)),
        count_(carve<int64_t>(scratch, work.axis[last_].n)) {
    for (int64_t i = 0; i < work.axis[last_].n; ++i) {
      count_[i] = windows_of(last_, i, {}, of_last_ + i * kMostAsked);
    }
  }

  void write(const Walk& walk) {
    const int64_t n = work_.axis[0].n, tiles = plan_.cut[0].tiles, tile = walk.tile[0];
    const int64_t begin = n / tiles * tile + least(n % tiles, tile);
    const int64_t end = begin + n / tiles + (tile < n % tiles);
    const Asked all{};
    axis(0, begin, end, &all, 1, static_cast<const S*>(work_.source) + walk.y,
         static_cast<const uint8_t*>(work_.winners) + walk.winners,
         static_cast<S*>(work_.result) + walk.x);
  }

 private:
  // The windows that have a tap on cell i of the axis, each added to `before`, in order.
  int64_t windows_of(int a, int64_t i, const Asked& before, Asked* asked) const {
    const Axis& along = work_.axis[a];
    const int64_t at = i + along.before, from = at - (along.kernel - 1) * along.dilation;
    int64_t count = 0;
    for (int64_t o = from > 0 ? ceil_div(from, along.stride) : 0;
         o <= least(along.out - 1, at / along.stride); ++o) {
      const int64_t steps = at - o * along.stride;
      if (along.dilation != 1 && steps % along.dilation != 0) continue;
      asked[count++] = {before.y + o * along.y_step, before.winner + o * along.winner_step,
                        before.tap * along.kernel + steps / along.dilation};
    }
    return count;
  }

  // `rows`: the windows so far, along the axes before.
  NDPOOL_RECURSIVE void axis(int a, int64_t begin, int64_t end, const Asked* rows, int64_t count,
                             const S* dy, const uint8_t* winners, S* dx) const {
    if (a == last_) {
      for (int64_t i = begin; i < end; ++i) {
        run(dx + i * work_.axis[a].x_step, rows, count, i, dy, winners);
      }
      return;
    }
    Asked asked[kMostAsked];
    for (int64_t i = begin; i < end; ++i) {
      int64_t more = 0;
      for (int64_t r = 0; r < count; ++r) more += windows_of(a, i, rows[r], asked + more);
      axis(a + 1, 0, work_.axis[a + 1].n, asked, more, dy, winners, dx + i * work_.axis[a].x_step);
    }
  }

  void run(S* dx, const Asked* rows, int64_t count, int64_t i, const S* dy,
           const uint8_t* winners) const {
    constexpr int64_t L = kLanes<T>;
    const Asked* along = of_last_ + i * kMostAsked;
    const auto step = [&](int64_t at, uint64_t bits, auto vectors) {
      block<vectors()>(dx + at, rows, count, along, count_[i], dy + at, winners + at, bits);
    };
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    const int64_t inner = work_.inner;
    if (inner < L) return step(0, bits_between(0, inner), one);
    int64_t at = 0;
    for (; at + 4 * L <= inner; at += 4 * L) step(at, kAll, four);
    for (; at + L <= inner; at += L) step(at, kAll, one);
    if (at < inner) step(inner - L, kAll, one);  // once more some of those before
  }

  template <int kVectors>
  inline void block(S* dx, const Asked* rows, int64_t count, const Asked* along,
                    int64_t count_along, const S* dy, const uint8_t* winners, uint64_t bits) const {
    constexpr int L = kLanes<T>;
    const int64_t kernel = work_.axis[last_].kernel;
    const bool all = kVectors > 1 || bits == kAll;
    Vec<T> sum[kVectors] = {};
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t k = 0; k < count_along; ++k) {
        const S* from = dy + rows[r].y + along[k].y;
        const uint8_t* found = winners + rows[r].winner + along[k].winner;
        const auto wanted = broadcast(static_cast<Winner<T>>(rows[r].tap * kernel + along[k].tap));
        for (int u = 0; u < kVectors; ++u) {
          const Vec<T> values =
              all ? load_cells<S, T>(from + u * L) : load_some<S, T>(from, bits, T{});
          const Vec<Winner<T>> won =
              all ? widen_winners<T>(found + u * L) : widen_some<T>(found, work_.inner);
          sum[u] += won == wanted ? values : Vec<T>{};
        }
      }
    }
    for (int u = 0; u < kVectors; ++u) put_cells<S, T>(dx + u * L, sum[u], bits);
  }

  static constexpr uint64_t kAll = ~uint64_t{0};

  const Work& work_;
  const Backward& plan_;
  const int last_;
  Asked* const of_last_;  // of each cell of the last axis: its windows along it
  int64_t* const count_;  // how many
};

template <class S, class T>
int64_t gather_across(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                      int64_t end) {
  char* free = static_cast<char*>(scratch);
  GatherAcross<S, T> runs(work, plan, free);
  return write_checked(work, plan, begin, end,
                       [&](const Walk& walk, const WinnerCheck&, int64_t) { runs.write(walk); });
}

}  // namespace
}  // namespace ndpool

#endif
