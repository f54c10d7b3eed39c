// Elements as they are stored and as they are computed with.
//
// The two 2-byte floats are widened to float32, which is exact, bit tricks included: NaN payloads
// and subnormals survive the way there and back, whatever the rounding or flush-to-zero mode.
//
// To compare them, integers do: with the bits of negative ones turned over, they are in order. Only
// NaN, which is in no order, and -0.0, which comes right below 0.0 instead of being equal, are not
// what they should be; whoever meets one of these goes by float32.
#pragma once

#include <limits>
#include <type_traits>

#include "simd.h"

namespace ndpool {
namespace {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Every selection below is free of branches, so that compilers vectorise the loops around them.
inline float widen(Half half) {
  const uint32_t sign = uint32_t{half.bits & 0x8000u} << 16;
  const uint32_t magnitude = uint32_t{half.bits & 0x7fffu} << 13;
  const uint32_t normal = magnitude + (magnitude >= 0x0f800000u ? 0x70000000u : 0x38000000u);
  const float subnormal = of_bits(magnitude + 0x38800000u) - of_bits(0x38800000u);
  return of_bits(sign | (magnitude < 0x00800000u ? bits_of(subnormal) : normal));
}
inline float widen(Brain brain) { return of_bits(uint32_t{brain.bits} << 16); }

inline void narrow(float value, Half& half) {  // to nearest, ties to even
  const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffffu;
  const uint32_t subnormal = bits_of(of_bits(magnitude) + 0.5f) - bits_of(0.5f);
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t payload = (magnitude >> 13) & 0x3ffu;
  const uint32_t nan = 0x7c00u | payload | (payload == 0 ? 0x200u : 0u);
  uint32_t result = magnitude < 0x38800000u ? subnormal : normal;
  result = magnitude >= 0x477ff000u ? 0x7c00u : result;
  result = magnitude > 0x7f800000u ? nan : result;
  half.bits = static_cast<uint16_t>(result | ((bits >> 16) & 0x8000u));
}
inline void narrow(float value, Brain& brain) {  // to nearest, ties to even
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | ((bits & 0x7f0000u) == 0 ? 0x40u : 0u);
  brain.bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

inline int16_t in_order(int16_t bits) {  // to its place in the order, and back
  return static_cast<int16_t>(bits ^ ((bits >> 15) & 0x7fff));
}
inline Vec<int16_t> in_order(Vec<int16_t> bits) {
#if defined(NDPOOL_AVX512)
  const __m512i negative = _mm512_srai_epi16((__m512i)bits, 15), others = _mm512_set1_epi16(0x7fff);
  return (Vec<int16_t>)_mm512_ternarylogic_epi32((__m512i)bits, negative, others, 0x78);
#else
  return bits ^ ((bits >> 15) & static_cast<int16_t>(0x7fff));
#endif
}
template <class S>
constexpr int16_t infinity_bits = std::is_same_v<S, Half> ? 0x7c00 : 0x7f80;
// Whether there are values that their order as integers is wrong for.
template <class S>
class Disorder {
 public:
  void look(Vec<int16_t> values) {
    look_for_low(values);
    look_for_high(values);
  }
  // The same in two steps: of all values, and of the highest of each of any groups of them.
  void look_for_low(Vec<int16_t> values) {
    lowest_ = values < lowest_ ? values : lowest_;
    const auto bits = (Vec<uint16_t>)values;  // of those, -0.0 has the highest
    highest_bits_ = bits > highest_bits_ ? bits : highest_bits_;
  }
  void look_for_high(Vec<int16_t> values) { highest_ = values > highest_ ? values : highest_; }
  explicit operator bool() const {
    const auto high = broadcast(infinity_bits<S>);
#if defined(NDPOOL_AVX512)
    const auto minus_zero = _mm512_set1_epi16(-1);
    return (_mm512_cmpgt_epi16_mask((__m512i)highest_, (__m512i)high) |
            _mm512_cmplt_epi16_mask((__m512i)lowest_, (__m512i)~high) |
            _mm512_cmpeq_epi16_mask((__m512i)highest_bits_, minus_zero)) != 0;
#else
    return any(highest_ > high) || any(lowest_ < ~high) ||
           any((Vec<int16_t>)highest_bits_ == static_cast<int16_t>(-1));
#endif
  }

 private:
  Vec<int16_t> highest_{}, lowest_{};
  Vec<uint16_t> highest_bits_{};
};
inline void narrow(int16_t value, Half& half) {
  half.bits = static_cast<uint16_t>(in_order(value));
}
inline void narrow(int16_t value, Brain& brain) {
  brain.bits = static_cast<uint16_t>(in_order(value));
}

template <class T>
inline T widen(T value) {
  return value;
}

// Of bits that are a cell of dx without a sum, those that a sum beginning with zero would have:
// -0.0 becomes 0.0, and a NaN quiet.
template <class S, class T>
inline Vec<T> as_sum(Vec<T> values) {
  if constexpr (std::is_same_v<S, T>) {
    return values + Vec<T>{};
  } else {
    constexpr uint16_t kQuiet = std::is_same_v<S, Half> ? 0x200 : 0x40;
    const Vec<T> magnitude = values & T{0x7fff};
    values = magnitude > static_cast<T>(infinity_bits<S>) ? values | kQuiet : values;
    return magnitude == T{0} ? magnitude : values;
  }
}

// The stored value as one of T to compute with.
template <class T, class S>
inline T as(S stored) {
  if constexpr (std::is_same_v<T, int16_t> && !std::is_same_v<S, int16_t>) {
    return in_order(static_cast<int16_t>(stored.bits));
  } else {
    return widen(stored);
  }
}
template <class T, class S>
inline void narrow(T value, S& stored) {
  stored = static_cast<S>(value);
}

// The value below which nothing of the stored type lies, as a computed one.
template <class S, class T>
constexpr T lowest() {
  if constexpr (std::is_same_v<S, Half> || std::is_same_v<S, Brain>) {
    if constexpr (std::is_same_v<T, int16_t>) return static_cast<int16_t>(~infinity_bits<S>);
  }
  if constexpr (std::is_floating_point_v<T>) {
    return -std::numeric_limits<T>::infinity();
  } else if constexpr (std::is_integral_v<S>) {
    return std::numeric_limits<S>::min();
  }
}

// Runs of elements, to what is computed with and back.
template <class S, class T>
inline void widen_run(T* to, const S* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = as<T>(from[i]);
}
template <class T, class S>
inline void narrow_run(S* to, const T* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) narrow(from[i], to[i]);
}
#if defined(NDPOOL_AVX512)
// A Brain is the upper half of a float: one permutation each way.
inline Vec<float> widened_brains(__m256i brains) {
  constexpr auto to = [](int lane) { return lane << 16; };
  const __m512i places =
      _mm512_setr_epi32(to(0), to(1), to(2), to(3), to(4), to(5), to(6), to(7), to(8), to(9),
                        to(10), to(11), to(12), to(13), to(14), to(15));
  constexpr __mmask32 kUpper = 0xaaaaaaaa;
  return (Vec<float>)_mm512_maskz_permutexvar_epi16(kUpper, places, _mm512_castsi256_si512(brains));
}
inline __m256i upper_halves(__m512i floats) {
  constexpr auto two = [](int lane) { return (lane + 2) << 16 | lane; };
  const __m512i places = _mm512_setr_epi32(two(1), two(5), two(9), two(13), two(17), two(21),
                                           two(25), two(29), 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castsi512_si256(_mm512_permutexvar_epi16(places, floats));
}
inline __m512i rounded_numbers(Vec<float> values) {  // as in `narrow`: in the upper halves
  const __m512i bits = _mm512_castps_si512(values);
  const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
  const __m512i even_up = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
  return _mm512_mask_add_epi32(even_up, odd, bits, _mm512_set1_epi32(0x8000));
}
// The processor's own conversion, but for NaN, of which it would change the payload.
inline Vec<float> widen_16(__m256i halves) {
  const __m512 wide = _mm512_cvtph_ps(halves);
  if (__builtin_expect(_mm512_cmp_ps_mask(wide, wide, _CMP_UNORD_Q) == 0, true)) return wide;
  Half cells[16];
  float values[16];
  std::memcpy(cells, &halves, sizeof cells);
  for (int i = 0; i < 16; ++i) values[i] = widen(cells[i]);
  return load(values);
}
template <class S>
inline __m256i narrow_16(Vec<float> values) {
  if (__builtin_expect(_mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q) == 0, true)) {
    if constexpr (std::is_same_v<S, Half>) {
      constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
      return _mm512_maskz_cvtps_ph(0xffff, values, kNearest);
    } else {
      return upper_halves(rounded_numbers(values));
    }
  }
  float cells[16];
  S narrowed[16];
  store(cells, values);
  for (int i = 0; i < 16; ++i) narrow(cells[i], narrowed[i]);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(narrowed));
}
template <>
inline void widen_run(float* to, const Half* from, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const auto some = static_cast<uint16_t>(count - i < 16 ? (1 << (count - i)) - 1 : 0xffff);
    const Vec<float> wide = widen_16(_mm256_maskz_loadu_epi16(some, from + i));
    _mm512_mask_storeu_ps(to + i, some, wide);
  }
}
template <class S>
inline void narrow_halves(S* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const auto some = static_cast<uint16_t>(count - i < 16 ? (1 << (count - i)) - 1 : 0xffff);
    _mm256_mask_storeu_epi16(to + i, some, narrow_16<S>(_mm512_maskz_loadu_ps(some, from + i)));
  }
}
#elif defined(__AVX2__)
// The same of eight.
inline Vec<float> widened_brains(__m128i brains) {
  return (Vec<float>)_mm256_slli_epi32(_mm256_cvtepu16_epi32(brains), 16);
}
inline __m128i upper_halves(__m256i floats) {
  const __m256i upper = _mm256_srli_epi32(floats, 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}
inline __m256i rounded_numbers(Vec<float> values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
}
inline bool any_nan_in(Vec<float> values) {
  return _mm256_movemask_ps(_mm256_cmp_ps(values, values, _CMP_UNORD_Q)) != 0;
}
inline Vec<float> widen_8(__m128i halves) {
  const __m256 wide = _mm256_cvtph_ps(halves);
  if (__builtin_expect(!any_nan_in(wide), true)) return wide;
  Half cells[8];
  float values[8];
  std::memcpy(cells, &halves, sizeof cells);
  for (int i = 0; i < 8; ++i) values[i] = widen(cells[i]);
  return load(values);
}
constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
template <class S>
inline __m128i narrow_8(Vec<float> values) {
  if (__builtin_expect(!any_nan_in(values), true)) {
    if constexpr (std::is_same_v<S, Half>) return _mm256_cvtps_ph(values, kNearest);
    return upper_halves(rounded_numbers(values));
  }
  float cells[8];
  S narrowed[8];
  store(cells, values);
  for (int i = 0; i < 8; ++i) narrow(cells[i], narrowed[i]);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(narrowed));
}
template <>
inline void widen_run(float* to, const Half* from, int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    store(to + i, widen_8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
  for (; i < count; ++i) to[i] = widen(from[i]);
}
template <class S>
inline void narrow_halves(S* to, const float* from, int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), narrow_8<S>(load(from + i)));
  }
  for (; i < count; ++i) narrow(from[i], to[i]);
}
#endif
#if defined(__AVX2__)
template <>
inline void narrow_run(Half* to, const float* from, int64_t count) {
  narrow_halves(to, from, count);
}
template <>
inline void narrow_run(Brain* to, const float* from, int64_t count) {
  narrow_halves(to, from, count);
}
#endif

