// The same as pairs.h where each cell is a run of neighbouring cells, a vector at least, as where
// channels come last: for windows of 3x3 along two axes.
#pragma once

#include "pairs.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class S, class T>
class PairsAcross {
 public:
  PairsAcross(const Work& work, const Backward& plan, char*& scratch)
      : work_(work),
        tiles_(plan.cut[0].tiles),
        down_(work.axis[0]),
        along_(work.axis[1]),
        inner_(work.inner),
        none_(carve<uint8_t>(scratch, inner_)),
        out_{Stream(work.past_cache), Stream(work.past_cache)} {
    fill(none_, kNone, inner_);
    for (int t = 0; t < 9; ++t) tap_[t] = Lanes<T>(t);
  }

  void write(const Walk& walk) { down_.before % 2 == 0 ? rows<true>(walk) : rows<false>(walk); }

 private:
  static constexpr int64_t L = kLanes<T>;
  static constexpr uint8_t kNone = 255;

  // Four outputs, two by two, and where the cells of dx are that ask them.
  struct Four {
    const S* y[2][2];
    const uint8_t* won[2][2];
    S* to[2][2];  // null: there is none
  };

  template <bool kEven>
  void rows(const Walk& walk) {
    const S* dy = static_cast<const S*>(work_.source) + walk.y;
    const auto* winners = static_cast<const uint8_t*>(work_.winners) + walk.winners;
    S* dx = static_cast<S*>(work_.result) + walk.x;
    const auto first_output = [](const Axis& axis) { return (axis.before + 1) / 2 - 1; };
    const auto [begin, end] = share_of((down_.n + 1) / 2, tiles_, walk.tile[0]);
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; 2 * c < along_.n; ++c) {
        const int64_t upper = r + first_output(down_), left = c + first_output(along_);
        const bool last = 2 * c + 1 == along_.n;
        Four four;
        for (int i = 0; i < 2; ++i) {
          const bool row = upper + i >= 0 && upper + i < down_.out;
          for (int j = 0; j < 2; ++j) {
            const bool there = row && left + j >= 0 && left + j < along_.out;
            const int64_t y = (upper + i) * down_.y_step + (left + j) * along_.y_step;
            const int64_t won = (upper + i) * down_.winner_step + (left + j) * along_.winner_step;
            four.y[i][j] = there ? dy + y : dy;
            four.won[i][j] = there ? winners + won : none_;
          }
          S* cells = dx + (2 * r + i) * down_.x_step + 2 * c * along_.x_step;
          const bool inside = 2 * r + i < down_.n;
          S* to = inside ? out_[i].at(cells, last ? inner_ : 2 * inner_) : nullptr;
          four.to[i][0] = to;
          four.to[i][1] = last ? nullptr : shifted(to, inner_);
        }
        for (int64_t at = 0; at < inner_; at += L) write<kEven>(four, least(at, inner_ - L));
      }
    }
  }

  template <bool kEven>
  inline void write(const Four& four, int64_t at) const {
    const auto outputs = [&](int i) {
      const auto [y, won] = std::pair{four.y[i], four.won[i]};
      prefetch<false>(address(y[1] + at) + kAhead);
      prefetch<false>(address(won[1] + at) + kAhead);
      return PairOutputs<T>{load_summands<S, T>(y[0] + at), load_summands<S, T>(y[1] + at),
                            Lanes<T>::bytes(won[0] + at), Lanes<T>::bytes(won[1] + at)};
    };
    PairSums<T> sums[2];
    add_pairs<3, kEven, true>(sums, outputs(0), outputs(1), tap_);
    for (int i = 0; i < 2; ++i) {
      const auto put = [&](S* to, Vec<T> sum) {
        if (!to) return;
        if (!out_[0]) prefetch<true>(address(to + at) + kAheadOfDx);
        put_sums<S, T>(to + at, sum);
      };
      put(four.to[i][0], sums[i].first);
      put(four.to[i][1], sums[i].second);
    }
  }

  const Work& work_;
  const int64_t tiles_;  // bands of rows
  const Axis down_, along_;
  const int64_t inner_;
  uint8_t* const none_;  // winners of an output that is not there
  Stream out_[2];        // of the first rows, and of the second ones
  Lanes<T> tap_[9];
};

template <class S, class T>
int64_t pairs_across(const Work& work, const Backward& plan, void* scratch, int64_t begin,
                     int64_t end) {
  char* free = static_cast<char*>(scratch);
  PairsAcross<S, T> pairs(work, plan, free);
  return write_checked(work, plan, begin, end,
                       [&](const Walk& walk, const WinnerCheck&, int64_t) { pairs.write(walk); });
}

}  // namespace
}  // namespace ndpool

#endif
