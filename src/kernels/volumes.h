// Small windows in volumes, one apart along the last two axes, over rows of some vectors: the best
// of each plane of cells first, as in strips.h, and then of the planes of each window. A plane is
// made once for all windows that have it, some rows at a time.
#pragma once

#include "strips.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class S, class T, int kSize>
class Volumes {
 public:
  Volumes(const Work& work, const Forward& plan, char*& scratch)
      : work_(work),
        plan_(plan),
        first_(work.axis[0]),
        row_(work.axis[2].out),
        apart_(plan.buffer),
        strips_(work, plan),
        cells_(carve<S>(scratch, first_.kernel * apart_)),
        cell_winners_(work.winners ? carve<uint8_t>(scratch, first_.kernel * apart_) : nullptr) {}

  void look_at(const Walk&) const {}

  void write(const Walk& walk) const {
    const int64_t begin = walk.tile[1] * plan_.cut[1].tile;
    const int64_t end = least(begin + plan_.cut[1].tile, work_.axis[1].out);
    const S* x = static_cast<const S*>(work_.source) + walk.x;
    const int64_t count = (end - begin) * row_;
    for (int64_t p = 0; p < first_.kernel; ++p) {  // what the last vector has too much
      fill(cells_ + p * apart_ + count, S{}, kLanes<T>);
    }
    int64_t made = 0;  // up to this one, all planes that are still asked for
    for (int64_t o = 0; o < first_.out; ++o) {
      const int64_t start = o * first_.stride - first_.before;
      const auto [lo, hi] = taps_inside(first_, start);
      for (made = most(made, start + lo); made < start + hi; ++made) {
        const int64_t at = made % first_.kernel * apart_;
        strips_.write_rows(x + made * first_.x_step, cells_ + at, shifted(cell_winners_, at), begin,
                           end);
      }
      fold(start, lo, hi, walk.y + o * first_.y_step + begin * row_, count);
    }
  }

 private:
  // With care for NaN; halves that are not in order as T are computed as floats.
  using Exact = std::conditional_t<std::is_same_v<S, T>, T, float>;

  // The planes [lo, hi) of windows that begin at plane `start`, into `count` outputs.
  void fold(int64_t start, int64_t lo, int64_t hi, int64_t to, int64_t count) const {
    const auto go = [&](auto has_winners) {
      constexpr bool kWinners = has_winners();
      if (fold_as<T, true, kWinners>(start, lo, hi, to, count)) return;
      if constexpr (!std::is_integral_v<S>) {
        fold_as<Exact, false, kWinners>(start, lo, hi, to, count);
      }
    };
    work_.winners ? go(std::true_type{}) : go(std::false_type{});
  }

  // False where all has to be exact.
  template <class C, bool kClean, bool kWinners>
  bool fold_as(int64_t start, int64_t lo, int64_t hi, int64_t to, int64_t count) const {
    constexpr int64_t L = kLanes<C>;
    S* y = static_cast<S*>(work_.result) + to;
    uint8_t* winners = shifted(static_cast<uint8_t*>(work_.winners), to);
    Seen<S, C> seen;
    const auto of_plane = [&](int64_t tap, int64_t i) __attribute__((always_inline)) {
      const int64_t at = (start + tap) % first_.kernel * apart_ + i;
      Best<C> best{load_cells<S, C>(cells_ + at), {}};
      if constexpr (kClean) seen.look(best.value);
      if constexpr (kWinners) {
        best.winner = widen_winners<C>(cell_winners_ + at) +
                      broadcast(static_cast<Winner<C>>(tap * kSize * kSize));
      }
      return best;
    };
    for (int64_t i = 0; i < count; i += L) {
      Best<C> best = of_plane(lo, i);
      for (int64_t tap = lo + 1; tap < hi; ++tap) {
        const Best<C> next = of_plane(tap, i);
        fold_in<kClean, kWinners, C>(best, next.value, next.winner);
      }
      prefetch<true>(address(y + i) + kWriteAhead);
      const uint64_t bits = count - i >= L ? ~uint64_t{0} : first_bits(count - i);
      put_cells<S, C>(y + i, best.value, bits);
      if constexpr (kWinners) store_bytes<C>(winners + i, best.winner, bits);
    }
    return !kClean || !seen;
  }

  const Work& work_;
  const Forward& plan_;
  const Axis first_;
  const int64_t row_, apart_;  // outputs; cells from a plane to the next
  const Strips<S, T, kSize> strips_;
  S* const cells_;  // what is best of each plane, as many as a window has
  uint8_t* const cell_winners_;
};

template <class S, class T>
int64_t volumes(const Work& work, const Forward& plan, void* scratch, int64_t begin, int64_t end) {
  const auto by = [&](auto size) {
    char* free = static_cast<char*>(scratch);
    Volumes<S, T, size()> way(work, plan, free);
    return write_all(way, work, plan, begin, end);
  };
  return work.axis[2].kernel == 2 ? by(std::integral_constant<int, 2>{})
                                  : by(std::integral_constant<int, 3>{});
}

}  // namespace
}  // namespace ndpool

#endif