// The best values so far of windows side by side, and which cells they are.
template <class T>
struct Best {
  Vec<T> value;
  Vec<Winner<T>> winner;
};

// `next`, unless what was found before is as good. kClean: there is no NaN in either.
template <bool kClean, bool kWinners, class T>
inline void fold_in(Best<T>& best, Vec<T> next, Vec<Winner<T>> winner) {
  if constexpr (kClean && !kWinners) {
    best.value = greater<T>(next, best.value);
  } else {
    const auto wins = [&] {
      if constexpr (kClean) return above<T>(next, best.value);
      if constexpr (!kClean) return beats<T>(next, best.value);
    }();
#if defined(NDPOOL_AVX512)
    best.value = pick(wins, next, best.value);
#else
    best.value = kClean ? greater<T>(next, best.value) : pick(wins, next, best.value);
#endif
    if constexpr (kWinners) best.winner = pick(wins, winner, best.winner);
  }
}

#if defined(NDPOOL_AVX512)
// Sums of widened values, as they are stored. A NaN among them is quiet, and the lower half of its
// bits is zero, so that rounding leaves a Brain as it is.
inline __m256i narrowed_half(Vec<float> sums) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return _mm512_maskz_cvtps_ph(0xffff, sums, kNearest);
}
template <class S>
inline __m256i narrowed_sums(Vec<float> sums) {
  if constexpr (std::is_same_v<S, Half>) return narrowed_half(sums);
  return upper_halves(rounded_numbers(sums));
}
// Those of two vectors in turn.
template <class S>
inline Vec<uint16_t> halves_in_turn(Vec<float> a, Vec<float> b) {
  if constexpr (std::is_same_v<S, Half>) {
    constexpr auto two = [](int lane) { return (lane + 16) << 16 | lane; };
    const __m512i places =
        _mm512_setr_epi32(two(0), two(1), two(2), two(3), two(4), two(5), two(6), two(7), two(8),
                          two(9), two(10), two(11), two(12), two(13), two(14), two(15));
    const __m512i first = _mm512_castsi256_si512(narrowed_half(a));
    const __m512i both = _mm512_inserti64x4(first, narrowed_half(b), 1);
    return (Vec<uint16_t>)_mm512_permutexvar_epi16(places, both);
  } else {  // the upper halves, and up where the lower ones are above a half, or that and odd
    constexpr __mmask32 kUpper = 0xaaaaaaaa;
    constexpr int kOrBoth = 0xf8;  // the first, or the other two
    const auto first = (__m512i)a, second = (__m512i)b, one = _mm512_set1_epi16(1);
    const __m512i high = _mm512_mask_blend_epi16(kUpper, _mm512_srli_epi32(first, 16), second);
    const __m512i low = _mm512_mask_blend_epi16(kUpper, first, _mm512_slli_epi32(second, 16));
    const __m512i rest = _mm512_ternarylogic_epi32(low, high, one, kOrBoth);
    const __mmask32 up = _mm512_cmpgt_epu16_mask(rest, _mm512_set1_epi16(-0x8000));
    return (Vec<uint16_t>)_mm512_mask_add_epi16(high, up, high, one);
  }
}
#elif defined(__AVX2__)
template <class S>
inline __m128i narrowed_sums(Vec<float> sums) {
  if constexpr (std::is_same_v<S, Half>) return _mm256_cvtps_ph(sums, kNearest);
  return upper_halves(rounded_numbers(sums));
}
template <class S>
inline Vec<uint16_t> halves_in_turn(Vec<float> a, Vec<float> b) {
  if constexpr (std::is_same_v<S, Half>) {
    const __m128i even = narrowed_sums<S>(a), odd = narrowed_sums<S>(b);
    return (Vec<uint16_t>)_mm256_set_m128i(_mm_unpackhi_epi16(even, odd),
                                           _mm_unpacklo_epi16(even, odd));
  } else {  // the upper halves, and up where the lower ones are above a half, or that and odd
    constexpr int kUpper = 0xaa;
    const auto first = (__m256i)a, second = (__m256i)b;
    const auto high =
        (Vec<uint16_t>)_mm256_blend_epi16(_mm256_srli_epi32(first, 16), second, kUpper);
    const auto low =
        (Vec<uint16_t>)_mm256_blend_epi16(first, _mm256_slli_epi32(second, 16), kUpper);
    const auto above_half = (Vec<int16_t>)((low ^ uint16_t{0x8000}) | (high & uint16_t{1})) > 0;
    return high - (Vec<uint16_t>)above_half;  // which is -1 where it is so
  }
}
#endif

