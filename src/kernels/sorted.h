// Neighbouring columns of cells of four or eight bytes, of which the best rows are known: windows
// two cells apart sort them by even and odd ones, once for all their rows. See Packed for narrower
// cells.
#pragma once

#include "element.h"

#if defined(__AVX2__)

namespace ndpool {
namespace {

template <class T>
struct Sorted {
  using Number = Winner<T>;
  static constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};

  // That of the first cell of each pair of columns, and so far of the second one's as well.
  static Number numbers(int64_t tap) { return static_cast<Number>(tap); }

  // The best of windows that begin with the pairs of two vectors of columns, a third one behind
  // them. kKernel: columns of a window.
  template <bool kWinners, int kKernel>
  static inline Best<T> across(const Best<T>& low, const Best<T>& high, const Best<T>& behind) {
    Best<T> best = every<0, kWinners>(low, high);
    Best<T> third{shifted_lanes<1, T>(best.value, behind.value), {}};
    if constexpr (kWinners) {
      third.winner = shifted_lanes<1, Number>(best.winner, behind.winner) + broadcast(Number{2});
    }
    Best<T> second = every<1, kWinners>(low, high);
    if constexpr (kWinners) second.winner += broadcast(Number{1});
    take<kWinners>(best, second);
    if constexpr (kKernel == 3) take<kWinners>(best, third);
    return best;
  }

 private:
  template <int kFrom, bool kWinners>
  static inline Best<T> every(const Best<T>& low, const Best<T>& high) {
    Best<T> of{every_second<kFrom>(low.value, high.value, lanes), {}};
    if constexpr (kWinners) of.winner = every_second<kFrom>(low.winner, high.winner, lanes);
    return of;
  }

  // Of equal cells the one with the lower number, be it in a column further on.
  template <bool kWinners>
  static inline void take(Best<T>& best, const Best<T>& next) {
    if constexpr (kWinners) {
#if defined(NDPOOL_AVX512)
      auto wins = earlier(next.winner, best.winner);
      wins = same_mask(wins, next.value, best.value);
      wins |= above_mask(next.value, best.value);  // | alone would make an int
      best.value = (Vec<T>)pick(wins, (Vec<Number>)next.value, (Vec<Number>)best.value);
      best.winner = pick(wins, next.winner, best.winner);
#else
      using Bits = Vec<std::make_signed_t<Number>>;
      const auto before = (Bits)next.winner < (Bits)best.winner;
      const Bits wins = ((Bits)(next.value == best.value) & before) | (next.value > best.value);
      best.value = wins ? next.value : best.value;
      best.winner = wins ? next.winner : best.winner;
#endif
    } else {
      best.value = greater<T>(next.value, best.value);
    }
  }

#if defined(NDPOOL_AVX512)
  static inline auto above_mask(Vec<T> a, Vec<T> b) {
    if constexpr (std::is_floating_point_v<T>) return above<T>(a, b);
    if constexpr (std::is_same_v<T, int32_t>) {
      return _mm512_cmpgt_epi32_mask((__m512i)a, (__m512i)b);
    }
    if constexpr (std::is_same_v<T, uint32_t>) {
      return _mm512_cmpgt_epu32_mask((__m512i)a, (__m512i)b);
    }
    if constexpr (std::is_same_v<T, int64_t>) {
      return _mm512_cmpgt_epi64_mask((__m512i)a, (__m512i)b);
    }
    if constexpr (std::is_same_v<T, uint64_t>) {
      return _mm512_cmpgt_epu64_mask((__m512i)a, (__m512i)b);
    }
  }
  static inline auto earlier(Vec<Number> a, Vec<Number> b) {
    if constexpr (sizeof(T) == 4) return _mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b);
    if constexpr (sizeof(T) == 8) return _mm512_cmplt_epu64_mask((__m512i)a, (__m512i)b);
  }
  template <class Mask>
  static inline Mask same_mask(Mask of, Vec<T> a, Vec<T> b) {
    if constexpr (std::is_same_v<T, float>) return _mm512_mask_cmp_ps_mask(of, a, b, _CMP_EQ_OQ);
    if constexpr (std::is_same_v<T, double>) return _mm512_mask_cmp_pd_mask(of, a, b, _CMP_EQ_OQ);
    if constexpr (std::is_integral_v<T> && sizeof(T) == 4) {
      return _mm512_mask_cmpeq_epi32_mask(of, (__m512i)a, (__m512i)b);
    }
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      return _mm512_mask_cmpeq_epi64_mask(of, (__m512i)a, (__m512i)b);
    }
  }
#endif
};

}  // namespace
}  // namespace ndpool

#endif
