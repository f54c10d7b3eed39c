// Backward where there is an output for each cell of the input, in arrays without gaps: dy, dx and
// the winners of all outer cells are lines of cells, side by side, and a tap is one shift of them.
//
// A cell asks each tap's window whether it won there, rows or outer cells apart as it may be: a
// winner was checked to lie in its own outer cell, so no other cell can take it for its own. Only
// the ends of the whole line need care.
#pragma once

#include "winner_check.h"

namespace ndpool {
namespace {

// to[i] = the sum of dy[i + offset[t]] over the taps t that won there, for kLineBlock cells.
template <class T>
inline void line_block(T* to, const T* dy, const uint8_t* winners, const Taps& taps) {
  constexpr int L = kLanes<T>, kUnroll = kLineBlock / L;
  Vec<T> sum[kUnroll] = {};
  for (int64_t t = 0; t < taps.taps; ++t) {
    const int64_t at = taps.offset[t];
    add_where_equal(winners + at, static_cast<uint8_t>(taps.winner[t]), dy + at, sum,
                    std::make_integer_sequence<int, kUnroll>{});
  }
  for (int u = 0; u < kUnroll; ++u) store(to + u * L, sum[u]);
}

template <class S, class T>
class Line {
 public:
  Line(const Work& work, const Backward& plan, char*& scratch)
      : taps_(plan.line_taps),
        dy_(static_cast<const S*>(work.source)),
        winners_(static_cast<const uint8_t*>(work.winners)),
        dx_(static_cast<S*>(work.result)),
        cells_(work.outer_count * work.inner),
        first_(taps_.offset[0]),
        last_(taps_.offset[taps_.taps - 1]),
        copied_(plan.line_copied),
        near_dy_(carve<T>(scratch, copied_ + kLineBlock)),
        near_winners_(carve<uint8_t>(scratch, copied_ + kLineBlock)),
        sums_(carve<T>(scratch, kLineBlock)) {
    for (int a = 0; a < work.axes; ++a) cells_ *= work.axis[a].n;
  }

  // The cells from `from` to `to`, whose windows were checked.
  void write(int64_t from, int64_t to) const {
    int64_t lo = from, hi = from;
    if constexpr (std::is_same_v<S, T>) {  // straight from dy, away from the ends
      lo = most(from, least(to, -first_)), hi = most(lo, least(to, cells_ - last_));
    }
    by_copies(from, lo);
    int64_t i = lo;
    if constexpr (std::is_same_v<S, T>) {
      for (; i + kLineBlock <= hi; i += kLineBlock) {
        line_block(dx_ + i, dy_ + i, winners_ + i, taps_);
      }
      if (i < hi && hi - lo >= kLineBlock) {  // once more some of those before
        const int64_t at = hi - kLineBlock;
        line_block(dx_ + at, dy_ + at, winners_ + at, taps_);
        i = hi;
      }
    }
    by_copies(i, to);
  }

 private:
  // Cells whose windows may lie beyond the ends of the line: from a copy of what is there. And
  // those that are not computed with as they are stored.
  void by_copies(int64_t from, int64_t to) const {
    const int64_t most_at_once = copied_ - (last_ - first_);
    for (; from < to; from += most_at_once) {
      const int64_t end = least(to, from + most_at_once);
      const int64_t begin = from + first_, reach = end + last_;
      const int64_t lo = most(0, begin), hi = least(cells_, reach);
      fill<uint8_t>(near_winners_, kNone, reach - begin + kLineBlock);
      if (lo < hi) {
        copy_strided(near_dy_ + (lo - begin), dy_ + lo, 1, hi - lo);
        copy_run(near_winners_ + (lo - begin), winners_ + lo, hi - lo);
      }
      for (int64_t i = from; i < end; i += kLineBlock) {
        line_block(sums_, near_dy_ + (i - begin), near_winners_ + (i - begin), taps_);
        emit(dx_ + i, sums_, least(kLineBlock, end - i));
      }
    }
  }

  static constexpr uint8_t kNone = 255;  // no tap: windows have fewer

  const Taps taps_;
  const S* const dy_;
  const uint8_t* const winners_;
  S* const dx_;
  int64_t cells_;               // of the line
  const int64_t first_, last_;  // from a cell to the first and the last of its windows
  const int64_t copied_;        // cells of dy and winners at a time, where they have to be
  T* const near_dy_;
  uint8_t* const near_winners_;
  T* const sums_;
};

template <class S, class T>
int64_t line_gather(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                    int64_t end) {
  constexpr int64_t kAtOnce = 2048;  // cells at least: outer cells can be small
  char* free = static_cast<char*>(scratch);
  const Line<S, T> line(work, plan, free);
  WinnerCheck check(work, plan);
  Walk walk(work, plan, begin);
  int64_t seen = -1, done = -1, reached = 0;  // cells that were written, and checked
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    if (walk.number != seen) check.look_at(walk);
    seen = walk.number;
    if (const int64_t bad = check(walk, nullptr, 0)) return bad;
    const auto [from, to] = check.cells();
    if (done < 0) done = walk.x + from;
    reached = walk.x + to;
    if (reached - done < kAtOnce && item + 1 < end) continue;
    line.write(done, reached);
    done = reached;
  }
  return 0;
}

}  // namespace
}  // namespace ndpool
