// Small outer cells, folded straight from the user's array: an outer cell is a line of cells, and
// as many neighbours of it as a vector has lanes are a stretch. Each cell of the windows that begin
// there is one shift of the stretch; of a border, masks tell which lanes are inside. What a
// geometry's stretches are, its plan has found out once: rows of any length fill the lanes, and an
// outer cell of 7 x 7 takes four steps. AVX-512 alone has what it takes.
#pragma once

#include "direct.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// Whether one of the cells is NaN; of halves as integers, not in order.
template <class S, class T>
inline bool needs_care(const S* x, int64_t count) {
  constexpr int L = kLanes<T>;
  if constexpr (std::is_integral_v<S>) return false;
  Seen<S, T> seen;
  int64_t i = 0;
  for (; i + 2 * L <= count; i += 2 * L) {
    seen.look(load_cells<S, T>(x + i), load_cells<S, T>(x + i + L));
  }
  for (; i < count; i += L) {
    const Vec<T> rest = load_some<S, T>(x + i, bits_between(0, count - i), T{});
    seen.look(rest, rest);
  }
  return static_cast<bool>(seen);
}

template <class V>
inline V compressed(V v, uint64_t lanes) {
  if constexpr (sizeof(v[0]) == 4) {
    return (V)_mm512_maskz_compress_epi32(static_cast<__mmask16>(lanes), (__m512i)v);
  } else if constexpr (sizeof(v[0]) == 8) {
    return (V)_mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes), (__m512i)v);
  } else {
    return v;  // plans have no gaps in these
  }
}

// kTaps: the cells of a window, or 0 for any number.
template <class S, class T, int kTaps>
class Fold {
 public:
  Fold(const Work& work, const Forward& plan)
      : line_(plan.line),
        taps_(kTaps ? kTaps : work.cells),
        offset_(plan.line.offset),
        reach_(offset_[taps_ - 1] + kLanes<T>) {}

  template <bool kWinners>
  void outer_cell(const S* x, S* y, uint8_t* winners) const {
    int64_t looked = 0, care = INT64_MIN;  // at all cells up to here; up to here some need care
    for (int64_t i = 0; i < line_.count; ++i) {
      const Stretch& stretch = line_.stretch[i];
      prefetch<false>(address(x + stretch.x) + kAhead);  // the next outer cell, if not this one
      prefetch<true>(address(y + stretch.y) + kWriteAhead);
      while (looked < least(line_.cells, stretch.x + reach_)) {
        const int64_t next = least(line_.cells, looked + kLooked);
        if (needs_care<S, T>(x + looked, next - looked)) care = next;
        looked = next;
      }
      const bool clean = stretch.x >= care;
      uint8_t* to = kWinners ? winners + stretch.y : nullptr;
      if (clean) {
        part<T, true, kWinners>(x, y + stretch.y, to, stretch, 0);
      } else if constexpr (std::is_same_v<S, T>) {
        part<T, false, kWinners>(x, y + stretch.y, to, stretch, 0);
      } else {  // halves, as floats: fewer at a time, with no gaps between
        for (int64_t at = 0; at < stretch.outputs; at += kLanes<float>) {
          part<float, false, kWinners>(x, y + stretch.y + at, shifted(to, at), stretch, at);
        }
      }
    }
  }

 private:
  // The windows of the lanes from `at` on, computed as C.
  template <class C, bool kClean, bool kWinners>
  inline void part(const S* x, S* y, uint8_t* winners, const Stretch& stretch, int64_t at) const {
    const S* from = x + stretch.x + at;
    const uint64_t bits = bits_between(0, stretch.outputs - at);
    Best<C> best = stretch.edge < 0 ? windows<C, kClean, kWinners, false>(from, 0, 0)
                                    : windows<C, kClean, kWinners, true>(from, stretch.edge, at);
    if (at == 0 && stretch.lanes != bits) {
      best.value = compressed(best.value, stretch.lanes);
      if constexpr (kWinners) best.winner = compressed(best.winner, stretch.lanes);
    }
    const uint64_t some = least(stretch.outputs - at, kLanes<C>) < kLanes<C> ? bits : kAll;
    put_cells<S, C>(y, best.value, some);
    if constexpr (kWinners) store_bytes<C>(winners, best.winner, some);
  }

  template <class C, bool kClean, bool kWinners, bool kEdge>
  inline Best<C> windows(const S* from, int64_t edge, int64_t at) const {
    const uint64_t* inside = line_.inside + edge * taps_;
    const auto cells = [&](int64_t tap) {
      const S* cell = from + offset_[tap];
      return kEdge ? load_some<S, C>(cell, inside[tap] >> at, lowest<S, C>())
                   : load_cells<S, C>(cell);
    };
    Best<C> best{cells(0), {}};
    if constexpr (kWinners && kEdge) best.winner = widen_winners<C>(line_.first + edge * 64 + at);
    Vec<Winner<C>> winner{};
    const Vec<Winner<C>> one = broadcast<Winner<C>>(1);
    for (int64_t tap = 1; tap < (kTaps ? kTaps : taps_); ++tap) {
      winner += one;
      fold_in<kClean, kWinners, C>(best, cells(tap), winner);
    }
    return best;
  }

  static constexpr uint64_t kAll = ~uint64_t{0};
  static constexpr int64_t kLooked = 2048 / sizeof(S);  // cells at a time

  const Stretches line_;
  const int64_t taps_;
  const int64_t* const offset_;
  const int64_t reach_;  // of a stretch: cells from its first on
};

template <class S, class T, int kTaps>
int64_t stretches_of(const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  const Fold<S, T, kTaps> fold(work, plan);
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end; ++item, walk.next(work, plan)) {
    const S* x = static_cast<const S*>(work.source) + walk.x;
    S* y = static_cast<S*>(work.result) + walk.y;
    if (work.winners) {
      auto* winners = static_cast<uint8_t*>(work.winners) + walk.winners;
      fold.template outer_cell<true>(x, y, winners);
    } else {
      fold.template outer_cell<false>(x, y, nullptr);
    }
  }
  return 0;
}

template <class S, class T>
int64_t stretches(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  if (work.cells == 4) return stretches_of<S, T, 4>(work, plan, begin, end);
  if (work.cells == 9) return stretches_of<S, T, 9>(work, plan, begin, end);
  return stretches_of<S, T, 0>(work, plan, begin, end);
}

}  // namespace
}  // namespace ndpool

#endif