// ---- lanes from the user's cells, and back ----

#if defined(NDPOOL_AVX512)
// The lanes whose bits are set; nothing else is read.
inline Vec<float> widened_some(const Half* from, uint64_t bits) {
  return widen_16(_mm256_maskz_loadu_epi16(static_cast<__mmask16>(bits), from));
}
inline Vec<float> widened_some(const Brain* from, uint64_t bits) {
  const __m256i brains = _mm256_maskz_loadu_epi16(static_cast<__mmask16>(bits), from);
  return widened_brains(brains);
}
#elif defined(__AVX2__)
// The lanes up to the last one whose bit is set, zero behind it.
template <class S>
inline __m128i first_cells(const S* from, uint64_t bits) {
  constexpr int kCells = 16 / sizeof(S);
  uint64_t some[4] = {};  // with room that the compiler asks for
  copy_lanes<kCells>(reinterpret_cast<S*>(some), from, bits);
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(some));
}
inline Vec<float> widened_some(const Half* from, uint64_t bits) {
  return widen_8(first_cells(from, bits));
}
inline Vec<float> widened_some(const Brain* from, uint64_t bits) {
  return widened_brains(first_cells(from, bits));
}
#endif

template <class S, class T>
inline Vec<T> load_cells(const S* from) {
  if constexpr (std::is_same_v<S, T>) {
    return load(from);
  } else if constexpr (std::is_same_v<T, int16_t> && !std::is_integral_v<S>) {
    return in_order(load(reinterpret_cast<const int16_t*>(from)));
#if defined(NDPOOL_AVX512)
  } else if constexpr (std::is_same_v<S, Half>) {
    return widen_16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  } else if constexpr (std::is_same_v<S, Brain>) {
    const __m256i brains = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return widened_brains(brains);
#elif defined(__AVX2__)
  } else if constexpr (std::is_same_v<S, Half>) {
    return widen_8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  } else if constexpr (std::is_same_v<S, Brain>) {
    return widened_brains(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  } else if constexpr (std::is_same_v<T, int16_t> && sizeof(S) == 1) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return (Vec<T>)(std::is_signed_v<S> ? _mm256_cvtepi8_epi16(bytes)
                                        : _mm256_cvtepu8_epi16(bytes));
#endif
  } else {
    T cells[kLanes<T>];
    for (int lane = 0; lane < kLanes<T>; ++lane) cells[lane] = widen(from[lane]);
    return load(cells);
  }
}

