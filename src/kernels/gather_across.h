// Backward over arrays whose pooled axes are not the last, as where channels come last: each cell
// of dx is a run of cells, and so is each output whose window it is in. A run sums those that won.
#pragma once

#include "asked.h"
#include "direct.h"
#include "stream.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

template <class S, class T>
class GatherAcross {
 public:
  GatherAcross(const Work& work, const Backward& plan, char*& scratch)
      : inner_(work.inner),
        kernel_(work.axis[work.axes - 1].kernel),
        rows_(work, plan, work.axes, scratch),
        out_(work.past_cache) {}

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
    const auto step = [&](int64_t at, uint64_t bits, auto vectors) {
      block<vectors()>(dx + at, rows, count, along, count_along, dy + at, winners + at, bits);
    };
    constexpr std::integral_constant<int, 4> four;
    constexpr std::integral_constant<int, 1> one;
    if (inner_ < L) return step(0, bits_between(0, inner_), one);
    int64_t at = 0;
    for (; at + 4 * L <= inner_; at += 4 * L) step(at, kAll, four);
    for (; at + L <= inner_; at += L) step(at, kAll, one);
    if (at < inner_) step(inner_ - L, kAll, one);  // once more some of those before
  }

  template <int kVectors>
  inline void block(S* dx, const Asked* rows, int64_t count, const Asked* along,
                    int64_t count_along, const S* dy, const uint8_t* winners, uint64_t bits) const {
    constexpr int L = kLanes<T>;
    const bool all = kVectors > 1 || bits == kAll;
    Vec<T> sum[kVectors] = {};
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t k = 0; k < count_along; ++k) {
        const S* from = dy + rows[r].y + along[k].y;
        const uint8_t* found = winners + rows[r].winner + along[k].winner;
        const auto wanted = broadcast(static_cast<Winner<T>>(rows[r].tap * kernel_ + along[k].tap));
        for (int u = 0; u < kVectors; ++u) {
          const Vec<T> values =
              all ? load_cells<S, T>(from + u * L) : load_some<S, T>(from, bits, T{});
          const Vec<Winner<T>> won =
              all ? widen_winners<T>(found + u * L) : widen_some<T>(found, inner_);
          sum[u] += won == wanted ? values : Vec<T>{};
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
      prefetch<true>(address(dx + u * L) + kAheadOfDx);
      put_cells<S, T>(dx + u * L, sum[u], bits);
    }
  }

  static constexpr uint64_t kAll = ~uint64_t{0};

  const int64_t inner_, kernel_;
  const AskedRows<S> rows_;
  Stream out_;
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
