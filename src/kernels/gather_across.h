// Backward over arrays whose pooled axes are not the last, as where channels come last: each cell
// of dx is a run of cells, a vector at least, and so is each output whose window it is in. A run
// sums those that won.
#pragma once

#include "asked.h"
#include "direct.h"
#include "stream.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class S, class T>
class GatherAcross {
 public:
  GatherAcross(const Work& work, const Backward& plan, char*& scratch)
      : inner_(work.inner),
        kernel_(work.axis[work.axes - 1].kernel),
        rows_(work, plan, work.axes, scratch),
        straight_(work.past_cache && whole_lines(work.result, inner_ * int64_t{sizeof(S)})),
        out_(work.past_cache && !straight_) {}

  void write(const Walk& walk) {
    rows_.each(walk, [this](S* dx, const S* dy, const uint8_t* winners, const Asked* rows,
                            int64_t count, const Asked* along, int64_t count_along) {
      run(out_.at(dx, inner_), dy, winners, rows, count, along, count_along);
    });
  }

 private:
  void run(S* dx, const S* dy, const uint8_t* winners, const Asked* rows, int64_t count,
           const Asked* along, int64_t count_along) const {
    constexpr int64_t L = kLanes<T>;
    const auto step = [&](int64_t at, auto vectors) {
      block<vectors()>(dx + at, rows, count, along, count_along, dy + at, winners + at);
    };
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    int64_t at = 0;
    for (; at + 4 * L <= inner_; at += 4 * L) step(at, four);
    for (; at + L <= inner_; at += L) step(at, one);
    if (at < inner_) step(inner_ - L, one);  // once more some of those before
  }

  template <int kVectors>
  inline void block(S* dx, const Asked* rows, int64_t count, const Asked* along,
                    int64_t count_along, const S* dy, const uint8_t* winners) const {
    constexpr int L = kLanes<T>;
    Vec<T> sum[kVectors] = {};
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t k = 0; k < count_along; ++k) {
        const S* from = dy + rows[r].y + along[k].y;
        const uint8_t* found = winners + rows[r].winner + along[k].winner;
        const Lanes<T> wanted(rows[r].tap * kernel_ + along[k].tap);
        for (int u = 0; u < kVectors; ++u) {
          sum[u] = (Vec<T>)wanted.add_where_equal(Lanes<T>::bytes(found + u * L),
                                                  load_summands<S, T>(from + u * L), sum[u]);
        }
      }
    }
    if (count > 0 && count_along > 0) {  // of these, the last are new
      const Asked &row = rows[count - 1], &cell = along[count_along - 1];
      for (int u = 0; u < kVectors; ++u) {
        prefetch<false>(address(dy + row.y + cell.y + u * L) + kAhead);
      }
      prefetch<false>(address(winners + row.winner + cell.winner) + kAhead);
    }
    for (int u = 0; u < kVectors; ++u) {
      if (straight_) {
        put_sums_around<S, T>(dx + u * L, sum[u]);
      } else {
        if (!out_) prefetch<true>(address(dx + u * L) + kAheadOfDx);
        put_sums<S, T>(dx + u * L, sum[u]);
      }
    }
  }

  const int64_t inner_, kernel_;
  const AskedRows<S> rows_;
  const bool straight_;  // what is computed goes around the cache as it is
  Stream out_;           // otherwise, if it is to go around it
};

template <class S, class T>
int64_t gather_across(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                      int64_t end) {
  char* free = static_cast<char*>(scratch);
  GatherAcross<S, T> runs(work, plan, free);
  const auto write = [&](const Walk& walk, const WinnerCheck&, int64_t) { runs.write(walk); };
  const int64_t bad = write_checked(work, plan, begin, end, write);
  if (work.past_cache) wait_until_out();
  return bad;
}

}  // namespace
}  // namespace ndpool

#endif
