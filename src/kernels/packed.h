// Neighbouring cells of one or two bytes, two of them in a lane: windows two cells apart find
// theirs in the same lane, the first in its low half, the second in its high half, the third in the
// low half of the next lane. Nothing has to be sorted before the best are known.
#pragma once

#include "element.h"

#if defined(__AVX2__)

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
    return shifted_lanes<2, T>(pairs, next);
  }

  // The low halves of two vectors, and their high halves.
  static inline Vec<T> low_halves(Vec<T> a, Vec<T> b) { return every_second<0>(a, b, lanes); }
  static inline Vec<T> high_halves(Vec<T> a, Vec<T> b) { return every_second<1>(a, b, lanes); }

  // Of the two cells of a pair, the first of which is this tap: ~ their numbers. So of two keys
  // with the value in the high half and this in the low one, the greater has the greater value, or
  // the same and the earlier tap.
  static Wide numbers(int64_t tap) {
    using U = std::make_unsigned_t<Wide>;
    const auto low = static_cast<U>(static_cast<std::make_unsigned_t<T>>(~tap));
    return static_cast<Wide>(low | static_cast<U>(static_cast<U>(~(tap + 1)) << kBits));
  }
  static inline Lane low_keys(const Best<T>& best) {
    constexpr auto kLow = static_cast<Wide>(static_cast<std::make_unsigned_t<T>>(-1));
    return up(best.value) | ((Lane)best.winner & kLow);
  }
  static inline Lane high_keys(const Best<T>& best) {
    constexpr auto kHigh = static_cast<Wide>(static_cast<Wide>(-1) << kBits);
    return ((Lane)best.value & kHigh) | (Lane)down((Vec<T>)best.winner);
  }

  // The best of windows that begin with the pairs of two vectors of columns, a third one behind
  // them. kKernel: columns of a window.
  template <bool kWinners, int kKernel>
  static inline Best<T> across(const Best<T>& low, const Best<T>& high, const Best<T>& behind) {
    Best<T> best{};
    if constexpr (kWinners) {
      Lane first = low_keys(low), second = low_keys(high);
      const Lane low_of_first = first, low_of_second = second;
      first = later(high_keys(low), first);
      second = later(high_keys(high), second);
      if constexpr (kKernel == 3) {
        const auto third = [](Lane keys, Lane next) {  // of the pair behind, two taps on
          return (Lane)next_lanes((Vec<T>)keys, (Vec<T>)next) - Wide{2};
        };
        first = later(third(low_of_first, low_of_second), first);
        second = later(third(low_of_second, low_keys(behind)), second);
      }
      best.value = high_halves((Vec<T>)first, (Vec<T>)second);
      best.winner = ~(Vec<Winner<T>>)low_halves((Vec<T>)first, (Vec<T>)second);
    } else {
      Vec<T> first = greater<T>(down(low.value), low.value);
      Vec<T> second = greater<T>(down(high.value), high.value);
      if constexpr (kKernel == 3) {
        first = greater<T>(next_lanes(low.value, high.value), first);
        second = greater<T>(next_lanes(high.value, behind.value), second);
      }
      best.value = low_halves(first, second);
    }
    return best;
  }

 private:
  static inline Lane later(Lane keys, Lane before) { return keys > before ? keys : before; }
};

}  // namespace
}  // namespace ndpool

#endif
