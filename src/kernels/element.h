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
    highest_ = values > highest_ ? values : highest_;
    lowest_ = values < lowest_ ? values : lowest_;
    const auto bits = (Vec<uint16_t>)values;  // of those, -0.0 has the highest
    highest_bits_ = bits > highest_bits_ ? bits : highest_bits_;
  }
  explicit operator bool() const {
    const auto high = broadcast(infinity_bits<S>);
    return any_true<int16_t>(highest_ > high) || any_true<int16_t>(lowest_ < ~high) ||
           any_true<int16_t>((Vec<int16_t>)highest_bits_ == static_cast<int16_t>(-1));
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
inline __m256i narrow_16(Vec<float> values) {
  const __m256i halves =
      _mm512_maskz_cvtps_ph(0xffff, values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  if (__builtin_expect(_mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q) == 0, true)) return halves;
  float cells[16];
  Half narrowed[16];
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
template <>
inline void narrow_run(Half* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const auto some = static_cast<uint16_t>(count - i < 16 ? (1 << (count - i)) - 1 : 0xffff);
    _mm256_mask_storeu_epi16(to + i, some, narrow_16(_mm512_maskz_loadu_ps(some, from + i)));
  }
}
#endif

}  // namespace
}  // namespace ndpool
