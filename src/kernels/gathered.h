// Windows that share little, wherever their outputs are few in a row or their cells far apart: each
// lane of a vector asks for the cells of its own window, one tap after the other, straight from the
// user's array. Where each window begins, the plan has written down; so outputs fill the vectors
// whatever the rows and the outer cells they are in. AVX-512 alone has what it takes.
#pragma once

#include "direct.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// The cells at from[index of the lane], of the lanes whose bits are set; `low` in the others.
template <class T>
inline Vec<T> gathered_lanes(const T* from, const int32_t* index, uint64_t bits, T low) {
  const auto others = (__m512i)broadcast(low);
  if constexpr (sizeof(T) == 4) {
    const auto some = static_cast<__mmask16>(bits);
    return (Vec<T>)_mm512_mask_i32gather_epi32(others, some, _mm512_loadu_si512(index), from, 4);
  } else {
    const auto some = static_cast<__mmask8>(bits);
    const __m256i places = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
    return (Vec<T>)_mm512_mask_i32gather_epi64(others, some, places, from, 8);
  }
}

template <class T>
class Gathered {
 public:
  Gathered(const Work& work, const Forward& plan) : table_(plan.table), taps_(work.cells) {}

  // The vectors from `first` to `last` of so many outputs, which begin there.
  template <bool kWinners>
  void vectors(const T* x, T* y, uint8_t* winners, int64_t outputs, int64_t first,
               int64_t last) const {
    for (int64_t v = first; v < last; ++v) {
      const uint64_t stored = bits_between(0, outputs - v * L);
      uint8_t* to = kWinners ? winners + v * L : nullptr;
      prefetch<true>(address(y + v * L) + kWriteAhead);
      if (!best<true, kWinners>(x, v, stored, y + v * L, to)) {
        best<false, kWinners>(x, v, stored, y + v * L, to);  // once more: there is a NaN
      }
    }
  }

 private:
  static constexpr int L = kLanes<T>;

  // False, and nothing written, where it has to be exact.
  template <bool kClean, bool kWinners>
  inline bool best(const T* x, int64_t v, uint64_t stored, T* y, uint8_t* winners) const {
    const int32_t edge = table_.edge[v];
    return edge < 0 ? folded<kClean, kWinners, false>(x, v, 0, stored, y, winners)
                    : folded<kClean, kWinners, true>(x, v, edge, stored, y, winners);
  }

  template <bool kClean, bool kWinners, bool kEdge>
  inline bool folded(const T* x, int64_t v, int64_t edge, uint64_t stored, T* y,
                     uint8_t* winners) const {
    const int32_t* index = table_.begin + v * L;
    const uint16_t* inside = table_.inside + edge * taps_;
    const auto cells = [&](int64_t tap) {
      const uint64_t some = kEdge ? stored & inside[tap] : stored;
      return gathered_lanes<T>(x + table_.offset[tap], index, some, lowest<T, T>());
    };
    Seen<T, T> seen;
    Best<T> best{cells(0), {}};
    if constexpr (kWinners && kEdge) best.winner = widen_winners<T>(table_.first + edge * L);
    seen.look(best.value);
    Vec<Winner<T>> winner{};
    const Vec<Winner<T>> one = broadcast<Winner<T>>(1);
    for (int64_t tap = 1; tap < taps_; ++tap) {
      const Vec<T> next = cells(tap);
      winner += one;
      if constexpr (kClean) seen.look(next);
      fold_in<kClean, kWinners, T>(best, next, winner);
    }
    if (kClean && seen) return false;
    put_cells<T, T>(y, best.value, stored);
    if constexpr (kWinners) store_bytes<T>(winners, best.winner, stored);
    return true;
  }

  const Lookup table_;
  const int64_t taps_;
};

template <class T, bool kWinners>
void gather_all(const Work& work, const Forward& plan, int64_t begin, int64_t end) {
  const Gathered<T> gathered(work, plan);
  const Lookup& table = plan.table;
  Walk walk(work, plan, begin);
  for (int64_t item = begin; item < end;) {
    const T* x = static_cast<const T*>(work.source) + walk.x;
    T* y = static_cast<T*>(work.result) + walk.y;
    uint8_t* winners = kWinners ? static_cast<uint8_t*>(work.winners) + walk.winners : nullptr;
    const int64_t together = least(table.together, end - item);
    const int64_t outputs = together * table.outputs;
    const auto [first, last] =
        share_of(ceil_div(outputs, kLanes<T>), plan.cut[0].tiles, walk.number);
    gathered.template vectors<kWinners>(x, y, winners, outputs, first, last);
    item += together;
    if (table.together == 1) {
      walk.next(work, plan);
    } else {  // they lie one behind the other
      walk.x += together * table.cells;
      walk.y += outputs;
      walk.winners += outputs;
    }
  }
}

template <class T>
int64_t gathered(const Work& work, const Forward& plan, void*, int64_t begin, int64_t end) {
  work.winners ? gather_all<T, true>(work, plan, begin, end)
               : gather_all<T, false>(work, plan, begin, end);
  return 0;
}

}  // namespace
}  // namespace ndpool

#endif