// Whether halves are computed with as the bits they are, which does where none is added to another.
template <class S, class T>
constexpr bool kAsBits = !std::is_integral_v<S> && std::is_same_v<T, uint16_t>;

// The same where they are added to something, which makes a NaN quiet in any case.
template <class S, class T>
inline Vec<T> load_summands(const S* from) {
  if constexpr (kAsBits<S, T>) {
    return as_sum<S, T>(load(reinterpret_cast<const T*>(from)));
#if defined(NDPOOL_AVX512)
  } else if constexpr (std::is_same_v<S, Half> && std::is_same_v<T, float>) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_maskz_cvtph_ps(0xffff, halves);
#elif defined(__AVX2__)
  } else if constexpr (std::is_same_v<S, Half> && std::is_same_v<T, float>) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#endif
  } else {
    return load_cells<S, T>(from);
  }
}

// Store the lanes whose bits are set, as the array has them.
template <class S, class T>
inline void put_cells(S* to, Vec<T> values, uint64_t bits = ~uint64_t{0}) {
  if constexpr (std::is_same_v<S, T>) {
    bits == ~uint64_t{0} ? store(to, values) : store_some(to, values, bits);
#if defined(NDPOOL_AVX512)
  } else if constexpr (std::is_same_v<T, int16_t> && sizeof(S) == 1) {
    _mm512_mask_cvtepi16_storeu_epi8(to, static_cast<__mmask32>(bits), (__m512i)values);
#elif defined(__AVX2__)
  } else if constexpr (std::is_same_v<T, int16_t> && sizeof(S) == 1) {
    const auto v = (__m256i)(values & int16_t{0xff});  // so that none is too large
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    put_some<16>(reinterpret_cast<uint8_t*>(to), bytes, bits);
#endif
  } else if constexpr (std::is_same_v<T, int16_t>) {
    store_some(reinterpret_cast<int16_t*>(to), in_order(values), bits);
#if defined(NDPOOL_AVX512)
  } else if constexpr (std::is_same_v<T, float>) {
    _mm256_mask_storeu_epi16(to, static_cast<__mmask16>(bits), narrow_16<S>(values));
#elif defined(__AVX2__)
  } else if constexpr (std::is_same_v<T, float>) {
    S narrowed[8];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(narrowed), narrow_8<S>(values));
    store_first(to, narrowed, 8, bits);
#endif
  } else {
    T computed[kLanes<T>];
    S stored[kLanes<T>];
    store(computed, values);
    narrow_run(stored, computed, kLanes<T>);
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      if (bits >> lane & 1) to[lane] = stored[lane];
    }
  }
}

