// Which windows the cells of dx are in: a walk over the rows of dx, for each of which the outputs
// it asks are known.
#pragma once

#include "winner_check.h"

namespace ndpool {
namespace {

// Bytes, to ask for cells of dx before they are written.
constexpr int64_t kAheadOfDx = 3072;

// A window that a cell is in, along one axis or several: how far its output and winner are from the
// first, and the number of the cell.
struct Asked {
  int64_t y, winner, tap;
};

// Goes over the cells of dx along the first axes, `axes` of them.
template <class S>
class AskedRows {
 public:
  AskedRows(const Work& work, const Backward& plan, int axes, char*& scratch)
      : work_(work),
        plan_(plan),
        last_(axes - 1),
        of_last_(axes > 0 ? carve<Asked>(scratch, work.axis[last_].n * kMostAsked) : nullptr),
        count_(axes > 0 ? carve<int64_t>(scratch, work.axis[last_].n) : nullptr) {
    for (int64_t i = 0; axes > 0 && i < work.axis[last_].n; ++i) {
      count_[i] = windows_of(last_, i, {}, of_last_ + i * kMostAsked);
    }
  }

  // The item at hand: calls run(dx, dy, winners, asked, count, further, further count) for each
  // cell, which is in the windows of each pair of the two lists.
  template <class Run>
  void each(const Walk& walk, const Run& run) const {
    const S* dy = static_cast<const S*>(work_.source) + walk.y;
    const uint8_t* winners = static_cast<const uint8_t*>(work_.winners) + walk.winners;
    S* dx = static_cast<S*>(work_.result) + walk.x;
    const Asked all{};
    if (last_ < 0) return run(dx, dy, winners, &all, 1, &all, 1);
    const auto [begin, end] = share_of(work_.axis[0].n, plan_.cut[0].tiles, walk.tile[0]);
    axis(0, begin, end, &all, 1, dy, winners, dx, run);
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
  template <class Run>
  NDPOOL_RECURSIVE void axis(int a, int64_t begin, int64_t end, const Asked* rows, int64_t count,
                             const S* dy, const uint8_t* winners, S* dx, const Run& run) const {
    const int64_t step = work_.axis[a].x_step;
    if (a == last_) {
      for (int64_t i = begin; i < end; ++i) {
        run(dx + i * step, dy, winners, rows, count, of_last_ + i * kMostAsked, count_[i]);
      }
      return;
    }
    Asked asked[kMostAsked];
    for (int64_t i = begin; i < end; ++i) {
      int64_t more = 0;
      for (int64_t r = 0; r < count; ++r) more += windows_of(a, i, rows[r], asked + more);
      axis(a + 1, 0, work_.axis[a + 1].n, asked, more, dy, winners, dx + i * step, run);
    }
  }

  const Work& work_;
  const Backward& plan_;
  const int last_;
  Asked* const of_last_;  // of each cell of the last of these axes: its windows along it
  int64_t* const count_;  // how many
};

}  // namespace
}  // namespace ndpool
