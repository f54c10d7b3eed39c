// Neighbouring cells of one or two bytes, two of them in a lane: windows two cells apart find
// theirs in the same lane, the first in its low half, the second in its high half, the third in the
// low half of the next lane. Nothing has to be sorted before the best are known.
#pragma once

#include "element.h"

#if defined(NDPOOL_AVX512)

namespace ndpool {
namespace {

// The integer twice as wide as one of one or two bytes.
template <class T>
using TwiceAsWide =
    std::conditional_t<sizeof(T) == 1, std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>,
                       std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>;

template <class T>
struct Packed {
  using Wide = TwiceAsWide<T>;
  using Lane = Vec<Wide>;
  static constexpr int kBits = 8 * static_cast<int>(sizeof(T));
  static constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};

  // The low halves moved up, the high halves moved down.
  static inline Lane up(Vec<T> pairs) { return (Lane)pairs << kBits; }
  static inline Vec<T> down(Vec<T> pairs) {
    return (Vec<T>)((Vec<std::make_unsigned_t<Wide>>)pairs >> kBits);
  }

  // The lanes from the second on, behind them the first one of `next`.
  static inline Vec<T> next_lanes(Vec<T> pairs, Vec<T> next) {
    if constexpr (sizeof(T) == 2) {
      return (Vec<T>)_mm512_alignr_epi32((__m512i)next, (__m512i)pairs, 1);
    } else {
      uint16_t numbers[32];
      for (uint16_t lane = 0; lane < 32; ++lane) numbers[lane] = static_cast<uint16_t>(lane + 1);
      return (Vec<T>)_mm512_permutex2var_epi16((__m512i)pairs, _mm512_loadu_si512(numbers),
                                               (__m512i)next);
    }
  }

  // The low halves of two vectors, and their high halves.
  static inline Vec<T> low_halves(Vec<T> a, Vec<T> b) { return every_second<0>(a, b, lanes); }
  static inline Vec<T> high_halves(Vec<T> a, Vec<T> b) { return every_second<1>(a, b, lanes); }

  // Keys with the value in the high half and the tap in the low one, so that of two equal values
  // the one of the earlier tap is greater.
  class Keys {
   public:
    inline void take(Lane values, T tap) {
      const auto number = static_cast<Wide>(static_cast<std::make_unsigned_t<T>>(~tap));
      const Lane keys = values | number;
      best_ = first_ ? keys : (keys > best_ ? keys : best_);
      first_ = false;
    }
    // The values that stand in the high halves of pairs.
    static inline Lane high_only(Vec<T> pairs) {
      constexpr auto kHigh = static_cast<Wide>(static_cast<Wide>(-1) << kBits);
      return (Lane)pairs & kHigh;
    }
    Vec<T> best() const { return (Vec<T>)best_; }

   private:
    Lane best_{};
    bool first_ = true;
  };
};

}  // namespace
}  // namespace ndpool

#endif