// Store a vector of sums.
template <class S, class T>
inline void put_sums(S* to, Vec<T> sums) {
#if defined(NDPOOL_AVX512)
  if constexpr (!std::is_same_v<S, T>) {
    return _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrowed_sums<S>(sums));
  }
#elif defined(__AVX2__)
  if constexpr (!std::is_same_v<S, T>) {
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrowed_sums<S>(sums));
  }
#endif
  put_cells<S, T>(to, sums);
}

// The cells of two vectors in turn, or as many of them as are asked for.
template <class S, class T>
__attribute__((always_inline)) inline void store_pairs(S* to, int64_t count, Vec<T> a, Vec<T> b) {
  constexpr int L = kLanes<T>;
  const Vec<T> low = interleaved<T, 0>(a, b), high = interleaved<T, 1>(a, b);
  if (count >= 2 * L) {
    put_cells<S, T>(to, low);
    put_cells<S, T>(to + L, high);
  } else {
    put_cells<S, T>(to, low, first_bits(count));
    if (count > L) put_cells<S, T>(to + L, high, first_bits(count - L));
  }
}

// The same of sums, in which a NaN is always quiet.
template <class S, class T>
__attribute__((always_inline)) inline void store_sums(S* to, int64_t count, Vec<T> a, Vec<T> b) {
  if constexpr (kAsBits<S, T>) {
    store_pairs<T, T>(reinterpret_cast<T*>(to), count, a, b);
#if defined(__AVX2__)
  } else if constexpr (!std::is_same_v<S, T>) {
    const auto halves = halves_in_turn<S>(a, b);
    store_some(reinterpret_cast<uint16_t*>(to), halves, first_bits(count));
#endif
  } else {
    store_pairs<S, T>(to, count, a, b);
  }
}

}  // namespace
}  // namespace ndpool
